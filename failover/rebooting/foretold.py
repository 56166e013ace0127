"""A forecast about a boot, and what came of it: plain values, made and judged elsewhere."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from typing import Any

from checks.facts.known import attempt
from checks.outcome import CouldNotLook


@dataclass(frozen=True, slots=True)
class Foretold:
    """One thing that the boot will bring. `read` finds it among the facts of afterwards; it raises `CouldNotLook`."""

    subject: str
    statement: str
    """The statement of the check that foretells it."""
    values: tuple[str, ...]
    """What it may be; empty where nothing can be foretold."""
    why: str
    read: Callable[[Any], str]


@dataclass(frozen=True, slots=True)
class Compared:
    """A forecast and what came of it; `came` is None where that could not be read, and `why_not` says why."""

    foretold: Foretold
    came: str | None
    why_not: str = ""

    @property
    def is_wrong(self) -> bool:
        """Whether something else came than was foretold."""
        return self.came is not None and bool(self.foretold.values) and self.came not in self.foretold.values

    def __str__(self) -> str:
        one = self.foretold
        said = f"foretold {' or '.join(one.values)}" if one.values else f"nothing foretold ({one.why})"
        came = self.came if self.came is not None else f"not known ({self.why_not})"
        return f"{one.subject}: {said}, came {came}"


def compare(foretold: Iterable[Foretold], after: object) -> tuple[Compared, ...]:
    """Every forecast with what came. `after`: facts of the machine that they are about."""
    found = []
    for one in foretold:
        came = attempt(partial(one.read, after))
        unknown = isinstance(came, CouldNotLook)
        found.append(Compared(one, None if unknown else str(came), str(came) if unknown else ""))
    return tuple(found)
