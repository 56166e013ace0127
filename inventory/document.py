"""YAML text to plain values, remembering the line of every key: small, bounded, and clear about what is wrong.

InventoryError          the inventory cannot be used: one or more sentences, each with its file and line
"""

from __future__ import annotations

import re
import stat
import warnings
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode
from ruamel.yaml.reader import ReaderError

from inventory.mistakes import Place
from inventory.wording import shown

LIMIT_BYTES = 4 * 1024 * 1024
LIMIT_VALUES = 200_000  # counted after aliases are followed: a few lines of YAML can name billions of values
LIMIT_DEPTH = 32
LIMIT_PROBLEMS = 50

Value = str | int | float | bool | None | list["Value"] | dict[str | int, "Value"]

_TAG = "tag:yaml.org,2002:"
_NULL, _BOOL, _INT, _FLOAT, _MERGE = (_TAG + kind for kind in ("null", "bool", "int", "float", "merge"))
_FIT = frozenset(_TAG + kind for kind in ("map", "seq", "str", "timestamp", "value", "null", "bool", "int", "float"))
_TRUE = frozenset({"true", "yes", "on", "y"})  # what YAML 1.1, which a file may ask for, takes as true
_SEEN_TOO_LATE = ("could not find expected ':'", "while scanning a quoted scalar")
_WORDS = {
    "could not find expected ':'": "there is no ':' after this key",
    "expected <block end>, but found": "this line's indentation fits nothing above it, or a '-' is missing",
    "mapping values are not allowed": "a second ':' in one line; put the value in quotes, or check the indentation",
    "found character '\\t'": "a tab; YAML indents with spaces only",
    "found undefined alias": "an alias (*name) that no anchor (&name) above it defines",
    "expected a single document": "a second document ('---'); an inventory is one",
    "while scanning a quoted scalar": "a quotation mark is opened and never closed",
}


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
    """A file's text as plain values. Raises `InventoryError` when it is not one plain YAML document."""
    if not text.strip():
        raise InventoryError([f"{shown(name, 4096)}:1: the file is empty; inventory/example.yaml shows what to write"])
    node = _compose(name, text)
    if node is None:
        raise InventoryError(
            [f"{shown(name, 4096)}:1: only comments and no values; inventory/example.yaml shows what to write"]
        )
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
    """The document's tree of nodes, with the position of each; nothing is constructed from it."""
    name = shown(name, 4096)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # such as an anchor defined twice, which YAML allows
            node: Node | None = YAML(typ="safe", pure=True).compose(text)
            return node
    except ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        raise InventoryError([f"{name}:{line}: a control character, which YAML does not allow"]) from None
    except MarkedYAMLError as error:
        opened = any(sign in f"{error.context} {error.problem}" for sign in _SEEN_TOO_LATE)
        mark = error.context_mark if opened else error.problem_mark or error.context_mark
        line = mark.line + 1 if mark else 1
        raise InventoryError([f"{name}:{line}: not valid YAML: {_in_words(error)}"]) from None
    except RecursionError:
        raise InventoryError([f"{name}:1: lists or mappings nested too deeply for an inventory"]) from None
    # ruamel.yaml lets these through for a hostile escape, directive or tag, and then knows no position.
    except (YAMLError, ValueError, OverflowError, AttributeError, TypeError, LookupError, AssertionError) as error:
        raise InventoryError([f"{name}:1: not valid YAML: {shown(error, 200)}"]) from None


def _in_words(error: MarkedYAMLError) -> str:
    said = f"{error.context or ''}, {error.problem or ''}"
    for known, words in _WORDS.items():
        if known in said:
            return words
    return shown(re.sub(r"\s+", " ", error.problem or error.context or "it cannot be parsed"), 200)


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
        if str(node.tag) not in _FIT:
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
        for index, item in enumerate(node.value):
            self.lines[(*place, index)] = item.start_mark.line + 1
            found.append(self.value(item, (*place, index)))
        return found

    def _mapping(self, node: MappingNode, place: Place) -> dict[str | int, Value]:
        merged = self._merged([value for key, value in node.value if key.tag == _MERGE], place)
        own: dict[str | int, Value] = {}
        for key_node, value_node in node.value:
            key = None if key_node.tag == _MERGE else self._key(key_node)
            if key is None:
                continue
            if key in own:
                first = self.lines[(*place, key)]
                self.problems.append(
                    f"{self._at(key_node)} {shown(key)!r} is here a second time; first in line {first}"
                )
                continue
            self.lines[(*place, key)] = key_node.start_mark.line + 1
            own[key] = self.value(value_node, (*place, key))
        return merged | own

    def _merged(self, nodes: list[Node], place: Place) -> dict[str | int, Value]:
        """What `<<: *other` brings in. The mapping's own keys go before it, and an earlier merge before a later one."""
        merged: dict[str | int, Value] = {}
        others = [other for node in nodes for other in (node.value if isinstance(node, SequenceNode) else [node])]
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
        wanted = f"write it in quotes: '{shown(node.value)}'" if isinstance(node, ScalarNode) else "write a name"
        self.problems.append(f"{self._at(node)} a key must be text or a whole number; {wanted}")
        return None

    def _scalar(self, node: Node) -> Value:
        text, tag = str(node.value), str(node.tag)
        if tag == _NULL:
            return None
        if tag == _BOOL:
            return text.lower() in _TRUE
        if tag in {_INT, _FLOAT}:
            return _number(text, tag)
        return text

    def _at(self, node: Node) -> str:
        return f"{self.name}:{node.start_mark.line + 1}:"


def _number(text: str, tag: str) -> int | float | str:
    plain = text.replace("_", "").lower()
    try:
        if tag == _INT:
            return int(plain, 0 if re.match(r"[+-]?0[xob]", plain) else 10)
        return float(plain.replace(".inf", "inf").replace(".nan", "nan"))
    except ValueError:
        return text  # base 60 of YAML 1.1, or thousands of digits: left as text, of which the model says what it wants
