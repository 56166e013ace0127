"""The run as Prometheus metrics: is this host still fit? For node_exporter's textfile collector.

Format: https://prometheus.io/docs/instrumenting/exposition_formats/ (text format 0.0.4). The collector reads files that
end in `.prom`, and may do so at any moment: so a file is there whole or not at all.
"""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path

from reports.readiness import READINESS, Machine
from reports.results import Results
from reports.rows import Row
from reports.text import printable

METRICS = "metrics.prom"
END = ".prom"
_FILE_MODE = 0o644  # another user's node_exporter reads it; there is no more in it than names and numbers
_LABEL_LIMIT = 200

Sample = tuple[Mapping[str, str], float]


def text(results: Results) -> str:
    """All metrics of a run that is over."""
    return "".join(
        _family(name, help_text, samples) for name, help_text, samples in (*_of_hosts(results), *_of_run(results))
    )


def write(path: Path, content: str) -> None:
    """Put a file where a collector looks, whole or not at all; an older one is replaced. Raises OSError."""
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, unfinished = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}-")  # not read: it ends otherwise
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(content)
        Path(unfinished).chmod(_FILE_MODE)
        Path(unfinished).replace(path)
    except BaseException:
        Path(unfinished).unlink(missing_ok=True)
        raise


def _of_hosts(results: Results) -> Iterator[tuple[str, str, Iterable[Sample]]]:
    machines = results.machines
    yield (
        "vfproof_ready",
        "1 when every statement about the host and its guests holds or is waived; 0 when not, or not proven.",
        [({"host": one.name}, float(one.readiness == "ready")) for one in machines],
    )
    yield (
        "vfproof_readiness",
        "1 for the one of ready, not ready and not proven that the host is.",
        [({"host": one.name, "state": word}, float(one.readiness == word)) for one in machines for word in READINESS],
    )
    yield (
        "vfproof_statements",
        "Statements about the host and its guests, by what came out.",
        [({"host": one.name, "outcome": word}, number) for one in machines for word, number in one.counts.items()],
    )
    yield (
        "vfproof_waived",
        "Statements that are broken and that somebody answers for.",
        [({"host": one.name}, one.counts.get("waived", 0)) for one in machines],
    )
    host_of = {name: one.name for one in machines for name in (one.name, *one.guests)}
    yield (
        "vfproof_waiver_ends_timestamp_seconds",
        "When the first of the host's waivers that count runs out (the end of its last day, UTC).",
        list(_ends(machines, results.rows, host_of)),
    )
    yield from _measured(results.rows, host_of)


def _ends(machines: Iterable[Machine], rows: Iterable[Row], host_of: Mapping[str, str]) -> Iterator[Sample]:
    ends: dict[str, list[str]] = {}
    for row in rows:
        if row.waiver is not None and row.waiver.state == "counts":
            ends.setdefault(host_of.get(row.machine, ""), []).append(row.waiver.until)
    for one in machines:
        days = sorted(day for day in ends.get(one.name, ()) if re.fullmatch(r"\d{4}-\d\d-\d\d", day))
        if days:
            yield {"host": one.name}, datetime.fromisoformat(f"{days[0]}T00:00:00+00:00").timestamp() + 86_400


def _measured(rows: Iterable[Row], host_of: Mapping[str, str]) -> Iterator[tuple[str, str, Iterable[Sample]]]:
    """What rows have measured, each kind a metric of its own; of two rows about the same, the first says it."""
    found: dict[str, dict[tuple[str, str], float]] = {}
    for row in rows:
        for one in row.measured:
            found.setdefault(one.name, {}).setdefault((row.machine, one.of), one.value)
    for name, samples in sorted(found.items()):
        yield (
            f"vfproof_{name}",
            "Measured by this run; the worst, where it was measured more than once.",
            [
                ({"host": host_of.get(machine, machine), "machine": machine, "of": of}, value)
                for (machine, of), value in samples.items()
            ],
        )


def _of_run(results: Results) -> Iterator[tuple[str, str, Iterable[Sample]]]:
    run = results.run
    finished = run.finished or datetime.now(UTC)
    yield "vfproof_last_run_timestamp_seconds", "When the last run ended.", [({}, round(finished.timestamp(), 3))]
    duration = round((finished - run.started).total_seconds(), 3)
    yield "vfproof_last_run_duration_seconds", "How long the last run took.", [({}, duration)]
    whole = float(results.state == "finished")
    yield "vfproof_last_run_complete", "1 when the last run came to its end.", [({}, whole)]
    if run.exit_status is not None:
        yield "vfproof_last_run_exit_status", "Exit status of the last run.", [({}, run.exit_status)]
    version = {"version": run.versions.get("vfproof", "")}
    yield "vfproof_last_run_info", "Which version of vfproof ran.", [(version, 1)]


def _family(name: str, help_text: str, samples: Iterable[Sample]) -> str:
    lines = [f"{name}{_labels(labels)} {_number(value)}\n" for labels, value in samples]
    return f"# HELP {name} {help_text}\n# TYPE {name} gauge\n{''.join(lines)}" if lines else ""


def _labels(labels: Mapping[str, str]) -> str:
    told = ",".join(f'{key}="{_value(text)}"' for key, text in labels.items())
    return f"{{{told}}}" if told else ""


def _value(text: str) -> str:
    return printable(text, _LABEL_LIMIT).replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def _number(value: float) -> str:
    return str(int(value)) if float(value).is_integer() else repr(float(value))
