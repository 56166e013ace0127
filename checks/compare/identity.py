"""Who a NIC is, as one chain: MAC, name, PCI address, number among its PF's VFs, company in its IOMMU group."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from pydantic import Field

from checks.bundle import Bundle, NotGathered
from checks.compare.facts import FactOf
from checks.facts import iommu, nics, pci
from checks.facts.iommu import Iommu
from checks.facts.known import attempt
from checks.facts.pci import Pf, Vf
from checks.outcome import CouldNotLook
from reports.rows import Shape

ALONE = "nobody"
_NO_MAC = "00:00:00:00:00:00"
_RANDOM = "1"  # NET_ADDR_RANDOM of include/uapi/linux/netdevice.h


class NicIdentity(Shape):
    """One NIC or VF of a machine, and everything that it is known by. None is what it does not have there."""

    mac: str | None = None
    random_mac: bool = Field(default=False, description="nobody chose the MAC: it is another one after every boot")
    name: str | None = None
    address: str | None = Field(None, description="on the machine's own PCI bus")
    pf: str | None = Field(None, description="PCI address of the PF whose VF it is")
    vf: int | None = Field(None, description="its index there")
    host_address: str | None = Field(None, description="of a guest's NIC: the VF's address on the host")
    group: int | None = Field(None, description="number of its IOMMU group, which is the order of discovery")
    shares: str | None = Field(None, description="who else is in that group")

    def __str__(self) -> str:
        """The chain, for a person."""
        place = self.address if self.host_address is None else f"{self.address}, on the host {self.host_address}"
        links = (
            self.mac,
            self.name or "no name here",
            place,
            None if self.vf is None else f"VF {self.vf} of {self.pf}",
            None if self.shares is None else f"IOMMU group {self.group} with {self.shares}",
        )
        return " → ".join(link for link in links if link)


LINKS: Mapping[str, str] = {
    "mac": "MAC",
    "name": "name",
    "address": "PCI address",
    "pf": "PF",
    "vf": "VF",
    "host_address": "PCI address on the host",
    "shares": "shares its IOMMU group with",
    "group": "number of its IOMMU group",
}
"""The links of a chain, and what a person calls them."""


def nics_of(fact: FactOf) -> tuple[NicIdentity, ...]:
    """Every NIC and VF of a machine. Raises CouldNotLook."""
    try:
        pfs = fact(pci.parse)
    except NotGathered:  # a guest, whose bundle tells nothing of PFs
        return tuple(
            NicIdentity(mac=one.permanent_mac, name=one.name, address=one.pci_address) for one in _on_pci(fact)
        )
    groups = attempt(lambda: fact(iommu.parse))
    return tuple(_of_the_host(fact, pfs, None if isinstance(groups, CouldNotLook) else groups))


def _of_the_host(fact: FactOf, pfs: Sequence[Pf], groups: Iommu | None) -> Iterator[NicIdentity]:
    vfs = {vf.address: (pf, vf) for pf in pfs for vf in pf.vfs}
    seen, kinds = set(), fact(_how_macs_came)
    for nic in _on_pci(fact):
        pf, vf = vfs.get(nic.pci_address or "", (None, None))
        seen.add(nic.pci_address)
        company = _company(nic.pci_address, groups)
        yield NicIdentity(
            mac=nic.permanent_mac,
            random_mac=vf is not None and (_is_unset(vf) or kinds.get(nic.name) == _RANDOM),
            name=nic.name,
            address=nic.pci_address,
            pf=pf and pf.address,
            vf=vf and vf.index,
            group=company.number,
            shares=company.others,
        )
    for address, (pf, vf) in vfs.items():
        if address not in seen:  # a guest has it, or nobody
            mac, company = None if _is_unset(vf) else vf.admin_mac, _company(address, groups)
            number, others = company
            yield NicIdentity(mac=mac, address=address, pf=pf.address, vf=vf.index, group=number, shares=others)


def with_their_vfs(
    guest: Sequence[NicIdentity], host: Sequence[NicIdentity] | CouldNotLook | None
) -> tuple[NicIdentity, ...]:
    """A guest's NICs, each with the VF of its host that has the same MAC, where exactly one has."""
    if host is None or isinstance(host, CouldNotLook):
        return tuple(guest)
    behind: dict[str, list[NicIdentity]] = {}
    for one in host:
        if one.vf is not None and one.mac is not None:
            behind.setdefault(one.mac, []).append(one)
    return tuple(_joined(nic, behind.get(nic.mac or "", [])) for nic in guest)


def _joined(nic: NicIdentity, behind: Sequence[NicIdentity]) -> NicIdentity:
    if len(behind) != 1:
        return nic
    (vf,) = behind
    taken = {"pf": vf.pf, "vf": vf.vf, "host_address": vf.address, "group": vf.group, "shares": vf.shares}
    return nic.model_copy(update=taken)


def paired(
    before: Sequence[NicIdentity], after: Sequence[NicIdentity]
) -> Iterator[tuple[NicIdentity | None, NicIdentity | None]]:
    """The same NIC before and after: by MAC, else by place, else by name; None for one that is not there."""
    old, new = list(before), list(after)
    for link in ("mac", "address", "name"):
        places = _unique(old, link), _unique(new, link)
        for value in [value for value in places[0] if value in places[1]]:
            one, other = places[0][value], places[1][value]
            yield one, other
            old.remove(one)
            new.remove(other)
    yield from ((one, None) for one in old)
    yield from ((None, one) for one in new)


def _unique(found: Sequence[NicIdentity], link: str) -> dict[object, NicIdentity]:
    by_value: dict[object, list[NicIdentity]] = {}
    for one in found:
        by_value.setdefault(getattr(one, link), []).append(one)
    return {value: same[0] for value, same in by_value.items() if value is not None and len(same) == 1}


class _Company(NamedTuple):
    number: int | None
    others: str | None


def _company(address: str | None, groups: Iommu | None) -> _Company:
    group = groups.group_of(address) if groups and address else None
    if group is None:
        return _Company(None, None)
    return _Company(group.number, ", ".join(sorted(set(group.members) - {address or ""})) or ALONE)


def _on_pci(fact: FactOf) -> Iterator[nics.Nic]:
    return (one for one in fact(nics.parse) if one.pci_address is not None)


def _how_macs_came(bundle: Bundle) -> dict[str, str]:
    """By NIC, its addr_assign_type (Documentation/ABI/testing/sysfs-class-net)."""
    found = attempt(lambda: bundle.texts("/sys/class/net/*/addr_assign_type"))
    return {} if isinstance(found, CouldNotLook) else {path.split("/")[4]: text.strip() for path, text in found.items()}


def _is_unset(vf: Vf) -> bool:
    return vf.admin_mac in (None, _NO_MAC)
