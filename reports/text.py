"""Text from a host is data: bounded, printable, and only then shown."""

from __future__ import annotations

import html
import unicodedata


def printable(text: str, limit: int) -> str:
    """The text with control and format characters made visible and at most `limit` characters, saying what was cut.

    Line feeds and tabs stay. Format characters (Unicode Cf: bidirectional overrides, zero-width ones) could make a
    page show something other than what a host said, and lone surrogates cannot be written as UTF-8 at all.
    """
    cut = len(text) - limit
    kept = text if cut <= 0 else f"{text[:limit]} … {cut} more characters"
    if kept.replace("\n", "").replace("\t", "").isprintable():  # nearly all are
        return kept
    return "".join(char if char in "\n\t" or unicodedata.category(char)[0] != "C" else _visible(char) for char in kept)


def shown(text: str, limit: int = 4000) -> str:
    """`printable`, escaped for HTML, quotes included."""
    return html.escape(printable(text, limit), quote=True)


def _visible(char: str) -> str:
    return char.encode("unicode_escape").decode("ascii")
