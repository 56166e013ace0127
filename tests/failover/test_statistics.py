"""Many rounds of a drill: what they have in common, which stand out, and what is kept of the rest."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from failover.pictures import distributions, statistics_told
from failover.result import Direction, DrillResult
from failover.statistics import MOST_IN_FULL, distribution, outliers, statistics, thinned, worst_ms
from inventory.model import Budgets
from reports.distribution import draw
from tests.failover import wire

BUDGETS = Budgets(outage_ms=500)
HEALTHY = wire.direction(wire.healthy())


def rounds(number: int, odd: dict[int, tuple[int, ...]] | None = None) -> tuple[Direction, ...]:
    """So many rounds of one event; the odd ones lose these probes."""
    found = []
    for each in range(1, number + 1):
        lost = (odd or {}).get(each, ())
        found.append(replace(wire.direction(wire.healthy(lost)) if lost else HEALTHY, round=each))
    return tuple(found)


def result(directions: tuple[Direction, ...]) -> DrillResult:
    number = max((each.round for each in directions), default=0)
    return replace(wire.drilled(*directions), rounds=number, rounds_done=number)


@pytest.mark.parametrize(
    ("values", "found"),
    [
        ([3.0], (1, 3.0, 3.0, 3.0, 3.0, 0.0)),
        ([float(each) for each in range(1, 101)], (100, 1.0, 50.5, 95.0, 100.0, 25.0)),
        ([0.0] * 19 + [400.0], (20, 0.0, 0.0, 0.0, 400.0, 0.0)),
    ],
)
def test_a_distribution_by_hand(values: list[float], found: tuple[float, ...]) -> None:
    told = distribution(values)
    assert told is not None
    assert (told.n, told.low, told.median, told.p95, told.high, told.deviation) == found


@given(st.lists(st.floats(0, 1e6), min_size=1, max_size=50))
def test_a_distribution_is_in_order(values: list[float]) -> None:
    told = distribution(values)
    assert told is not None
    assert told.low <= told.median <= told.high
    assert told.median <= told.p95 or told.n == 1 or told.p95 in values
    assert told.p95 in values


def test_without_numbers_there_is_no_distribution() -> None:
    assert distribution([]) is None


def test_every_event_has_its_numbers() -> None:
    (event,) = statistics(rounds(20, {7: tuple(range(101, 121))}))
    assert event.name == "eth0→eth1"
    assert event.outage_ms is not None and event.first_garp_ms is not None
    assert (event.outage_ms.n, event.outage_ms.median, event.outage_ms.high) == (20, 0.0, 210.0)
    assert dict(event.outages)[7] == 210.0
    assert event.first_garp_ms.median == pytest.approx(3.0)


def test_for_dashboards_the_worst_counts() -> None:
    worst = worst_ms(result(rounds(20, {7: tuple(range(101, 121))})))
    assert worst == {"outage": 210.0, "first_garp": pytest.approx(3.0)}
    assert worst_ms(result(())) == {}


def test_a_slow_round_stands_out_and_one_lost_probe_does_not() -> None:
    odd = outliers(rounds(20, {3: (101,), 7: tuple(range(101, 121))}), BUDGETS)
    assert [each.direction.round for each in odd] == [7]
    assert odd[0].why == "outage of 210 ms, usually 0 ms"


def test_a_broken_round_stands_out_even_where_all_are() -> None:
    odd = outliers(rounds(5, dict.fromkeys(range(1, 6), tuple(range(101, 180)))), BUDGETS)
    assert [each.direction.round for each in odd] == [1, 2, 3, 4, 5]
    assert all("did not answer for 800 ms" in each.why for each in odd)


def test_only_what_may_be_drawn_keeps_its_probes() -> None:
    slow = {each: tuple(range(101, 101 + each)) for each in range(20, 41)}
    all_rounds = rounds(60, slow)
    kept: tuple[Direction, ...] = ()
    for each in all_rounds:  # as a drill does it: after every round
        kept = thinned((*kept, each), Budgets(outage_ms=5000))
    in_full = {each.round for each in kept if each.timeline.probes[0].series}
    assert {1, *range(41 - MOST_IN_FULL, 41)} <= in_full
    assert len(in_full) <= 1 + 2 * MOST_IN_FULL
    assert statistics(kept) == statistics(all_rounds)
    assert [each.round for each in kept] == list(range(1, 61))


def test_the_figure_has_a_lane_per_event_and_names_what_stands_out() -> None:
    drilled = result(rounds(20, {7: tuple(range(101, 121))}))
    picture = distributions(drilled, outliers(drilled.directions, BUDGETS))
    assert picture is not None
    svg = draw(picture).decode()
    for text in ("guest-1 bond0: switch, 20 rounds", "eth0→eth1", "#7", "p95 0.0", "longest outage, ms"):
        assert text in svg
    assert draw(picture) == svg.encode()


def test_nothing_measured_is_no_figure() -> None:
    assert distributions(result(()), ()) is None


def test_the_numbers_as_notes() -> None:
    assert statistics_told(result(rounds(20)))[:2] == [
        "20 of 20 rounds done",
        "eth0→eth1: longest outage: median 0.0 ms, p95 0.0 ms, 0.0 to 0.0 ms (20 measured)",
    ]
