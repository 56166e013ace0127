"""One machine that was looked at: its facts as far as they could be read, and whether it is a host or a guest."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar

from checks.bundle import Bundle
from checks.facts import bonds, boot_parameters, iommu, libvirt, nics, pci, persistence, system, udev
from checks.facts.catalogue import GUEST_SOURCES, HOST_SOURCES
from checks.facts.known import attempt
from checks.handed_vfs import VF_DRIVERS
from checks.machines import Role
from checks.outcome import CouldNotLook
from inventory.wording import shown

SOURCES = tuple(dict.fromkeys((*HOST_SOURCES, *GUEST_SOURCES)))
"""Which of the two a machine is, only its facts tell: so it is asked for both, in the one gather."""

_NOT_IN_A_NAME = re.compile(r"[^A-Za-z0-9._-]+")
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Asked:
    """A machine of the command line. `domain`: libvirt's name of it, where the user gave one: then it is a guest."""

    connect: str
    domain: str | None = None


@dataclass(frozen=True, slots=True)
class Way:
    """How all machines of this call are reached."""

    ssh_config: str | None = None
    sudo: bool = False


@dataclass(slots=True)
class Machine:
    """The facts of one machine. What could not be read is empty here, and said in `unknown`."""

    asked: Asked
    bundle: Bundle
    name: str = ""
    unknown: list[str] = field(default_factory=list)
    pfs: tuple[pci.Pf, ...] = ()
    domains: tuple[libvirt.Domain, ...] = ()
    bonds: tuple[bonds.Bond, ...] = ()
    nics: tuple[nics.Nic, ...] = ()
    system: system.System = field(init=False)
    iommu: iommu.Iommu | None = None
    boot: boot_parameters.BootParameters | None = None
    udev: udev.UdevRules | None = None
    persistence: persistence.Persistence | None = None

    def __post_init__(self) -> None:
        self.system = system.parse(self.bundle)
        self.pfs = self._part(pci.parse) or ()
        self.domains = self._part(libvirt.parse) or ()
        self.nics = self._part(nics.parse) or ()
        self.bonds = self._part(bonds.parse) or ()

    def read_host_parts(self) -> None:
        """What only a host is asked about."""
        self.iommu = self._part(iommu.parse)
        self.boot = self._part(boot_parameters.parse)
        self.udev = self._part(udev.parse)
        self.persistence = self._part(persistence.parse)

    @property
    def sriov_pfs(self) -> tuple[pci.Pf, ...]:
        """The functions that can have VFs."""
        return tuple(pf for pf in self.pfs if pf.totalvfs)

    @property
    def role(self) -> Role:
        """Host or guest: a host has PFs or domains; a guest has none, but a bond, or a VF's NIC."""
        if self.asked.domain is not None:
            return "guest"
        if self.sriov_pfs or self.domains:
            return "host"
        drivers = {nic.driver for nic in self.nics}
        return "guest" if self.bonds or drivers & VF_DRIVERS or "virtio_net" in drivers else "host"

    def wanted_name(self) -> str:
        """What the machine should be called: as it calls itself, else as it is reached."""
        itself = machine_name(self.asked.domain or self.system.hostname or "")
        if itself not in ("machine", "localhost"):
            return itself
        return machine_name(self.asked.connect.rpartition("://")[2].rpartition("@")[2].partition(":")[0])

    def about(self) -> str:
        """The machine in a few words."""
        told = (self.system.os, f"kernel {self.system.kernel}" if self.system.kernel else None, self.system.product)
        return shown(", ".join(text for text in told if text), 150)

    def _part(self, parse: Callable[[Bundle], T]) -> T | None:
        part = attempt(lambda: parse(self.bundle))
        if isinstance(part, CouldNotLook):
            text = str(part).removeprefix(f"{self.bundle.machine}: ")
            if text not in self.unknown:
                self.unknown.append(text)
            return None
        return part


def machine_name(text: str) -> str:
    """The text as a name that an inventory takes."""
    return _NOT_IN_A_NAME.sub("-", text).strip("-._")[:60] or "machine"


def name_all(machines: list[Machine]) -> None:
    """Give each machine a name of its own, by which the inventory knows it."""
    taken: set[str] = set()
    for machine in machines:
        wanted = machine.wanted_name()
        number, name = 2, wanted
        while name in taken:
            name, number = f"{wanted}-{number}", number + 1
        machine.name = name
        taken.add(name)
