"""A measured switch as the report draws and tells it."""

from __future__ import annotations

from failover import verdict
from failover.result import Direction, DrillResult
from reports.figure import Mark, TimelinePicture


def picture(result: DrillResult, direction: Direction) -> TimelinePicture:
    """The timeline of one switch; times in ms from the switch's command."""
    timeline = direction.timeline
    marks = [Mark(0.0, "switch", f"{direction.name} by {direction.record.way}")]
    marks += [Mark(each.ms, "na" if each.of.by == "NA" else "garp", str(each.of)) for each in timeline.announcements]
    marks += [
        Mark(move.moved_after_ms, "mac", direction.scene.new_mac)
        for move in direction.neighbours[:1]
        if move.moved_after_ms is not None and direction.scene.old_mac != direction.scene.new_mac
    ]
    first = timeline.probes[0]
    return TimelinePicture(
        title=f"{result.guest} {result.bond}: {direction.name} by {direction.record.way}, seen by {result.observer}",
        probes=first.series,
        gap=first.gap,
        marks=marks,
    )


def protocol(result: DrillResult) -> str:
    """Everything that a drill found, as text to keep beside the capture."""
    lines = [f"guest {result.guest}, bond {result.bond}, observer {result.observer}", f"undo timer: {result.armed}"]
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
    lines += [f"given back: {result.give_back}", f"before: {result.before}", f"after: {result.after}"]
    if result.refused or result.not_measured:
        lines.append(f"refused: {result.refused}; not measured: {result.not_measured}")
    return "\n".join(lines) + "\n"
