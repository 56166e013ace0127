"""Parts of a fact that may be unknown for a reason of their own, while the rest of it is known, and shared parts."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import TypeVar

from checks.bundle import Bundle
from checks.outcome import CouldNotLook

T = TypeVar("T")


def attempt(read: Callable[[], T]) -> T | CouldNotLook:
    """What `read` gives, or why it could not look. For a part of a fact that not every statement needs."""
    try:
        return read()
    except CouldNotLook as error:
        return error


def known(part: T | CouldNotLook) -> T:
    """The part itself. Raises the reason for which it is not known."""
    if isinstance(part, CouldNotLook):
        raise part
    return part


def shared(parse: Callable[[Bundle], T]) -> Callable[[Bundle], T]:
    """A parser that several facts ask, which takes each bundle apart once."""

    @functools.wraps(parse)
    def kept(bundle: Bundle) -> T:
        return bundle.made(parse)

    return kept
