"""Everything that one gather asks a host for, and a guest: the sources of all fact modules, each once."""

from __future__ import annotations

from collections.abc import Iterable

from checks.facts import (
    bonds,
    boot_parameters,
    firmware,
    host_validation,
    iommu,
    kernel_log,
    libvirt,
    libvirt_start,
    managed_nics,
    networks,
    nic_naming,
    nics,
    pci,
    persistence,
    system,
    udev,
)
from checks.source import Source


def _joined(*parts: Iterable[Source]) -> tuple[Source, ...]:
    return tuple(dict.fromkeys(source for part in parts for source in part))


HOST_SOURCES = _joined(
    system.SOURCES,
    iommu.SOURCES,
    boot_parameters.SOURCES,
    pci.SOURCES,
    udev.SOURCES,
    persistence.SOURCES,
    kernel_log.SOURCES,
    firmware.SOURCES,
    libvirt.SOURCES,
    networks.SOURCES,
    libvirt_start.SOURCES,
    managed_nics.SOURCES,
    nics.SOURCES,
    bonds.SOURCES,
    host_validation.SOURCES,  # evidence only, so it is the first to be lost when time is short
)
GUEST_SOURCES = _joined(system.SOURCES, nics.SOURCES, nic_naming.SOURCES, bonds.SOURCES)
