"""What a machine is, as flat texts that can be laid side by side: one value per subject and property."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict

from checks.bundle import Bundle
from checks.facts import bonds, firmware, iommu, nics, pci, system
from checks.facts.known import attempt
from checks.facts.pci import Pf
from checks.outcome import CouldNotLook

Key = tuple[str, str]
"""Subject and property: ("PF 0000:3d:00.0", "firmware")."""
Features = Mapping[Key, str]

_NOT_SETTINGS = frozenset(
    {"name", "mac", "slaves", "vlans", "bridge", "active_slave", "mii_status", "aggregated_ports"}
)
_OF_A_VF = (
    "driver",
    "netdev",
    "admin_mac",
    "vlan",
    "qos",
    "spoofchk",
    "trust",
    "link_state",
    "max_tx_rate_mbps",
    "mtu",
)


def features(bundle: Bundle) -> dict[str, Features | CouldNotLook]:
    """Everything worth comparing, by section. A section that could not be read says why, and hides no other."""
    return {name: attempt(lambda read=read: dict(read(bundle))) for name, read in _SECTIONS.items()}  # type: ignore[misc]


def _versions(bundle: Bundle) -> Iterator[tuple[Key, str]]:
    found = system.parse(bundle)
    for what in ("os", "kernel", "systemd", "libvirt", "qemu", "cpu", "product", "bios"):
        if value := getattr(found, what):
            yield ("machine", what), value


def _pfs(bundle: Bundle) -> Iterator[tuple[Key, str]]:
    told = firmware.parse(bundle)
    for pf in pci.parse(bundle):
        if pf.totalvfs is None and not pf.vfs:
            continue
        subject = f"PF {pf.address}"
        card = told.get(pf.netdev or "")
        values = {
            "name": pf.netdev,
            "driver": pf.driver,
            "driver version": card and card.version,
            "firmware": card and card.firmware,
            "up": pf.up,
            "VFs at most": pf.totalvfs,
            "VFs": pf.numvfs,
            "MTU": pf.details.mtu,
            "eswitch": pf.details.eswitch_mode,
        }
        yield from _known(subject, values)
        yield from _vfs(pf)


def _vfs(pf: Pf) -> Iterator[tuple[Key, str]]:
    for vf in pf.vfs:
        values = {"address": vf.address, **{name: getattr(vf, name) for name in _OF_A_VF}}
        yield from _known(f"VF {vf.index} of PF {pf.address}", values)


def _groups(bundle: Bundle) -> Iterator[tuple[Key, str]]:
    found = iommu.parse(bundle)
    yield ("IOMMU", "units"), ", ".join(sorted(found.units)) or "none"
    for group in found.groups:
        for member in group.members:
            others = sorted(set(group.members) - {member})
            # The number is the order of discovery and means nothing; who shares the group does.
            yield (member, "shares its IOMMU group with"), ", ".join(others) or "nobody"
            yield from _known(member, {"default domain": group.type})


def _names(bundle: Bundle) -> Iterator[tuple[Key, str]]:
    for nic in nics.parse(bundle):
        if nic.pci_address is not None:
            yield (f"NIC {nic.permanent_mac}", "name"), nic.name
            yield from _known(f"NIC {nic.permanent_mac}", {"driver": nic.driver, "PCI address": nic.pci_address})


def _bonds(bundle: Bundle) -> Iterator[tuple[Key, str]]:
    for bond in bonds.parse(bundle):
        options = {key: value for key, value in asdict(bond).items() if key not in _NOT_SETTINGS}
        yield from _known(f"bond {bond.name}", options)
        yield (f"bond {bond.name}", "slaves"), ", ".join(slave.nic for slave in bond.slaves) or "none"


def _boot(bundle: Bundle) -> Iterator[tuple[Key, str]]:
    for word in (bundle.text("/proc/cmdline") or "").split():
        name, _, value = word.partition("=")
        if name != "BOOT_IMAGE":
            yield ("kernel parameter", name), value or "set"


def _known(subject: str, values: Mapping[str, object]) -> Iterator[tuple[Key, str]]:
    for what, value in values.items():
        if value is not None:
            yield (subject, what), str(value)


_SECTIONS: dict[str, Callable[[Bundle], Iterator[tuple[Key, str]]]] = {
    "versions": _versions,
    "PFs and VFs": _pfs,
    "IOMMU": _groups,
    "NICs": _names,
    "bonds": _bonds,
    "kernel parameters": _boot,
}
