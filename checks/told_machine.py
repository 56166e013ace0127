"""What the top of the report says of a machine: its NICs, its firmware, what runs on it. It decides nothing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Protocol, TypeVar

from checks.bundle import Bundle
from checks.facts import firmware, nics, pci, system
from checks.facts.firmware import Firmware
from checks.facts.known import attempt
from checks.facts.nics import Nic
from checks.facts.pci import Pf
from checks.outcome import CouldNotLook

Fact = TypeVar("Fact")
_NAMED = 8
"""More PFs than that are counted, not named."""


class Facts(Protocol):
    """The facts of one machine, each made when it is asked for. Raises `CouldNotLook`."""

    def __call__(self, parse: Callable[[Bundle], Fact], /) -> Fact:
        """What this parser makes of the machine's bundle."""
        ...


def told_of_host(facts: Facts) -> dict[str, str]:
    """The host in words, by label. What is not known is left out."""
    found = attempt(lambda: facts(pci.parse))
    pfs = [] if isinstance(found, CouldNotLook) else [pf for pf in found if pf.totalvfs is not None]
    interfaces = attempt(lambda: facts(nics.parse))
    known = {} if isinstance(interfaces, CouldNotLook) else {nic.name: nic for nic in interfaces}
    running = facts(system.parse).kernel
    return {**nic_words(pfs, known, facts(firmware.parse), running), **told_of_guest(facts)}


def told_of_guest(facts: Facts) -> dict[str, str]:
    """The machine itself in words, by label: all that a guest's gather knows."""
    found = facts(system.parse)
    told = {
        "CPU": found.cpu,
        "product": found.product,
        "BIOS": found.bios,
        "kernel": found.kernel,
        "OS": found.os,
        "systemd": found.systemd,
        "libvirt": found.libvirt,
        "QEMU": found.qemu,
    }
    return {label: text for label, text in told.items() if text}


def nic_words(
    pfs: Sequence[Pf], known: Mapping[str, Nic], versions: Mapping[str, Firmware], kernel: str | None
) -> dict[str, str]:
    """PFs, by what they are: model, driver, firmware; then their names and their VFs."""
    if not pfs:
        return {}
    parts = {
        "NIC": Counter(_model(pf, known) for pf in pfs),
        "driver": Counter(told for pf in pfs for told in _driver(pf, versions, kernel)),
        "firmware": Counter(told for pf in pfs for told in _firmware(pf, versions)),
    }
    words = {label: _counted(counts, len(pfs)) for label, counts in parts.items() if counts}
    if len(pfs) > 1 and len(parts["NIC"]) == 1:
        words["NIC"] = f"{len(pfs)} × {words['NIC']}"
    return {**words, "PFs": _named(pfs, _name), "VFs": _named(pfs, _vfs)}


def _model(pf: Pf, known: Mapping[str, Nic]) -> str:
    """By udev's hardware database (hwdb(7)), and always by its PCI ids."""
    nic = next((known[name] for name in pf.netdevs if name in known), None)
    words = [nic.property(f"ID_{what}_FROM_DATABASE") for what in ("VENDOR", "MODEL")] if nic is not None else []
    ids = ":".join(pf.ids[which].removeprefix("0x") for which in ("vendor", "device") if which in pf.ids)
    return " ".join([*(word for word in words if word), *([f"[{ids}]"] if ids else [])]) or "unknown model"


def _driver(pf: Pf, versions: Mapping[str, Firmware], kernel: str | None) -> Iterator[str]:
    if pf.driver is None:
        yield "none"
        return
    version = next((versions[name].version for name in pf.netdevs if name in versions), None)
    yield pf.driver if version in (None, kernel) else f"{pf.driver} {version}"


def _firmware(pf: Pf, versions: Mapping[str, Firmware]) -> Iterator[str]:
    yield from [told for name in pf.netdevs[:1] if name in versions and (told := versions[name].firmware)]


def _counted(counts: Counter[str], of: int) -> str:
    """What all of them have; or what there is, and how often."""
    if list(counts.values()) == [of]:
        return next(iter(counts))
    return ", ".join(f"{number} × {what}" for what, number in counts.most_common())


def _named(pfs: Sequence[Pf], told: Callable[[Pf], str]) -> str:
    hidden = len(pfs) - _NAMED
    return ", ".join([told(pf) for pf in pfs[:_NAMED]] + ([f"and {hidden} more"] if hidden > 0 else []))


def _name(pf: Pf) -> str:
    return f"{pf.netdev} ({pf.address})" if pf.netdev else pf.address


def _vfs(pf: Pf) -> str:
    return f"{pf.netdev or pf.address} {'?' if pf.numvfs is None else pf.numvfs} of {pf.totalvfs}"
