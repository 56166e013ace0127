"""A drill as data: one shape for one that ran once and one that was repeated, with all that a later judge needs."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

from failover.drill_data import as_data
from failover.result import Direction, DrillResult
from inventory.model import Budgets
from tests.failover import wire

BUDGETS = Budgets(outage_ms=500)
HEALTHY = wire.direction(wire.healthy())


def result(*directions: Direction, rounds: int = 1) -> DrillResult:
    return DrillResult(
        "guest-1", "bond0", "switch", ("observer",), None, None, directions, rounds=rounds, rounds_done=rounds
    )


def told(*directions: Direction, rounds: int = 1, kept: tuple[int, ...] = ()) -> dict[str, Any]:
    data = as_data(result(*directions, rounds=rounds), BUDGETS, kept)
    assert data == json.loads(json.dumps(data))
    return data


def test_every_round_is_there() -> None:
    lost = {4: tuple(range(101, 121))}
    seen = [replace(wire.direction(wire.healthy(lost.get(one, ()))), round=one) for one in range(1, 7)]
    data = told(*seen, rounds=6, kept=(1, 4))
    assert [each["round"] for each in data["rounds"]] == [1, 2, 3, 4, 5, 6]
    assert [each["capture_kept"] for each in data["rounds"]] == [True, False, False, True, False, False]
    assert data["rounds"][3]["outlier"] == ["eth0→eth1: outage of 210 ms, usually 0 ms"]
    assert data["events"][0]["outage_ms"] == {"n": 6, "min": 0.0, "median": 0.0, "p95": 210.0, "max": 210.0}
    assert data["rounds"][0]["events"][0]["announcements"]["10.77.0.21"] == 3


def test_a_drill_that_ran_once_has_the_same_shape() -> None:
    data = told(HEALTHY)
    repeated = told(replace(HEALTHY, round=1), rounds=1)
    assert data == repeated
    (event,) = data["rounds"][0]["events"]
    assert (data["format"], data["rounds"][0]["capture_kept"], event["followed"]) == (1, True, True)
    assert event["first_garp_at_most_ms"] is not None
    assert len(event["announced_at_ms"]["10.77.0.21"]) == event["announcements"]["10.77.0.21"] == 3
    assert data["budgets"]["outage_ms"] == 500


def test_what_was_foretold_stands_beside_what_was_measured() -> None:
    foretold = told(HEALTHY)["events"][0]["foretold"]
    assert foretold.keys() <= {probes.address for probes in HEALTHY.timeline.probes}
    for one in foretold.values():
        assert one["announcements_at_least"] <= one["announcements_at_most"]
        assert one["why"]


def test_a_drill_that_was_refused_is_told_too() -> None:
    data = as_data(replace(result(), refused="bond0 is degraded"), BUDGETS)
    assert (data["refused"], data["rounds"], data["events"]) == ("bond0 is degraded", [], [])
