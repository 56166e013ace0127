"""One host as the comparison across hosts sees it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from checks.facts import pci
from checks.facts.firmware import Firmware
from checks.facts.libvirt import Domain
from checks.facts.pci import Pf
from checks.facts.system import System
from inventory import model


@dataclass(frozen=True, slots=True)
class HostView:
    """What the inventory wants of a host, and what it is. `domains` is why they are not known, where they are not."""

    name: str
    wanted: model.Host
    pfs: tuple[Pf, ...]
    system: System
    domains: tuple[Domain, ...] | str
    firmware: Mapping[str, Firmware] = field(default_factory=dict)

    def pf(self, name: str) -> Pf | None:
        """The PF that the inventory calls so."""
        wanted = self.wanted.pfs.get(name)
        return None if wanted is None else pci.find(self.pfs, name, wanted.address)
