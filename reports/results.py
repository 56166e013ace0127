"""results.json: what a run found, for programs. Its schema is published beside this file and has a version.

`python -m reports.results` prints the schema.
"""

from __future__ import annotations

import json
import sys
from datetime import datetime
from typing import Literal

from pydantic import Field

from reports.readiness import Machine
from reports.rows import Row, Shape

FORMAT: Literal[1] = 1
"""Of results.json and of the run folder around it: raised when an older reader would misunderstand either."""


class Run(Shape):
    """Who ran what, when, and with which versions."""

    started: datetime
    finished: datetime | None = None
    command_line: tuple[str, ...]
    user: str
    controller: str = Field(description="name of the machine that the run was started on")
    versions: dict[str, str]
    labels: dict[str, str] = Field(default_factory=dict, description="what --metadata gave: a ticket, a change window")
    inventory: str | None = Field(None, description="copy of the inventory, relative to the run folder")
    collected: int = Field(0, description="statements that the run set out to judge")
    deselected: int = Field(0, description="statements left out by -k, -m or --deselect")
    remarks: tuple[str, ...] = Field((), description="what is odd about the run itself, such as an idle waiver")
    ended_by: str = Field("", description="what ended the run early; empty when it went to its end")
    exit_status: int | None = None


class Results(Shape):
    """A whole results.json."""

    format: Literal[1] = FORMAT
    state: Literal["running", "finished", "interrupted"] = Field(
        description="`running` after the run's process is gone means that it was killed; results.jsonl has its rows"
    )
    run: Run
    machines: tuple[Machine, ...] = ()
    rows: tuple[Row, ...] = ()


def schema_text() -> str:
    """The JSON Schema of results.json, as reports/results.schema.json holds it."""
    return json.dumps(Results.model_json_schema(mode="serialization"), indent=2) + "\n"


if __name__ == "__main__":
    sys.stdout.write(schema_text())
