"""Rules sorted out once for all events, and for all hosts that have the same files.

Source: systemd 252 and 257 src/udev/udev-rules.c (the types of tokens, in the order in which udevd takes them).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from checks.linux.udev_language import Rule, Token
from checks.linux.udev_match import is_glob

_PARENT_KEYS = {"KERNELS", "SUBSYSTEMS", "DRIVERS", "ATTRS", "TAGS"}
# After the comparisons with the device and its parents, in udevd's order (the enumeration of token types).
_LATE_KEYS = {name: rank for rank, name in enumerate((
    "TEST", "PROGRAM", "IMPORT{file}", "IMPORT{program}", "IMPORT{builtin}", "IMPORT{db}", "IMPORT{cmdline}",
    "IMPORT{parent}", "RESULT",
))}  # fmt: skip
_ASSIGNMENTS = {name: rank for rank, name in enumerate(("TAG", "ENV", "NAME", "ATTR", "RUN{builtin}", "RUN"))}


@dataclass(frozen=True, slots=True)
class Parts:
    """The tokens of a rule, sorted out as udevd takes them. `telling`: how it fares at each event is to be told.

    `actions`, `subsystems`: what the rule wants of these, where it says so in plain words.
    """

    rule: Rule
    own: tuple[Token, ...]
    of_parents: tuple[Token, ...]
    late: tuple[Token, ...]
    assigned: tuple[Token, ...]
    actions: frozenset[str] | None
    subsystems: frozenset[str] | None
    telling: bool

    def are_about(self, action: str, subsystem: str) -> bool:
        """Whether the rule can apply to such an event: most are plainly about others, and udevd looks no further."""
        if self.actions is not None and action not in self.actions:
            return False
        return self.subsystems is None or subsystem in self.subsystems


class RuleSet:
    """The rules of a host in order of reading."""

    def __init__(self, rules: Iterable[Rule], telling: Callable[[Rule], bool]) -> None:
        """`telling`: whether it is to be told how a rule fares."""
        self.rules = tuple(rules)
        self._parts = [_sorted_out(rule, telling=telling(rule)) for rule in self.rules if not rule.problem]
        self._by_event: dict[tuple[str, str], tuple[tuple[Rule, Parts | None], ...]] = {}

    def with_another(self, rule: Rule, other: Rule, telling: Callable[[Rule], bool]) -> RuleSet:
        """The same with one rule in the place of another."""
        return RuleSet((other if one is rule else one for one in self.rules), telling)

    def for_event(self, action: str, subsystem: str) -> Sequence[tuple[Rule, Parts | None]]:
        """The rules that can matter to such an event. A rule about others is among them if it ends a GOTO: its parts
        are None. Telling rules all are.
        """
        event = (action, subsystem)
        if event not in self._by_event:
            chosen = [(one.rule, one if one.telling or one.are_about(*event) else None) for one in self._parts]
            self._by_event[event] = tuple(pair for pair in chosen if pair[1] is not None or pair[0].label is not None)
        return self._by_event[event]


def _sorted_out(rule: Rule, *, telling: bool) -> Parts:
    compared = [token for token in rule.tokens if token.is_match]
    late = sorted(
        (pair for token in compared if (pair := (_late(token), token))[0] is not None), key=lambda p: p[0] or 0
    )
    assigned = [pair for token in rule.tokens if not token.is_match and (pair := (_rank(token), token))[0] is not None]
    return Parts(
        rule,
        own=tuple(token for token in compared if token.key not in _PARENT_KEYS and _late(token) is None),
        of_parents=tuple(token for token in compared if token.key in _PARENT_KEYS),
        late=tuple(token for _, token in late),
        assigned=tuple(token for _, token in sorted(assigned, key=lambda pair: pair[0] or 0)),
        actions=_only(compared, "ACTION"),
        subsystems=_only(compared, "SUBSYSTEM"),
        telling=telling,
    )


def _late(token: Token) -> int | None:
    return _LATE_KEYS.get(token.name if token.key == "IMPORT" else token.key)


def _rank(token: Token) -> int | None:
    return _ASSIGNMENTS.get(token.name if token.name == "RUN{builtin}" else token.key)


def _only(compared: Iterable[Token], key: str) -> frozenset[str] | None:
    for token in compared:
        if token.key == key and token.operator == "==" and not token.any_case and not is_glob(token.value):
            return frozenset(token.value.split("|"))
    return None
