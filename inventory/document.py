"""YAML text to plain values, remembering the line of every key: small, bounded, and clear about what is wrong.

InventoryError          the inventory cannot be used: one or more sentences, each with its file and line
"""

from __future__ import annotations

import re
import stat
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from inventory.mistakes import Place
from inventory.nodes import (
    BOOL,
    FLOAT,
    INT,
    MERGE,
    NULL,
    TAG,
    MappingNode,
    Node,
    NotYaml,
    ScalarNode,
    SequenceNode,
    compose,
)
from inventory.wording import shown

LIMIT_BYTES = 4 * 1024 * 1024
LIMIT_VALUES = 200_000  # counted after aliases are followed: a few lines of YAML can name billions of values
LIMIT_DEPTH = 32
LIMIT_PROBLEMS = 50

Value = str | int | float | bool | None | list["Value"] | dict[str | int, "Value"]

_FIT = frozenset(TAG + kind for kind in ("map", "seq", "str", "timestamp", "value", "null", "bool", "int", "float"))
_TRUE = frozenset({"true", "yes", "on", "y"})  # what YAML 1.1 takes as true; here only after the tag !!bool


class InventoryError(Exception):
    """The inventory cannot be used. `problems` are whole sentences; the text has one per line."""

    def __init__(self, problems: Iterable[str]) -> None:
        self.problems = tuple(problems)
        shown = self.problems[:LIMIT_PROBLEMS]
        more = len(self.problems) - len(shown)
        super().__init__("\n".join([*shown, f"... and {more} more like these"] if more else shown))


@dataclass(frozen=True, slots=True)
class Document:
    """One file's values, and where each of them stands."""

    name: str
    value: Value
    lines: dict[Place, int]

    def complaint(self, place: Place, sentence: str) -> str:
        """`file:line: place: sentence`; the place is given in full, the line is the nearest one known."""
        known = place
        while known not in self.lines:
            known = known[:-1]
        where = ".".join(shown(step) for step in place)
        return f"{shown(self.name, 4096)}:{self.lines[known]}: {where}{': ' if where else ''}{sentence}"


def parsed(name: str, text: str) -> Document:
    """An inventory's text as plain values. Raises `InventoryError` when it is not one plain YAML document."""
    node = _compose(name, text)
    if node is None:
        what = "only comments and no values" if text.strip() else "the file is empty"
        raise InventoryError([f"{shown(name, 4096)}:1: {what}; inventory/example.yaml shows what to write"])
    return _document(name, node)


def plain(name: str, text: str) -> Value:
    """The values of a YAML file that is no inventory; None when it has none. Raises `InventoryError` just so."""
    node = _compose(name, text)
    return None if node is None else _document(name, node).value


def _document(name: str, node: Node) -> Document:
    walk = _Walk(name)
    value = walk.value(node, ())
    if walk.problems:
        raise InventoryError(walk.problems)
    return Document(name, value, walk.lines)


def text_of(path: Path) -> str:
    """What is in a file. Raises `InventoryError` for one that cannot be read, or is too large."""
    name = shown(path, 4096)
    try:
        mode = path.stat().st_mode
        if stat.S_ISDIR(mode):
            raise InventoryError([f"{name}: this is a directory; name the YAML file in it"])
        if not stat.S_ISREG(mode):
            raise InventoryError([f"{name}: not an ordinary file"])
        with path.open("rb") as file:
            data = file.read(LIMIT_BYTES + 1)
    except FileNotFoundError:
        raise InventoryError([f"{name}: there is no such file; copy inventory/example.yaml to start one"]) from None
    except (OSError, ValueError) as error:  # ValueError: a null byte in the name
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise InventoryError([f"{name}: cannot be read: {reason}"]) from None
    if len(data) > LIMIT_BYTES:
        raise InventoryError([f"{name}: larger than {LIMIT_BYTES >> 20} MiB; this is hardly an inventory"])
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        byte = data[error.start]
        raise InventoryError([f"{name}:{line}: not UTF-8 text (byte 0x{byte:02x}); save it as UTF-8"]) from None


def _compose(name: str, text: str) -> Node | None:
    try:
        return compose(text)
    except NotYaml as error:
        raise InventoryError([f"{shown(name, 4096)}:{error.line}: {error}"]) from None


class _Walk:
    """One pass over the nodes: values, the line of each, and what is wrong with the shape."""

    def __init__(self, name: str) -> None:
        self.name = shown(name, 4096)
        self.lines: dict[Place, int] = {(): 1}
        self.problems: list[str] = []
        self._values = 0
        self._depth = 0

    def value(self, node: Node, place: Place) -> Value:
        """The node's plain value; everything below it gets its line noted."""
        self._values += 1
        if self._values > LIMIT_VALUES:
            raise InventoryError([f"{self.name}:1: more than {LIMIT_VALUES} values once its aliases are followed"])
        if self._depth >= LIMIT_DEPTH:
            raise InventoryError([f"{self._at(node)} nested more than {LIMIT_DEPTH} levels deep"])
        self._depth += 1
        found: Value
        if node.tag not in _FIT:
            self.problems.append(f"{self._at(node)} the tag {shown(node.tag)!r} means nothing here; leave it out")
            found = None
        elif isinstance(node, MappingNode):
            found = self._mapping(node, place)
        elif isinstance(node, SequenceNode):
            found = self._list(node, place)
        else:
            found = self._scalar(node)
        self._depth -= 1
        return found

    def _list(self, node: SequenceNode, place: Place) -> list[Value]:
        found = []
        for index, item in enumerate(node.children):
            inner = (*place, index)
            self.lines[inner] = item.line
            found.append(self.value(item, inner))
        return found

    def _mapping(self, node: MappingNode, place: Place) -> dict[str | int, Value]:
        merged = self._merged([value for key, value in node.pairs if key.tag == MERGE], place)
        own: dict[str | int, Value] = {}
        for key_node, value_node in node.pairs:
            key = None if key_node.tag == MERGE else self._key(key_node)
            if key is None:
                continue
            if key in own:
                first = self.lines[(*place, key)]
                self.problems.append(
                    f"{self._at(key_node)} {shown(key)!r} is here a second time; first in line {first}"
                )
                continue
            inner = (*place, key)
            self.lines[inner] = key_node.line
            own[key] = self.value(value_node, inner)
        return merged | own

    def _merged(self, nodes: list[Node], place: Place) -> dict[str | int, Value]:
        """What `<<: *other` brings in. The mapping's own keys go before it, and an earlier merge before a later one."""
        merged: dict[str | int, Value] = {}
        others = [other for node in nodes for other in (node.children if isinstance(node, SequenceNode) else [node])]
        for other in reversed(others):
            if isinstance(other, MappingNode):
                found = self.value(other, place)
                merged |= found if isinstance(found, dict) else {}
            else:
                self.problems.append(f"{self._at(other)} '<<' takes a mapping, or a list of mappings")
        return merged

    def _key(self, node: Node) -> str | int | None:
        key = self._scalar(node) if isinstance(node, ScalarNode) else None
        if isinstance(key, str) or (isinstance(key, int) and not isinstance(key, bool)):
            return key
        wanted = f"write it in quotes: '{shown(node.text)}'" if isinstance(node, ScalarNode) else "write a name"
        self.problems.append(f"{self._at(node)} a key must be text or a whole number; {wanted}")
        return None

    def _scalar(self, node: ScalarNode) -> Value:
        text, tag = node.text, node.tag
        if tag == NULL:
            return None
        if tag == BOOL:
            return text.lower() in _TRUE
        if tag in {INT, FLOAT}:
            return _number(text, tag)
        return text

    def _at(self, node: Node) -> str:
        return f"{self.name}:{node.line}:"


def _number(text: str, tag: str) -> int | float | str:
    plain = text.replace("_", "").lower()
    try:
        if tag == INT:
            return int(plain, 0 if re.match(r"[+-]?0[xob]", plain) else 10)
        return float(plain.replace(".inf", "inf").replace(".nan", "nan"))
    except ValueError:
        return text  # base 60 of YAML 1.1, or thousands of digits: left as text, of which the model says what it wants
