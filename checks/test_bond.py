"""Bonds of a guest as the inventory wants them: mode, slaves, options, links, addresses.

Read from /sys/class/net/<bond>/bonding, /sys/class/net/<slave>/bonding_slave and `ip`.
"""

from __future__ import annotations

import pytest

from checks import bond_rules
from checks.bond_rules import told
from checks.facts.bonds import Bond
from checks.facts.nics import Nic
from checks.handed_vfs import is_vf
from checks.judged_bonds import as_wanted, different_options, judged, missing_addresses
from checks.linux.bonding import refused_mac
from inventory import model


def test_every_wanted_bond_is_there(guest_name: str, wanted_guest: model.Guest, guest_bonds: tuple[Bond, ...]) -> None:
    """Every wanted bond is there, in its mode.

    Why: without the bond the guest hangs on one link, and in another mode it fails over by other rules or not at all.
    Fix: make the bond, or set its mode while it is down and has no slaves; see the guest's network configuration.
    """
    if not wanted_guest.bonds:
        pytest.skip("the inventory wants no bond on this guest")
    found = {bond.name: bond for bond in guest_bonds}
    wrong = [f"{name} is not there" for name in wanted_guest.bonds if name not in found]
    wrong += [
        f"{name} is in mode {found[name].mode}, wanted {wanted.mode} (/sys/class/net/{name}/bonding/mode)"
        for name, wanted in wanted_guest.bonds.items()
        if name in found and found[name].mode != wanted.mode
    ]
    assert not wrong, f"{guest_name}: {'; '.join(wrong)}; bonds found: {', '.join(found) or 'none'}"


def test_every_bond_has_exactly_its_slaves(
    guest_name: str, wanted_guest: model.Guest, guest_bonds: tuple[Bond, ...], guest_nics: tuple[Nic, ...]
) -> None:
    """Every wanted bond has exactly its slaves.

    Why: a bond with one slave passes traffic like any other, until that one link goes.
    Fix: see the reason given per slave; for VFs set fail_over_mac=active before the first slave joins.
    """
    nics = {nic.name: nic for nic in guest_nics}
    wrong = []
    for bond, wanted in as_wanted(guest_name, wanted_guest, guest_bonds):
        slaves = {slave.nic for slave in bond.slaves}
        missing = [_why_missing(nics.get(name), name, bond) for name in wanted.slaves if name not in slaves]
        surplus = [f"{name} is a slave, but not a wanted one" for name in sorted(slaves - set(wanted.slaves))]
        wrong += [f"{bond.name}: {reason}" for reason in missing + surplus]
    assert not wrong, f"{guest_name}: {'; '.join(wrong)} (/sys/class/net/*/master)"


def test_bond_options_are_as_wanted(guest_name: str, wanted_guest: model.Guest, guest_bonds: tuple[Bond, ...]) -> None:
    """Every option of a bond that the inventory names has the wanted value.

    Why: how fast and how loudly a bond fails over is in these options, and the drill is planned with them.
    Fix: correct the guest's bond configuration; delays are kept as multiples of miimon, so set miimon first.
    """
    wrong = []
    for bond, wanted in as_wanted(guest_name, wanted_guest, guest_bonds):
        wrong += [f"{bond.name}: {text}" for text in different_options(bond, wanted)]
    assert not wrong, f"{guest_name}: {'; '.join(wrong)} (/sys/class/net/<bond>/bonding)"


def test_every_slave_has_link(guest_name: str, wanted_guest: model.Guest, guest_bonds: tuple[Bond, ...]) -> None:
    """Every slave of every bond has a link, and one of them is active.

    Why: a bond with one dead slave still passes traffic, so nobody notices until the second one goes.
    Fix: look at cable, transceiver and switch port of the PF behind the slave named below, and at the PF itself.
    """
    wrong = []
    for bond in judged(guest_name, wanted_guest, guest_bonds):
        wrong += [
            f"{bond.name}/{slave.nic} is {slave.mii_status} ({slave.link_failures} link failures so far)"
            for slave in bond.slaves
            if not slave.link_up
        ]
        if bond.mode == "active-backup" and bond.active_slave is None:
            wrong.append(f"{bond.name} has no active slave")
    assert not wrong, f"{guest_name}: {'; '.join(wrong)} (/sys/class/net/*/bonding_slave/mii_status)"


def test_every_bond_has_its_addresses(
    guest_name: str, wanted_guest: model.Guest, guest_bonds: tuple[Bond, ...], guest_nics: tuple[Nic, ...]
) -> None:
    """Every bond and every VLAN interface over it has its wanted addresses.

    Why: an address on another interface, or one that IPv6 found taken, is not protected by the bond.
    Fix: correct the guest's network configuration; an address that is not usable is held by another machine too.
    """
    nics = {nic.name: nic for nic in guest_nics}
    wrong: list[str] = []
    for bond, wanted in as_wanted(guest_name, wanted_guest, guest_bonds):
        wrong += missing_addresses(bond, wanted, nics.get(bond.name))
    assert not wrong, f"{guest_name}: {'; '.join(wrong)} ('ip -j addr show')"


def test_slaves_of_a_bond_have_its_mtu(
    guest_name: str, wanted_guest: model.Guest, guest_bonds: tuple[Bond, ...]
) -> None:
    """Every slave has the MTU of its bond.

    Why: large packets vanish after a failover to a slave with a smaller MTU, while ping still works.
    Fix: set the MTU on the bond, which passes it on; a VF takes no MTU above that of its PF.
    """
    bonds = judged(guest_name, wanted_guest, guest_bonds)
    wrong = told(guest_name, (one for bond in bonds for one in bond_rules.unequal_mtus(bond)))
    assert not wrong, f"{guest_name}: {'; '.join(wrong)} (/sys/class/net/*/mtu)"


def _why_missing(nic: Nic | None, name: str, bond: Bond) -> str:
    if nic is None:
        return f"slave {name} is missing: the guest has no such interface"
    if nic.master is not None:
        return f"slave {name} is missing: it belongs to {nic.master}"
    if bond.mode == "active-backup" and bond.fail_over_mac != "active" and is_vf(name, nic.driver, {}):
        return f"slave {name} is missing: {refused_mac(bond.fail_over_mac)}"
    return f"slave {name} is missing: the interface is there, but in no bond"
