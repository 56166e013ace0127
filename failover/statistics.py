"""What many rounds of one drill have in common, and which of them stand out. Pure code over what was measured."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from math import ceil
from statistics import median

from failover import verdict
from failover.result import Direction, DrillResult
from inventory.model import Budgets

MOST_IN_FULL = 10
"""Of each kind of event, and for each reason: how many keep their probes one by one, to be drawn."""
DEVIATIONS = 3
RESOLUTIONS = 2
"""A gap lies between two answered probes: it is known to two intervals."""


@dataclass(frozen=True, slots=True)
class Distribution:
    """Numbers of many rounds, in ms. `p95`: by the nearest rank, so that it is one of them."""

    n: int
    low: float
    median: float
    p95: float
    high: float
    deviation: float
    """Median absolute deviation from the median: what a few odd ones do not move."""

    def __str__(self) -> str:
        told = f"median {self.median:.1f} ms, p95 {self.p95:.1f} ms, {self.low:.1f} to {self.high:.1f} ms"
        return f"{told} ({self.n} measured)"


@dataclass(frozen=True, slots=True)
class EventStatistics:
    """One event of a fault, over all rounds, by one observer."""

    event: str
    observer: str
    outage_ms: Distribution | None
    first_garp_ms: Distribution | None
    outages: tuple[tuple[int, float], ...]
    """Round and ms."""
    first_garps: tuple[tuple[int, float], ...]

    @property
    def name(self) -> str:
        """As a person says it."""
        return f"{self.event} (seen by {self.observer})" if self.observer else self.event


@dataclass(frozen=True, slots=True)
class Outlier:
    """An event of one round that is not like the others."""

    direction: Direction
    why: str
    in_what: tuple[str, ...]
    """Names of `MEASURES`: those that are slower than usual, or all of them when it is broken."""


def outage_ms(direction: Direction) -> float | None:
    """The longest outage of any probed address; from the event on where there was no path before it."""
    if direction.event.cuts_off:
        return None
    if direction.event.recovers:
        firsts = [probes.first_answer_ms for probes in direction.timeline.probes]
        return None if None in firsts else max((each for each in firsts if each is not None), default=None)
    return max((probes.gap_ms for probes in direction.timeline.probes), default=None)


def first_garp_ms(direction: Direction) -> float | None:
    """Upper bound of the first gratuitous ARP's latency."""
    return direction.timeline.first_garp_at_most_ms


MEASURES: dict[str, Callable[[Direction], float | None]] = {"outage": outage_ms, "first GARP": first_garp_ms}


def worst_ms(result: DrillResult) -> dict[str, float]:
    """The slowest of each kind that was measured: over all events, rounds and observers."""
    found = {name: [measure(each) for each in result.directions] for name, measure in MEASURES.items()}
    worst = {name: max((ms for ms in values if ms is not None), default=None) for name, values in found.items()}
    return {name.lower().replace(" ", "_"): ms for name, ms in worst.items() if ms is not None}


def distribution(values: Sequence[float]) -> Distribution | None:
    """What these numbers have in common; None without any."""
    if not values:
        return None
    ordered, middle = sorted(values), median(values)
    return Distribution(
        len(ordered),
        ordered[0],
        middle,
        ordered[ceil(0.95 * len(ordered)) - 1],
        ordered[-1],
        median(abs(each - middle) for each in ordered),
    )


def statistics(directions: Iterable[Direction]) -> tuple[EventStatistics, ...]:
    """Each kind of event, in the order of a round."""
    found = []
    for (event, observer), alike in _by_kind(directions).items():
        outages, garps = _measured(alike, outage_ms), _measured(alike, first_garp_ms)
        told, garps_told = distribution([ms for _, ms in outages]), distribution([ms for _, ms in garps])
        found.append(EventStatistics(event, observer, told, garps_told, outages, garps))
    return tuple(found)


def outliers(directions: Iterable[Direction], budgets: Budgets) -> tuple[Outlier, ...]:
    """Events that are broken, or slower than the others by more than their own spread and the probes' resolution."""
    found: list[Outlier] = []
    for alike in _by_kind(directions).values():
        usual = {name: distribution([ms for _, ms in _measured(alike, of)]) for name, of in MEASURES.items()}
        for direction in alike:
            broken, slow = verdict.complaints(direction, budgets), dict(_slower(direction, usual))
            if broken or slow:
                found.append(
                    Outlier(direction, "; ".join([*broken, *slow.values()]), tuple(MEASURES if broken else slow))
                )
    return tuple(sorted(found, key=lambda each: each.direction.round))


def thinned(directions: Sequence[Direction], budgets: Budgets) -> tuple[Direction, ...]:
    """The same, with probes one by one only where they may be drawn: the first round, the broken, the slowest.

    Whatever turns out to be slower than the others in the end is among the slowest so far.
    """
    kept: set[int] = set()
    for alike in _by_kind(
        each for each in directions if any(probes.series for probes in each.timeline.probes)
    ).values():
        kept |= {id(each) for each in alike if each.round <= 1}
        kept |= {id(each) for each in [each for each in alike if verdict.complaints(each, budgets)][:MOST_IN_FULL]}
        for measure in MEASURES.values():
            slowest = sorted(alike, key=lambda each: -(measure(each) or 0.0))
            kept |= {id(each) for each in slowest[:MOST_IN_FULL]}
    return tuple(each if id(each) in kept else _without_series(each) for each in directions)


def _by_kind(directions: Iterable[Direction]) -> dict[tuple[str, str], list[Direction]]:
    found: dict[tuple[str, str], list[Direction]] = {}
    for each in directions:
        found.setdefault((each.event.name, each.observer), []).append(each)
    return found


def _measured(
    directions: Iterable[Direction], measure: Callable[[Direction], float | None]
) -> tuple[tuple[int, float], ...]:
    return tuple((each.round, ms) for each in directions if (ms := measure(each)) is not None)


def _slower(direction: Direction, usual: dict[str, Distribution | None]) -> Iterator[tuple[str, str]]:
    """Name of the measure, and what is to be said about it."""
    resolution = RESOLUTIONS * max((probes.interval_ms for probes in direction.timeline.probes), default=0.0)
    for name, measure in MEASURES.items():
        ms, others = measure(direction), usual[name]
        if ms is not None and others and ms - others.median > max(DEVIATIONS * others.deviation, resolution):
            yield name, f"{name} of {ms:.0f} ms, usually {others.median:.0f} ms"


def _without_series(direction: Direction) -> Direction:
    timeline = direction.timeline
    probes = tuple(replace(each, series=()) for each in timeline.probes)
    return replace(direction, timeline=replace(timeline, probes=probes))
