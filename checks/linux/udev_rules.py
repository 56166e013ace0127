"""What udevd does with an event: rules applied one by one, "unknown" where only the running host could tell.

Source: systemd 252 and 257 src/udev/udev-rules.c (udev_rule_apply_token_to_event and the like for parents).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from checks.linux.udev_event import Event, Run, Value, compare_own, compare_parent, exists, property_of, substitute
from checks.linux.udev_language import Rule, Token
from checks.linux.udev_match import is_glob, matches
from checks.linux.udev_parts import Parts
from checks.linux.udev_rule_set import RuleSet

_VALUE_BYTES = 512  # UDEV_NAME_SIZE: udevd refuses what is longer


class Miss(NamedTuple):  # most rules miss at most events
    """A comparison that does not hold (`certain`), or of which that is not known. `found`: None when not known."""

    token: Token
    found: Value
    certain: bool


@dataclass(frozen=True, slots=True)
class Step:
    """How one rule fared. `applies` is None when that is not known. `skipped_by`: the GOTO that jumped over it."""

    rule: Rule
    applies: bool | None
    misses: tuple[Miss, ...] = ()
    skipped_by: Rule | None = None


Writer = Callable[[Rule, Token, Event, str, Value, bool], None]
"""Told of every assignment to an attribute and of every program: rule, token, event, path or kind, value, certain."""


def apply(rules: RuleSet, event: Event, write: Writer) -> tuple[list[Step], Run]:
    """Send an event through the rules of all files in order.

    `write` is told of writes at once and of programs at the end, as udevd runs them. Steps of rules that the set calls
    telling are kept.
    """
    run = Run(event, dict(event.properties))
    programs: list[tuple[Rule, Token, Value, bool]] = []
    steps: list[Step] = []
    jump: Rule | None = None
    doubt: Rule | None = None
    for rule, parts in rules.for_event(event):
        jump = None if jump is None else _still(jump, rule)
        doubt = None if doubt is None else _still(doubt, rule)
        if parts is None:  # about other events, and here because it has a LABEL
            continue
        if jump is not None:
            if parts.telling:
                steps.append(Step(rule, applies=False, skipped_by=jump))
            continue
        misses, applies = _match(parts, run)
        applies = None if applies and doubt is not None else applies
        if parts.telling:
            steps.append(Step(rule, applies, misses, skipped_by=doubt if applies is None and not misses else None))
        if applies is False:
            continue
        _assign(parts, run, write, programs, certain=applies is True)
        if rule.goto is not None:
            jump, doubt = (rule, doubt) if applies else (None, doubt or rule)
    for rule, token, value, certain in programs:
        write(rule, token, event, "RUN", value, certain)
    return steps, run


def _still(jump: Rule, rule: Rule) -> Rule | None:
    """The jump that is still under way at `rule`: it ends at its label, and with its file."""
    if rule.file != jump.file:
        return None
    return None if not rule.problem and rule.label == jump.goto else jump


def _match(parts: Parts, run: Run) -> tuple[tuple[Miss, ...], bool | None]:
    """Whether the rule applies, and what stands against it: all comparisons of a telling rule, else enough of them."""
    rule, thorough = parts.rule, parts.telling
    misses = _misses(parts.own, lambda token: compare_own(token, run), thorough=thorough)
    of_parents = parts.of_parents
    refused = any(miss.certain for miss in misses)
    if of_parents and (thorough or not refused):
        before = run.parent
        misses += _match_parents(of_parents, run, thorough=thorough)
        run.parent = before if refused else run.parent
    for token in parts.late:
        # udevd stops at the first that does not hold, and so imports nothing after it.
        if any(miss.certain for miss in misses):
            break
        known = not misses
        misses += _misses([token], lambda token, known=known: _test(token, rule, run, certain=known), thorough=True)  # type: ignore[misc]
    if not misses:
        return (), True
    applies = False if any(miss.certain for miss in misses) else None
    return tuple(miss for miss in misses if miss.certain is (applies is False)), applies


def _test(token: Token, rule: Rule, run: Run, *, certain: bool) -> tuple[Value, bool | None]:
    """TEST, PROGRAM, IMPORT and RESULT. What a program answers, only the host could tell."""
    if token.key == "TEST":
        return exists(token, run)
    return None, _import(token, rule, run, certain=certain) if token.key == "IMPORT" else None


def _misses(
    tokens: Iterable[Token], test: Callable[[Token], tuple[Value, bool | None]], *, thorough: bool
) -> list[Miss]:
    """What does not hold; without `thorough` nothing after the first that certainly does not: udevd stops there."""
    misses: list[Miss] = []
    for token in tokens:
        found, verdict = test(token)
        if verdict is not True:
            misses.append(Miss(token, found, certain=verdict is False))
            if verdict is False and not thorough:
                break
    return misses


def _match_parents(tokens: Sequence[Token], run: Run, *, thorough: bool) -> list[Miss]:
    """All comparisons with parents must hold for one and the same device; the event's own counts as one."""
    best: list[Miss] | None = None
    for device in run.event.chain:
        misses = _misses(tokens, lambda token, device=device: compare_parent(token, device, run), thorough=thorough)  # type: ignore[misc]
        if not misses:
            run.parent = device
            return []
        if best is None or _badness(misses) < _badness(best):
            best = misses
    run.parent = None
    if not thorough:
        return best or []
    return [Miss(miss.token, _in_chain(miss.token, run), miss.certain) for miss in best or []]


def _badness(misses: list[Miss]) -> int:
    return sum(miss.certain for miss in misses)


def _in_chain(token: Token, run: Run) -> Value:
    """What the devices up the chain have, for the message."""
    found = [value for device in run.event.chain for value, _ in [compare_parent(token, device, run)] if value]
    return ", ".join(dict.fromkeys(found))


def _import(token: Token, rule: Rule, run: Run, *, certain: bool) -> bool | None:
    """Do what IMPORT does, and say whether it succeeds; None when only the host could tell."""
    event, command = run.event, token.value.split()
    found: Mapping[str, Value] | None = None
    known = True
    match token.attribute:
        case "builtin" | "program" if command and (token.attribute == "builtin" or command[0] in event.builtins):
            found = event.builtins.get(command[0])
        case "db":
            known = event.database is not None
            found = {token.value: None} if event.database is None else _one(event.database, token.value)
        case "cmdline":
            found = _one(event.parameters, token.value)
        case "parent":
            found = _from_parent(token.value, run)
        case _:
            run.opaque = True
    if found is None:
        return None
    for name, value in found.items():
        _set(run, rule, name, value if certain else None)
    if not certain or not known:
        return None
    succeeds = bool(found) or token.attribute == "parent"
    return succeeds == (token.operator != "!=")


def _one(table: Mapping[str, str], name: str) -> Mapping[str, Value]:
    return {name: table[name]} if name in table else {}


def _from_parent(pattern: str, run: Run) -> Mapping[str, Value]:
    """What the device above gives: what the kernel says of it, and what rules set, which is not known here."""
    wanted = substitute(pattern, run)
    if wanted is None:
        run.opaque = True
        return {}
    known = {name: value for name, value in run.event.of_parent.items() if matches(wanted, name)}
    if not known and not is_glob(wanted):
        return {wanted: None}
    run.opaque = run.opaque or not known
    return known


def _set(run: Run, rule: Rule, name: str, value: Value) -> None:
    run.properties[name] = value
    run.set_at.setdefault(name, rule)


def _assign(
    parts: Parts, run: Run, write: Writer, programs: list[tuple[Rule, Token, Value, bool]], *, certain: bool
) -> None:
    """Do what the rule assigns, in udevd's order, whatever the order in the line."""
    rule = parts.rule
    for token in parts.assigned:
        if token.key in run.finals:
            continue
        if token.operator == ":=" and token.key in ("NAME", "RUN") and certain:
            run.finals.add(token.key)
        value = substitute(token.value, run)
        match token.key:
            case "ENV":
                joined = _joined(token, run, value)
                if joined is None or len(joined.encode("utf-8", "surrogateescape")) < _VALUE_BYTES:
                    _set(run, rule, token.attribute or "", joined if certain else None)
            case "NAME" if run.event.device.subsystem == "net":
                run.name = value if certain else None
            case "TAG" if certain and value is not None:
                _tag(token, run, value)
            case "ATTR":
                # Nothing is put into the name of an attribute that is written, other than of one that is compared.
                write(rule, token, run.event, token.attribute or "", value, certain)
            case "RUN":
                if token.operator in ("=", ":=") and certain:
                    programs.clear()
                programs.append((rule, token, value, certain))


def _tag(token: Token, run: Run, value: str) -> None:
    if token.operator in ("=", ":="):
        run.tags.clear()
    (run.tags.discard if token.operator == "-=" else run.tags.add)(value)


def _joined(token: Token, run: Run, value: Value) -> Value:
    before = property_of(run, token.attribute or "") if token.operator == "+=" else ""
    return None if value is None or before is None else f"{before} {value}" if before else value
