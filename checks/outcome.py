"""How a check says what it found, beyond pytest's own pass and fail.

    CouldNotLook            nothing is known: shown as pytest's error, never as a failure, never as fine
      (subclasses live where they arise: transport, bundle, facts)

A check that finds something wrong asserts, with one message that names every offender.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_advice: ContextVar[list[str] | None] = ContextVar("advice", default=None)


class CouldNotLook(Exception):  # noqa: N818 - it is an outcome's name, not an error in the program
    """The host, or a source on it, could not be read. The text is one sentence for a person."""


def advise(message: str) -> None:
    """Let the statement hold, and say what about it deserves attention."""
    messages = _advice.get()
    if messages is not None:
        messages.append(message)


@contextmanager
def collected_advice() -> Iterator[list[str]]:
    """Collect what `advise` is told inside the block, in order."""
    messages: list[str] = []
    token = _advice.set(messages)
    try:
        yield messages
    finally:
        _advice.reset(token)
