"""The example shows every key and loads; the schema that editors use is the model's own."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, get_args

import pytest
import yaml
from pydantic import BaseModel

from inventory.document import plain
from inventory.loading import load
from inventory.model import Inventory
from inventory.schema import FILE, schema_text

EXAMPLE = Path(FILE).with_name("example.yaml")


def keys_of_the_model(model: type[BaseModel]) -> set[tuple[str, str]]:
    """Every (class, key) that an inventory can hold, found through the annotations."""
    found: set[tuple[str, str]] = set()
    for name, field in model.model_fields.items():
        found.add((model.__name__, name))
        waiting: list[Any] = [field.annotation]
        while waiting:
            part = waiting.pop()
            waiting.extend(get_args(part))
            if isinstance(part, type) and issubclass(part, BaseModel):
                found |= keys_of_the_model(part)
    return found


def keys_set_in(value: object) -> set[tuple[str, str]]:
    """Every (class, key) that was written in the file, not filled in by a default."""
    if isinstance(value, dict):
        return set().union(*(keys_set_in(inner) for inner in value.values()))
    if isinstance(value, tuple):
        return set().union(*(keys_set_in(inner) for inner in value))
    if not isinstance(value, BaseModel):
        return set()
    own = {(type(value).__name__, key) for key in value.model_fields_set}
    return own.union(*(keys_set_in(getattr(value, key)) for key in value.model_fields_set))


def test_the_example_has_every_key_of_the_model() -> None:
    assert keys_of_the_model(Inventory) - keys_set_in(load(EXAMPLE)) == set()


def test_an_unwritten_key_would_be_noticed() -> None:
    inventory = load(EXAMPLE)
    kvm = inventory.hosts["kvm-01"]
    bare = kvm.model_construct(_fields_set=kvm.model_fields_set - {"iommu"}, **dict(kvm))
    shortened = inventory.model_copy(update={"hosts": {"kvm-01": bare}})
    assert keys_of_the_model(Inventory) - keys_set_in(shortened) == {("Host", "iommu")}


def test_every_line_of_the_example_that_sets_a_value_for_the_first_time_is_explained() -> None:
    unexplained: list[str] = []
    seen: set[str] = set()
    for line in EXAMPLE.read_text(encoding="utf-8").splitlines():
        key = line.strip().partition(":")[0]
        indentation = len(line) - len(line.lstrip())
        if line.strip() and not line.lstrip().startswith("#") and "#" not in line and f"{indentation}{key}" not in seen:
            unexplained.append(key)
        seen.add(f"{indentation}{key}")
    # names of the example's own, and keys explained at their first place in another mapping
    assert set(unexplained) <= {
        "kvm-01",
        "ens1f0",
        "ens1f1",
        "0",
        "guest-01",
        "ens1",
        "ens2",
        "bond0",
        "77",
        "bond-mgmt",
    }


def test_the_example_names_its_schema_first() -> None:
    assert EXAMPLE.read_text(encoding="utf-8").splitlines()[0] == "# yaml-language-server: $schema=schema.json"


def test_the_schema_file_is_the_model_s_schema() -> None:
    assert FILE.read_text(encoding="utf-8") == schema_text(), "run: .venv/bin/python -m inventory.schema"


def test_the_schema_describes_and_closes_every_mapping() -> None:
    schema = json.loads(schema_text())
    for mapping in [schema, *schema["$defs"].values()]:
        assert mapping["additionalProperties"] is False
        assert [key for key, value in mapping["properties"].items() if not value.get("description")] == []


@pytest.mark.parametrize("key", ["hosts", "guests", "observers"])
def test_the_example_is_plain_yaml_for_other_parsers(key: str) -> None:
    # YAML 1.1, as PyYAML's own loader and older tools read it, must see the same values
    text = EXAMPLE.read_text(encoding="utf-8")
    values: Any = plain(EXAMPLE.name, text)
    assert yaml.safe_load(text)[key] == values[key]
