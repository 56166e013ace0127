"""YAML text as a tree of nodes, each with its line: parsed by libyaml, its plain values those of YAML 1.2.

NotYaml                 the text is no YAML document: one sentence, and the line that it is about

Nothing is constructed, and nothing recurses. PyYAML's own composer would do so in C, as deep as a text says; it also
refuses an anchor that is defined anew, which YAML allows.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

import yaml
from yaml.error import MarkedYAMLError, YAMLError
from yaml.events import (
    AliasEvent,
    CollectionEndEvent,
    CollectionStartEvent,
    DocumentStartEvent,
    Event,
    MappingStartEvent,
    ScalarEvent,
)

from inventory.wording import shown

# A PyYAML built without libyaml has the same events, from Python.
Parser: type[yaml.CBaseLoader | yaml.BaseLoader] = yaml.CBaseLoader if yaml.__with_libyaml__ else yaml.BaseLoader
DEEPEST = 200

TAG = "tag:yaml.org,2002:"
NULL, BOOL, INT, FLOAT, MERGE, STR, SEQ, MAP = (
    TAG + kind for kind in ("null", "bool", "int", "float", "merge", "str", "seq", "map")
)
# Anything else is text: `yes` and `on` are words, and a MAC address is no number of base 60.
_PLAIN = re.compile(
    r"""
      (?P<bool> true | True | TRUE | false | False | FALSE )
    | (?P<null> ~ | null | Null | NULL | )
    | (?P<float>
        [-+]? [0-9][0-9_]* \. [0-9_]* (?: [eE][-+]?[0-9]+ )?
      | [-+]? [0-9][0-9_]* [eE][-+]?[0-9]+
      | [-+]? \. [0-9_]+ (?: [eE][-+][0-9]+ )?
      | [-+]? \. (?: inf | Inf | INF )
      | \. (?: nan | NaN | NAN )
      )
    | (?P<int> [-+]? (?: 0b[01_]+ | 0o[0-7_]+ | 0x[0-9a-fA-F_]+ | [0-9_]+ ) )
    | (?P<merge> << )
    """,
    re.VERBOSE,
)
_BEGINNINGS = frozenset("tTfFnN~<-+.0123456789")
_REFUSED = re.compile("[^\t\n\r -~\x85\xa0-\ud7ff\ue000-\ufefe\uff00-\ufffd\U00010000-\U0010ffff]")
_SEEN_TOO_LATE = ("could not find expected ':'", "while scanning a quoted scalar")
_WRONGLY_INDENTED = "this line's indentation fits nothing above it, or a '-' is missing"
_NO_VALUE = "a value is missing here, or one that begins with a sign stands in no quotes"
_WORDS = {  # what libyaml says, or PyYAML's own parser
    "could not find expected ':'": "there is no ':' after this key",
    "while parsing a block mapping, did not find expected key": _WRONGLY_INDENTED,
    "did not find expected '-' indicator": _WRONGLY_INDENTED,
    "expected <block end>, but found": _WRONGLY_INDENTED,
    "mapping values are not allowed": "a second ':' in one line; put the value in quotes, or check the indentation",
    "sequence entries are not allowed": "a '-' of a list in the middle of a line; begin a line with it",
    "found unexpected ':'": "a ':' at the end of a value; put the value in quotes",
    "expected node content": _NO_VALUE,
    "expected the node content": _NO_VALUE,
    "while scanning an a": "a '&' or '*' begins a name (letters, digits, '-', '_'); put any other value in quotes",
    "while scanning a quoted scalar": "a quotation mark is opened and never closed",
    "unknown escape character": "a '\\' in double quotes, and no escape that YAML knows; use single quotes",
    "tab character": "a tab; YAML indents with spaces only",
    "incompatible YAML document": "a %YAML line of another version; leave it out",
    "unknown directive": "a directive (%NAME) that is not known here; leave it out",
}
_TOO_DEEP = "lists or mappings nested too deeply"


class NotYaml(Exception):  # noqa: N818 - what the text is
    """Text that is no YAML document. Its text is one sentence; `line` counts from 1."""

    def __init__(self, line: int, sentence: str) -> None:
        self.line = line
        super().__init__(sentence)


@dataclass(slots=True, eq=False)
class ScalarNode:
    """A single value as it is written."""

    tag: str
    line: int
    text: str


@dataclass(slots=True, eq=False)
class SequenceNode:
    """A list."""

    tag: str
    line: int
    children: list[Node]


@dataclass(slots=True, eq=False)
class MappingNode:
    """A mapping; its children are each key and then its value."""

    tag: str
    line: int
    children: list[Node]

    @property
    def pairs(self) -> Iterator[tuple[Node, Node]]:
        """Every key with its value."""
        children = iter(self.children)
        return zip(children, children, strict=True)


Node = ScalarNode | SequenceNode | MappingNode


def compose(text: str) -> Node | None:
    """The one document in a text; None when there is nothing but comments. Raises `NotYaml`."""
    root: Node | None = None
    unfinished: list[SequenceNode | MappingNode] = []
    anchors: dict[str | None, Node] = {}
    for line, event in _events(text.removeprefix("\ufeff")):
        if isinstance(event, AliasEvent):
            if event.anchor not in anchors:
                raise NotYaml(line, "not valid YAML: an alias (*name) that no anchor (&name) above it defines")
            node = anchors[event.anchor]
        elif isinstance(event, (ScalarEvent, CollectionStartEvent)):
            node = _node(event, line)
            if event.anchor is not None:
                anchors[event.anchor] = node
        else:
            if isinstance(event, CollectionEndEvent):
                unfinished.pop()
            elif isinstance(event, DocumentStartEvent) and root is not None:
                raise NotYaml(line, "not valid YAML: a second document ('---'); put all into one")
            continue
        if unfinished:
            unfinished[-1].children.append(node)
        else:
            root = node
        if isinstance(event, CollectionStartEvent) and not isinstance(node, ScalarNode):
            if len(unfinished) == DEEPEST:
                raise NotYaml(line, _TOO_DEEP)
            unfinished.append(node)
    return root


def _node(event: ScalarEvent | CollectionStartEvent, line: int) -> Node:
    if isinstance(event, ScalarEvent):
        usual = meaning(event.value) if event.implicit[0] else STR
        return ScalarNode(_given(event.tag) or usual, line, event.value)
    if isinstance(event, MappingStartEvent):
        return MappingNode(_given(event.tag) or MAP, line, [])
    return SequenceNode(_given(event.tag) or SEQ, line, [])


def _given(tag: str | None) -> str | None:
    return None if tag == "!" else tag  # which means: the usual one


def meaning(text: str) -> str:
    """The tag of a value that has none and stands in no quotes."""
    if text and text[0] not in _BEGINNINGS:
        return STR
    found = _PLAIN.fullmatch(text)
    return STR if found is None else f"{TAG}{found.lastgroup}"


def _events(text: str) -> Iterator[tuple[int, Event]]:
    """Everything that the parser finds, with its line. Raises `NotYaml`."""
    if refused := _REFUSED.search(text):
        what = "a byte order mark inside the text" if refused[0] == "\ufeff" else "a control character"
        raise NotYaml(text.count("\n", 0, refused.start()) + 1, f"{what}, which YAML does not allow")
    line = 1
    try:
        parser = Parser(text)
        while (event := parser.get_event()) is not None:
            if event.start_mark is not None:  # every event has one, whatever its type says
                line = event.start_mark.line + 1
            yield line, event
    except MarkedYAMLError as error:
        raise _in_words(error, text) from None
    # Both parsers let these through for some hostile escapes and tags, and do not say where.
    except (YAMLError, ValueError, OverflowError) as error:
        raise NotYaml(line, f"not valid YAML: {shown(error, 200)}") from None


def _in_words(error: MarkedYAMLError, text: str) -> NotYaml:
    said = f"{error.context or ''}, {error.problem or ''}"
    opened = any(sign in said for sign in _SEEN_TOO_LATE)
    mark = error.context_mark if opened else error.problem_mark or error.context_mark
    line, index = (mark.line + 1, mark.index) if mark else (1, 0)
    end = len(text.rstrip())
    if index >= end:  # a line beyond the last is none that anybody finds
        line = text.count("\n", 0, end) + 1
    if "maximum nesting depth" in said:
        return NotYaml(line, _TOO_DEEP)
    words = next((words for known, words in _WORDS.items() if known in said), None)
    if "cannot start any token" in said:
        sign = text[index : index + 1]
        words = _WORDS["tab character"] if sign == "\t" else f"a value that begins with {sign!r}; put it in quotes"
    elif "expected ',' or" in said and error.context_mark:
        words = f"a ',' is missing, or the bracket that is opened in line {error.context_mark.line + 1} is never closed"
    plain = re.sub(r"\s+", " ", error.problem or error.context or "it cannot be parsed")
    return NotYaml(line, f"not valid YAML: {words or shown(plain, 200)}")
