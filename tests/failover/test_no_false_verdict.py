"""Hundreds of drills in a row: a healthy bond is never called broken, a silent one always is, and for that reason."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from benchmarks.drills import Bench, bench, wrong
from failover import announcements, verdict
from inventory.model import Budgets
from lab import session
from lab.session import Lab

pytestmark = [pytest.mark.lab, pytest.mark.long]
BUDGETS = Budgets(neighbour_s=2, outage_ms=1000)
HEALTHY, SILENT = 300, 100


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    with session.running("bond") as running:
        yield running


@pytest.fixture
def place(lab: Lab) -> Iterator[Bench]:
    with bench(lab.name) as open_bench:
        yield open_bench


def test_a_healthy_bond_is_never_called_broken(place: Bench) -> None:
    result = place.drill("switch", budgets=BUDGETS, rounds=HEALTHY)
    assert wrong(result, BUDGETS) == []
    assert result.rounds_done == HEALTHY
    assert len(result.directions) == 2 * HEALTHY


def test_a_bond_whose_announcements_are_dropped_is_always_called_broken_for_that(lab: Lab, place: Bench) -> None:
    lab.fault("garp-na-drop")
    try:
        result = place.drill("switch", budgets=BUDGETS, rounds=SILENT)
    finally:
        lab.mend("garp-na-drop")
    assert (result.refused, result.not_measured, result.unfinished) == (None, None, "")
    assert result.rounds_done == SILENT
    assert len(result.directions) == 2 * SILENT
    for direction in result.directions:
        for by, name in announcements.NAMES.items():
            (told,) = announcements.wrong(direction, by)
            assert told.startswith(f"no {name} from {direction.scene.new_mac} for "), direction.name
        assert verdict.not_carried_out(direction) == announcements.foreign(direction) == []
