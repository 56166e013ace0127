from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from failover.bond_state import BridgeState, UnexpectedState, addresses_to_announce, parse
from failover.timeline import Announced
from tests.failover.wire import BEFORE, NEW, OLD

LINKS: list[dict[str, Any]] = [
    {"ifname": "eth0", "addr_info": [{"local": "192.0.2.1"}]},
    {
        "ifname": "bond0",
        "addr_info": [
            {"family": "inet", "local": "10.77.0.21", "prefixlen": 24},
            {"family": "inet6", "local": "fd77::21"},
            {"family": "inet6", "local": "fd77::22", "tentative": True},
            {"family": "inet6", "local": "fd77::23", "dadfailed": True},
        ],
    },
    {
        "ifname": "service",
        "link": "bond0",
        "linkinfo": {"info_kind": "vlan", "info_data": {"id": 77}},
        "addr_info": [{"local": "10.77.77.21"}],
    },
    {"ifname": "mac0", "link": "bond0", "linkinfo": {"info_kind": "macvlan"}, "addr_info": [{"local": "192.0.2.9"}]},
]
SAID = f"""boot_id=0b
mode=active-backup 1
active_slave=eth0
primary=
primary_reselect=always 0
fail_over_mac=active 1
miimon=100
updelay=0
downdelay=0
arp_interval=0
peer_notif_delay=200
num_grat_arp=3
mac={OLD.upper()}
mii_status=up
arp_notify=1
slave=eth0 active {OLD} {OLD} up
slave=eth1 backup {NEW} {NEW} going back
ssh_connection=192.0.2.7 1 192.0.2.8 22
addresses={json.dumps(LINKS)}
"""


def test_a_bond_is_read_with_its_slaves_and_what_it_must_announce():
    state = parse("bond0", SAID)
    assert (state.mode, state.fail_over_mac, state.num_grat_arp, state.arp_notify, state.mac) == (
        "active-backup",
        "active",
        3,
        True,
        OLD,
    )
    assert [(slave.nic, slave.mii_status) for slave in state.slaves] == [("eth0", "up"), ("eth1", "going back")]
    assert state.addresses == (Announced(-1, "10.77.0.21"), Announced(-1, "fd77::21"), Announced(77, "10.77.77.21"))


def test_the_drivers_of_the_slaves_are_read():
    state = parse("bond0", SAID + "driver=eth1 igbvf\n")
    assert [slave.driver for slave in state.slaves] == ["", "igbvf"]


BRIDGED = f"""{SAID}master=br0
bridge_mac={OLD}
bridge_mac_from=0
bridge_arp_notify=1
bridge_port_mac=02:00:00:00:00:0B
bridge_port_mac=02:00:00:00:00:0a
"""


def test_a_bridge_over_the_bond_is_read_with_its_addresses():
    state = parse("bond0", BRIDGED.replace('"ifname": "mac0", "link": "bond0"', '"ifname": "br0"'))
    assert state.bridge == BridgeState("br0", OLD, False, True, ("02:00:00:00:00:0a", "02:00:00:00:00:0b"))
    assert [each.address for each in state.addresses if each.over_bridge] == ["192.0.2.9"]
    fixed = parse("bond0", BRIDGED.replace("mac_from=0", "mac_from=3")).bridge
    assert fixed is not None
    assert fixed.keeps_mac


def test_another_master_is_no_bridge():
    state = parse("bond0", SAID + "master=ovs-system\n")
    assert (state.master, state.bridge) == ("ovs-system", None)


def test_a_connection_that_comes_in_over_the_bond_is_known():
    assert not parse("bond0", SAID).reached_over_it
    assert parse("bond0", SAID.replace("192.0.2.8 22", "10.77.77.21 22")).reached_over_it


def test_a_tentative_address_is_not_announced():
    assert addresses_to_announce("bond0", LINKS)[1:2] == (Announced(-1, "fd77::21"),)


def test_an_old_kernel_without_some_options_and_a_guest_without_ip_are_read_too():
    lines = [line for line in SAID.splitlines() if not line.startswith(("peer_notif_delay", "addresses", "primary"))]
    state = parse("bond0", "\n".join(lines))
    assert (state.peer_notif_delay, state.addresses, state.primary) == (0, (), "")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("absent=bond0", "there is no bond bond0 on the guest"),
        ("", "cannot be understood"),
        (SAID.replace("num_grat_arp=3", "num_grat_arp=many"), "cannot be understood"),
        (SAID.replace(f"slave=eth0 active {OLD}", "slave=eth0"), "cannot be understood"),
        (SAID.replace("addresses=[", "addresses=[["), "cannot be understood"),
        (SAID.replace("addresses=[", 'addresses=[["x"],'), "cannot be understood"),
        (SAID.replace("10.77.0.21", "10.77.0.999"), "cannot be understood"),
    ],
)
def test_what_cannot_be_understood_is_said_in_one_sentence(text, reason):
    with pytest.raises(UnexpectedState, match=reason):
        parse("bond0", text)


def test_with_fail_over_mac_active_the_bond_takes_the_slaves_own_mac():
    assert BEFORE.mac_with_active("eth1") == NEW


@pytest.mark.parametrize("policy", ["none", "follow"])
def test_otherwise_it_keeps_its_mac(policy):
    assert replace(BEFORE, fail_over_mac=policy).mac_with_active("eth1") == OLD


def test_only_what_differs_is_named():
    assert BEFORE.differences(BEFORE) == ()
    assert BEFORE.differences(replace(BEFORE, primary="eth1", miimon=50)) == (
        "primary was '' and is 'eth1'",
        "miimon was 100 and is 50",
    )


def test_an_address_that_came_is_no_difference_and_one_that_went_is():
    more = replace(BEFORE, addresses=(*BEFORE.addresses, Announced(-1, "fe80::1")))
    assert BEFORE.differences(more) == ()
    assert more.differences(BEFORE) == ("addresses fe80::1 are gone",)
