"""Two runs laid side by side."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import Literal, TypeVar

from pydantic import Field

from checks.compare import inventories
from checks.compare.causes import EFFECTS
from checks.compare.changes import Change
from checks.compare.inventories import Wish
from checks.compare.machines_of_both import MachinesOfBoth
from checks.compare.meant import as_meant
from checks.compare.outcomes import Ground, Shift, shifts
from checks.compare.stored_run import NotARun, StoredRun
from checks.compare.timings import Timing, timings
from checks.outcome import CouldNotLook
from reports.rows import Row, Shape

SOME = 3
_Told = TypeVar("_Told", Change, Wish)


class Side(Shape):
    """One of the two runs."""

    folder: str
    started: datetime
    versions: dict[str, str] = Field(description="of vfproof and what it runs on")


class Comparison(Shape):
    """What two runs differ in."""

    format: Literal[1] = 1
    before: Side
    after: Side
    worse: bool = Field(
        description="whether a statement came out worse, a fact breaks something, or a drill got slower: then the exit "
        "status is 1"
    )
    shifts: tuple[Shift, ...] = Field(description="statements that came out otherwise, the worst first")
    changes: tuple[Change, ...] = Field(description="facts that are not what they were, what breaks something first")
    wishes: tuple[Wish, ...] = Field((), description="what the two inventories want otherwise")
    timings: tuple[Timing, ...] = Field((), description="of drills that both runs have")
    only_before: tuple[str, ...] = Field((), description="machines that only the earlier run looked at")
    only_after: tuple[str, ...] = Field((), description="machines that only the later run looked at")
    remarks: tuple[str, ...] = Field((), description="what could not be compared, and why")


def compare(before: Path, after: Path) -> Comparison:
    """Lay two run folders side by side. Raises `NotARun`."""
    if before.resolve() == after.resolve():
        raise NotARun(f"{before} and {after} are the same folder; name the runs before and after a change")
    return side_by_side(StoredRun.at(before), StoredRun.at(after))


def side_by_side(old: StoredRun, new: StoredRun) -> Comparison:
    """What two runs differ in. Raises `NotARun` when they have no machine in common."""
    both = old.machines & new.machines
    if not both:
        raise NotARun(
            f"the two runs have no machine in common: {old.folder} is about {_some(old.machines)}, {new.folder} about "
            f"{_some(new.machines)}"
        )
    rows_before, rows_after, remarks = _rows(old, new, both)
    wishes = tuple(_wishes(old, new, remarks))
    facts = MachinesOfBoth.of(old, new)
    found = tuple(facts.changes())
    ground = Ground(
        changes=_by_machine(found),
        wishes=_by_machine(wishes),
        moved=facts.moved,
        host_of=old.host_of | new.host_of,
        new_vfproof=old.results.run.versions.get("vfproof") != new.results.run.versions.get("vfproof"),
    )
    shifted = shifts(rows_before, rows_after, ground)
    found = tuple(sorted(as_meant(found, shifted, ground.wishes), key=lambda one: EFFECTS.index(one.effect)))
    timed = tuple(_timings(old, new, remarks))
    return Comparison(
        before=_side(old),
        after=_side(new),
        worse=any(one.verdict == "worse" for one in shifted)
        or any(one.effect == "breaks" for one in found)
        or any(one.said == "slower" for one in timed),
        shifts=shifted,
        changes=found,
        wishes=wishes,
        timings=timed,
        only_before=tuple(sorted(old.machines - both)),
        only_after=tuple(sorted(new.machines - both)),
        remarks=tuple(remarks),
    )


def _wishes(old: StoredRun, new: StoredRun, remarks: list[str]) -> Iterator[Wish]:
    before, after = old.wishes(), new.wishes()
    for found in (before, after):
        if isinstance(found, CouldNotLook):
            remarks.append(f"what the inventories want otherwise is not known: {found}")
    if not isinstance(before, CouldNotLook) and not isinstance(after, CouldNotLook):
        yield from inventories.differences(before, after)


def _timings(old: StoredRun, new: StoredRun, remarks: list[str]) -> Iterator[Timing]:
    before, after = old.measured(), new.measured()
    for found in (before, after):
        if isinstance(found, CouldNotLook):
            remarks.append(f"timings of drills were not compared: {found}")
    if not isinstance(before, CouldNotLook) and not isinstance(after, CouldNotLook):
        yield from timings(before, after)


def _rows(old: StoredRun, new: StoredRun, both: frozenset[str]) -> tuple[Sequence[Row], Sequence[Row], list[str]]:
    """The rows of the machines of both that can be laid side by side, and remarks on those that cannot."""
    rows = [[row for row in run.results.rows if not row.machine or row.machine in both] for run in (old, new)]
    remarks = []
    for side, run in enumerate((old, new)):
        if left_out := run.results.run.deselected:
            judged, other = {row.id for row in rows[side]}, rows[1 - side]
            rows[1 - side] = [row for row in other if row.id in judged]
            remarks.append(
                f"{run.folder} left out {left_out} statements on its command line; what the other run says of "
                f"{len(other) - len(rows[1 - side])} of them is not compared"
            )
    files = {_file(row) for row in rows[1]}
    for file in dict.fromkeys(_file(row) for row in rows[0] if _file(row) not in files):
        remarks.append(f"{new.folder} judged nothing of {file}, so what {old.folder} says of that is not compared")
    return [row for row in rows[0] if _file(row) in files], rows[1], remarks


def _file(row: Row) -> str:
    return row.id.partition("::")[0]


def _by_machine(found: Iterable[_Told]) -> dict[str, list[_Told]]:
    by_machine: dict[str, list[_Told]] = {}
    for one in found:
        by_machine.setdefault(one.machine, []).append(one)
    return by_machine


def _side(run: StoredRun) -> Side:
    return Side(folder=str(run.folder), started=run.results.run.started, versions=run.results.run.versions)


def _some(names: Iterable[str]) -> str:
    found = sorted(names)
    more = f" and {len(found) - SOME} more" if len(found) > SOME else ""
    return (", ".join(found[:SOME]) or "no machine") + more
