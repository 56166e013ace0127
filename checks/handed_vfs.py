"""Which VF of which PF stands behind a guest's NIC: the host's libvirt and PCI facts joined."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from checks.facts.nics import Nic
from checks.facts.pci import Pf, Vf
from checks.linux.domain_xml import Definition, Interface

VF_DRIVERS = frozenset({"igbvf", "ixgbevf", "iavf", "i40evf", "cxgb4vf", "thunder-nicvf", "rvu_nicvf"})
"""Drivers that bind to nothing but VFs. mlx5_core, bnxt_en and others drive PFs and VFs alike."""


@dataclass(frozen=True, slots=True)
class LocatedVf:
    """One VF and the PF that it belongs to."""

    pf: Pf
    vf: Vf

    def __str__(self) -> str:
        return f"VF {self.vf.index} of {self.pf.netdev or self.pf.address} ({self.vf.address})"


@dataclass(frozen=True, slots=True)
class HandedVf(LocatedVf):
    """One VF that a domain has, and the <interface> that hands it over."""

    interface: Interface


def locate(address: str, pfs: Iterable[Pf]) -> tuple[Pf, Vf] | None:
    """The PF and the VF at a PCI address of the host; None when no VF is there."""
    return next(((pf, vf) for pf in pfs for vf in pf.vfs if vf.address == address), None)


def handed_vfs(definition: Definition, pfs: Iterable[Pf]) -> tuple[HandedVf, ...]:
    """Every VF that the definition hands over and that is there, in the definition's order."""
    known = tuple(pfs)
    sources = ((one, locate(one.source, known)) for one in definition.hostdevs if one.source)
    return tuple(HandedVf(*found, one) for one, found in sources if found)


def behind(nics: Iterable[Nic], handed: Iterable[HandedVf]) -> dict[str, HandedVf]:
    """The VF behind each NIC of the guest, by the NIC's name, matched by MAC; other NICs are left out."""
    by_mac = {one.interface.mac: one for one in handed if one.interface.mac}
    return {nic.name: by_mac[nic.permanent_mac] for nic in nics if nic.permanent_mac in by_mac}


def is_vf(nic_name: str, driver: str | None, behind_nics: Mapping[str, LocatedVf]) -> bool:
    """Whether a guest's NIC is a VF: the host says so, or its driver drives nothing else."""
    return nic_name in behind_nics or driver in VF_DRIVERS
