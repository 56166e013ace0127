"""Who is touched by a fault on a host, and whether all of them permit it. Pure code over the host's facts."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Literal

from checks.facts.libvirt import Domain, find
from checks.facts.pci import Pf
from checks.handed_vfs import HandedVf, LocatedVf, handed_vfs, locate
from checks.linux.domain_xml import Definition
from failover.guest import Refused
from failover.host_links import VfPlace
from failover.places import CouldNotMeasure, DoesNotApply
from inventory.model import FaultName, Inventory

ON_THE_HOST: dict[FaultName, Literal["pf", "vf"]] = {"pf-down": "pf", "vf-link-down": "vf"}
ON_THE_SWITCH: frozenset[FaultName] = frozenset({"port-down", "wire-cut"})
BOUND_FOR_GUESTS = "vfio-pci"


def carried_by(inventory: Inventory, guest: str, fault: FaultName) -> str:
    """The host that must be touched. Raises `DoesNotApply`, `Refused` when it does not permit it."""
    host = inventory.guests[guest].host
    if host is None:
        raise DoesNotApply(f"{fault} is a fault on a host, and the inventory names none (guests.{guest}.host)")
    if not inventory.hosts[host].drill.permitted:
        raise Refused(f"{fault} needs the permission of host {host} (hosts.{host}.drill.permitted)")
    return host


def places_behind(
    inventory: Inventory, guest: str, slaves: Sequence[str], domains: Sequence[Domain], pfs: Sequence[Pf]
) -> dict[str, VfPlace]:
    """The VF behind every slave: by the inventory's PF and index, else by the MAC that libvirt gives it.

    Raises `CouldNotMeasure` when there is none behind one of them.
    """
    wanted = inventory.guests[guest]
    handed = _handed(domains, wanted.domain or guest, pfs)
    by_mac = {one.interface.mac: one for one in handed if one.interface.mac}
    found: dict[str, VfPlace] = {}
    for slave in slaves:
        nic = wanted.nics.get(slave)
        one = by_mac.get(nic.mac) if nic is not None and nic.mac is not None else None
        if one is not None and one.pf.netdev is not None:
            found[slave] = VfPlace(one.pf.netdev, one.vf.index)
        elif nic is not None and nic.pf is not None and nic.vf is not None:
            found[slave] = VfPlace(nic.pf, nic.vf)
        else:
            raise CouldNotMeasure(
                f"{guest}: which VF is behind {slave} is not known: write its mac, or pf and vf "
                f"(guests.{guest}.nics.{slave})"
            )
    return found


def demand_permission(
    inventory: Inventory, host: str, touched: Collection[str], domains: Sequence[Domain], pfs: Sequence[Pf]
) -> None:
    """Raises `Refused`, naming everyone, unless every running guest with a VF of these PFs permits drills."""
    permitting = {
        guest.domain or name for name, guest in inventory.guests.items() if guest.host == host and guest.drill.permitted
    }
    concerned = [pf for pf in pfs if pf.netdev in touched]
    unwilling: list[str] = []
    promised: set[str] = set()
    for domain in domains:
        held = _held(domain.current, concerned)
        promised |= {one.vf.address for one in held}
        if domain.running and held and domain.name not in permitting:
            unwilling.append(f"{domain.name} ({', '.join(map(str, held))})")
    # What libvirt has promised to a domain that does not run is nobody's now, whatever it is bound to.
    unwilling += [
        f"whoever holds {LocatedVf(pf, vf)}, which is bound to {vf.driver} and in no domain of libvirt's"
        for pf in concerned
        for vf in pf.vfs
        if vf.driver == BOUND_FOR_GUESTS and vf.address not in promised
    ]
    if unwilling:
        raise Refused(
            f"it would also touch {'; '.join(unwilling)} on {host}, without a drill.permitted in this inventory"
        )


def _held(definition: Definition, pfs: Sequence[Pf]) -> tuple[LocatedVf, ...]:
    """Every VF of these PFs that a domain has, by <interface> or by plain <hostdev>."""
    sources = [*(one.source for one in definition.hostdevs), *(one.source for one in definition.host_devices)]
    return tuple(LocatedVf(*found) for source in sources if source and (found := locate(source, pfs)))


def _handed(domains: Sequence[Domain], name: str, pfs: Sequence[Pf]) -> tuple[HandedVf, ...]:
    domain = find(tuple(domains), name)
    return () if domain is None else handed_vfs(domain.current, pfs)
