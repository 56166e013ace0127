"""Commented YAML, in a form that stays the same from run to run. All values come from machines: they are data."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from inventory.wording import shown

Scalar = str | int | bool
_PLAIN = re.compile(r"(?!.*://)[A-Za-z][A-Za-z0-9_./-]*|[a-z]+://[A-Za-z0-9_.@:/-]*[A-Za-z0-9]|/[A-Za-z0-9_./-]*")
_NOT_TEXT = frozenset({"true", "false", "yes", "no", "on", "off", "null", "y", "n"})
_COLUMN = 44
_LONGEST = 200


@dataclass(frozen=True, slots=True)
class Entry:
    """`key: value`, or a key with entries below it, and why it is so."""

    key: Scalar
    value: Scalar | tuple[Scalar, ...] | None = None
    below: tuple[Entry | Remark | Off, ...] = ()
    comment: str = ""


@dataclass(frozen=True, slots=True)
class Remark:
    """A line for the reader alone."""

    text: str


@dataclass(frozen=True, slots=True)
class Off:
    """Entries that are ready to be used, commented out."""

    entries: tuple[Entry | Remark, ...]


Node = Entry | Remark | Off


def render(nodes: Iterable[Node], indent: int = 0) -> str:
    """The nodes as text, each line ended."""
    return "".join(f"{line}\n" for line in _lines(nodes, " " * indent))


def _lines(nodes: Iterable[Node], indent: str) -> Iterator[str]:
    for node in nodes:
        if isinstance(node, Remark):
            yield f"{indent}# {shown(node.text, _LONGEST * 3)}"
        elif isinstance(node, Off):
            yield from (f"{indent}# {line}" for line in _lines(node.entries, ""))
        else:
            yield _with_comment(f"{indent}{scalar(node.key)}:{_value(node)}", node.comment)
            yield from _lines(node.below, indent + "  ")


def _value(entry: Entry) -> str:
    if isinstance(entry.value, tuple):
        return f" [{', '.join(scalar(one) for one in entry.value)}]"
    if entry.value is not None:
        return f" {scalar(entry.value)}"
    # A key with only comments below it would have no value, which no mapping is.
    return "" if any(isinstance(one, Entry) for one in entry.below) else " {}"


def _with_comment(line: str, comment: str) -> str:
    return f"{line.ljust(_COLUMN - 1)} # {shown(comment, _LONGEST)}" if comment else line


def scalar(value: Scalar) -> str:
    """One value: plain where nothing can be mistaken, else in double quotes."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if _PLAIN.fullmatch(value) and value.lower() not in _NOT_TEXT:
        return value
    return '"' + "".join(_escaped(character) for character in value) + '"'


def _escaped(character: str) -> str:
    if character in '"\\':
        return f"\\{character}"
    return character if character.isprintable() else f"\\U{ord(character):08x}"


def stated(pairs: Sequence[tuple[str, Scalar | tuple[Scalar, ...] | None]]) -> tuple[Entry, ...]:
    """Entries for the pairs that have a value."""
    return tuple(Entry(key, value) for key, value in pairs if value is not None and value != ())
