"""What pydantic found wrong with an inventory, in the words of the person who wrote it."""

from __future__ import annotations

import difflib
import types
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from inventory.document import Document
from inventory.mistakes import Place
from inventory.wording import did_you_mean, shown

_IP_ERRORS = frozenset({"ip_v4_interface", "ip_v6_interface"})
_MAPPINGS = frozenset({"model_type", "dict_type", "model_attributes_type", "mapping_type"})
_NUMBERS = frozenset({"int_type", "int_parsing", "int_from_float", "int_parsing_size"})
_BOUNDS = {
    "greater_than_equal": ("at least", "ge"),
    "less_than_equal": ("at most", "le"),
    "greater_than": ("more than", "gt"),
}


def complaints(document: Document, error: ValidationError, model: type[BaseModel]) -> list[str]:
    """One sentence per mistake, with file, line and place, in the order of the lines."""
    found: dict[str, int] = {}
    for detail in error.errors(include_url=False):
        place = _place(document, detail)
        sentence = document.complaint(place, _sentence(detail, place, model, document))
        found.setdefault(sentence, document.lines.get(place, document.lines.get(place[:-1], 0)))
    return sorted(found, key=lambda sentence: found[sentence])


def _place(document: Document, detail: ErrorDetails) -> Place:
    """Where it stands in the file. pydantic appends the union member it tried, and '[key]' for a key."""
    place: Place = detail["loc"]
    if detail["type"] == "missing":
        return place
    while place not in document.lines:
        place = place[:-1]
    return place


def _sentence(detail: ErrorDetails, place: Place, model: type[BaseModel], document: Document) -> str:
    kind, given, context = detail["type"], detail["input"], detail.get("ctx", {})
    sentence = _wrong_type(kind, given) or shown(detail["msg"], 300)
    if detail["loc"] and detail["loc"][-1] == "[key]" and kind == "string_type":
        sentence = f"a name must be text; write it in quotes: '{shown(given)}'"
    elif kind == "extra_forbidden":
        sentence = f"unknown key{_meant(place, model, document)}"
    elif kind == "missing":
        sentence = f"missing; write '{place[-1]}:' and {_description(model, place)}"
    elif kind == "value_error":
        sentence = shown(context["error"], 300)
    elif kind == "literal_error":
        sentence = _literal(given, _choices(model, place))
    elif kind in _BOUNDS:
        words, key = _BOUNDS[kind]
        sentence = f"must be {words} {context.get(key)}, not {shown(given)}"
    return sentence


def _wrong_type(kind: str, given: object) -> str | None:
    wanted: str | None = None
    if kind in _MAPPINGS:
        if given is None:
            return "is empty; write its keys below it, indented further, or leave the line out"
        wanted = "a mapping (lines of 'key: value')"
    elif kind in _NUMBERS:
        wanted = "a whole number"
    elif kind.startswith("float") or kind == "finite_number":
        wanted = "a number"
    elif kind.startswith("bool"):
        wanted = "true or false"
    elif kind.startswith(("tuple", "list")):
        wanted = "a list, such as [one, two]"
    elif kind == "string_type":
        hint = f"; write it in quotes: '{shown(given)}'" if isinstance(given, int | float) else ""
        return f"must be text, not {_named(given)}{hint}"
    elif kind in _IP_ERRORS:
        wanted = "an address with its prefix length, such as 192.0.2.21/24 or 2001:db8::21/64"
    return f"must be {wanted}, not {_named(given)}" if wanted else None


def _named(given: object) -> str:
    if given is None:
        return "nothing"
    if isinstance(given, bool):
        return "true" if given else "false"
    if isinstance(given, dict):
        return "a mapping"
    if isinstance(given, list | tuple):
        return "a list"
    return f"'{shown(given)}'"


def _literal(given: object, choices: list[Any]) -> str:
    texts = [str(choice) for choice in choices]
    near = difflib.get_close_matches(str(given), texts, n=1)
    hint = f"; did you mean {near[0]!r}?" if near else ""
    return f"must be {' or '.join(repr(choice) for choice in choices)}, not {_named(given)}{hint}"


def _bare(annotation: Any) -> Any:
    """The annotation without Annotated and without `| None`."""
    while True:
        origin = get_origin(annotation)
        if origin is Annotated:
            annotation = get_args(annotation)[0]
        elif origin in (Union, types.UnionType):
            members = [member for member in get_args(annotation) if member is not types.NoneType]
            if len(members) != 1:
                return annotation
            annotation = members[0]
        else:
            return annotation


def _annotation(model: type[BaseModel], place: Place) -> Any:
    """The type that the model wants at a place; Any where it has no say."""
    current: Any = model
    for step in place:
        current = _bare(current)
        if isinstance(current, type) and issubclass(current, BaseModel):
            field = current.model_fields.get(str(step))
            current = field.annotation if field else Any
        elif get_origin(current) is dict:
            current = get_args(current)[1]
        else:
            return Any
    return _bare(current)


def _owner(model: type[BaseModel], place: Place) -> type[BaseModel] | None:
    owner = _annotation(model, place)
    return owner if isinstance(owner, type) and issubclass(owner, BaseModel) else None


def _meant(place: Place, model: type[BaseModel], document: Document) -> str:
    """What an unknown key probably stands for: a required key that is missing, before any other that is not there."""
    owner = _owner(model, place[:-1])
    fields = owner.model_fields if owner else {}
    absent = [key for key in fields if (*place[:-1], key) not in document.lines]
    required = did_you_mean(place[-1], [key for key in absent if fields[key].is_required()])
    return required if "did you mean" in required else did_you_mean(place[-1], absent or fields)


def _choices(model: type[BaseModel], place: Place) -> list[Any]:
    return list(get_args(_annotation(model, place)))


def _description(model: type[BaseModel], place: Place) -> str:
    owner = _owner(model, place[:-1])
    field = owner.model_fields.get(str(place[-1])) if owner else None
    return f"its value: {field.description}" if field and field.description else "its value"
