"""`python -m checks.compare.schema`: the JSON Schema of a comparison, as comparison.schema.json beside it holds it."""

from __future__ import annotations

import json
import sys

from checks.compare.runs import Comparison


def schema_text() -> str:
    """The schema."""
    return json.dumps(Comparison.model_json_schema(mode="serialization"), indent=2) + "\n"


if __name__ == "__main__":
    sys.stdout.write(schema_text())
