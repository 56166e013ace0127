"""Which bonds of a machine a statement judges, and what it says when there is none."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from checks.facts.bonds import Bond
from checks.facts.known import known
from checks.facts.nics import Nic
from checks.outcome import CouldNotLook
from inventory import model

Machine = model.Guest | model.Host


def judged(name: str, wanted: Machine, bonds: tuple[Bond, ...]) -> tuple[Bond, ...]:
    """Every bond of the machine, whether the inventory names it or not."""
    if not bonds and wanted.bonds:
        raise CouldNotLook(f"{name}: there is no bond to look at; wanted {', '.join(wanted.bonds)}")
    if not bonds:
        pytest.skip("there is no bond, and the inventory wants none")
    return bonds


def as_wanted(name: str, wanted: Machine, bonds: tuple[Bond, ...]) -> Iterator[tuple[Bond, model.Bond]]:
    """Every bond that is there and in the inventory, with what the inventory wants of it."""
    if not wanted.bonds:
        pytest.skip("the inventory wants no bond here")
    found = {bond.name: bond for bond in bonds}
    if not wanted.bonds.keys() & found.keys():
        raise CouldNotLook(f"{name}: none of {', '.join(wanted.bonds)} is there to look at")
    return ((found[one], bond) for one, bond in wanted.bonds.items() if one in found)


def different_options(bond: Bond, wanted: model.Bond) -> Iterator[str]:
    """Every option that the inventory names and the bond has otherwise. What has no name here is shown as it is."""
    for option in ("fail_over_mac", "miimon", "arp_interval", "num_grat_arp", "primary", "primary_reselect", "mtu"):
        value = getattr(wanted, option)
        if value is not None and value != (found := getattr(bond, option)):
            yield f"{option} is {'not set' if found is None else found}, wanted {value}"
    for option in ("updelay", "downdelay", "peer_notif_delay"):
        yield from _different_delay(option, getattr(bond, option), getattr(wanted, option), bond.miimon)


def missing_slaves(bond: Bond, wanted: model.Bond, reasons: dict[str, str]) -> list[str]:
    """Every slave that is not as wanted, with the reason for one that is missing."""
    slaves = {slave.nic for slave in bond.slaves}
    missing = [f"slave {name} is missing: {reasons[name]}" for name in wanted.slaves if name not in slaves]
    return missing + [f"{name} is a slave, but not a wanted one" for name in sorted(slaves - set(wanted.slaves))]


def missing_addresses(bond: Bond, wanted: model.Bond, own: Nic | None) -> Iterator[str]:
    """Every wanted address that the bond or a VLAN interface over it lacks, or cannot use. `own`: the bond's interface.

    Raises the reason for which addresses, or VLAN interfaces, are not known.
    """
    yield from _missing(own, wanted.addresses)
    if wanted.vlans:
        vlans = {vlan.vlan_id: vlan for vlan in known(bond.vlans)}
        yield from (f"{bond.name} has no VLAN interface {tag}" for tag in wanted.vlans if tag not in vlans)
        for tag, addresses in wanted.vlans.items():
            yield from _missing(vlans.get(tag), addresses)


def _missing(nic: Nic | None, wanted: tuple[object, ...]) -> Iterator[str]:
    if nic is None or not wanted:
        return
    found = {str(address.interface): address for address in known(nic.addresses)}
    shown = ", ".join(found) or "none"
    for one in map(str, wanted):
        if one not in found:
            yield f"{nic.name} lacks {one} (has {shown})"
        elif not found[one].usable:
            yield f"{nic.name} cannot use {one}: IPv6 duplicate detection has not cleared it"


def _different_delay(option: str, found: int | None, wanted: int | None, miimon: int) -> Iterator[str]:
    if wanted is None or wanted == (found or 0):
        return
    if found is None:
        yield f"{option} is wanted to be {wanted}, but this kernel has no such option (Linux 5.3 has it)"
    elif not miimon or wanted % miimon:
        why = f"delays are multiples of miimon ({miimon})"
        yield f"{option} is {found}, wanted {wanted}, which this bond cannot have: {why}"
    else:
        yield f"{option} is {found}, wanted {wanted}"
