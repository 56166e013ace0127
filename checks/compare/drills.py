"""What a run's drills measured, out of their own files: `drill.json` of one that ran once, `rounds.json` else."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from statistics import median

from pydantic import BaseModel, ValidationError

from checks.compare.timings import Measure, Series, Values
from checks.outcome import CouldNotLook

NEWEST = 1
_NAMES = ("rounds.json", "drill.json")


class _Probes(BaseModel):
    interval_ms: float = 0.0


class _Event(BaseModel):
    event: str
    observer: str | None = None
    outage_ms: float | None = None
    first_garp_at_most_ms: float | None = None
    probes: tuple[_Probes, ...] = ()


class _Round(BaseModel):
    events: tuple[_Event, ...] = ()


class _Drill(BaseModel):
    """As `failover.drill_data` writes it. `format` is missing in files from before there were drills that ran once."""

    format: int = 1
    guest: str
    fault: str
    not_measured: str | None = None
    rounds: tuple[_Round, ...] = ()


def measured(folder: Path) -> dict[Series, Values]:
    """Every series of a run, one value a round. Raises CouldNotLook for a file that is none of a drill's."""
    found: dict[Series, list[float]] = {}
    intervals: dict[Series, list[float]] = {}
    for path in _files(folder):
        drill = _read(path)
        if drill.not_measured is not None:
            continue  # its numbers prove nothing, as its statements say
        for event in (event for each in drill.rounds for event in each.events):
            for measure, ms in _values(event):
                series = Series(drill.guest, drill.fault, event.event, event.observer or "", measure)
                found.setdefault(series, []).append(ms)
                interval = max((probes.interval_ms for probes in event.probes), default=0.0)
                intervals.setdefault(series, []).append(interval)
    return {series: Values(tuple(ms), median(intervals[series])) for series, ms in found.items()}


def _files(folder: Path) -> list[Path]:
    return sorted(path for name in _NAMES for path in (folder / "drills").glob(f"*/*/{name}"))


def _values(event: _Event) -> Iterator[tuple[Measure, float]]:
    if event.outage_ms is not None:
        yield "outage", event.outage_ms
    if event.first_garp_at_most_ms is not None:
        yield "first GARP", event.first_garp_at_most_ms


def _read(path: Path) -> _Drill:
    try:
        data = json.loads(path.read_bytes())
        if isinstance(data, dict) and isinstance(data.get("format"), int) and data["format"] > NEWEST:
            raise CouldNotLook(f"{path}: made by a newer vfproof (format {data['format']}; this one reads {NEWEST})")
        return _Drill.model_validate(data)
    except OSError as error:
        raise CouldNotLook(f"{path}: {error.strerror}") from None
    except (ValueError, RecursionError, ValidationError):
        raise CouldNotLook(f"{path}: this is no drill's data") from None
