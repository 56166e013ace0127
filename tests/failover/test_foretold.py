"""What is foretold of each event, by the bond's own state."""

from __future__ import annotations

from dataclasses import replace

import pytest

from checks.linux.bonding import Span
from failover.bond_state import BondState, BridgeState
from failover.events import Event, planned
from failover.timeline import Announced
from inventory.model import FaultName
from tests.failover.wire import BEFORE, NEW, OLD

POLLED = replace(BEFORE, slaves=tuple(replace(slave, driver="igbvf") for slave in BEFORE.slaves))
LOW = "02:00:00:00:00:01"
BRIDGE = BridgeState("br0", OLD, keeps_mac=False, arp_notify=False, other_ports=())


def outages(fault: FaultName, bond: BondState) -> list[Span | None]:
    return [event.foretold.outage if event.foretold else None for event in planned(fault, bond)]


def first(bond: BondState, fault: FaultName = "switch") -> Event:
    return planned(fault, bond)[0]


NOTHING = Span(0, 0)


@pytest.mark.parametrize(
    ("fault", "bond", "wanted"),
    [
        ("switch", BEFORE, [Span(0, 250)] * 2),
        # miimon 100 + 2 × 100 until it is announced + 50 of slack
        ("slave-down", BEFORE, [Span(0, 350), NOTHING, Span(0, 350), NOTHING]),
        ("slave-down", replace(BEFORE, downdelay=200), [Span(200, 550), NOTHING, Span(200, 550), NOTHING]),
        ("pf-down", POLLED, [Span(0, 2350), NOTHING, Span(0, 2350), NOTHING]),
        ("slave-down", POLLED, [Span(0, 350), NOTHING, Span(0, 350), NOTHING]),  # its own command: no polling
        # a primary takes over again as if by command: the other link is still there
        ("pf-down", replace(POLLED, primary="eth0"), [Span(0, 2350), Span(0, 250), NOTHING, NOTHING]),
        ("both-down", BEFORE, [NOTHING, None, None, NOTHING]),
        ("wire-cut", BEFORE, [None, NOTHING, None, NOTHING]),
        ("wire-cut", replace(BEFORE, miimon=0, arp_interval=100), [Span(0, 600), NOTHING, Span(0, 600), NOTHING]),
        ("switch", replace(BEFORE, num_grat_arp=0), [None, None]),
        ("slave-down", replace(BEFORE, miimon=0), [None, NOTHING, None, NOTHING]),
    ],
)
def test_outage_foretold(fault: FaultName, bond: BondState, wanted: list[Span | None]) -> None:
    assert outages(fault, bond) == wanted


def test_it_is_said_how() -> None:
    told = str(first(POLLED, "pf-down").foretold)
    assert told.startswith("an outage of at most 2350 ms (igbvf looks at its link every 2000 ms; then miimon")
    assert str(first(replace(BEFORE, downdelay=200), "slave-down").foretold).startswith(
        "an outage of at least 200 and at"
    )
    assert "no further" in str(first(BEFORE, "wire-cut").foretold)
    assert first(BEFORE).foretold is not None
    assert first(BEFORE).foretold.announced == "3, 200 ms apart"  # type: ignore[union-attr]


def test_an_address_on_a_bridge_is_announced_by_nobody() -> None:
    event = first(replace(BEFORE, master="br0", bridge=BRIDGE))
    there, here = Announced(-1, "10.0.0.1", over_bridge=True), Announced(77, "10.0.0.2")
    assert list(event.expected_for(there).tolerated) == [0]
    assert list(event.expected_for(here).usual) == [3]
    assert "a bridge over a bond announces nothing" in str(event.foretold_for(there))
    assert event.foretold_for(there) != event.foretold_for(here)


@pytest.mark.parametrize(
    ("bridge", "seen", "garps"),
    [
        (BRIDGE, (OLD, NEW), 0),
        (replace(BRIDGE, arp_notify=True), (OLD, NEW), 1),
        (replace(BRIDGE, keeps_mac=True, mac=LOW, arp_notify=True), (LOW, LOW), 0),
        (replace(BRIDGE, other_ports=(LOW,)), (LOW, LOW), 0),
    ],
)
def test_neighbours_see_the_bridges_own_mac(bridge: BridgeState, seen: tuple[str, str], garps: int) -> None:
    event = first(replace(BEFORE, master="br0", bridge=bridge))
    assert (event.old_mac, event.new_mac) == seen
    assert event.wanted_bond_mac == NEW
    assert event.over_bridge is not None
    assert event.over_bridge.garps.usual.stop - 1 == garps
