"""What a machine is, as flat texts that can be laid side by side: one value per subject and property.

Who its NICs are stands apart (`checks.compare.identity`), since there one thing is known by many names.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict

from checks.bundle import NotGathered
from checks.compare import forecasts
from checks.compare.facts import FactOf
from checks.facts import bonds, boot_parameters, firmware, iommu, libvirt, nics, pci, system
from checks.facts.known import attempt
from checks.facts.pci import Pf
from checks.linux.domain_xml import Definition
from checks.outcome import CouldNotLook

Key = tuple[str, str]
"""Subject and property: ("PF 0000:3d:00.0", "firmware")."""
Features = Mapping[Key, str]
Section = Features | CouldNotLook

_NOT_SETTINGS = frozenset(
    {"name", "mac", "slaves", "vlans", "bridge", "active_slave", "mii_status", "aggregated_ports"}
)
_OF_A_VF = (
    "driver",
    "admin_mac",
    "vlan",
    "qos",
    "spoofchk",
    "trust",
    "link_state",
    "max_tx_rate_mbps",
    "min_tx_rate_mbps",
    "mtu",
)


def features(fact: FactOf) -> dict[str, Section]:
    """Everything worth comparing, by section. A section that could not be read says why, and hides no other.

    What nobody asked the machine for (PFs of a guest) has no section.
    """
    found = {name: attempt(lambda read=read: dict(read(fact))) for name, read in _SECTIONS.items()}  # type: ignore[misc]
    return {name: part for name, part in found.items() if not isinstance(part, NotGathered)}


def _versions(fact: FactOf) -> Iterator[tuple[Key, str]]:
    found = fact(system.parse)
    for what in ("os", "kernel", "systemd", "libvirt", "qemu", "cpu", "product", "bios"):
        if value := getattr(found, what):
            yield ("machine", what), value


def _pfs(fact: FactOf) -> Iterator[tuple[Key, str]]:
    told = fact(firmware.parse)
    for pf in fact(pci.parse):
        if pf.totalvfs is None and not pf.vfs:
            continue
        card = told.get(pf.netdev or "")
        values = {
            "driver": pf.driver,
            "driver version": card and card.version,
            "firmware": card and card.firmware,
            "up": pf.up,
            "VFs at most": pf.totalvfs,
            "VFs": pf.numvfs,
            "MTU": pf.details.mtu,
            "eswitch": pf.details.eswitch_mode,
        }
        yield from _known(f"PF {pf.address}", values)
        yield from _vfs(pf)


def _vfs(pf: Pf) -> Iterator[tuple[Key, str]]:
    for vf in pf.vfs:
        yield from _known(f"VF {vf.index} of PF {pf.address}", {name: getattr(vf, name) for name in _OF_A_VF})


def _groups(fact: FactOf) -> Iterator[tuple[Key, str]]:
    found = fact(iommu.parse)
    of_nics = {address for pf in fact(pci.parse) for address in (pf.address, *(vf.address for vf in pf.vfs))}
    yield ("IOMMU", "units"), ", ".join(sorted(found.units)) or "none"
    yield ("IOMMU", "interrupts are remapped"), str(found.interrupts_remapped)
    for group in found.groups:
        for member in group.members:
            yield from _known(member, {"default domain": group.type})
            if member not in of_nics:  # theirs stands in their chains
                others = sorted(set(group.members) - {member})
                yield (member, "shares its IOMMU group with"), ", ".join(others) or "nobody"


def _drivers(fact: FactOf) -> Iterator[tuple[Key, str]]:
    try:
        with_vfs = [pf for pf in fact(pci.parse) if pf.vfs]
    except NotGathered:  # a guest, which has none
        with_vfs = []
    elsewhere = {address for pf in with_vfs for address in (pf.address, *(vf.address for vf in pf.vfs))}
    for nic in fact(nics.parse):
        if nic.pci_address is not None and nic.pci_address not in elsewhere:
            yield from _known(f"NIC {nic.permanent_mac}", {"driver": nic.driver, "MTU": nic.mtu})


def _bonds(fact: FactOf) -> Iterator[tuple[Key, str]]:
    for bond in fact(bonds.parse):
        options = {key: value for key, value in asdict(bond).items() if key not in _NOT_SETTINGS}
        yield from _known(f"bond {bond.name}", options)
        yield (f"bond {bond.name}", "slaves"), ", ".join(slave.nic for slave in bond.slaves) or "none"


def _parameters(fact: FactOf) -> Iterator[tuple[Key, str]]:
    for parameter in fact(boot_parameters.parse).running:
        if parameter.name != "BOOT_IMAGE":
            yield ("kernel parameter", parameter.name), parameter.value or "set"


def _domains(fact: FactOf) -> Iterator[tuple[Key, str]]:
    fact(pci.parse)  # of a guest nobody asked for domains either
    for domain in fact(libvirt.parse):
        yield from _known(f"domain {domain.name}", {"state": domain.state, "autostart": domain.autostart})
        for kind, definition in domain.versions:
            yield (f"domain {domain.name}, {kind}", "devices"), ", ".join(_taken(definition)) or "none"


def _taken(definition: Definition) -> list[str]:
    """What it takes of the host: PCI addresses, and VFs out of pools by the pool's name."""
    return sorted({*definition.host_addresses, *(f"pool {one.network}" for one in definition.hostdevs if one.network)})


def _known(subject: str, values: Mapping[str, object]) -> Iterator[tuple[Key, str]]:
    for what, value in values.items():
        if value is not None:
            yield (subject, what), str(value)


_SECTIONS: dict[str, Callable[[FactOf], Iterator[tuple[Key, str]]]] = {
    "versions": _versions,
    "PFs and VFs": _pfs,
    "IOMMU": _groups,
    "NICs": _drivers,
    "bonds": _bonds,
    "failovers": forecasts.failovers,
    "kernel parameters": _parameters,
    "next boot": forecasts.next_boot,
    "next start": forecasts.names,
    "domains": _domains,
}
