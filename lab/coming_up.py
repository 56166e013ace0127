"""What a controller hears while a lab comes up, and what it says when one does not."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from lab.state import State

CONSOLE_LINES = 20


class LabError(Exception):
    """The lab did not come up, or cannot be used; the text is for a person."""


@dataclass(frozen=True, slots=True)
class News:
    """Something that happened while a lab comes up; `node` is empty for the lab as a whole."""

    node: str
    text: str
    at_s: float


Report = Callable[[News], None]


def await_ready(place: State, lines: Iterable[str], report: Report, begun: float) -> None:
    """Pass the cell's news on until the lab is up; `begun` is a `time.monotonic()` instant. Raises `LabError`."""
    for line in lines:
        news = json.loads(line)
        if "ready" in news:
            return
        if "failed" in news:
            raise LabError(_why_not(place, news))
        runs_on = f" ({news['runs_on']})" if "runs_on" in news else ""
        report(News(news["node"], f"{news['state']}{runs_on}", time.monotonic() - begun))
    raise LabError(f"lab '{place.name}' ended while it came up\n{_tail(place.cell_log)}the whole log: {place.cell_log}")


def _why_not(place: State, news: dict[str, str]) -> str:
    if "node" not in news:
        return f"lab '{place.name}' did not come up: {news['failed']}\nthe whole log: {place.cell_log}"
    console = Path(news["console"])
    return (
        f"{news['node']} did not come up: {news['failed']}\nthe last lines of its console:\n"
        f"{_tail(console)}the whole console: {console}"
    )


def _tail(log: Path) -> str:
    """The last lines of a log, indented, with whatever a terminal would obey taken out."""
    if not log.exists():
        return "    (nothing)\n"
    text = log.read_bytes()[-65536:].decode("utf-8", "replace")
    lines = ["".join(c for c in line if c.isprintable() or c == "\t") for line in text.splitlines()]
    return "".join(f"    {line}\n" for line in [line for line in lines if line][-CONSOLE_LINES:])
