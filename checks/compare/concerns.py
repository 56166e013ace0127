"""What a question area looks at: which facts, and which keys of the inventory, can change its outcomes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from checks.compare.causes import IDENTITY, Cause


@dataclass(frozen=True, slots=True)
class Concern:
    """Sections of features, beginnings of inventory keys, and the versions that may decide where no fact shows it."""

    sections: frozenset[str]
    keys: tuple[str, ...]
    versions: tuple[Cause, ...] = ()

    def wants(self, key: str) -> bool:
        """Whether an inventory key is about it."""
        return any(key == one or key.startswith(f"{one}.") for one in self.keys)


def _concern(sections: str, keys: str, versions: tuple[Cause, ...] = ()) -> Concern:
    return Concern(frozenset(sections.split(", ")), tuple(keys.split()), versions)


_BOOT = _concern(
    "next boot, kernel parameters, IOMMU",
    "iommu interrupt_remapping kernel_parameters dma_domain dma_invalidation",
    ("kernel", "systemd"),
)
_VFS = _concern(f"PFs and VFs, {IDENTITY}", "pfs", ("driver", "kernel", "firmware"))
_BONDS = _concern("bonds, failovers, NICs", "bonds nics", ("kernel",))
_AREAS: Mapping[str, Concern] = {
    "iommu": _concern(
        f"IOMMU, kernel parameters, {IDENTITY}",
        "iommu interrupt_remapping dma_domain dma_invalidation",
        ("kernel", "firmware"),
    ),
    "boot_parameters": _BOOT,
    "vf_persistence": _concern("next boot, PFs and VFs", "pfs", ("systemd", "kernel", "driver")),
    "vfs": _VFS,
    "pfs": _VFS,
    "vf_pools": _concern("PFs and VFs, domains", "pfs", ("libvirt",)),
    "across_hosts": _concern(f"versions, PFs and VFs, domains, {IDENTITY}", "group pfs", ("kernel", "firmware")),
    "guest_vfs": _concern(f"domains, PFs and VFs, {IDENTITY}", "nics pfs domain host", ("libvirt", "driver", "kernel")),
    "domain_devices": _concern("domains, PFs and VFs, IOMMU", "pfs", ("libvirt", "QEMU", "kernel")),
    "libvirt": _concern("domains, PFs and VFs", "pfs domain", ("libvirt",)),
    "nic_names": _concern(
        f"next start, domains, {IDENTITY}", "nics domain host", ("systemd", "kernel", "libvirt", "QEMU")
    ),
    "bond": _BONDS,
    "bond_failover": _BONDS,
    "host_bonds": _BONDS,
    "kernel_log": _concern("versions", "pfs", ("kernel", "driver", "firmware")),
    "reboot": _concern(
        f"next boot, PFs and VFs, IOMMU, kernel parameters, domains, bonds, {IDENTITY}",
        "pfs iommu interrupt_remapping kernel_parameters dma_domain bonds nics drill",
        ("kernel", "driver", "firmware", "systemd", "libvirt"),
    ),
    "failover": _concern(f"bonds, failovers, {IDENTITY}", "drill bonds nics", ("driver", "kernel")),
}
"""By the name of the file of statements, without `test_`."""


def concern(area: str) -> Concern | None:
    """What an area looks at; None for a site's own, of which that is not known."""
    return _AREAS.get(area)


def areas() -> frozenset[str]:
    """Every area of which it is known."""
    return frozenset(_AREAS)
