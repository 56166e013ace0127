"""Statements about a host's own bonds: each seen to fail, and to hold on a near miss."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import ip_interface
from typing import Any

import pytest

from checks import test_host_bonds as statements
from checks.facts import bonds, libvirt, nics
from checks.outcome import CouldNotLook, collected_advice
from inventory import model
from tests.checks.domain_samples import PFS, VF_1, VF_2, Hostdev, domain, pf, vf
from tests.checks.domain_samples import host as domains_host
from tests.checks.guest_samples import BOND, MAC_1, MAC_2, Nic, changed, guest

# The kernel's files are the same on a host as on a guest: two PFs of igb, and two VFs that the host keeps.
PF_1 = Nic("enp1s0f0", 2, MAC_1, "0000:01:00.0", "igb", master="bond0", permanent=MAC_1)
PF_2 = Nic("enp2s0f0", 3, MAC_2, "0000:02:00.0", "igb", master="bond0", permanent=MAC_2)
OVER_PFS = (PF_1, PF_2, BOND)
VF_NIC_1 = Nic("enp1s0f0v0", 2, MAC_1, VF_1, "igbvf", master="bond0", permanent=MAC_1)
VF_NIC_2 = Nic("enp2s0f0v0", 3, MAC_2, VF_2, "igbvf", master="bond0", permanent=MAC_2)
OVER_VFS = (VF_NIC_1, VF_NIC_2, BOND)

NOTHING_WANTED = model.Host(connect="ssh://kvm-1")
DOMAINS = libvirt.parse(domains_host())


def wanting(**values: Any) -> model.Host:
    wanted = model.Bond(slaves=("enp1s0f0", "enp2s0f0"), fail_over_mac="active", miimon=100, **values)
    return model.Host(connect="ssh://kvm-1", bonds={"bond0": wanted})


def on_host(found=OVER_PFS, **options: str):
    active = found[0].name
    return guest(found, **{"active_slave": active, **options})


def as_wanted(bundle, wanted=None):
    statements.test_host_bonds_are_as_wanted("kvm-1", wanted or wanting(), bonds.parse(bundle), nics.parse(bundle))


def have_link(bundle, wanted=NOTHING_WANTED):
    statements.test_host_bonds_have_link("kvm-1", wanted, bonds.parse(bundle))


def fail_over(bundle, wanted=NOTHING_WANTED, pfs=PFS):
    statements.test_host_bonds_would_fail_over("kvm-1", wanted, bonds.parse(bundle), pfs)


def survive(bundle, wanted=NOTHING_WANTED, pfs=PFS):
    statements.test_host_bonds_survive_the_loss_of_a_port("kvm-1", wanted, bonds.parse(bundle), pfs)


def leave_traffic(bundle, wanted=NOTHING_WANTED, pfs=PFS, domains=DOMAINS):
    statements.test_bonded_pfs_leave_vfs_their_traffic("kvm-1", wanted, bonds.parse(bundle), pfs, domains)


def advice_of(statement, *arguments):
    with collected_advice() as advice:
        statement(*arguments)
    return advice


JUDGED = [have_link, fail_over, survive, leave_traffic]


@pytest.mark.parametrize("statement", [as_wanted, have_link, fail_over, survive])
def test_a_sound_bond_over_two_pfs_holds_without_advice(statement):
    assert advice_of(statement, on_host()) == []


@pytest.mark.parametrize("statement", JUDGED)
def test_a_host_without_bonds_is_left_alone(statement):
    with pytest.raises(pytest.skip.Exception):
        statement(guest(OVER_PFS[:2]))
    with pytest.raises(CouldNotLook, match="kvm-1: there is no bond to look at; wanted bond0"):
        statement(guest(OVER_PFS[:2]), wanting())


def test_host_bonds_are_as_wanted_does_not_apply_where_none_is_wanted():
    with pytest.raises(pytest.skip.Exception):
        as_wanted(on_host(), NOTHING_WANTED)


def test_host_bonds_are_as_wanted__holds_with_everything_named():
    as_wanted(on_host(primary="enp1s0f0"), wanting(primary="enp1s0f0", num_grat_arp=3, peer_notif_delay=200, mtu=1500))


@pytest.mark.parametrize(
    ("found", "options", "message"),
    [
        (OVER_PFS[:2], {}, "kvm-1: bond0: is not there"),
        (OVER_PFS, {"mode": "802.3ad 4"}, "bond0: mode is 802.3ad, wanted active-backup"),
        (OVER_PFS, {"mode": "quantum 9"}, "bond0: mode is quantum, wanted active-backup"),
        (OVER_PFS, {"miimon": "50"}, "bond0: miimon is 50, wanted 100"),
        (
            changed(OVER_PFS, "enp2s0f0", master=None),
            {},
            "slave enp2s0f0 is missing: the interface is there, but in no",
        ),
        (changed(OVER_PFS, "enp2s0f0", master="br0"), {}, "slave enp2s0f0 is missing: it belongs to br0"),
        ((PF_1, BOND), {}, "slave enp2s0f0 is missing: the host has no such interface"),
        ((*OVER_PFS, replace(PF_2, name="eth9", ifindex=9)), {}, "eth9 is a slave, but not a wanted one"),
    ],
)
def test_host_bonds_are_as_wanted__broken_by_each_difference(found, options, message):
    with pytest.raises(AssertionError, match=message):
        as_wanted(on_host(found, **options))


def test_host_bonds_are_as_wanted__broken_without_its_address_or_vlan():
    with pytest.raises(AssertionError, match=r"bond0 lacks 10\.0\.0\.1/24 \(has 10\.77\.0\.21/24, fd77::21/64\)"):
        as_wanted(on_host(), wanting(addresses=(ip_interface("10.0.0.1/24"),)))
    with pytest.raises(AssertionError, match="bond0 has no VLAN interface 77"):
        as_wanted(on_host(), wanting(vlans={77: ()}))
    as_wanted(on_host(), wanting(addresses=(ip_interface("10.77.0.21/24"),)))


def test_host_bonds_would_fail_over__broken_by_a_slave_with_another_mtu():
    with pytest.raises(AssertionError, match="bond0 has MTU 1500, its slave enp2s0f0 9000"):
        fail_over(on_host(changed(OVER_PFS, "enp2s0f0", mtu=9000)))


def test_host_bonds_have_link__broken_when_one_slave_is_down():
    with pytest.raises(AssertionError, match="kvm-1: bond0/enp2s0f0 is down"):
        have_link(on_host(changed(OVER_PFS, "enp2s0f0", mii_status="down")))


def test_host_bonds_have_link__broken_without_an_active_slave():
    with pytest.raises(AssertionError, match="bond0 has no active slave"):
        have_link(on_host(active_slave=""))


def test_host_bonds_have_link__holds_in_a_mode_without_active_slave():
    have_link(on_host(active_slave="", mode="802.3ad 4"))


@pytest.mark.parametrize(
    ("found", "options", "message"),
    [
        (OVER_PFS, {"miimon": "0"}, "bond0 has miimon=0 and arp_interval=0"),
        (OVER_PFS, {"num_grat_arp": "0"}, "bond0 has num_grat_arp=0 although its MAC changes"),
        (OVER_VFS, {"fail_over_mac": "none 0"}, "fail_over_mac=none over enp1s0f0v0, enp2s0f0v0, wanted active"),
        (OVER_PFS, {"primary": "enp2s0f0"}, "primary=enp2s0f0 with a link"),
    ],
)
def test_host_bonds_would_fail_over__broken_by_each_option(found, options, message):
    with pytest.raises(AssertionError, match=message):
        fail_over(on_host(found, **options))


def test_host_bonds_would_fail_over__broken_by_a_forced_link_of_a_vf():
    pfs = (pf("enp1s0f0", "0000:01:00.0", vf(0, VF_1, MAC_1, link_state="enable")), PFS[1])
    with pytest.raises(AssertionError, match=r"bond0/enp1s0f0v0: VF 0 of enp1s0f0 .* has link state enable"):
        fail_over(on_host(OVER_VFS), NOTHING_WANTED, pfs)


def test_host_bonds_would_fail_over__holds_over_pfs_whose_macs_a_bond_may_write():
    assert advice_of(fail_over, on_host(fail_over_mac="none 0")) == []


def test_host_bonds_survive_the_loss_of_a_port__broken_by_a_pf_and_its_own_vf():
    own = (PF_1, replace(VF_NIC_1, ifindex=3, mac=MAC_2, permanent=MAC_2), BOND)
    with pytest.raises(AssertionError, match=r"enp1s0f0v0 is VF 0 of enp1s0f0 .*, and enp1s0f0 is a slave too"):
        survive(on_host(own))


def test_host_bonds_survive_the_loss_of_a_port__broken_by_two_vfs_of_one_pf():
    pfs = (pf("enp1s0f0", "0000:01:00.0", vf(0, VF_1, MAC_1), vf(1, VF_2, MAC_2)),)
    with pytest.raises(AssertionError, match=r"enp1s0f0v0 \(.*\) and enp2s0f0v0 \(.*\) are VFs of enp1s0f0"):
        survive(on_host(OVER_VFS), NOTHING_WANTED, pfs)


def test_host_bonds_survive_the_loss_of_a_port__holds_over_vfs_of_two_pfs():
    assert advice_of(survive, on_host(OVER_VFS)) == []


def test_host_bonds_survive_the_loss_of_a_port__holds_with_advice_on_one_card():
    pfs = (PFS[0], pf("enp2s0f0", "0000:01:00.1", vf(0, VF_2, MAC_2)))
    [advice] = advice_of(survive, on_host(), NOTHING_WANTED, pfs)
    assert "enp1s0f0 and enp2s0f0 are ports of one card (0000:01:00)" in advice


# bonding_show_ad_num_ports prints a number in mode 802.3ad, and nothing in others.
LAG = {"mode": "802.3ad 4", "active_slave": "", "ad_num_ports": "2"}


def test_bonded_pfs_leave_vfs_their_traffic__broken_by_a_link_aggregation():
    with pytest.raises(
        AssertionError, match=r"bond0 \(802.3ad\) has slaves enp1s0f0, enp2s0f0, .* 0000:01:10\.0 of enp1s"
    ):
        leave_traffic(on_host(**LAG))


def test_bonded_pfs_leave_vfs_their_traffic__holds_with_advice_when_the_switch_uses_one_port_only():
    [advice] = advice_of(leave_traffic, on_host(**{**LAG, "ad_num_ports": "1"}))
    assert "prove it with a drill" in advice


def test_bonded_pfs_leave_vfs_their_traffic__holds_with_advice_on_a_nic_that_may_aggregate_for_vfs():
    pfs = tuple(replace(one, driver="mlx5_core") for one in PFS)
    assert len(advice_of(leave_traffic, on_host(**LAG), NOTHING_WANTED, pfs)) == 1


def test_bonded_pfs_leave_vfs_their_traffic__holds_with_advice_in_active_backup():
    [advice] = advice_of(leave_traffic, on_host())
    assert (
        "it does not move their VFs, so guests that shall survive the loss of a port need a bond of their own" in advice
    )


def test_bonded_pfs_leave_vfs_their_traffic__holds_when_no_guest_has_their_vfs():
    elsewhere = libvirt.parse(domains_host({"guest-1": domain(interfaces=(Hostdev("0000:09:10.0"),))}, {}))
    assert advice_of(leave_traffic, on_host(**LAG), NOTHING_WANTED, PFS, elsewhere) == []
    assert advice_of(leave_traffic, on_host(**LAG), NOTHING_WANTED, PFS, ()) == []
