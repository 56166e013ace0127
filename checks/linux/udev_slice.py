"""The rules that can bear on what is asked: of several hundred that a distribution brings, a handful.

As a program is sliced: a rule counts if it has what is asked for, if it leaves something that such a rule reads, or if
its GOTO may jump over one; and so on, until there are no more. Playing the others changes nothing that is asked for.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

from checks.linux.udev_language import Rule
from checks.linux.udev_parts import Parts

Played = Sequence[tuple[Rule, Parts | None]]
"""Rules in order, with their parts; one without is there for its LABEL only."""


def reached(rules: Played) -> Played:
    """The rules without those that a sure GOTO jumps over: whole files are for devices of another kind."""
    found: list[tuple[Rule, Parts | None]] = []
    at = may_jump_until = 0
    while at < len(rules):
        rule, parts = rules[at]
        found.append(rules[at])
        at += 1
        if parts is None or rule.goto is None:
            continue
        end = _end(rules, at - 1)
        # A rule that is told is here for every event, and says which GOTO jumps over it.
        told = any(other and other.telling for _, other in rules[at - 1 : end])
        if parts.sure and not told and at > may_jump_until:
            at = end
        else:
            may_jump_until = max(may_jump_until, end)
    return found


def needed(rules: Played, builtins: Mapping[str, Iterable[str]]) -> Played:
    """Those of an event's rules that count, and the LABELs where their GOTOs end.

    `builtins`: the properties that each of udevd's builtins gives for this event.
    """
    leaving: dict[str, list[int]] = defaultdict(list)
    ends: dict[int, int] = {}
    waiting = []
    for at, (rule, parts) in enumerate(rules):
        if parts is None:
            continue
        for what in parts.ties.left(builtins):
            leaving[what].append(at)
        if rule.goto is not None:
            ends[at] = _end(rules, at)
        if parts.telling or parts.ties.asked:
            waiting.append(at)
    kept: set[int] = set()
    while waiting:
        at = waiting.pop()
        parts = rules[at][1]
        if at in kept or parts is None:
            continue
        kept.add(at)
        for what in parts.ties.reads:
            waiting += leaving.pop(what, ())
        waiting += [start for start, end in ends.items() if start < at < end]
    labels = {ends[at] for at in kept if at in ends}
    return tuple(
        (rule, parts if at in kept else None) for at, (rule, parts) in enumerate(rules) if at in kept or at in labels
    )


def _end(rules: Played, start: int) -> int:
    """Where the GOTO of a rule ends: at its label, or with its file."""
    jump = rules[start][0]
    for at in range(start + 1, len(rules)):
        rule = rules[at][0]
        if rule.file != jump.file or rule.label == jump.goto:
            return at
    return len(rules)
