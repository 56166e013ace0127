"""Statements about a guest's bonds: each seen to fail, and to hold on a near miss."""

from __future__ import annotations

from ipaddress import ip_interface

import pytest

from checks import test_bond as statements
from checks.facts import bonds, nics
from checks.outcome import CouldNotLook
from inventory import model
from tests.checks.guest_samples import NICS, SLAVE_1, SLAVE_2, Nic, changed, guest, without_ip

WANTED_BOND = model.Bond(
    slaves=("enp1s0", "enp2s0"),
    fail_over_mac="active",
    miimon=100,
    num_grat_arp=3,
    peer_notif_delay=200,
    addresses=(ip_interface("10.77.0.21/24"), ip_interface("fd77::21/64")),
    vlans={77: (ip_interface("10.77.77.21/24"),)},
)


def wanted(**values):
    bond = WANTED_BOND.model_copy(update=values)
    return model.Guest(connect="ssh://guest-1", bonds={"bond0": bond})


NO_BOND = model.Guest(connect="ssh://guest-1")


def is_there(bundle, guest=None):
    statements.test_every_wanted_bond_is_there("guest-1", guest or wanted(), bonds.parse(bundle))


def has_slaves(bundle, guest=None):
    statements.test_every_bond_has_exactly_its_slaves(
        "guest-1", guest or wanted(), bonds.parse(bundle), nics.parse(bundle)
    )


def options(bundle, guest=None):
    statements.test_bond_options_are_as_wanted("guest-1", guest or wanted(), bonds.parse(bundle))


def link(bundle, guest=None):
    statements.test_every_slave_has_link("guest-1", guest or wanted(), bonds.parse(bundle))


def addresses(bundle, guest=None):
    statements.test_every_bond_has_its_addresses("guest-1", guest or wanted(), bonds.parse(bundle), nics.parse(bundle))


def mtu(bundle, guest=None):
    statements.test_slaves_of_a_bond_have_its_mtu("guest-1", guest or wanted(), bonds.parse(bundle))


STATEMENTS = [is_there, has_slaves, options, link, addresses, mtu]


@pytest.mark.parametrize("statement", STATEMENTS)
def test_a_sound_guest_holds(statement):
    statement(guest())


@pytest.mark.parametrize("statement", STATEMENTS)
def test_nothing_applies_without_a_bond_wanted_or_found(statement):
    with pytest.raises(pytest.skip.Exception):
        statement(guest((SLAVE_1, SLAVE_2)), NO_BOND)


@pytest.mark.parametrize("statement", STATEMENTS[1:])
def test_nothing_is_known_of_a_wanted_bond_that_is_not_there(statement):
    with pytest.raises(CouldNotLook, match="bond0"):
        statement(guest((SLAVE_1, SLAVE_2)))


def test_every_wanted_bond_is_there__broken_when_it_is_missing():
    with pytest.raises(AssertionError, match="guest-1: bond0 is not there; bonds found: none"):
        is_there(guest((SLAVE_1, SLAVE_2)))


def test_every_wanted_bond_is_there__broken_in_another_mode():
    with pytest.raises(AssertionError, match="in mode balance-rr, wanted active-backup"):
        is_there(guest(mode="balance-rr 0"))


def test_every_wanted_bond_is_there__broken_in_a_mode_that_nobody_knows_yet():
    with pytest.raises(AssertionError, match="in mode quantum, wanted"):
        is_there(guest(mode="quantum 9"))


def test_every_wanted_bond_is_there__holds_in_another_wanted_mode():
    is_there(guest(mode="balance-rr 0"), wanted(mode="balance-rr"))


def test_every_bond_has_exactly_its_slaves__broken_when_the_pf_refused_the_second_one():
    with pytest.raises(AssertionError, match="enp2s0 is missing: with fail_over_mac=none the bond writes MACs"):
        has_slaves(guest(changed(NICS, "enp2s0", master=None), fail_over_mac="none 0"))


def test_every_bond_has_exactly_its_slaves__broken_without_a_guess_when_the_mac_is_not_the_reason():
    with pytest.raises(AssertionError, match="enp2s0 is missing: the interface is there, but in no bond"):
        has_slaves(guest(changed(NICS, "enp2s0", master=None)))


def test_every_bond_has_exactly_its_slaves__broken_by_a_slave_that_does_not_exist_or_is_taken():
    with pytest.raises(AssertionError, match="enp2s0 is missing: the guest has no such interface"):
        has_slaves(guest((SLAVE_1, *NICS[2:])))
    with pytest.raises(AssertionError, match="enp2s0 is missing: it belongs to br0"):
        has_slaves(guest(changed(NICS, "enp2s0", master="br0")))


def test_every_bond_has_exactly_its_slaves__broken_by_one_too_many():
    third = Nic("eth9", 9, "52:54:00:77:00:99", "0000:03:00.0", master="bond0")
    with pytest.raises(AssertionError, match="eth9 is a slave, but not a wanted one"):
        has_slaves(guest((*NICS, third)))


def test_every_bond_has_exactly_its_slaves__holds_in_any_order():
    has_slaves(guest(), wanted(slaves=("enp2s0", "enp1s0")))


@pytest.mark.parametrize(
    ("option", "found", "message"),
    [
        ("fail_over_mac", "none 0", "fail_over_mac is none, wanted active"),
        ("miimon", "0", "miimon is 0, wanted 100"),
        ("num_grat_arp", "1", "num_grat_arp is 1, wanted 3"),
        ("peer_notif_delay", "0", "peer_notif_delay is 0, wanted 200"),
        ("updelay", "400", "updelay is 400, wanted 0"),
        ("downdelay", "300", "downdelay is 300, wanted 100"),
        ("arp_interval", "250", "arp_interval is 250, wanted 0"),
        ("primary_reselect", "always 0", "primary_reselect is always, wanted failure"),
        ("primary_reselect", "sometimes 7", "primary_reselect is sometimes, wanted failure"),
    ],
)
def test_bond_options_are_as_wanted__broken_by_each_option(option, found, message):
    more = {"updelay": 0, "downdelay": 100, "arp_interval": 0, "primary_reselect": "failure"}
    sound = {"downdelay": "100", "primary_reselect": "failure 2"}
    options(guest(options=sound), wanted(**more))
    with pytest.raises(AssertionError, match=message):
        options(guest(options={**sound, option: found}), wanted(**more))


def test_bond_options_are_as_wanted__broken_by_the_mtu():
    with pytest.raises(AssertionError, match="bond0: mtu is 1500, wanted 9000"):
        options(guest(), wanted(mtu=9000))


@pytest.mark.parametrize("option", ["updelay", "downdelay"])
def test_bond_options_are_as_wanted__broken_by_an_updelay_or_downdelay_that_miimon_cannot_keep(option):
    with pytest.raises(AssertionError, match=rf"{option} is 200, wanted 250, .*multiples of miimon \(100\)"):
        options(guest(options={option: "200"}), wanted(**{option: 250}))


def test_bond_options_are_as_wanted__broken_when_the_primary_is_not_set():
    with pytest.raises(AssertionError, match="primary is not set, wanted enp1s0"):
        options(guest(), wanted(primary="enp1s0"))


def test_bond_options_are_as_wanted__broken_by_a_delay_that_miimon_cannot_keep():
    with pytest.raises(AssertionError, match=r"peer_notif_delay is 200, wanted 250.*multiples of miimon \(100\)"):
        options(guest(), wanted(peer_notif_delay=250))


def test_bond_options_are_as_wanted__holds_where_the_inventory_says_nothing():
    silent = {"fail_over_mac": None, "miimon": None, "num_grat_arp": None, "peer_notif_delay": None}
    options(guest(num_grat_arp="7", miimon="50"), wanted(**silent))


def test_bond_options_are_as_wanted__holds_with_no_delay_on_a_kernel_without_the_option():
    bundle = guest(peer_notif_delay="0")
    options(bundle, wanted(peer_notif_delay=0))


def test_every_slave_has_link__broken_when_one_is_down():
    with pytest.raises(AssertionError, match="bond0/enp2s0 is down"):
        link(guest(changed(NICS, "enp2s0", mii_status="down")))


def test_every_slave_has_link__broken_while_it_is_going_back():
    with pytest.raises(AssertionError, match="enp2s0 is going back"):
        link(guest(changed(NICS, "enp2s0", mii_status="going back")))


def test_every_slave_has_link__broken_without_an_active_slave():
    with pytest.raises(AssertionError, match="bond0 has no active slave"):
        link(guest(active_slave=""))


def test_every_slave_has_link__holds_without_active_slave_in_a_mode_that_has_none():
    link(guest(active_slave="", mode="802.3ad 4"))


def test_every_bond_has_its_addresses__broken_when_the_address_sits_elsewhere():
    with pytest.raises(AssertionError, match=r"bond0 lacks 10\.77\.0\.21/24"):
        addresses(guest(changed(changed(NICS, "bond0", addresses=()), "enp1s0", addresses=("10.77.0.21/24",))))


def test_every_bond_has_its_addresses__broken_by_another_prefix_length():
    with pytest.raises(AssertionError, match=r"lacks 10\.77\.0\.21/24 \(has 10\.77\.0\.21/16"):
        addresses(guest(changed(NICS, "bond0", addresses=("10.77.0.21/16", "fd77::21/64"))))


def test_every_bond_has_its_addresses__broken_without_the_vlan_or_its_address():
    with pytest.raises(AssertionError, match="bond0 has no VLAN interface 77"):
        addresses(guest(NICS[:3]))
    with pytest.raises(AssertionError, match=r"bond0\.77 lacks 10\.77\.77\.21/24"):
        addresses(guest(changed(NICS, "bond0.77", addresses=())))


def test_every_bond_has_its_addresses__broken_by_a_duplicate():
    with pytest.raises(AssertionError, match=r"bond0 cannot use fd77::21/64"):
        addresses(guest(changed(NICS, "bond0", tentative=True)))


def test_every_bond_has_its_addresses__holds_with_more_than_the_wanted_ones():
    addresses(guest(changed(NICS, "bond0", addresses=("10.77.0.21/24", "fd77::21/64", "fe80::1/64"))))


def test_every_bond_has_its_addresses__is_not_known_without_ip():
    with pytest.raises(CouldNotLook, match="no 'ip' program"):
        addresses(without_ip())


def test_slaves_of_a_bond_have_its_mtu__broken_when_one_differs():
    with pytest.raises(AssertionError, match="bond0 has MTU 1500, its slave enp2s0 9000"):
        mtu(guest(changed(NICS, "enp2s0", mtu=9000)))


def test_slaves_of_a_bond_have_its_mtu__holds_with_a_smaller_one_on_the_vlan():
    mtu(guest(changed(NICS, "bond0.77", mtu=1400)))
