"""What goes on, told on standard error: a spinner on a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def step(text: str) -> Iterator[None]:
    """Show that something is under way, and at its end how long it took (nothing more when it fails)."""
    begun = time.monotonic()
    if sys.stderr.isatty():
        from rich.console import Console
        from rich.markup import escape

        with Console(stderr=True).status(escape(text)):
            yield
    else:
        say(f"{text} ...")
        yield
    say(f"{text}: done ({time.monotonic() - begun:.0f} s)")


def say(text: str) -> None:
    """One line (or several) on standard error, with the program's name before it."""
    print("\n".join(f"vfproof: {line}" for line in text.splitlines()), file=sys.stderr, flush=True)
