"""The VFs that a guest gets from its host's libvirt: those that the inventory wants, with their MACs and VLANs.

Read from /etc/libvirt/qemu, /run/libvirt/qemu (or `virsh dumpxml`), sysfs and `ip` of the guest's host.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from checks.facts.libvirt import Domain
from checks.facts.pci import Pf
from checks.facts.pci import find as find_pf
from checks.handed_vfs import HandedVf, handed_vfs
from checks.outcome import CouldNotLook, advise
from inventory import model

_NO_MAC = "00:00:00:00:00:00"
_READ_WHERE = "the domain's XML, and 'ip -d -j link show' on its host"


def test_the_domain_is_there_and_runs(guest_name: str, wanted_guest: model.Guest, guest_domain: Domain | None) -> None:
    """The guest's domain is there and runs.

    Why: nothing can be said of a guest that is not up.
    Fix: `virsh start NAME`; or correct `domain` in the inventory when libvirt has it by another name.
    """
    name = wanted_guest.domain or guest_name
    where = f"libvirt of {wanted_guest.host}"
    assert guest_domain is not None, f"{guest_name}: {where} has no domain {name}"
    assert guest_domain.running, f"{guest_name}: domain {name} is {guest_domain.state}, wanted running ({where})"
    if guest_domain.state != "running":
        advise(f"{guest_name}: domain {name} is {guest_domain.state} ({where})")


def test_the_guest_gets_the_wanted_vfs(
    guest_name: str,
    inventory: model.Inventory,
    guest_domain: Domain | None,
    guest_pfs: tuple[Pf, ...],
) -> None:
    """Every NIC that the inventory puts on a PF is a VF of that PF, with the wanted index.

    Why: a VF of another PF is another cable and another switch; after a card was moved to another slot the addresses
    in the XML point elsewhere without any message.
    Fix: correct <source><address .../></source> of the interface named below.
    """
    handed, wanted = _matched(guest_name, inventory, guest_domain, guest_pfs)
    wrong = []
    for name, nic in wanted.items():
        one = handed.get(name)
        if one is None:
            wrong.append(f"{name}: {_why_none(guest_domain, nic)} ({_asked(nic)})")
        elif not _is_on(one, nic, inventory, inventory.guests[guest_name]):
            wrong.append(f"{name} is {one}, wanted a VF of {nic.pf}")
        elif nic.vf is not None and one.vf.index != nic.vf:
            wrong.append(f"{name} is {one}, wanted VF {nic.vf}")
    assert not wrong, f"{guest_name}: {'; '.join(wrong)} (domain's XML on {inventory.guests[guest_name].host})"


def test_the_guests_macs_agree(
    guest_name: str,
    inventory: model.Inventory,
    guest_domain: Domain | None,
    guest_pfs: tuple[Pf, ...],
) -> None:
    """Every VF of the guest has one MAC in the inventory, in the domain's XML and on the PF.

    Why: the PF drops what a VF sends from another MAC than the one it was given, and frames to it go elsewhere.
    Fix: correct <mac> in the XML and start the domain again: libvirt then sets the MAC through the PF.
    """
    wrong, unknown = [], []
    for name, one, wanted in _compared(guest_name, inventory, guest_domain, guest_pfs):
        xml = one.interface.mac
        if wanted.mac is not None and xml != wanted.mac:
            wrong.append(f"{name}: {one} has MAC {xml} in the XML, wanted {wanted.mac}")
        if not _is_live(guest_domain) or xml is None:
            continue  # libvirt tells the PF at the start
        if one.vf.admin_mac is None:
            unknown.append(f"{one} ({one.pf.incomplete or 'its driver does not report it'})")
        elif one.vf.admin_mac != xml:
            found = "none" if one.vf.admin_mac == _NO_MAC else one.vf.admin_mac
            wrong.append(f"{name}: {one} has MAC {xml} in the XML, but the PF has {found} for it")
    assert not wrong, f"{guest_name}: {'; '.join(wrong)} ({_READ_WHERE})"
    if unknown:
        raise CouldNotLook(f"{guest_name}: the PF's MAC is not known for {', '.join(unknown)}")


def test_the_guests_vlans_agree(
    guest_name: str,
    inventory: model.Inventory,
    guest_domain: Domain | None,
    guest_pfs: tuple[Pf, ...],
) -> None:
    """Every VF of the guest has the wanted VLAN in the domain's XML and on the PF.

    Why: with another VLAN the guest sits in another network, or in none.
    Fix: correct <vlan><tag id=.../></vlan> in the XML and start the domain again.
    """
    wrong = []
    for name, one, wanted in _compared(guest_name, inventory, guest_domain, guest_pfs):
        xml = one.interface.vlans[0] if one.interface.vlans else 0
        if wanted.vlan is not None and xml != wanted.vlan:
            wrong.append(f"{name}: {one} has VLAN {xml or 'none'} in the XML, wanted {wanted.vlan or 'none'}")
        if _is_live(guest_domain) and one.vf.vlan is not None and one.vf.vlan != xml:
            wrong.append(f"{name}: {one} has VLAN {xml or 'none'} in the XML, but the PF has {one.vf.vlan or 'none'}")
    assert not wrong, f"{guest_name}: {'; '.join(wrong)} ({_READ_WHERE})"


def _is_live(domain: Domain | None) -> bool:
    return domain is not None and domain.running


def _why_none(domain: Domain | None, nic: model.GuestNic) -> str:
    if domain is not None and nic.mac:
        for one in domain.current.interfaces:
            if one.mac == nic.mac:
                return f"its interface takes {one.source or f'type {one.kind}'}, which is no VF of this host"
    return "the domain has no hostdev interface for it"


def _asked(nic: model.GuestNic) -> str:
    index = "" if nic.vf is None else f"VF {nic.vf} of "
    return f"wanted {index}{nic.pf or 'any PF'}{f', MAC {nic.mac}' if nic.mac else ''}"


def _matched(
    guest_name: str, inventory: model.Inventory, domain: Domain | None, pfs: tuple[Pf, ...]
) -> tuple[dict[str, HandedVf], dict[str, model.GuestNic]]:
    """The VFs that the domain has, by the inventory's names of the NICs they are meant for; and the wanted NICs.

    A NIC is known by its MAC; one without, or with a MAC that the XML does not have, by its PF and index.
    """
    guest = inventory.guests[guest_name]
    wanted = {name: nic for name, nic in guest.nics.items() if nic.pf is not None}
    if not wanted:
        pytest.skip("the inventory puts no NIC of this guest on a PF")
    if domain is None:
        raise CouldNotLook(f"{guest_name}: {guest.host} has no domain {guest.domain or guest_name}")
    handed = handed_vfs(domain.current, pfs)
    found = {name: one for name, nic in wanted.items() for one in handed if nic.mac and one.interface.mac == nic.mac}
    for name, nic in wanted.items():
        for one in handed:
            if name not in found and one not in found.values() and _is_meant(one, nic, inventory, guest):
                found[name] = one
    return found, wanted


def _compared(
    guest_name: str, inventory: model.Inventory, domain: Domain | None, pfs: tuple[Pf, ...]
) -> Iterator[tuple[str, HandedVf, model.GuestNic]]:
    """Every wanted NIC that has a VF: its name, the VF, what is wanted."""
    handed, wanted = _matched(guest_name, inventory, domain, pfs)
    if not handed:
        raise CouldNotLook(f"{guest_name}: its domain has none of the wanted VFs, so there is nothing to compare")
    return ((name, one, wanted[name]) for name, one in handed.items())


def _is_on(one: HandedVf, nic: model.GuestNic, inventory: model.Inventory, guest: model.Guest) -> bool:
    if nic.pf is None or guest.host is None:
        return True
    wanted_pf = inventory.hosts[guest.host].pfs.get(nic.pf)
    return find_pf((one.pf,), nic.pf, wanted_pf.address if wanted_pf else None) is not None


def _is_meant(one: HandedVf, nic: model.GuestNic, inventory: model.Inventory, guest: model.Guest) -> bool:
    return _is_on(one, nic, inventory, guest) and nic.vf in (None, one.vf.index)
