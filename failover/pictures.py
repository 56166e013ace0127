"""A measured switch as the report draws and tells it."""

from __future__ import annotations

from collections.abc import Iterable

from failover import kernel_log, verdict
from failover.comparison import beside
from failover.result import Direction, DrillResult
from failover.statistics import Outlier, statistics
from reports.distribution import DistributionPicture, Lane
from reports.figure import Mark, TimelinePicture


def picture(result: DrillResult, direction: Direction) -> TimelinePicture:
    """The timeline of one switch; times in ms from the switch's command."""
    timeline = direction.timeline
    seen_by = direction.observer or ", ".join(result.observers)
    counted = f"#{direction.round} " if direction.round else ""
    first = timeline.probes[0]
    macs = _macs(direction, begins_ms=min((sent for sent, _ in first.series), default=0.0))
    announced = [Mark(each.ms, "na" if each.of.by == "NA" else "garp", str(each.of)) for each in timeline.announcements]
    happened = [0.0, *(mark.ms for mark in (*announced, *macs[1:])), *(first.gap or ())]
    quiet = 50 + 0.15 * (max(happened) - min(happened))
    return TimelinePicture(
        title=f"{result.guest} {result.bond}: {counted}{direction.event.name} {direction.done}, seen by {seen_by}",
        probes=first.series,
        gap=first.gap,
        marks=[Mark(0.0, "switch", f"{direction.event.name} {direction.done}"), *announced, *macs],
        window=(min(happened) - quiet, max(happened) + quiet),
    )


def _macs(direction: Direction, *, begins_ms: float) -> list[Mark]:
    """Every MAC that the observer's entry of the first probed address had, from when on."""
    moves = [move for move in direction.neighbours if move.address == direction.timeline.probes[0].address]
    marks = [Mark(begins_ms, "mac", move.before) for move in moves if move.before]
    return marks + [Mark(ms, "mac", mac) for move in moves for ms, mac in move.changes]


def distributions(result: DrillResult, odd: Iterable[Outlier]) -> DistributionPicture | None:
    """Outage and first GARP of every round; None when neither was ever measured."""
    standing_out: dict[tuple[str, str, str], set[int]] = {}
    for each in odd:
        of = each.direction
        for measure in each.in_what:
            standing_out.setdefault((of.event.name, of.observer, measure), set()).add(of.round)
    outages: list[Lane] = []
    garps: list[Lane] = []
    for event in statistics(result.directions):
        for lanes, measure, found, values in (
            (outages, "outage", event.outage_ms, event.outages),
            (garps, "first GARP", event.first_garp_ms, event.first_garps),
        ):
            if found is not None:
                rounds = standing_out.get((event.event, event.observer, measure), set())
                lanes.append(Lane(event.name, values, found.median, found.p95, rounds))
    panels = [("longest outage", outages), ("first gratuitous ARP after the switch, at most", garps)]
    panels = [(what, lanes) for what, lanes in panels if lanes]
    if not panels:
        return None
    title = f"{result.guest} {result.bond}: {result.fault}, {result.rounds_done} rounds"
    return DistributionPicture(title, panels)


def statistics_told(result: DrillResult) -> list[str]:
    """The numbers of many rounds, a line for each event."""
    lines = [f"{result.rounds_done} of {result.rounds} rounds done"]
    for event in statistics(result.directions):
        lines += [
            f"{event.name}: {what}: {found}"
            for what, found in (("longest outage", event.outage_ms), ("first gratuitous ARP", event.first_garp_ms))
            if found is not None
        ]
    return lines


def protocol(result: DrillResult) -> str:
    """Everything that a drill found, as text to keep beside the capture."""
    lines = [
        f"guest {result.guest}, bond {result.bond}, fault {result.fault}",
        f"seen by {', '.join(result.observers)}",
    ]
    lines += [*result.how, f"undo timers: {result.armed}"]
    if result.rounds > 1:
        lines += statistics_told(result)
    lines += [line for direction in result.directions for line in beside(direction)]
    lines += [line for direction in result.directions for line in verdict.numbers(direction)]
    for direction in result.directions:
        lines += [
            f"{direction.name}: {each.ms:10.3f} ms {each.form.value} for {each.of}: {each.mac}, from {each.source}"
            for each in (
                *direction.timeline.announcements,
                *direction.timeline.wrong,
                *direction.timeline.foreign,
            )
        ]
    lines += kernel_log.told(result.kernel)
    lines += [f"given back: {result.give_back}", f"before: {result.before}", f"after: {result.after}"]
    if result.refused or result.not_measured:
        lines.append(f"refused: {result.refused}; not measured: {result.not_measured}")
    return "\n".join(lines) + "\n"
