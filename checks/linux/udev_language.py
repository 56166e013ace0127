"""What each line of udev's rules says, or why udevd drops it.

Source: systemd 252 and 257 src/udev/udev-rules.c (rule_add_line, parse_line, parse_token, rule_resolve_goto).
"""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass, field, replace
from typing import Literal

from checks.linux.udev_files import FOLDERS, SPACE, Line, Unread, lines_of, reading_order

__all__ = ["FOLDERS", "NO_EFFECT", "Operator", "Rule", "Token", "Unread", "parse_file", "reading_order"]

Operator = Literal["==", "!=", "=", "+=", "-=", ":="]
_OPERATORS: tuple[Operator, ...] = ("==", "!=", "+=", "-=", ":=", "=")
_MATCH: frozenset[str] = frozenset({"==", "!="})

MATCH_ONLY = {
    "ACTION", "DEVPATH", "KERNEL", "SUBSYSTEM", "DRIVER", "KERNELS", "SUBSYSTEMS", "DRIVERS", "ATTRS", "TAGS",
    "CONST", "TEST", "RESULT",
}  # fmt: skip
_ASSIGN_ONLY = {"OPTIONS", "OWNER", "GROUP", "MODE", "SECLABEL", "RUN", "GOTO", "LABEL"}
KEYS = MATCH_ONLY | _ASSIGN_ONLY | {"SYMLINK", "NAME", "ENV", "TAG", "ATTR", "SYSCTL", "PROGRAM", "IMPORT"}
_NEEDS_ATTRIBUTE = {"ENV", "CONST", "ATTR", "SYSCTL", "ATTRS", "IMPORT", "SECLABEL"}
_MAY_HAVE_ATTRIBUTE = _NEEDS_ATTRIBUTE | {"TEST", "RUN"}
_NO_REMOVAL = {"NAME", "ENV", "ATTR", "SYSCTL", "PROGRAM", "IMPORT"} | (_ASSIGN_ONLY - {"GOTO", "LABEL"})
_IMPORTS = {"file", "program", "builtin", "db", "cmdline", "parent"}
_BUILTINS = {
    "blkid", "btrfs", "hwdb", "input_id", "keyboard", "kmod", "net_driver", "net_id", "net_setup_link", "path_id",
    "uaccess", "usb_id",
}  # fmt: skip
_READ_ONLY_PROPERTIES = {
    "ACTION", "DEVLINKS", "DEVNAME", "DEVPATH", "DEVTYPE", "DRIVER", "IFINDEX", "MAJOR", "MINOR", "SEQNUM", "SUBSYSTEM",
    "TAGS",
}  # fmt: skip
_OPTIONS = re.compile(r"string_escape=(none|replace)|db_persist|(no)?watch|(static_node|link_priority|log_level)=.*")
_ANY_CASE_SINCE = 257
_ESCAPES = {"a": "\a", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v", "s": " "}
_ESCAPE = re.compile(
    r"\\(?:(?P<one>[abfnrtvs\\\"'])|x(?P<hex>[0-9a-fA-F]{2})|u(?P<short>[0-9a-fA-F]{4})|U(?P<long>[0-9a-fA-F]{8})"
    r"|(?P<octal>[0-3][0-7]{2})|(?P<bad>))"
)
NO_EFFECT = "it only compares and does nothing"


@dataclass(frozen=True, slots=True)
class Token:
    """One comparison or assignment: `key{attribute} operator "value"`. `any_case`: written i"value"."""

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
        return f'{self.name}{self.operator}{"i" if self.any_case else ""}"{self.value}"'


@dataclass(frozen=True, slots=True)
class Rule:
    """One line of a rule file. `problem`: why udevd drops the whole line; None when it takes it.

    `line`: number of its first line. `text`: as written, continuation lines joined. `lost_goto`: the label of a GOTO
    that udevd ignores, because no such label follows.
    """

    file: str
    line: int
    text: str
    tokens: tuple[Token, ...] = ()
    problem: str | None = None
    lost_goto: str | None = None
    # LABEL and GOTO are asked for at every event; of two LABELs the last counts, of two GOTOs the first.
    label: str | None = field(default=None, init=False, compare=False, repr=False)
    goto: str | None = field(default=None, init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        """Find LABEL and GOTO once."""
        for token in self.tokens:
            if token.key == "LABEL":
                object.__setattr__(self, "label", token.value)
            elif token.key == "GOTO" and self.goto is None:
                object.__setattr__(self, "goto", token.value)

    @property
    def where(self) -> str:
        """file:line."""
        return f"{self.file}:{self.line}"


@functools.lru_cache(maxsize=512)  # the hosts of a run have the same files, most of them from one distribution
def parse_file(path: str, text: str, systemd: int | None = None) -> tuple[Rule, ...]:
    """The rules of one file in order, dropped lines included. Any text is taken; nothing is raised.

    `systemd`: the version that reads them, where it is known.
    """
    return _with_reachable_gotos([_rule(path, line, systemd) for line in lines_of(text, systemd)])


def _rule(path: str, line: Line, systemd: int | None) -> Rule:
    if line.problem:
        return Rule(path, line.number, line.text, problem=line.problem)
    text, position, tokens = line.text, 0, list[Token]()
    while (position := _skip(text, position, SPACE + ",")) < len(text):
        parsed = _token(text, position)
        if parsed is None:
            return Rule(path, line.number, text, problem=_why_unreadable(text[position:]))
        token, position = parsed
        if problem := _problem(token, systemd):
            return Rule(path, line.number, text, problem=problem)
        tokens.append(token)
    if all(token.operator in _MATCH and token.key not in ("PROGRAM", "IMPORT") for token in tokens if _counts(token)):
        return Rule(path, line.number, text, problem=NO_EFFECT)
    return Rule(path, line.number, text, tuple(tokens))


def _skip(text: str, position: int, characters: str) -> int:
    while position < len(text) and text[position] in characters:
        position += 1
    return position


_KEY_END = re.compile(r"[ \t\n\r={]|[+\-!:]=")
_PREFIX = re.compile(r'(e?i?|ie)"')
_PLAIN_VALUE = re.compile(r'(?:[^"\\]|\\"|\\(?!"))*+"')
_ESCAPED_VALUE = re.compile(r'(?:[^"\\]|\\.)*+"', re.DOTALL)


def _token(text: str, position: int) -> tuple[Token, int] | None:
    """The token at `position`, and where it ends; None for what udevd calls an invalid key/value pair."""
    end = _KEY_END.search(text, position)
    if end is None:
        return None
    key, attribute, position = text[position : end.start()], None, end.start()
    if text[position] == "{":
        close = text.find("}", position)
        if close < 0:
            return None
        attribute, position = text[position + 1 : close], close + 1
    position = _skip(text, position, SPACE)
    operator = next((op for op in _OPERATORS if text.startswith(op, position)), None)
    if operator is None:
        return None
    prefix = _PREFIX.match(text, _skip(text, position + len(operator), SPACE))
    if prefix is None:
        return None
    escaped = "e" in prefix.group(1)
    whole = (_ESCAPED_VALUE if escaped else _PLAIN_VALUE).match(text, prefix.end())
    if whole is None:
        return None
    value = whole.group()[:-1]
    unescaped = _unescaped(value) if escaped else value.replace('\\"', '"')
    return (
        None if unescaped is None else (Token(key, attribute, operator, unescaped, "i" in prefix.group(1)), whole.end())
    )


def _unescaped(text: str) -> str | None:
    """The value of e"..."; None when udevd does not know an escape in it."""
    bad = False

    def put_in(found: re.Match[str]) -> str:
        nonlocal bad
        if found["one"]:
            return _ESCAPES.get(found["one"], found["one"])
        digits = found["hex"] or found["short"] or found["long"]
        number = int(digits, 16) if digits else int(found["octal"], 8) if found["octal"] else 0
        bad = bad or not 0 < number < 0x110000 or 0xD800 <= number < 0xE000
        return "" if bad else chr(number)

    result = _ESCAPE.sub(put_in, text)
    return None if bad else result


def _counts(token: Token) -> bool:
    """Whether a token does anything at all: an unknown option is left out, and the rest of its line taken."""
    return token.key != "OPTIONS" or _OPTIONS.fullmatch(token.value) is not None


def _problem(token: Token, systemd: int | None) -> str | None:  # noqa: PLR0911, PLR0912 - a list of rules
    """Why udevd refuses the token, and with it the line."""
    key, attribute, operator = token.key, token.attribute, token.operator
    if key.startswith("\ufeff"):
        return "the file begins with a byte order mark, which udevd takes for part of the key"
    if token.any_case and systemd is not None and systemd < _ANY_CASE_SINCE:
        return f'i"..." is known since systemd {_ANY_CASE_SINCE}, and this is {systemd}'
    if token.any_case and (operator not in _MATCH or key in ("TEST", "PROGRAM", "IMPORT")):
        return f'{token.name} does not take i"...": it is for comparisons of text'
    if key not in KEYS:
        return f"there is no key {key!r}"
    if (attribute is not None and key not in _MAY_HAVE_ATTRIBUTE) or (not attribute and key in _NEEDS_ATTRIBUTE):
        return f"{key} {'needs an' if key in _NEEDS_ATTRIBUTE else 'takes no'} attribute in braces"
    if key in MATCH_ONLY and operator not in _MATCH:
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
    if key in ("RUN", "IMPORT") and attribute == "builtin" and (token.value.split() or [""])[0] not in _BUILTINS:
        return f"{token.name} knows no command {token.value!r}"
    if key == "CONST" and attribute not in ("arch", "virt"):
        return f"there is no {token.name}"
    if key == "TEST" and attribute and not re.fullmatch("[0-7]{1,4}", attribute):
        return f"{attribute!r} is no file mode"
    return None


def _why_unreadable(rest: str) -> str:  # noqa: PLR0911 - one sentence for each cause
    """In words, what udevd only calls an invalid key/value pair."""
    rest = rest[:1000]
    if rest.startswith("#"):
        return "a comment behind a rule makes the whole line invalid; it must stand on a line of its own"
    if re.search("[\u201c\u201d\u201e\u00ab\u00bb\u2018\u2019]", rest):
        return "values must stand in plain double quotes, not in typographic ones"
    value = re.match(r"[A-Z]+(?:\{[^}]*\})?\s*(?:[=!+\-:]=|=)\s*(.?)", rest)
    if value and value.group(1) == "'":
        return "values must stand in double quotes, not in single ones"
    if value and value.group(1) == '"':
        return "the closing double quote of a value is missing"
    if value and re.match(r'[ei]{1,2}"', rest[value.start(1) :]):
        return "the closing double quote of a value is missing, or an escape in it is unknown"
    if value:
        return "values must stand in double quotes, and one has none (lost when a shell wrote the file?)"
    return f"udevd cannot read it from {rest[:30]!r} on"


def _with_reachable_gotos(rules: list[Rule]) -> tuple[Rule, ...]:
    """The rules, GOTOs without a LABEL further down taken out: udevd goes on as if they were not there."""
    labels: set[str] = set()
    result = []
    for rule in reversed(rules):
        target = rule.goto
        if target is not None and target not in labels:
            tokens = tuple(token for token in rule.tokens if token.key != "GOTO")
            rule = replace(rule, tokens=tokens, lost_goto=target)  # noqa: PLW2901
        if (label := rule.label) is not None:
            labels.add(label)
        result.append(rule)
    return tuple(reversed(result))
