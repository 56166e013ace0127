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


def one_vlan(bundle, behind_nics=None, wanted=ON_A_HOST):
    known = vfs() if behind_nics is None else behind_nics
    statements.test_vfs_of_a_bond_are_in_one_vlan("guest-1", wanted, bonds.parse(bundle), known)


def primary(bundle, behind_nics=None, wanted=ON_A_HOST):
    statements.test_primaries_of_bonds_are_active("guest-1", wanted, bonds.parse(bundle))


def unpaired(bundle, behind_nics=None, wanted=ON_A_HOST):
    known = vfs() if behind_nics is None else behind_nics
    statements.test_slaves_of_a_bond_are_in_no_net_failover_pair("guest-1", wanted, bonds.parse(bundle), known)


def fits(bundle, behind_nics=None, wanted=None, notes=None):
    generous = ON_A_HOST.model_copy(update={"drill": model.Drill(budgets=model.Budgets(outage_ms=2500))})
    chosen = generous if wanted is None else wanted
    said = [] if notes is None else notes
    statements.test_predicted_outage_fits_the_budget("guest-1", chosen, bonds.parse(bundle), said.append)


ALL = [leaves_macs, watches, different_pfs, follow_port, heard, one_vlan, primary, unpaired, fits]
ONLY_WITH_HOST = [different_pfs, follow_port, one_vlan, unpaired]


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


@pytest.mark.parametrize("statement", ONLY_WITH_HOST)
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


def test_neighbours_will_hear_of_a_failover__holds_with_advice_when_only_arp_notify_speaks():
    one = {"/proc/sys/net/ipv4/conf/bond0/arp_notify": "1\n"}
    both = {**one, "/proc/sys/net/ipv6/conf/all/ndisc_notify": "1\n"}
    [advice] = advice_of(heard, guest(files=one, num_grat_arp="0"))
    assert advice.endswith("arp_notify announces a new MAC, once, and IPv6 addresses not at all (ndisc_notify=0)")
    [advice] = advice_of(heard, guest(files=both, num_grat_arp="0"))
    assert advice.endswith("arp_notify announces a new MAC, once")


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


def test_every_bond_watches_its_links__holds_with_advice_in_a_mode_that_nobody_knows_yet():
    assert advice_of(watches, guest(mode="quantum 9")) == [
        "guest-1: bond0 is in mode quantum, which this program does not know"
    ]


def test_slaves_of_a_bond_are_on_different_pfs__holds_with_advice_on_two_ports_of_one_card():
    one_card = (PFS[0], pf("enp1s0f1", "0000:01:00.1", vf(0, VF_2, MAC_2)))
    [advice] = advice_of(different_pfs, guest(), vfs(one_card))
    assert "enp1s0f0 and enp1s0f1 are ports of one card (0000:01:00), which fails as a whole" in advice


def test_neighbours_will_hear_of_a_failover__holds_without_advice_when_the_bridge_announces_itself():
    bridge = Nic("br0", 9, MAC_1, driver=None, kind="bridge", addresses=("10.77.0.21/24",))
    nics_ = (*changed(NICS, "bond0", master="br0"), bridge)
    key = "/proc/sys/net/ipv4/conf/{}/arp_notify"
    for name in ("br0", "all"):
        assert advice_of(heard, guest(nics_, files={key.format(name): "1\n"})) == []
    [advice] = advice_of(heard, guest(nics_, files={key.format("br0"): "1\n"}, fail_over_mac="none 0"))
    assert "arp_notify speaks only of a new MAC, and fail_over_mac=none keeps the old one" in advice


def tagged(second, **more):
    first = vf(0, VF_1, MAC_1, vlan=100, **more)
    return vfs((pf("enp1s0f0", "0000:01:00.0", first), pf("enp2s0f0", "0000:02:00.0", vf(0, VF_2, MAC_2, vlan=second))))


def test_vfs_of_a_bond_are_in_one_vlan__broken_when_they_differ():
    with pytest.raises(AssertionError, match="bond0: enp1s0 has VLAN 100, enp2s0 has VLAN none"):
        one_vlan(guest(), tagged(0))


def test_vfs_of_a_bond_are_in_one_vlan__holds_in_the_same_one_and_where_the_driver_does_not_say():
    assert advice_of(one_vlan, guest(), tagged(100)) == []
    assert advice_of(one_vlan, guest(), tagged(None)) == []


def test_vfs_of_a_bond_are_in_one_vlan__holds_with_advice_at_different_priorities():
    pfs = (
        pf("enp1s0f0", "0000:01:00.0", vf(0, VF_1, MAC_1, vlan=100, qos=3)),
        pf("enp2s0f0", "0000:02:00.0", vf(0, VF_2, MAC_2, vlan=100, qos=0)),
    )
    assert advice_of(one_vlan, guest(), vfs(pfs)) == ["guest-1: bond0: enp1s0 has priority 3, enp2s0 has priority none"]


PREFERRED = {"primary": "enp2s0", "updelay": "400"}


def test_primaries_of_bonds_are_active__broken_after_a_switch_by_hand():
    with pytest.raises(AssertionError, match="primary=enp2s0 with a link and primary_reselect=always, but enp1s0 is"):
        primary(guest(options=PREFERRED))


@pytest.mark.parametrize(
    "options",
    [
        {**PREFERRED, "active_slave": "enp2s0"},
        {**PREFERRED, "primary_reselect": "failure 2"},
        {**PREFERRED, "active_slave": ""},
        {"primary": "", "updelay": "400"},
    ],
)
def test_primaries_of_bonds_are_active__holds_when_nothing_will_take_it_back(options):
    assert advice_of(primary, guest(options=options)) == []


def test_primaries_of_bonds_are_active__holds_while_the_primary_has_no_link():
    assert advice_of(primary, guest(changed(NICS, "enp2s0", mii_status="down"), options=PREFERRED)) == []


def test_primaries_of_bonds_are_active__holds_with_advice_when_it_goes_back_at_once():
    sound = {"primary": "enp1s0"}
    [advice] = advice_of(primary, guest(options=sound))
    assert "the bond goes back at once, a second outage" in advice
    chosen = model.Bond(slaves=("enp1s0", "enp2s0"), primary="enp1s0", primary_reselect="always")
    meant = ON_A_HOST.model_copy(update={"bonds": {"bond0": chosen}})
    assert advice_of(primary, guest(options=sound), None, meant) == []


def paired(interface_xml):
    xml = domain().replace("<driver name='vfio'/>", interface_xml, 1)
    [found] = libvirt.parse(host({"guest-1": xml}, {"guest-1": xml}))
    return behind(nics.parse(guest()), handed_vfs(found.current, PFS))


def test_slaves_of_a_bond_are_in_no_net_failover_pair__broken_by_teaming():
    with pytest.raises(AssertionError, match=r"bond0/enp1s0 is VF 0 of enp1s0f0 .* has <teaming type='transient'>"):
        unpaired(guest(), paired("<teaming type='transient' persistent='ua-1'/>"))


def test_slaves_of_a_bond_are_in_no_net_failover_pair__holds_when_the_pair_is_in_no_bond():
    pair = paired("<teaming type='transient' persistent='ua-1'/>")
    unpaired(guest(changed(NICS, "enp1s0", master=None)), pair)


def test_predicted_outage_fits_the_budget__broken_when_even_the_best_case_does_not():
    tight = ON_A_HOST.model_copy(update={"drill": model.Drill(budgets=model.Budgets(outage_ms=400))})
    with pytest.raises(AssertionError, match=r"predicted for a loss of link: costs at most 2850 ms, at least 500 ms"):
        fits(guest(downdelay="500"), None, tight)


def test_predicted_outage_fits_the_budget__holds_with_advice_when_the_worst_case_does_not():
    [advice] = advice_of(fits, guest(), None, ON_A_HOST)
    assert "guest-1: bond0: predicted for a loss of link: costs at most 2350 ms (igbvf looks at its link" in advice
    assert "the budget is 1000 ms" in advice


def test_predicted_outage_fits_the_budget__holds_and_says_what_is_foretold():
    notes: list[str] = []
    fits(guest(), notes=notes)
    assert [note.partition(" (")[0] for note in notes] == [
        "bond0: predicted for a manual switch: costs at most 250 ms",
        "bond0: predicted for a loss of link: costs at most 2350 ms",
        "bond0: arp_notify is off, ndisc_notify is off",
    ]


def test_predicted_outage_fits_the_budget__holds_where_nothing_is_foretold():
    notes: list[str] = []
    fits(guest(mode="802.3ad 4"), notes=notes)
    assert notes[0] == "bond0: nothing is foretold of mode 802.3ad"
