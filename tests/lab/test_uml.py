from __future__ import annotations

from pathlib import Path

import pytest

from lab import topology, uml
from lab.uml import UmlError

BOND = topology.load("bond")


def test_the_kernel_gets_taps_overlay_and_a_quoted_first_command():
    command = uml.uml_command(
        BOND.nodes["guest"],
        seed=Path("/s/guest.seed"),
        overlay=Path("/x/guest.cow"),
        disk=Path("/c/d.raw"),
        run=Path("/x"),
    )
    assert command[1] == "ubd0=/x/guest.cow,/c/d.raw"
    assert "mem=192M" in command
    assert "umid=guest" in command
    assert "vec2:transport=tap,ifname=guest-eth1,mac=52:54:00:77:00:11" in command
    assert command[-2:] == [
        "-c",
        '"mount -t proc proc /proc; mount -t hostfs -o /s/guest.seed hostfs /mnt; exec /mnt/init /mnt"',
    ]


def test_the_network_of_the_guest_is_named_bonded_and_addressed_in_that_order():
    lines = uml.network_commands(BOND.nodes["guest"])
    options = "fail_over_mac active miimon 100 num_grat_arp 3 peer_notify_delay 200"
    order = [
        "link set vec1 name eth0",
        f"link add bond0 type bond mode active-backup {options}",
        "link set eth0 master bond0",
        "link set bond0 up",
        "addr add 10.77.0.21/24 dev bond0",
        "link add link bond0 name bond0.77 type vlan id 77",
        "addr add fd77:77::21/64 dev bond0.77",
    ]
    assert [line for line in lines if line in order] == order
    assert "link set eth0 up" not in lines  # enslaving refuses an interface that is up


def test_a_node_without_a_bond_has_its_addresses_on_its_nics():
    lines = uml.network_commands(BOND.nodes["observer"])
    assert "addr add 10.77.77.9/24 dev eth0.77" in lines
    assert "addr add 192.168.77.22/24 dev ctl" in lines
    assert not any("bond" in line for line in lines)


def test_a_path_that_the_kernel_line_cannot_carry_is_refused(tmp_path):
    with pytest.raises(UmlError, match="cannot be given a path with such characters"):
        uml.write_seed(tmp_path / "a b", "guest", BOND.nodes["guest"], keys=tmp_path, modules=tmp_path)
