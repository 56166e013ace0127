"""Which wire a guest's NIC hangs on."""

from __future__ import annotations

import pytest

from lab import topology
from lab.hook import NoSuchWire, target

SRIOV, BOND = topology.load("sriov"), topology.load("bond")


@pytest.mark.parametrize(
    ("of", "words", "wire"),
    [
        (SRIOV, ("port-down", "guest-1", "enp1s0"), "p0"),
        (SRIOV, ("wire-cut", "guest-1", "enp2s0"), "kvm-1/enp2s0"),
        (BOND, ("port-down", "guest", "eth1"), "guest-eth1"),
    ],
)
def test_a_guests_nic_has_the_wire_of_its_pf_or_its_own(
    of: topology.Topology, words: tuple[str, str, str], wire: str
) -> None:
    assert target(of, *words) == wire


@pytest.mark.parametrize(
    ("of", "words", "why"),
    [
        (SRIOV, ("port-down", "guest-1", "enp3s0"), "enp3s0 has no wire"),
        (SRIOV, ("port-down", "guest-2", "enp1s0"), "guest-2's NIC enp1s0 has no wire"),
        (BOND, ("wire-cut", "guest", "eth0"), "always have carrier"),
    ],
)
def test_a_wire_that_is_not_there_is_named(of: topology.Topology, words: tuple[str, str, str], why: str) -> None:
    with pytest.raises(NoSuchWire, match=why):
        target(of, *words)
