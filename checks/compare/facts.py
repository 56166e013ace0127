"""How features ask for a machine's facts: each parsed once, in a run or out of a bundle alone."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol, TypeVar

from checks.bundle import Bundle
from checks.outcome import CouldNotLook

T = TypeVar("T")


class FactOf(Protocol):
    """Gives what a fact module's `parse` makes of the machine's bundle. Raises CouldNotLook, the same every time."""

    def __call__(self, parse: Callable[[Bundle], T], /) -> T: ...  # noqa: D102


def facts_of(bundle: Bundle) -> FactOf:
    """The facts of one bundle, outside a run."""
    known: dict[Callable[[Bundle], Any], Any] = {}

    def fact(parse: Callable[[Bundle], T], /) -> T:
        if parse not in known:
            try:
                known[parse] = parse(bundle)
            except CouldNotLook as problem:
                known[parse] = problem
        found = known[parse]
        if isinstance(found, CouldNotLook):
            raise found
        return found  # type: ignore[no-any-return]

    return fact
