"""How udevd compares a value with what a rule wants.

Source: systemd 252 and 257 src/udev/udev-rules.c (rule_line_add_token, token_match_string); fnmatch(3), glob(7).
"""

from __future__ import annotations

import functools
import re

_CLASSES = {
    "alnum": r"a-zA-Z0-9", "alpha": r"a-zA-Z", "blank": r" \t", "cntrl": r"\x00-\x1f\x7f", "digit": r"0-9",
    "graph": r"\x21-\x7e", "lower": r"a-z", "print": r"\x20-\x7e", "punct": r"\x21-\x2f\x3a-\x40\x5b-\x60\x7b-\x7e",
    "space": r"\s", "upper": r"A-Z", "xdigit": r"0-9A-Fa-f",
}  # fmt: skip
_PIECE = re.compile(
    r"(?P<stars>\*+)|(?P<any>\?)"
    r"|\[(?P<not>[!^]?)(?P<set>\]?(?:\[:[a-z]+:\]|\\.|[^\]\\])*)\]"
    r"|\\(?P<escaped>.)|(?P<plain>.)",
    re.DOTALL,
)
_IN_SET = re.compile(r"\[:(?P<name>[a-z]+):\]|\\?(?P<low>.)(?:-\\?(?P<high>[^\]]))?", re.DOTALL)


def matches(wanted: str, text: str, *, any_case: bool = False) -> bool:
    """Whether a text is what a rule wants: one of the alternatives between bars, globs where the value has any."""
    alternatives, globs, may_be_empty = _alternatives(wanted, any_case)
    if not text:
        return may_be_empty
    if any_case:
        text = text.lower()
    if not globs:
        return text in alternatives
    # Where one alternative is a glob, all are read as globs: a backslash quotes in each of them.
    return any(_fnmatch(alternative, text) for alternative in alternatives if alternative)


@functools.lru_cache(maxsize=16384)
def _alternatives(wanted: str, any_case: bool) -> tuple[tuple[str, ...], bool, bool]:  # noqa: FBT001
    """What may be there, whether these are globs, and whether nothing may be there: the same for every event."""
    found = tuple((wanted.lower() if any_case else wanted).split("|"))
    # An empty alternative stands for a missing value; a glob may match nothing too.
    return found, is_glob(wanted), any(not one.strip("*") for one in found)


def is_glob(wanted: str) -> bool:
    """Whether a value is more than plain text."""
    return "*" in wanted or "?" in wanted or "[" in wanted


def _fnmatch(pattern: str, text: str) -> bool:
    # A pattern that needs more characters than there are holds for nothing, however long it is to translate.
    if len(pattern) > 8 * len(text) + 64 and _shortest(pattern) > len(text):
        return False
    compiled = _translated(pattern)
    return compiled is not None and compiled.fullmatch(text) is not None


@functools.lru_cache(maxsize=4096)
def _shortest(pattern: str) -> int:
    return sum(found["stars"] is None for found in _PIECE.finditer(pattern))


@functools.lru_cache(maxsize=4096)
def _translated(pattern: str) -> re.Pattern[str] | None:
    """The pattern as a regular expression that cannot backtrack from one star into an earlier one."""
    parts: list[str] = [""]
    for found in _PIECE.finditer(pattern):
        if found["stars"] is not None:
            parts.append("")
        else:
            parts[-1] += _one(found)
    if len(parts) == 1:
        expression = parts[0]
    else:
        middle = "".join(f"(?>.*?{part})" for part in parts[1:-1] if part)
        expression = f"{parts[0]}{middle}.*{parts[-1]}"
    try:
        return re.compile(expression, re.DOTALL)
    except re.error:  # a range such as [z-a], which matches nothing
        return None


def _one(found: re.Match[str]) -> str:
    """The expression for one character of the text."""
    if found["any"]:
        return "."
    if found["set"] is None:
        return re.escape(found["escaped"] or found["plain"])
    inside = ""
    for item in _IN_SET.finditer(found["set"]):
        if item["name"]:
            inside += _CLASSES.get(item["name"], "")
        else:
            inside += re.escape(item["low"]) + (f"-{re.escape(item['high'])}" if item["high"] else "")
    return f"[{'^' if found['not'] else ''}{inside}]" if inside else "(?!)"
