"""A rule's tokens sorted out as udevd takes them.

Source: systemd 252 and 257 src/udev/udev-rules.c (the types of tokens, in the order in which udevd takes them).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from checks.linux.udev_language import Rule, Token
from checks.linux.udev_match import matches
from checks.linux.udev_ties import Ties, ties_of

_KINDS = {"ACTION", "SUBSYSTEM"}
_PARENT_KEYS = {"KERNELS", "SUBSYSTEMS", "DRIVERS", "ATTRS", "TAGS"}
# After the comparisons with the device and its parents, in udevd's order (the enumeration of token types).
_LATE_KEYS = {name: rank for rank, name in enumerate((
    "TEST", "PROGRAM", "IMPORT{file}", "IMPORT{program}", "IMPORT{builtin}", "IMPORT{db}", "IMPORT{cmdline}",
    "IMPORT{parent}", "RESULT",
))}  # fmt: skip
_ASSIGNMENTS = {name: rank for rank, name in enumerate(("TAG", "ENV", "NAME", "ATTR", "RUN{builtin}", "RUN"))}


@dataclass(frozen=True)
class Parts:
    """The tokens of a rule, sorted out as udevd takes them. `telling`: how it fares at each event is to be told."""

    rule: Rule
    own: tuple[Token, ...]
    of_parents: tuple[Token, ...]
    late: tuple[Token, ...]
    assigned: tuple[Token, ...]
    asked_for: str
    telling: bool

    def are_about(self, action: str, subsystem: str) -> bool:
        """Whether the rule can apply to such an event: most are for others, and udevd looks no further."""
        kinds = {"ACTION": action, "SUBSYSTEM": subsystem}
        return all(
            matches(token.value, kinds[token.key], any_case=token.any_case) == (token.operator == "==")
            for token in self.own
            if token.key in _KINDS
        )

    @cached_property
    def sure(self) -> bool:
        """Whether the rule applies to every event that it is about."""
        return not self.of_parents and not self.late and all(token.key in _KINDS for token in self.own)

    @cached_property
    def ties(self) -> Ties:
        """What the rule has to do with others."""
        return ties_of(self.own, self.of_parents, self.late, self.assigned, self.asked_for)


def sorted_out(rule: Rule, asked_for: str) -> Parts:
    """The parts of a rule. `asked_for`: the attribute whose readings and writes matter; a rule that has it is told."""
    own: list[Token] = []
    of_parents: list[Token] = []
    late: list[tuple[int, Token]] = []
    assigned: list[tuple[int, Token]] = []
    for token in rule.tokens:
        if not token.is_match:
            rank = _ASSIGNMENTS.get(token.name if token.name == "RUN{builtin}" else token.key)
            assigned += [] if rank is None else [(rank, token)]
        elif token.key in _PARENT_KEYS:
            of_parents.append(token)
        elif (rank := _LATE_KEYS.get(token.name if token.key == "IMPORT" else token.key)) is not None:
            late.append((rank, token))
        else:
            own.append(token)
    return Parts(
        rule, tuple(own), tuple(of_parents), _by_rank(late), _by_rank(assigned), asked_for, asked_for in rule.text
    )


def _by_rank(ranked: list[tuple[int, Token]]) -> tuple[Token, ...]:
    if len(ranked) > 1:
        ranked.sort(key=lambda pair: pair[0])
    return tuple(token for _, token in ranked)
