"""What /etc/default/grub, grub.d and tuned's bootcmdline ask for: assignments of a shell, read without a shell.

Source: GRUB 2.12 util/grub-mkconfig.in (sources the file); Debian's patch mkconfig-signed-kernel, default-grub-d.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

_ASSIGNMENT = re.compile(r"^\s*(?:export\s+)?((?:GRUB|TUNED)_[A-Z0-9_]+)(\+?=)(.*)$", re.DOTALL)
_VARIABLE = re.compile(r"\$(?:\{(\w+)\}|(\w+))")
_OPENS = re.compile(r"^\s*(if|case|for|while|until)\b")
_CLOSES = re.compile(r"^\s*(fi|esac|done)\b")
_MAX_LINES = 50


@dataclass(frozen=True, slots=True)
class Setting:
    """A variable as grub-mkconfig will see it. `value` is None when only a shell could tell. `where`: file:line."""

    value: str | None
    where: str


def parse_defaults(files: Iterable[tuple[str, str]]) -> dict[str, Setting]:
    """The GRUB_* variables after all files, given as (path, text) in the order in which they are sourced."""
    settings: dict[str, Setting] = {}
    for path, text in files:
        depth = 0
        for number, line in _logical_lines(text):
            depth = max(0, depth + bool(_OPENS.match(line)) - bool(_CLOSES.match(line)))
            if found := _ASSIGNMENT.match(line):
                name, operator, raw = found.groups()
                # Inside a condition only a shell can tell whether the assignment happens.
                value = None if depth else _value(raw, settings)
                if operator == "+=":
                    before = settings[name].value if name in settings else ""
                    value = None if value is None or before is None else before + value
                settings[name] = Setting(value, f"{path}:{number}")
    return settings


def _logical_lines(text: str) -> Iterable[tuple[int, str]]:
    """Lines with their numbers; a line with an open quote or a trailing backslash takes the next ones in."""
    start, collected = 0, ""
    for number, line in enumerate(text.splitlines(), 1):
        if not collected:
            start = number
        collected = f"{collected}\n{line}" if collected else line
        if number - start < _MAX_LINES and (_is_open(collected)):
            continue
        yield start, collected
        collected = ""
    if collected:
        yield start, collected


def _is_open(line: str) -> bool:
    """Whether the shell would go on reading. Only assignments are looked at: prose in comments has quotes too."""
    assignment = _ASSIGNMENT.match(line)
    return assignment is not None and _scan(assignment.group(3), {})[1]


def _value(raw: str, known: Mapping[str, Setting]) -> str | None:
    value, still_open = _scan(raw, known)
    return None if still_open else value


def _scan(raw: str, known: Mapping[str, Setting]) -> tuple[str | None, bool]:
    """The first word of `raw` as the shell expands it (None: it runs something), and whether a quote stays open."""
    value, quote, position, certain = "", "", 0, True
    while position < len(raw):
        character = raw[position]
        position += 1
        if quote == "'":
            quote, value = ("", value) if character == "'" else (quote, value + character)
        elif character == "\\":
            following = raw[position : position + 1]
            if not following:
                return None, True
            keep_backslash = quote == '"' and following not in '"\\$`\n'
            value += "" if following == "\n" else ("\\" if keep_backslash else "") + following
            position += 1
        elif character in "$`":
            expanded, position = _expand(raw, position - 1, known)
            certain, value = certain and expanded is not None, value + (expanded or "")
        elif character == '"' or (character == "'" and not quote):
            quote = "" if quote == character else character
        elif not quote and character in " \t\n;#&|":
            break
        else:
            value += character
    return value if certain else None, bool(quote)


def _expand(raw: str, position: int, known: Mapping[str, Setting]) -> tuple[str | None, int]:
    """The variable at `position` and where it ends; None for one whose value only a shell could tell."""
    found = _VARIABLE.match(raw, position)
    if found is None:
        runs_something = raw[position] == "`" or raw[position + 1 : position + 2] in ("(", "{")
        return (None if runs_something else "$"), position + 1
    name = found.group(1) or found.group(2)
    if name in known:
        return known[name].value, found.end()
    # An unset GRUB_ variable is empty; any other comes from an environment that nobody can see.
    return ("" if name.startswith("GRUB_") else None), found.end()
