"""How a message quotes what somebody wrote, and guesses what was meant."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


def shown(value: object, limit: int = 60) -> str:
    """The value as text that stays on one line of a terminal and cannot steer it."""
    text = str(value)
    text = text if len(text) <= limit else text[: limit - 3] + "..."
    return "".join(c if c.isprintable() else c.encode("unicode_escape", "replace").decode() for c in text)


def did_you_mean(word: object, known: Iterable[str]) -> str:
    """`; did you mean 'vfs'?`, or the names there are when none is near."""
    names = list(known)
    near = difflib.get_close_matches(str(word), names, n=1, cutoff=0.5)
    if near:
        return f"; did you mean {near[0]!r}?"
    return f"; there are {', '.join(shown(name) for name in names[:30])}" if names else ""
