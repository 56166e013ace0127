"""Which events a fault is made of, and what the bond is expected to make of each."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from failover.bond_state import BondState, SlaveState
from failover.events import Do, chosen, planned
from inventory.model import FaultName
from tests.failover.wire import BEFORE, NEW, OLD

PRIMARY = replace(BEFORE, primary="eth0")
STAYS = replace(PRIMARY, primary_reselect="failure")
KEEPS_ITS_MAC = replace(BEFORE, fail_over_mac="none")
THIRD = replace(BEFORE, slaves=(*BEFORE.slaves, SlaveState("eth2", "backup", "02:00:00:00:00:02", NEW, "up")))
LINKS: list[FaultName] = ["slave-down", "pf-down", "vf-link-down", "port-down", "wire-cut"]


def names(fault: FaultName, bond: BondState) -> list[str]:
    return [event.name for event in planned(fault, bond)]


def test_a_switch_goes_there_and_back() -> None:
    assert names("switch", BEFORE) == ["eth0→eth1", "eth1→eth0"]
    assert [(each.old_mac, each.new_mac) for each in planned("switch", BEFORE)] == [(OLD, NEW), (NEW, OLD)]


@pytest.mark.parametrize("fault", LINKS)
def test_a_link_goes_on_either_side_in_turn(fault: FaultName) -> None:
    assert names(fault, BEFORE) == ["eth0 down (eth0→eth1)", "eth0 up", "eth1 down (eth1→eth0)", "eth1 up"]


def test_a_primary_takes_over_again_when_its_link_is_back() -> None:
    assert names("slave-down", PRIMARY) == ["eth0 down (eth0→eth1)", "eth0 up (eth1→eth0)", "eth1 down", "eth1 up"]
    assert names("slave-down", STAYS) == ["eth0 down (eth0→eth1)", "eth0 up", "eth1 down (eth1→eth0)", "eth1 up"]


def test_both_links_go_and_the_first_comes_back_first() -> None:
    both = planned("both-down", BEFORE)
    assert [event.name for event in both] == ["eth1 down", "eth0 down (eth0→none)", "eth0 up (none→eth0)", "eth1 up"]
    assert [event.cuts_off for event in both] == [False, True, False, False]
    assert [event.recovers for event in both] == [False, False, True, False]


def test_what_changes_nothing_announces_nothing() -> None:
    silent = [event.name for event in planned("slave-down", BEFORE) if event.expected.tolerated.stop == 1]
    assert silent == ["eth0 up", "eth1 up"]


def test_a_bond_that_keeps_its_mac_has_one_before_and_after() -> None:
    assert {mac for event in planned("slave-down", KEEPS_ITS_MAC) for mac in (event.old_mac, event.new_mac)} == {OLD}


def test_a_third_slave_waits_for_its_turn() -> None:
    assert names("slave-down", THIRD)[0] == "eth0 down (eth0→eth1)"
    assert names("both-down", THIRD)[0] == "eth1 and eth2 down"


@given(
    fault=st.sampled_from(["switch", "slave-down", "both-down"]),
    active=st.sampled_from(["eth0", "eth1", "eth2"]),
    primary=st.sampled_from(["", "eth0", "eth1", "eth2"]),
    reselect=st.sampled_from(["always", "better", "failure", "a new one"]),
)
def test_every_link_comes_back_and_every_event_begins_where_the_last_one_ended(
    fault: FaultName, active: str, primary: str, reselect: str
) -> None:
    bond = replace(THIRD, active_slave=active, primary=primary, primary_reselect=reselect)
    down: set[str] = set()
    events, at = planned(fault, bond), active
    for event in events:
        assert event.old_active == at
        assert event.down == down
        at = event.new_active
        down = {Do.DOWN: down | set(event.nics), Do.UP: down - set(event.nics), Do.SWITCH: down}[event.do]
        assert at not in down
        assert event.do is Do.SWITCH or at == chosen(bond, event.old_active, down)
    assert not down
