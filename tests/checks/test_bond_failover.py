"""Statements about what a failover will find: each seen to fail, and to hold on a near miss."""

from __future__ import annotations

import pytest

from checks import test_bond_failover as statements
from checks.facts import bonds, libvirt, nics
from checks.handed_vfs import behind, handed_vfs
from checks.outcome import CouldNotLook, collected_advice
from inventory import model
from tests.checks.domain_samples import PFS, VF_1, VF_2, Hostdev, domain, host, pf, vf
from tests.checks.guest_samples import BOND, MAC_1, MAC_2, NICS, SLAVE_1, SLAVE_2, Nic, changed, guest

ON_A_HOST = model.Guest(connect="ssh://g", host="kvm-1", bonds={"bond0": model.Bond(slaves=("enp1s0", "enp2s0"))})
ALONE = ON_A_HOST.model_copy(update={"host": None})
SAME_PF = (pf("enp1s0f0", "0000:01:00.0", vf(0, VF_1, MAC_1), vf(1, "0000:01:10.2", MAC_2)),)


def vfs(pfs=PFS, *hostdevs):
    xml = domain(interfaces=hostdevs) if hostdevs else domain()
    [found] = libvirt.parse(host({"guest-1": xml}, {"guest-1": xml}))
    return behind(nics.parse(guest()), handed_vfs(found.current, pfs))


def leaves_macs(bundle, behind_nics=None, wanted=ON_A_HOST):
    known = vfs() if behind_nics is None else behind_nics
    statements.test_bonds_of_vfs_leave_macs_alone("guest-1", wanted, bonds.parse(bundle), known)


def watches(bundle, behind_nics=None, wanted=ON_A_HOST):
    known = vfs() if behind_nics is None else behind_nics
    statements.test_every_bond_watches_its_links("guest-1", wanted, bonds.parse(bundle), known)


def different_pfs(bundle, behind_nics=None, wanted=ON_A_HOST):
    known = vfs() if behind_nics is None else behind_nics
    statements.test_slaves_of_a_bond_are_on_different_pfs("guest-1", wanted, bonds.parse(bundle), known)


def follow_port(bundle, behind_nics=None, wanted=ON_A_HOST):
    known = vfs() if behind_nics is None else behind_nics
    statements.test_vfs_of_slaves_follow_their_port("guest-1", wanted, bonds.parse(bundle), known)


def heard(bundle, behind_nics=None, wanted=ON_A_HOST):
    statements.test_neighbours_will_hear_of_a_failover("guest-1", wanted, bonds.parse(bundle))


ALL = [leaves_macs, watches, different_pfs, follow_port, heard]


def advice_of(statement, *arguments):
    with collected_advice() as advice:
        statement(*arguments)
    return advice


@pytest.mark.parametrize("statement", ALL)
def test_a_sound_guest_holds_without_advice(statement):
    assert advice_of(statement, guest()) == []


@pytest.mark.parametrize("statement", ALL)
def test_a_missing_bond_is_not_judged(statement):
    with pytest.raises(CouldNotLook, match="there is no bond to look at; wanted bond0"):
        statement(guest((SLAVE_1, SLAVE_2)))
    with pytest.raises(pytest.skip.Exception):
        statement(guest((SLAVE_1, SLAVE_2)), {}, model.Guest(connect="ssh://g", host="kvm-1"))


@pytest.mark.parametrize("statement", [leaves_macs, watches, heard])
def test_a_guest_without_a_host_is_judged_by_what_it_shows_itself(statement):
    assert advice_of(statement, guest(), {}, ALONE) == []


@pytest.mark.parametrize("statement", [different_pfs, follow_port])
def test_what_only_the_host_can_tell_does_not_apply_without_one(statement):
    with pytest.raises(pytest.skip.Exception):
        statement(guest(), {}, ALONE)


@pytest.mark.parametrize("setting", ["none 0", "follow 2"])
def test_bonds_of_vfs_leave_macs_alone__broken_by_any_other_setting(setting):
    word = setting.split()[0]
    with pytest.raises(AssertionError, match=f"bond0 has fail_over_mac={word} over enp1s0, enp2s0, wanted active"):
        leaves_macs(guest(fail_over_mac=setting))


def test_bonds_of_vfs_leave_macs_alone__broken_even_when_only_one_slave_could_join():
    with pytest.raises(AssertionError, match="fail_over_mac=none over enp1s0, wanted active"):
        leaves_macs(guest(changed(NICS, "enp2s0", master=None), fail_over_mac="none 0"))


def test_bonds_of_vfs_leave_macs_alone__broken_by_the_driver_alone_when_no_host_is_known():
    with pytest.raises(AssertionError, match="cannot join"):
        leaves_macs(guest(fail_over_mac="none 0"), {}, ALONE)


def test_bonds_of_vfs_leave_macs_alone__broken_when_only_one_of_two_is_trusted():
    half = (pf("enp1s0f0", "0000:01:00.0", vf(0, VF_1, MAC_1, trust=True)), PFS[1])
    with pytest.raises(AssertionError, match="fail_over_mac=none"):
        leaves_macs(guest(fail_over_mac="none 0"), vfs(half))


@pytest.mark.parametrize(("mac", "trust"), [(None, True), ("00:00:00:00:00:00", False)])
def test_bonds_of_vfs_leave_macs_alone__holds_with_advice_when_the_vfs_may_change_their_mac(mac, trust):
    pfs = (
        pf("enp1s0f0", "0000:01:00.0", vf(0, VF_1, mac or MAC_1, trust=trust)),
        pf("enp2s0f0", "0000:02:00.0", vf(0, VF_2, mac or MAC_2, trust=trust)),
    )
    [advice] = advice_of(leaves_macs, guest(fail_over_mac="none 0"), vfs(pfs))
    assert "it works because their PFs let these VFs change their MAC" in advice


def test_bonds_of_vfs_leave_macs_alone__holds_for_slaves_that_are_no_vfs():
    virtio = changed(changed(NICS, "enp1s0", driver="virtio_net"), "enp2s0", driver="virtio_net")
    assert advice_of(leaves_macs, guest(virtio, fail_over_mac="none 0"), {}, ALONE) == []


def test_every_bond_watches_its_links__broken_without_any_monitor():
    with pytest.raises(AssertionError, match="bond0 has miimon=0 and arp_interval=0"):
        watches(guest(miimon="0"))


def test_every_bond_watches_its_links__holds_with_advice_by_arp_over_vfs():
    [advice] = advice_of(watches, guest(miimon="0", arp_interval="250"))
    assert "monitors by ARP (arp_interval=250) over VFs" in advice


def test_slaves_of_a_bond_are_on_different_pfs__broken_when_both_share_one():
    shared = vfs(SAME_PF, Hostdev(), Hostdev("0000:01:10.2", MAC_2, 2))
    with pytest.raises(
        AssertionError, match=r"enp1s0 \(0000:01:10\.0\) and enp2s0 \(0000:01:10\.2\) are VFs of enp1s0f0"
    ):
        different_pfs(guest(), shared)


def test_slaves_of_a_bond_are_on_different_pfs__holds_when_the_second_vf_is_in_no_bond():
    shared = vfs(SAME_PF, Hostdev(), Hostdev("0000:01:10.2", MAC_2, 2))
    different_pfs(guest(changed(NICS, "enp2s0", master=None)), shared)


@pytest.mark.parametrize("state", ["enable", "disable", "something-new"])
def test_vfs_of_slaves_follow_their_port__broken_by_every_other_state(state):
    pfs = (pf("enp1s0f0", "0000:01:00.0", vf(0, VF_1, MAC_1, link_state=state)), PFS[1])
    with pytest.raises(AssertionError, match=f"bond0/enp1s0: VF 0 of enp1s0f0 .* has link state {state}, wanted auto"):
        follow_port(guest(), vfs(pfs))


def test_vfs_of_slaves_follow_their_port__holds_where_the_driver_does_not_say():
    follow_port(guest(), vfs((pf("enp1s0f0", "0000:01:00.0", vf(0, VF_1, MAC_1, link_state=None)), PFS[1])))


def test_neighbours_will_hear_of_a_failover__broken_when_nothing_is_sent():
    with pytest.raises(AssertionError, match="bond0 has num_grat_arp=0 although its MAC changes"):
        heard(guest(num_grat_arp="0"))


def test_neighbours_will_hear_of_a_failover__holds_with_advice_when_silence_is_wanted():
    silent = model.Guest(connect="ssh://g", bonds={"bond0": model.Bond(slaves=("enp1s0",), num_grat_arp=0)})
    assert len(advice_of(heard, guest(num_grat_arp="0"), {}, silent)) == 1


def test_neighbours_will_hear_of_a_failover__holds_with_advice_when_one_is_swallowed():
    [advice] = advice_of(heard, guest(peer_notif_delay="100"))
    assert "one announcement fewer than num_grat_arp=3 on a loss of link" in advice


def test_neighbours_will_hear_of_a_failover__holds_with_advice_for_a_bridge_on_the_bond():
    bridge = Nic("br0", 9, MAC_1, driver=None, kind="bridge", addresses=("10.77.0.21/24",))
    [advice] = advice_of(heard, guest((*changed(NICS, "bond0", master="br0"), bridge)))
    assert "port of bridge br0: addresses on the bridge are never announced" in advice


def test_neighbours_will_hear_of_a_failover__holds_in_a_mode_without_active_slave():
    assert advice_of(heard, guest(num_grat_arp="0", mode="802.3ad 4")) == []


def test_a_bond_in_no_inventory_is_judged_too():
    stranger = model.Guest(connect="ssh://g")
    with pytest.raises(AssertionError, match="miimon=0"):
        watches(guest((SLAVE_1, SLAVE_2, BOND), miimon="0"), {}, stranger)
