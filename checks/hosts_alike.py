"""How each host of a group differs from the others: settings of its VFs, kernel, drivers, firmware."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from checks.facts.firmware import Firmware
from checks.facts.pci import Pf
from checks.host_view import HostView

Topic = Literal["setting", "version", "other"]
Values = Mapping[str, object]
# What a VF has of its own (MAC) or of its user (driver) may differ from host to host.
_SETTINGS = ("vlan", "qos", "vlan_protocol", "spoofchk", "trust", "link_state", "max_tx_rate_mbps", "min_tx_rate_mbps")
_SHOWN = 3


@dataclass(frozen=True, slots=True)
class Difference:
    """One thing in which a host is not like its group, as a clause: "the kernel is 6.12 here, 6.1 on kvm-2"."""

    topic: Topic
    text: str


def differences(group: Mapping[str, HostView]) -> dict[str, tuple[Difference, ...]]:
    """By host, what sets it apart from the most common of its group; where none is most common, from all others."""
    found: dict[str, list[Difference]] = defaultdict(list)
    for topic, subject, values in _compared(group):
        for host, text in oddities(values).items():
            found[host].append(Difference(topic, f"{subject} is {text}"))
    return {host: tuple(texts) for host, texts in found.items()}


def oddities(values: Values) -> dict[str, str]:
    """What is odd about which host. What is not known (None) is compared with nothing."""
    known = {host: value for host, value in values.items() if value is not None}
    (most, count), *others = Counter(known.values()).most_common() or [(None, 0)]
    if not others:
        return {}
    clear = count > others[0][1]
    by_value: dict[object, list[str]] = defaultdict(list)
    for host, value in known.items():
        by_value[value].append(host)
    return {
        host: f"{value} here, {_elsewhere(value, by_value)}"
        for host, value in known.items()
        if not (clear and value == most)
    }


def firmware_of(view: HostView, pf: Pf) -> Firmware:
    """What is told of the PF's driver and firmware."""
    return view.firmware.get(pf.netdev or "", Firmware(None, None, None))


def _compared(group: Mapping[str, HostView]) -> Iterator[tuple[Topic, str, Values]]:
    yield "version", "the kernel", {host: view.system.kernel for host, view in group.items()}
    for what in ("libvirt", "qemu", "bios"):
        yield "other", what, {host: getattr(view.system, what) for host, view in group.items()}
    for name in dict.fromkeys(name for view in group.values() for name in view.wanted.pfs):
        pfs = {host: pf for host, view in group.items() if (pf := view.pf(name)) is not None}
        told = {host: firmware_of(group[host], pf) for host, pf in pfs.items()}
        yield "version", f"the driver of {name}", {host: pf.driver for host, pf in pfs.items()}
        yield "version", f"the firmware of {name}", {host: one.firmware for host, one in told.items()}
        # The kernel's own drivers give the kernel's release, which is compared by itself.
        versions = {
            host: "the kernel's own" if one.version == group[host].system.kernel else one.version
            for host, one in told.items()
        }
        yield "version", f"the driver's version of {name}", versions
        yield from _settings(name, pfs)


def _settings(name: str, pfs: Mapping[str, Pf]) -> Iterator[tuple[Topic, str, Values]]:
    by_index = {host: {vf.index: vf for vf in pf.vfs} for host, pf in pfs.items()}
    for index in sorted({index for vfs in by_index.values() for index in vfs}):
        for setting in _SETTINGS:
            values = {host: _word(getattr(vfs.get(index), setting, None)) for host, vfs in by_index.items()}
            yield "setting", f"{setting} of {name} VF {index}", values


def _word(value: object) -> object:
    return ("on" if value else "off") if isinstance(value, bool) else value


def _elsewhere(own: object, by_value: Mapping[object, list[str]]) -> str:
    others = sorted(((hosts, value) for value, hosts in by_value.items() if value != own), key=lambda one: -len(one[0]))
    texts = [f"{value} on {_some(hosts)}" for hosts, value in others[:_SHOWN]]
    return ", ".join(texts) + (f" and {len(others) - _SHOWN} more values" if len(others) > _SHOWN else "")


def _some(names: list[str]) -> str:
    return ", ".join(names[:_SHOWN]) + (f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else "")
