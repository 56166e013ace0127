"""What one rule has to do with others of its event: what it takes from those before it, and leaves for those after it.

Of both rather too much than too little: what is not said here is taken for of no account (`udev_slice`).
Source: `udev_rules` and `udev_event`, whose every reading and setting of a `Run` is one of these.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from checks.linux.udev_language import Token
from checks.linux.udev_match import is_glob

_CALLS = {"IMPORT{builtin}", "IMPORT{program}"}
_IMPORTS_OF_ONE = {"IMPORT{db}", "IMPORT{cmdline}", "IMPORT{parent}"}

# What a rule can leave; a property is one thing more, by its name behind `_ENV`.
_NAME, _TAGS, _PROGRAMS, _PARENT = "NAME", "TAG", "RUN", "the parent that a rule found"
_ENV = "ENV "
_ANY_PROPERTY = f"{_ENV}*"
# What formats put into a text, by what they put in; all other formats put in the same for every rule.
_PUT_IN = {
    _NAME: re.compile(r"\$name|%D"),
    _PARENT: re.compile(r"\$(?:id|driver|attr|sysfs)|%[bds]"),
}
_PUT_IN_PROPERTY = re.compile(r"(?:\$env|%E)\{([^}]*)")
_FORMAT = re.compile(r"[$%]")
_SYS = "/sys/"


@dataclass(frozen=True, slots=True)
class Ties:
    """`asked`: the rule has what is asked for, or may be given its name. `reads`, `leaves`: whether it applies or not.

    `calls`: what it imports from, by the first word, and what it leaves if that is none of the event's builtins.
    """

    asked: bool
    reads: frozenset[str]
    leaves: frozenset[str]
    calls: tuple[tuple[str, frozenset[str]], ...]

    def left(self, builtins: Mapping[str, Iterable[str]]) -> Iterator[str]:
        """All that it leaves, where the builtins give these properties."""
        yield from self.leaves
        for word, unknown in self.calls:
            yield from map(_left_property, builtins[word]) if word in builtins else unknown


def ties_of(
    own: Sequence[Token], of_parents: Sequence[Token], late: Sequence[Token], assigned: Sequence[Token], asked_for: str
) -> Ties:
    """The ties of a rule of these parts."""
    before = {what for token in (*own, *of_parents) for what in _compared(token)}
    after = {what for token in (*late, *assigned) for what in _put_into(token.value)}
    # A rule about parents finds its own one, and comes no further without.
    reads = before | (after - {_PARENT} if of_parents else after)
    if any(token.key == "RUN" for token in assigned):
        reads.add(_PROGRAMS)  # others may take it back, or let none come after theirs
    leaves = {_PARENT} if of_parents else set[str]()
    return Ties(
        asked=any(_may_mean(token, asked_for) for token in (*own, *of_parents, *late, *assigned)),
        reads=frozenset(reads),
        leaves=frozenset(leaves | {*_imported(late)} | {*_set(assigned)}),
        calls=tuple(_called(token) for token in late if token.name in _CALLS),
    )


def _may_mean(token: Token, asked_for: str) -> bool:
    """Whether a token has the attribute's name, or may be given it."""
    name = token.attribute or ""
    if asked_for in token.value or asked_for in name:
        return True
    # udevd asks the kernel once for an attribute, so that who reads it first decides what others see.
    given = name if token.key in ("ATTR", "ATTRS") else token.value if token.key == "TEST" else ""
    lead, *formats = _FORMAT.split(given, maxsplit=1)
    return bool(formats) and (
        lead.startswith(_SYS) or any(full.startswith(lead) for full in (asked_for, f"device/{asked_for}", _SYS))
    )


def _left_property(name: str) -> str:
    return f"{_ENV}{name}"


def _property(name: str) -> tuple[str, str]:
    return _left_property(name), _ANY_PROPERTY


def _put_into(text: str) -> Iterator[str]:
    """What other rules may have left of all that is put into a text by $env{...}, %D and the like."""
    if _FORMAT.search(text):
        yield from (what for what, formats in _PUT_IN.items() if formats.search(text))
        for found in _PUT_IN_PROPERTY.finditer(text):
            yield from _property(found[1])


def _compared(token: Token) -> Iterable[str]:
    match token.key:
        case "ENV":
            return _property(token.attribute or "")
        case "NAME":
            return (_NAME,)
        case "TAG":
            return (_TAGS,)
        case "ATTR" | "ATTRS":
            return _put_into(token.attribute or "")
    return ()


def _called(token: Token) -> tuple[str, frozenset[str]]:
    word, *_ = token.value.split() or [""]
    return word, frozenset() if word and token.attribute == "builtin" else frozenset({_ANY_PROPERTY})


def _imported(late: Iterable[Token]) -> Iterator[str]:
    for token in late:
        if token.name in _IMPORTS_OF_ONE and not is_glob(token.value) and not _FORMAT.search(token.value):
            yield _left_property(token.value)
        elif token.key == "IMPORT" and token.name not in _CALLS:
            yield _ANY_PROPERTY


def _set(assigned: Iterable[Token]) -> Iterator[str]:
    for token in assigned:
        match token.key:
            case "ENV":
                yield _left_property(token.attribute or "")
            case "NAME" | "TAG":
                yield token.key
            case "RUN" if token.operator in ("=", ":="):
                yield _PROGRAMS
