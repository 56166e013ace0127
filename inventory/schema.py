"""The inventory's JSON Schema, from which editors complete and check. `python -m inventory.schema` writes it again."""

from __future__ import annotations

import json
from pathlib import Path

from inventory.model import Inventory

FILE = Path(__file__).with_name("schema.json")


def schema_text() -> str:
    """The schema as it stands in schema.json (JSON Schema 2020-12, as pydantic generates it)."""
    schema = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **Inventory.model_json_schema(),
        "title": "vfproof inventory",
    }
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    FILE.write_text(schema_text(), encoding="utf-8")
