"""Who goes down with a host that is rebooted, and whether all of them permit it. Pure code over the host's facts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from checks.facts.libvirt import Domain
from checks.facts.pci import Pf
from checks.handed_vfs import LocatedVf
from failover.guest import Refused
from failover.permission import BOUND_FOR_GUESTS
from inventory.model import Drill, Inventory


def guests_on(inventory: Inventory, host: str) -> dict[str, str]:
    """The names of the inventory's guests on this host, by libvirt's names of them."""
    return {guest.domain or name: name for name, guest in inventory.guests.items() if guest.host == host}


def demand_reboot_permission(inventory: Inventory, host: str, domains: Sequence[Domain], pfs: Sequence[Pf]) -> None:
    """Raises `Refused`, naming everyone, unless all who run there permit it, and run again or may stay off."""
    known = guests_on(inventory, host)
    unwilling = [*_unasked(inventory, known, domains), *_holders(domains, pfs)]
    if unwilling:
        raise Refused(
            f"a reboot of {host} would also take down {'; '.join(unwilling)}: guests that run there must permit it "
            "(guests.NAME.drill.reboot)"
        )
    left_off = [
        f"{domain.name} ({_why_off(domain)})"
        for domain in domains
        if domain.running
        and domain.autostart is not True
        and not inventory.guests[known[domain.name]].drill.may_stay_off
    ]
    if left_off:
        raise Refused(
            f"after a reboot of {host} these guests would stay off, and no drill starts guests: {'; '.join(left_off)}; "
            "`virsh autostart` them, or permit that (guests.NAME.drill.may_stay_off)"
        )


def freed(inventory: Inventory, host: str, domains: Iterable[Domain]) -> Mapping[str, str]:
    """VFs of guests that run, and are to stay off after the boot: by address, with the guest's domain."""
    known = guests_on(inventory, host)
    return {
        address: domain.name
        for domain in domains
        if domain.running and domain.autostart is not True and _drill_of(inventory, known, domain).may_stay_off
        for address in domain.current.host_addresses
    }


def _unasked(inventory: Inventory, known: Mapping[str, str], domains: Sequence[Domain]) -> list[str]:
    """Running domains that nobody gave permission for, and guests that are not libvirt's, which may well run."""
    found = [
        domain.name if domain.name in known else f"{domain.name} (not in this inventory)"
        for domain in domains
        if domain.running and not _drill_of(inventory, known, domain).reboot
    ]
    there = {domain.name for domain in domains}
    return found + [
        f"{name} (of which libvirt there knows nothing)"
        for domain, name in known.items()
        if domain not in there and not inventory.guests[name].drill.reboot
    ]


def _drill_of(inventory: Inventory, known: Mapping[str, str], domain: Domain) -> Drill:
    name = known.get(domain.name)
    return Drill() if name is None else inventory.guests[name].drill


def _holders(domains: Iterable[Domain], pfs: Iterable[Pf]) -> list[str]:
    """VFs that are bound for a guest, and in no domain: somebody else than libvirt may use them."""
    promised = {address for domain in domains for address in domain.current.host_addresses}
    return [
        f"whoever holds {LocatedVf(pf, vf)}, which is bound to {vf.driver} and in no domain of libvirt's"
        for pf in pfs
        for vf in pf.vfs
        if vf.driver == BOUND_FOR_GUESTS and vf.address not in promised
    ]


def _why_off(domain: Domain) -> str:
    if domain.stored is None:
        return "it is transient"
    return "no autostart" if domain.autostart is False else "whether it starts by itself may not be read"
