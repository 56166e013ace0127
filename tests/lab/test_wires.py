from __future__ import annotations

from ipaddress import IPv4Network

import pytest

from lab import topology, wires
from lab.topology import Namespace
from lab.wires import WireError

BOND = topology.load("bond")


def test_bridges_forward_at_once_and_everything():
    lines = wires.cell_commands(BOND)
    assert "link add sw type bridge stp_state 0 forward_delay 0 mcast_snooping 0" in lines
    assert "addr add 192.168.77.1/24 dev mgmt" in lines


def test_every_tap_is_made_before_it_is_plugged_into_its_bridge():
    lines = wires.cell_commands(BOND)
    made = lines.index("tuntap add dev guest-eth1 mode tap")
    assert lines[made + 1] == "link set guest-eth1 master sw up"
    assert sum(line.startswith("tuntap add") for line in lines) == len(wires.taps(BOND)) - len(BOND.namespaces) == 5


def test_a_namespace_gets_one_end_of_a_veth():
    space = Namespace(mac="52:54:00:77:00:09", tap="obs", addresses=("10.77.0.9/24", "fd77::9/64"))
    lines = wires.cell_commands(BOND.model_copy(update={"namespaces": {"observer": space}}))
    assert "link add obs type veth peer name eth0 netns observer address 52:54:00:77:00:09" in lines
    assert lines.index("netns add observer") < lines.index("link set obs master sw up")
    assert wires.namespace_commands(space)[-1] == "addr add fd77::9/64 dev eth0 nodad"


def test_announcements_are_pairs_of_one_address_with_itself():
    rules = wires.announcement_rules([IPv4Network("10.77.0.0/30")])
    assert "elements = { 10.77.0.1 . 10.77.0.1, 10.77.0.2 . 10.77.0.2 }" in rules
    assert "arp saddr ip . arp daddr ip @announced counter drop" in rules


def test_a_black_hole_ends_by_itself_when_a_time_is_given():
    assert 'elements = { "a" timeout 20ms, "b" timeout 20ms }' in wires.blackhole_rules(["a", "b"], 0.02)
    assert 'elements = { "a" }' in wires.blackhole_rules(["a"], None)


def test_a_program_that_fails_is_quoted():
    with pytest.raises(WireError, match="ip link set no-such-nic up: Cannot find device"):
        wires.set_port("no-such-nic", up=True)


def test_a_program_that_is_missing_is_named():
    with pytest.raises(WireError, match="cannot run no-such-program"):
        wires.run("no-such-program")
