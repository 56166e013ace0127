"""What a model refuses beyond types, each mistake with its own place in the file."""

from __future__ import annotations

from collections.abc import Iterable

from pydantic import ValidationError
from pydantic_core import InitErrorDetails, PydanticCustomError

Place = tuple[str | int, ...]


def refuse(mistakes: Iterable[tuple[Place, str]]) -> None:
    """Raise one `pydantic.ValidationError` with an entry per mistake; nothing when there is none.

    pydantic puts the place of the model that calls this before each mistake's own.
    """
    details = [
        InitErrorDetails(type=PydanticCustomError("mistake", "{sentence}", {"sentence": text}), loc=place, input=None)
        for place, text in mistakes
    ]
    if details:
        raise ValidationError.from_exception_data("Inventory", details)
