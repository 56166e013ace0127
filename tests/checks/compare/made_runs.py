"""Run folders to compare: made by hand out of rows, bundles, inventories and drills."""

from __future__ import annotations

import gzip
import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from checks.bundle import Bundle
from reports.readiness import Machine
from reports.results import Results, Run
from reports.rows import Outcome, Row

CAPTURED = Path(__file__).resolve().parents[1] / "captured"
SAMPLES = CAPTURED / "sriov-lab"
FORMAT_1 = CAPTURED / "runs/format-1"
HOST, GUEST = "hfbc9a", "h488d4f"
STARTED = datetime(2026, 11, 24, 8, 0, tzinfo=UTC)


def row(name: str, outcome: Outcome, machine: str = HOST, message: str = "", area: str = "vfs", **more: Any) -> Row:
    """One row of one machine."""
    node = f"checks/test_{area}.py::test_{name}[{machine}]"
    return Row(id=node, statement=f"{name} holds.", outcome=outcome, machine=machine, message=message, **more)


def run(
    folder: Path,
    *rows: Row,
    bundles: Mapping[str, bytes] | None = None,
    inventory: str | None = None,
    drills: Mapping[str, Sequence[Mapping[str, Any]]] | None = None,
    **about: Any,
) -> Path:
    """A run folder. `drills`: by guest, the events of every round."""
    (folder / "bundles").mkdir(parents=True)
    named = {"inventory": "inventory.yaml"} if inventory is not None else {}
    versions = about.pop("versions", {"vfproof": "0.1.0"})
    state = about.pop("state", "finished")
    told = Run(
        started=STARTED, command_line=("pytest",), user="u", controller="c", versions=versions, **{**named, **about}
    )
    hosts = {GUEST: HOST}
    machines = tuple(
        Machine(name=host, readiness="ready", guests=(guest,), counts={}, findings=()) for guest, host in hosts.items()
    )
    results = Results(state=state, run=told, rows=rows, machines=machines)
    (folder / "results.json").write_text(results.model_dump_json())
    if inventory is not None:
        (folder / "inventory.yaml").write_text(inventory)
    for name, data in (bundles or {}).items():
        (folder / f"bundles/{name}.vfb.gz").write_bytes(data)
    for guest, rounds in (drills or {}).items():
        place = folder / f"drills/{guest}/switch"
        place.mkdir(parents=True)
        told_of = {"format": 1, "guest": guest, "fault": "switch", "rounds": [{"events": [one]} for one in rounds]}
        (place / "rounds.json").write_text(json.dumps(told_of))
    return folder


def event(outage_ms: float, garp_ms: float | None = 1.0) -> dict[str, Any]:
    """One event of a drill, as its file has it."""
    probes = [{"address": "10.0.0.1", "interval_ms": 5.0}]
    return {"event": "eth0→eth1", "outage_ms": outage_ms, "first_garp_at_most_ms": garp_ms, "probes": probes}


def sample(name: str, *changed: tuple[str, str]) -> bytes:
    """A bundle of the lab's host or guest, some of its texts replaced."""
    head, _, answer = gzip.decompress((SAMPLES / f"{name}.vfb.gz").read_bytes()).partition(b"\n")
    for old, new in changed:
        assert old.encode() in answer, old
        answer = answer.replace(old.encode(), new.encode())
    return gzip.compress(head + b"\n" + answer, mtime=0)


def cut_off(name: str) -> bytes:
    """The sample as it is when the connection breaks after a while."""
    data = gzip.decompress((SAMPLES / f"{name}.vfb.gz").read_bytes())
    head, _, answer = data.partition(b"\n")
    return gzip.compress(head + b"\n" + answer[: len(answer) // 5], mtime=0)


def loaded(data: bytes, folder: Path) -> Bundle:
    """The bundle of these bytes."""
    path = folder / "one.vfb.gz"
    path.write_bytes(data)
    return Bundle.load(path)
