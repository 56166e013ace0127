"""Rules sorted out once for all events, and for all hosts that have the same files."""

from __future__ import annotations

from collections.abc import Iterable

from checks.linux.udev_event import Event
from checks.linux.udev_language import Rule
from checks.linux.udev_parts import Parts, sorted_out
from checks.linux.udev_slice import Played, needed, reached


class RuleSet:
    """The rules of a host in order of reading, and the attribute for which they are played."""

    def __init__(self, rules: Iterable[Rule], asked_for: str) -> None:
        """How the rules fare that have `asked_for` is told, and what they write."""
        self.rules = tuple(rules)
        self._asked_for = asked_for
        self._parts = [self._sorted_out(rule) for rule in self.rules]
        self._by_event: dict[tuple[object, ...], Played] = {}

    def _sorted_out(self, rule: Rule) -> Parts | None:
        return None if rule.problem else sorted_out(rule, self._asked_for)

    def with_another(self, rule: Rule, other: Rule) -> RuleSet:
        """The same with one rule in the place of another."""
        changed = RuleSet((), self._asked_for)
        changed.rules = tuple(other if one is rule else one for one in self.rules)
        pairs = zip(self.rules, self._parts, strict=True)
        changed._parts = [self._sorted_out(other) if one is rule else parts for one, parts in pairs]
        return changed

    def for_event(self, event: Event) -> Played:
        """The rules that can matter to an event. A rule that does not is among them if it ends a GOTO: its parts
        are None. Telling rules all are.
        """
        kind = event.action, event.device.subsystem
        key = *kind, *((name, *found) for name, found in event.builtins.items())
        if key not in self._by_event:
            if len(self._by_event) >= _MOST_KINDS:
                self._by_event.clear()
            known = [parts for parts in self._parts if parts is not None]
            chosen = [(one.rule, one if one.telling or one.are_about(*kind) else None) for one in known]
            rules = [pair for pair in chosen if pair[1] is not None or pair[0].label is not None]
            self._by_event[key] = needed(reached(rules), event.builtins)
        return self._by_event[key]


_MOST_KINDS = 64  # what builtins give differs from host to host, though not by much
