"""`demo`: the main job on the embedded lab, from nothing to a report."""

from __future__ import annotations

import os
import signal
import time
from datetime import UTC, datetime
from pathlib import Path

from door import packages
from door.children import run
from door.memory import Peak
from door.progress import say
from door.runs import REPOSITORY, pytest_command, python
from door.words import UsageError, Words
from inventory.wording import did_you_mean

DEFAULT_TOPOLOGY = "sriov"
INSIDE = "_demo-inside"  # the door's own command for the part that runs while the lab is up
SAMPLE_EVERY_S = 2.0
TOPOLOGIES = REPOSITORY / "lab" / "topologies"


def demo(words: Words) -> int:
    """Bring the lab up, check and drill everything in one run, say where the report is, and take the lab down."""
    topology = _topology(words)
    packages.provide(packages.LAB, "the embedded lab")
    folder = words.value_of("--run-folder") or str(_run_folder())
    begun, peak = time.monotonic(), Peak()
    inside = python("door", INSIDE, *words.options, f"--run-folder={folder}")
    say(f"demo on the embedded lab {topology!r}: boot, checks, drills, report")
    # `lab run` lets go of a SIGINT, as the terminal sends it to its command too; it does pass SIGTERM on
    lab_run = python("lab", "run", topology, "--", *inside)
    status = run(lab_run, interruption=signal.SIGTERM, every_s=SAMPLE_EVERY_S, tick=peak.look)
    minutes, seconds = divmod(round(time.monotonic() - begun), 60)
    say(f"{minutes} min {seconds} s in all; at most {peak.bytes / 2**30:.1f} GiB of memory in use, lab included")
    report = Path(folder, "report.html")
    say(f"the report: {report}" if report.exists() else "no report: the run did not begin; the reason stands above")
    return status


def inside(words: Words) -> int:
    """The run of pytest in a lab that is up: checks and drills, one run folder, one report."""
    inventory = os.environ.get("VFPROOF_LAB_INVENTORY")
    if inventory is None:
        raise UsageError(f"{INSIDE} is the door's own; it runs in a lab that is up")
    rows = [REPOSITORY / "checks", REPOSITORY / "failover"]
    return run(pytest_command(["--inventory", inventory, "--drill", *words.options], rows))


def _topology(words: Words) -> str:
    known = sorted(path.stem for path in TOPOLOGIES.glob("*.yaml"))
    if len(words.others) > 1:
        raise UsageError("demo takes one topology at most")
    topology = words.others[0] if words.others else DEFAULT_TOPOLOGY
    if topology not in known:
        raise UsageError(f"there is no topology {topology!r}{did_you_mean(topology, known)}")
    return topology


def _run_folder() -> Path:
    return REPOSITORY / "reports" / "runs" / datetime.now(UTC).strftime("%Y-%m-%dT%H-%M-%SZ-demo")
