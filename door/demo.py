"""`demo`: the main job on the embedded lab, from nothing to a report; and before and after an upgrade there."""

from __future__ import annotations

import signal
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

from door import packages, upgrade
from door.children import run
from door.memory import Peak
from door.progress import say
from door.runs import REPOSITORY, everything_in_the_lab, python
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
    is_upgrade = topology in upgrade.TOPOLOGIES
    inside = python("door", upgrade.INSIDE if is_upgrade else INSIDE, *words.options, f"--run-folder={folder}")
    what = upgrade.SAYS if is_upgrade else "boot, checks, drills, report"
    say(f"demo on the embedded lab {topology!r}: {what}")
    # `lab run` lets go of a SIGINT, as the terminal sends it to its command too; it does pass SIGTERM on
    lab_run = python("lab", "run", topology, "--", *inside)
    status = run(lab_run, interruption=signal.SIGTERM, every_s=SAMPLE_EVERY_S, tick=peak.look)
    minutes, seconds = divmod(round(time.monotonic() - begun), 60)
    say(f"{minutes} min {seconds} s in all; at most {peak.bytes / 2**30:.1f} GiB of memory in use, lab included")
    _say_where(Path(folder), upgrade.PAGES if is_upgrade else {"report.html": "the report"})
    return status


def _say_where(folder: Path, pages: Mapping[str, str]) -> None:
    made = {path: what for name, what in pages.items() if (path := folder / name).exists()}
    for path, what in made.items():
        say(f"{what}: {path}")
    if not made:
        say("no report: the run did not begin; the reason stands above")


def inside(words: Words) -> int:
    """The run of pytest in a lab that is up: checks and drills, one run folder, one report."""
    return run(everything_in_the_lab(INSIDE, words.options))


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
