"""The instrument on a real wire: two observers at once, and losses whose length is known."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import ExitStack, closing
from functools import partial

import pytest

from benchmarks import accuracy
from checks.transport import connect
from failover import announcements
from failover import drill as drilling
from failover.guest import DrilledGuest
from failover.observer import look
from failover.places import Place
from failover.plan import Plan
from failover.result import DrillResult
from lab import session
from lab.session import Lab
from tests.failover.test_on_bond_lab import BUDGETS, Kept, complaints

pytestmark = pytest.mark.lab


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    with session.running("bond") as running:
        yield running


def drill(lab: Lab) -> DrillResult:
    """One drill that an observer over SSH and one on this machine watch."""
    with ExitStack() as stack:

        def place(name: str) -> Place:
            return Place(stack.enter_context(connect(f"ssh://{name}", str(lab.ssh_config))))

        guest = DrilledGuest("guest", place("guest"), "bond0", sudo=False)
        plan = Plan(guest, "switch", "auto", ("eth0", "eth1"), (), 5, 30, BUDGETS)
        looks = [partial(look, "observer", place("observer"), "eth0", sudo=False), partial(accuracy.neighbour, lab)]
        return drilling.run(plan, looks, lambda _: Kept(io.BytesIO()))


def test_two_observers_of_one_drill_come_to_the_same_verdict(lab: Lab) -> None:
    result = drill(lab)
    assert (result.refused, result.not_measured) == (None, None)
    assert not complaints(result)
    seen = [(direction.event.name, direction.observer) for direction in result.directions]
    assert seen == [(event, name) for event in ("eth0→eth1", "eth1→eth0") for name in ("observer", "neighbour")]
    for first, other in (result.directions[:2], result.directions[2:]):
        assert {each: len(first.timeline.of(each)) for each in first.visible} == {
            each: len(other.timeline.of(each)) for each in other.visible
        }
        assert first.timeline.switched.by == "marker frame"
        assert other.timeline.switched.by.startswith("marker frame of observer, whose clock differs by")
        assert " frames that both saw" in other.timeline.switched.by
    by_ping, by_us = result.how
    assert "every 5 ms by ping" in by_ping
    assert "by a sender of our own" in by_us


@pytest.mark.long
def test_two_observers_agree_that_announcements_are_missing(lab: Lab) -> None:
    lab.fault("garp-na-drop")
    try:
        result = drill(lab)
    finally:
        lab.mend("garp-na-drop")
    assert result.not_measured is None
    broken = {
        direction.name: any("no gratuitous ARP" in each for each in announcements.wrong(direction, "GARP"))
        for direction in result.directions
    }
    assert len(broken) == 4
    assert all(broken.values()), broken


@pytest.mark.parametrize("length_ms", [0, 20, 100, 500])
def test_a_loss_is_measured_as_long_as_it_was(lab: Lab, length_ms: int) -> None:
    with closing(accuracy.Instrument(accuracy.neighbour(lab), "10.77.0.21", 5)) as instrument:
        trials = [instrument.trial(lab, length_ms) for _ in range(2)]
    for trial in trials:
        assert (trial.dropped > 0) == (length_ms > 0), trial
        assert trial.right, trial
        assert trial.lost == trial.dropped, trial
