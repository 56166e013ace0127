"""A drill as data: what `drill.json` holds of one that ran once, and `rounds.json` of one that was repeated.

Both have one shape, with a `format`, so that a run can be compared with another one or judged again later: an event's
numbers are under `rounds`; what was foretold of it, and what all rounds have in common, under `events`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from failover.comparison import pairs
from failover.foretold import Foretold
from failover.result import Direction, DrillResult
from failover.statistics import Distribution, first_garp_ms, outage_ms, outliers, statistics
from inventory.model import Budgets

FORMAT = 1


def as_data(result: DrillResult, budgets: Budgets, kept: Iterable[int] = ()) -> dict[str, Any]:
    """Everything that a drill showed, for programs. `kept`: repetitions whose captures are kept."""
    standing_out: dict[int, list[str]] = {}
    for each in outliers(result.directions, budgets) if result.rounds > 1 else ():
        standing_out.setdefault(each.direction.round, []).append(f"{each.direction.event.name}: {each.why}")
    kept_rounds = {1} if result.rounds == 1 else set(kept)
    numbers = sorted({each.round for each in result.directions})
    return {
        "format": FORMAT,
        "guest": result.guest,
        "bond": result.bond,
        "fault": result.fault,
        "observers": list(result.observers),
        "rounds_wanted": result.rounds,
        "rounds_done": result.rounds_done,
        "refused": result.refused,
        "does_not_apply": result.does_not_apply,
        "not_measured": result.not_measured,
        "unfinished": result.unfinished or None,
        "armed": result.armed or None,
        "given_back": result.give_back or None,
        "left_behind": list(result.left_behind),
        "budgets": budgets.model_dump(mode="json"),
        "events": list(_events(result)),
        "rounds": [
            {
                "round": number or 1,
                "capture_kept": (number or 1) in kept_rounds,
                "outlier": standing_out.get(number, []),
                "events": [_event(each) for each in result.directions if each.round == number],
            }
            for number in numbers
        ],
    }


def _events(result: DrillResult) -> Iterator[dict[str, Any]]:
    first = {(each.event.name, each.observer): each for each in reversed(result.directions)}
    for each in statistics(result.directions):
        yield {
            "event": each.event,
            "observer": each.observer or None,
            "outage_ms": _numbers(each.outage_ms),
            "first_garp_ms": _numbers(each.first_garp_ms),
            # By the guest's state before the drill, so the same in every round.
            "foretold": {probes.address: _foretold(one) for probes, one in pairs(first[each.event, each.observer])},
        }


def _event(direction: Direction) -> dict[str, Any]:
    timeline, record = direction.timeline, direction.record
    return {
        "event": direction.event.name,
        "observer": direction.observer or None,
        "way": record.way,
        "followed": direction.followed,
        "active_before": record.active_before or None,
        "active_after": record.active_after or None,
        "took_ms": record.took_ms,
        "timed_by": timeline.switched.by,
        "outage_ms": outage_ms(direction),
        "first_garp_at_least_ms": timeline.first_garp_at_least_ms,
        "first_garp_at_most_ms": first_garp_ms(direction),
        "announcements": {str(each): len(timeline.of(each)) for each in direction.visible},
        "announced_at_ms": {str(each): [heard.ms for heard in timeline.of(each)] for each in direction.visible},
        "probes": [
            {
                "address": probes.address,
                "interval_ms": probes.interval_ms,
                "sent": probes.sent,
                "lost": probes.lost,
                "duplicated": probes.duplicated,
                "reordered": probes.reordered,
                "gap_ms": probes.gap_ms,
                "gap": list(probes.gap) if probes.gap else None,
                "resolution_ms": probes.resolution_ms,
                "silence_ms": probes.silence_ms,
                "lost_before": probes.baseline_lost,
            }
            for probes in timeline.probes
        ],
        "neighbours_moved_after_ms": {move.address: move.moved_after_ms for move in direction.neighbours},
    }


def _foretold(found: Foretold) -> dict[str, Any]:
    outage, garps = found.outage, found.garps.usual
    return {
        "outage_at_least_ms": None if outage is None else outage.low_ms,
        "outage_at_most_ms": None if outage is None else outage.high_ms,
        "announcements_at_least": garps.start,
        "announcements_at_most": garps.stop - 1,
        "why": found.why,
    }


def _numbers(found: Distribution | None) -> dict[str, float] | None:
    if found is None:
        return None
    return {"n": found.n, "min": found.low, "median": found.median, "p95": found.p95, "max": found.high}
