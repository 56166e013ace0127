"""The events that udev gets for a PF while a host boots, with what rules can see of the PF at that moment.

Sources: systemd 252 and 257 src/udev (builtins), rules.d; Linux 6.12 drivers/base/dd.c (driver_bound: "bind" comes
after the probe, which made the netdev), drivers/pci/iov.c (sriov_enable: a "change" of the PF), net/core/dev.c (move).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from checks.linux.sriov_reasons import ATTRIBUTE
from checks.linux.udev_event import ABSENT, Absent, Attribute, Device, Event, Live, Value

_KERNEL_NAMES = tuple(f"eth{number}" for number in range(32))
_NET_ID = ("ID_NET_NAMING_SCHEME", "ID_NET_NAME_MAC", "ID_NET_NAME_ONBOARD", "ID_NET_NAME_PATH", "ID_NET_NAME_SLOT")


@dataclass(frozen=True, slots=True)
class Port:
    """A PF as the forecast needs it. `parents`: the devices above it, nearest first. `database`: udev's properties of
    its netdev this time. `pci_properties`: its uevent file. `net_attributes`: those of its netdev that rules may name;
    `net_names`: the names of all that its netdev's folder has, None when they are not known.
    """

    address: str
    driver: str
    netdev: str | None
    net_attributes: Mapping[str, str | Absent]
    totalvfs: int | None
    path: str
    ids: Mapping[str, str]
    parents: tuple[Device, ...]
    database: Mapping[str, str]
    pci_properties: Mapping[str, str]
    net_names: frozenset[str] | None = None


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What rules see beside the PF. `parameters`: the kernel's command line. `attributes`: of other devices, by path
    as in [dmi/id]product_name. `vfs`: the PF of each VF. `systemd`: its version.
    """

    parameters: Mapping[str, str] = field(default_factory=dict)
    attributes: Mapping[str, str] = field(default_factory=dict)
    architecture: str | None = None
    systemd: int | None = None
    addresses: frozenset[str] = frozenset()
    netdevs: frozenset[str] = frozenset()
    vfs: Mapping[str, str] = field(default_factory=dict)


def event_of(
    kind: str, port: Port, count: Callable[[], int | None], around: Surroundings, *, bound: bool, early: bool
) -> Event | None:
    """The event of that kind ("net add"); None when there is none. `count`: how many VFs the PF has when asked."""
    subsystem, action = kind.split()
    driver = port.driver if bound else ""
    pci = Device(port.path, (port.address,), "pci", driver, _pci_attributes(port, count))
    path_id = {"ID_PATH": f"pci-{port.address}", "ID_PATH_TAG": re.sub(r"[^\w]", "_", f"pci-{port.address}")}
    hwdb: dict[str, Value] = {k: v for k, v in port.database.items() if k.endswith("_FROM_DATABASE")}
    hwdb = hwdb or {"ID_MODEL_FROM_DATABASE": None, "ID_VENDOR_FROM_DATABASE": None}
    uevent: dict[str, Value] = {**port.pci_properties, "DRIVER": driver, "SUBSYSTEM": "pci"}
    referred = _reference(port, count, around)
    if subsystem == "pci":
        builtins: dict[str, Mapping[str, Value]] = {"path_id": path_id, "hwdb": hwdb}
        properties = {**uevent, "ACTION": action, "DEVPATH": f"/{port.path}"}
        chain = (pci, *port.parents)
        return Event(action, chain, properties, builtins, None, around.parameters, referred, around.architecture)
    if port.netdev is None or not bound or (action == "move" and port.netdev in _KERNEL_NAMES):
        return None
    names = _KERNEL_NAMES if not early and action == "add" and port.netdev not in _KERNEL_NAMES else (port.netdev,)
    device = Device(f"{port.path}/net/{names[0]}", names, "net", "", _net_attributes(port, pci), port.net_names)
    settled = len(names) == 1
    return Event(
        action=action,
        chain=(device, pci, *port.parents),
        properties={
            "ACTION": action,
            "SUBSYSTEM": "net",
            "INTERFACE": port.netdev if settled else None,
            "IFINDEX": None,
            "DEVPATH": f"/{device.path}" if settled else None,
            **({} if settled or action == "add" else {"DEVPATH_OLD": None}),
        },
        builtins={
            "path_id": path_id,
            "hwdb": hwdb,
            "net_driver": {"ID_NET_DRIVER": driver} if driver else {},
            "net_id": {k: port.database.get(k) for k in _NET_ID if not port.database or k in port.database},
            "net_setup_link": {
                "ID_NET_LINK_FILE": port.database.get("ID_NET_LINK_FILE"),
                "ID_NET_NAME": port.database.get("ID_NET_NAME", port.netdev),
                **({"ID_NET_DRIVER": driver} if driver else {}),
            },
        },
        # A device that never was there has no properties of the last time; an initramfs may have left some.
        database=None if early else {} if action == "add" else port.database,
        parameters=around.parameters,
        referred=referred,
        architecture=around.architecture,
        of_parent=uevent,
    )


def _pci_attributes(port: Port, count: Callable[[], int | None]) -> dict[str, str | Absent | Live]:
    found: dict[str, str | Absent | Live] = {
        **port.ids,
        **dict.fromkeys((f"device/{ATTRIBUTE}", "device/sriov_totalvfs", "physfn"), ABSENT),
    }
    if port.totalvfs is None:
        return found | {ATTRIBUTE: ABSENT, "sriov_totalvfs": ABSENT}

    def now() -> Attribute:
        number = count()
        return None if number is None else str(number)

    return found | {"sriov_totalvfs": str(port.totalvfs), ATTRIBUTE: now}


def _net_attributes(port: Port, pci: Device) -> dict[str, str | Absent | Live]:
    found = {f"device/{k}": v for k, v in pci.attributes.items() if not k.startswith("device/")}
    # What PCI devices have, network devices have not; `device` is a link there.
    return found | dict.fromkeys((ATTRIBUTE, "sriov_totalvfs", "physfn", *port.ids), ABSENT) | dict(port.net_attributes)


def _reference(
    port: Port, count: Callable[[], int | None], around: Surroundings
) -> Callable[[str, str, str], Attribute]:
    """Reads attributes of devices named by subsystem and name, as in [dmi/id]product_name."""

    def read(subsystem: str, name: str, attribute: str) -> Attribute:
        if (subsystem, name) == ("pci", port.address):
            value = _pci_attributes(port, count).get(attribute)
            return value() if callable(value) else value
        if subsystem == "pci" and around.addresses and name not in around.addresses:
            return ABSENT
        return around.attributes.get(f"[{subsystem}/{name}]{attribute}")

    return read
