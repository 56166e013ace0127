"""What is read of a host and of its guests before and after a reboot, each part with its reason if it is unknown."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from functools import partial

from checks.bundle import Bundle
from checks.facts import bonds, boot_parameters, iommu, libvirt, nic_naming, nics, pci, persistence, system, udev
from checks.facts.bonds import Bond
from checks.facts.boot_parameters import BootParameters
from checks.facts.catalogue import GUEST_SOURCES, HOST_SOURCES
from checks.facts.iommu import Iommu
from checks.facts.known import attempt
from checks.facts.libvirt import Domain
from checks.facts.nic_naming import Naming
from checks.facts.nics import Nic
from checks.facts.pci import Pf
from checks.facts.persistence import Persistence
from checks.facts.system import System
from checks.facts.udev import UdevRules
from checks.gather import Gathers, Order, gather_all
from checks.outcome import CouldNotLook
from checks.told_machine import told_of_host
from checks.ways import Machine
from reports.run_folder import RunFolder


@dataclass(frozen=True, slots=True)
class HostFacts:
    """A host at one moment."""

    system: System
    pfs: tuple[Pf, ...] | CouldNotLook
    domains: tuple[Domain, ...] | CouldNotLook
    iommu: Iommu | CouldNotLook
    boot: BootParameters | CouldNotLook
    udev_rules: UdevRules | CouldNotLook
    persistence: Persistence | CouldNotLook
    nics: tuple[Nic, ...] | CouldNotLook
    bonds: tuple[Bond, ...] | CouldNotLook
    """Of the host itself."""
    told: Mapping[str, str]
    """What the top of a report says of it."""


@dataclass(frozen=True, slots=True)
class GuestFacts:
    """A guest at one moment."""

    system: System
    nics: tuple[Nic, ...] | CouldNotLook
    bonds: tuple[Bond, ...] | CouldNotLook
    naming: Naming | CouldNotLook


def of_host(bundle: Bundle) -> HostFacts:
    """What its gather brought back. Raises nothing."""
    return HostFacts(
        system=system.parse(bundle),
        pfs=attempt(lambda: pci.parse(bundle)),
        domains=attempt(lambda: libvirt.parse(bundle)),
        iommu=attempt(lambda: iommu.parse(bundle)),
        boot=attempt(lambda: boot_parameters.parse(bundle)),
        udev_rules=attempt(lambda: udev.parse(bundle)),
        persistence=attempt(lambda: persistence.parse(bundle)),
        nics=attempt(lambda: nics.parse(bundle)),
        bonds=attempt(lambda: bonds.parse(bundle)),
        told=told_of_host(lambda parse: parse(bundle)),
    )


def of_guest(bundle: Bundle) -> GuestFacts:
    """What its gather brought back. Raises nothing."""
    return GuestFacts(
        system=system.parse(bundle),
        nics=attempt(lambda: nics.parse(bundle)),
        bonds=attempt(lambda: bonds.parse(bundle)),
        naming=attempt(lambda: nic_naming.parse(bundle)),
    )


def gather_host(name: str, machine: Machine, folder: RunFolder, file: str) -> HostFacts:
    """Read the host anew; the bundle goes into the run folder as `file`. Raises `CouldNotLook`."""
    with closing(gather_all([Order(name, machine, HOST_SOURCES, file)], folder)) as gathers:
        return of_host(gathers.bundle(file))


def gather_guests(
    machines: Mapping[str, Machine], folder: RunFolder, below: str
) -> dict[str, GuestFacts | CouldNotLook]:
    """Read guests anew, all at once; their bundles go into the run folder below `below`."""
    files = {name: bundle_file(below, name) for name in machines}
    orders = [Order(name, machine, GUEST_SOURCES, files[name]) for name, machine in machines.items()]
    with closing(gather_all(orders, folder)) as gathers:
        return {name: attempt(partial(_guest_of, gathers, file)) for name, file in files.items()}


def bundle_file(below: str, name: str) -> str:
    """What a machine's bundle is called in the run folder."""
    return f"{below}/{name}.vfb.gz"


def _guest_of(gathers: Gathers, file: str) -> GuestFacts:
    return of_guest(gathers.bundle(file))
