"""udev's rule files as udevd reads them: which files, in which order, what each line says or why it is dropped.

Source: systemd 252 and 257 src/udev/udev-rules.c (udev_rules_parse_file, rule_add_line, parse_line, parse_token).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

FOLDERS = (
    "/etc/udev/rules.d",
    "/run/udev/rules.d",
    "/usr/local/lib/udev/rules.d",
    "/usr/lib/udev/rules.d",
)
"""Where rules lie, the strongest first: of files with one name only the strongest is read."""

Operator = Literal["==", "!=", "=", "+=", "-=", ":="]
_OPERATORS: tuple[Operator, ...] = ("==", "!=", "+=", "-=", ":=", "=")
_MATCH: frozenset[str] = frozenset({"==", "!="})
_SPACE = " \t\n\r"
_LINE_BYTES = 16384  # UDEV_LINE_SIZE

_MATCH_ONLY = {
    "ACTION", "DEVPATH", "KERNEL", "SUBSYSTEM", "DRIVER", "KERNELS", "SUBSYSTEMS", "DRIVERS", "ATTRS", "TAGS",
    "CONST", "TEST", "RESULT",
}  # fmt: skip
_ASSIGN_ONLY = {"OPTIONS", "OWNER", "GROUP", "MODE", "SECLABEL", "RUN", "GOTO", "LABEL"}
_BOTH = {"SYMLINK", "NAME", "ENV", "TAG", "ATTR", "SYSCTL", "PROGRAM", "IMPORT"}
_NEEDS_ATTRIBUTE = {"ENV", "CONST", "ATTR", "SYSCTL", "ATTRS", "IMPORT", "SECLABEL"}
_MAY_HAVE_ATTRIBUTE = _NEEDS_ATTRIBUTE | {"TEST", "RUN"}
_NO_REMOVAL = {"NAME", "ENV", "ATTR", "SYSCTL", "PROGRAM", "IMPORT"} | (_ASSIGN_ONLY - {"GOTO", "LABEL"})
_IMPORTS = {"file", "program", "builtin", "db", "cmdline", "parent"}
_READ_ONLY_PROPERTIES = {
    "ACTION", "DEVLINKS", "DEVNAME", "DEVPATH", "DEVTYPE", "DRIVER", "IFINDEX", "MAJOR", "MINOR", "SEQNUM", "SUBSYSTEM",
    "TAGS",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Token:
    """One comparison or assignment: `key{attribute} operator "value"`."""

    key: str
    attribute: str | None
    operator: Operator
    value: str
    any_case: bool = False

    @property
    def is_match(self) -> bool:
        """Whether it compares; PROGRAM and IMPORT do, whatever their operator."""
        return self.operator in _MATCH or self.key in ("PROGRAM", "IMPORT")

    @property
    def name(self) -> str:
        """Key and attribute as written in a rule."""
        return self.key if self.attribute is None else f"{self.key}{{{self.attribute}}}"

    def __str__(self) -> str:
        return f'{self.name}{self.operator}"{self.value}"'


@dataclass(frozen=True, slots=True)
class Rule:
    """One line of a rule file. `problem`: why udevd drops the whole line; None when it takes it.

    `line`: number of its first line. `text`: as written, continuation lines joined.
    """

    file: str
    line: int
    text: str
    tokens: tuple[Token, ...] = ()
    problem: str | None = None

    @property
    def where(self) -> str:
        """file:line."""
        return f"{self.file}:{self.line}"

    def value_of(self, key: str) -> str | None:
        """The value of LABEL or GOTO, None without one. Of two LABELs the last counts, of two GOTOs the first."""
        values = [token.value for token in self.tokens if token.key == key]
        return None if not values else values[-1] if key == "LABEL" else values[0]


@dataclass(frozen=True, slots=True)
class Unread:
    """A file that udevd does not read, and why."""

    path: str
    why: str


def reading_order(
    texts: Mapping[str, str], empty_links: Iterable[str] = ()
) -> tuple[tuple[str, ...], tuple[Unread, ...]]:
    """Paths of the files that udevd reads, in its order, and the files that it does not read.

    `texts`: every file in FOLDERS by path. `empty_links`: links to /dev/null there, which mask.
    """
    masks = set(empty_links)
    winner: dict[str, str] = {}
    unread = []
    for path in sorted({*texts, *masks}, key=_strength):
        name = path.rsplit("/", 1)[1]
        if not name.endswith(".rules"):
            unread.append(Unread(path, "its name does not end in .rules"))
        elif name in winner:
            masked = winner[name] in masks or not texts[winner[name]]
            unread.append(Unread(path, f"{winner[name]} {'masks' if masked else 'replaces'} it"))
        else:
            winner[name] = path
    order = [winner[name] for name in sorted(winner, key=lambda name: name.encode("utf-8", "surrogateescape"))]
    return tuple(path for path in order if path not in masks), tuple(unread)


def parse_file(path: str, text: str) -> tuple[Rule, ...]:
    """The rules of one file in order, dropped lines included. Any text is taken; nothing is raised."""
    rules = []
    collected, start = "", 0
    for number, raw in enumerate(text.split("\n"), 1):
        line = raw.lstrip(_SPACE)
        if line.startswith("#"):
            continue
        start = start if collected else number
        if line.endswith("\\"):
            collected += line[:-1]
            continue
        collected += line
        if collected:
            rules.append(_rule(path, start, collected))
        collected = ""
    if collected:
        rules.append(Rule(path, start, collected, problem="the file ends after a backslash"))
    return _with_reachable_gotos(rules)


def _rule(path: str, number: int, text: str) -> Rule:
    if len(text) >= _LINE_BYTES:
        return Rule(path, number, text[:200], problem="the line is too long")
    tokens: list[Token] = []
    rest = text
    while rest := rest.lstrip(_SPACE + ","):
        parsed = _token(rest)
        if parsed is None:
            return Rule(path, number, text, problem=_why_unreadable(rest))
        token, rest = parsed
        if problem := _problem(token):
            return Rule(path, number, text, problem=problem)
        tokens.append(token)
    return Rule(path, number, text, tuple(tokens))


def _token(text: str) -> tuple[Token, str] | None:
    """The first token of `text` and what follows it; None for what udevd calls an invalid key/value pair."""
    end = re.search(r"[ \t\n\r={]|[+\-!:]=", text)
    if end is None:
        return None
    key, attribute, position = text[: end.start()], None, end.start()
    if text[position] == "{":
        close = text.find("}", position)
        if close < 0:
            return None
        attribute, position = text[position + 1 : close], close + 1
    rest = text[position:].lstrip(_SPACE)
    operator = next((op for op in _OPERATORS if rest.startswith(op)), None)
    if operator is None:
        return None
    value = _value(rest[len(operator) :].lstrip(_SPACE))
    if value is None:
        return None
    return Token(key, attribute, operator, value[0], value[2]), value[1]


def _value(text: str) -> tuple[str, str, bool] | None:
    """The quoted value at the start of `text`, what follows it, and whether case is to be ignored."""
    prefix = re.match(r'(e?i?|ie)"', text)
    if prefix is None:
        return None
    value, position = "", prefix.end()
    while position < len(text):
        character = text[position]
        if character == '"':
            return value, text[position + 1 :], "i" in prefix.group(1)
        if character == "\\" and text[position + 1 : position + 2] == '"':
            position += 1
            character = '"'
        value += character
        position += 1
    return None


def _problem(token: Token) -> str | None:  # noqa: PLR0911 - a list of rules, each with its own words
    """Why udevd refuses the token, and with it the line."""
    key, attribute, operator = token.key, token.attribute, token.operator
    if key.startswith("\ufeff"):
        return "the file begins with a byte order mark, which udevd takes for part of the key"
    if key not in _MATCH_ONLY | _ASSIGN_ONLY | _BOTH:
        return f"there is no key {key!r}"
    if (attribute and key not in _MAY_HAVE_ATTRIBUTE) or (not attribute and key in _NEEDS_ATTRIBUTE):
        return f"{key} {'takes no' if attribute else 'needs an'} attribute in braces"
    if key in _MATCH_ONLY and operator not in _MATCH:
        return f'{key} can only be compared: {token} must be {token.name}=="{token.value}"'
    if key in _ASSIGN_ONLY and operator in _MATCH:
        return f"{key} can only be assigned, not compared"
    if (key in ("GOTO", "LABEL") and operator != "=") or (operator == "-=" and key in _NO_REMOVAL):
        return f"{key} does not take {operator}"
    if key == "IMPORT" and attribute not in _IMPORTS:
        return f"there is no {token.name}"
    if key == "ENV" and operator not in _MATCH and attribute in _READ_ONLY_PROPERTIES:
        return f"{token.name} cannot be set"
    if key == "NAME" and operator not in _MATCH and token.value in ("", "%k"):
        return f"{token} has no effect"
    if key == "RUN" and attribute not in (None, "program", "builtin"):
        return f"there is no {token.name}"
    return None


def _why_unreadable(rest: str) -> str:
    """In words, what udevd only calls an invalid key/value pair."""
    if rest.startswith("#"):
        return "a comment behind a rule makes the whole line invalid; it must stand on a line of its own"
    if re.search("[\u201c\u201d\u201e\u00ab\u00bb\u2018\u2019]", rest):
        return "values must stand in plain double quotes, not in typographic ones"
    value = re.match(r"[A-Z]+(?:\{[^}]*\})?\s*(?:[=!+\-:]=|=)\s*(.?)", rest)
    if value and value.group(1) == "'":
        return "values must stand in double quotes, not in single ones"
    if value and value.group(1) == '"':
        return "the closing double quote of a value is missing"
    if value:
        return "values must stand in double quotes, and one has none (lost when a shell wrote the file?)"
    return f"udevd cannot read it from {rest[:30]!r} on"


def _with_reachable_gotos(rules: list[Rule]) -> tuple[Rule, ...]:
    """The rules, GOTOs without a LABEL further down taken out: udevd goes on as if they were not there."""
    labels: set[str] = set()
    result = []
    for rule in reversed(rules):
        target = rule.value_of("GOTO")
        if target is not None and target not in labels:
            tokens = tuple(token for token in rule.tokens if token.key != "GOTO")
            rule = Rule(rule.file, rule.line, rule.text, tokens)  # noqa: PLW2901
        if (label := rule.value_of("LABEL")) is not None:
            labels.add(label)
        result.append(rule)
    return tuple(reversed(result))


def _strength(path: str) -> tuple[int, str]:
    folder = path.rsplit("/", 1)[0]
    return (FOLDERS.index(folder) if folder in FOLDERS else len(FOLDERS), path)
