"""Who shares an IOMMU group with whom, and to which guests these devices belong."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from checks.facts.iommu import Iommu
from checks.facts.libvirt import Domain

Owners = Mapping[str, frozenset[str]]
"""The domains that have a device of the host, now or when they start, by its PCI address."""


@dataclass(frozen=True, slots=True)
class Shared:
    """A VF with company in its group, bridges aside: they need no driver of VFIO's, and reach no memory themselves."""

    address: str
    group: int
    others: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.address} shares group {self.group} with {', '.join(self.others)}"

    def guests(self, owners: Owners) -> str | None:
        """The different guests that want devices of the group, in words; None when no two do."""
        own = owners.get(self.address, frozenset())
        foreign = [
            f"{other} is of {', '.join(sorted(theirs))}"
            for other in self.others
            if (theirs := owners.get(other, frozenset())) and any(a != b for a in own for b in theirs)
        ]
        if not foreign:
            return None
        return f"{self.address} of {', '.join(sorted(own))} shares group {self.group}: {'; '.join(foreign)}"


def owners(domains: Iterable[Domain]) -> Owners:
    """Every device of the host that a domain claims."""
    found: dict[str, set[str]] = {}
    for domain in domains:
        for definition in (domain.live, domain.stored):
            for address in definition.host_addresses if definition else ():
                found.setdefault(address, set()).add(domain.name)
    return {address: frozenset(names) for address, names in found.items()}


def shared(iommu: Iommu, addresses: Iterable[str]) -> Iterator[Shared]:
    """Every one of the addresses that is not alone in its group."""
    for address in addresses:
        group = iommu.group_of(address)
        others = [m for m in group.members if m != address and m not in iommu.bridges] if group else []
        if group and others:
            yield Shared(address, group.number, tuple(others))
