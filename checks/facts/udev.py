"""udev's rules as udevd will read them, and the PFs as the rules will see them.

Sources: man udev; systemd src/udev; the sysfs files of the PFs and of all devices above them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from checks.bundle import Bundle
from checks.facts import pci
from checks.linux.kernel_parameters import split
from checks.linux.sriov_forecast import Forecast, Port, forecast
from checks.linux.udev_event import ABSENT, Absent, Device
from checks.linux.udev_language import FOLDERS, Rule, Unread, parse_file, reading_order
from checks.outcome import CouldNotLook
from checks.source import Attributes, File, Links, Names, Source

_SPLIT_USR = "/lib/udev/rules.d"
_DEVICES = "/sys/bus/pci/devices"
# What rules name to tell NICs and their ports apart, and what does not change between boots.
_NET_ATTRIBUTES = ("address", "dev_id", "dev_port", "type")

SOURCES: tuple[Source, ...] = (
    *(File(f"{folder}/*") for folder in FOLDERS),
    *(Links(f"{folder}/*") for folder in FOLDERS),
    Links("/lib"),
    Names(_SPLIT_USR),
    Attributes(f"{_DEVICES}/*/uevent"),
    *(Attributes(f"/sys/class/net/*/{name}") for name in (*_NET_ATTRIBUTES, "ifindex")),
    File("/run/udev/data/n*", keep="^E:"),
    File("/proc/cmdline"),
    *pci.SOURCES,
)


@dataclass(frozen=True, slots=True)
class UdevRules:
    """Every rule in the order of reading (dropped lines included), and the files that are not read.

    `unread_texts`: what stands in those, by path. `forecasts`: what the rules make of each PF at the next boot.
    """

    rules: tuple[Rule, ...]
    unread: tuple[Unread, ...]
    unread_texts: Mapping[str, str]
    forecasts: tuple[Forecast, ...]


def parse(bundle: Bundle) -> UdevRules:
    """The rules and what they will be applied to. Raises what reading rule files and sysfs raises."""
    if bundle.link("/lib") is None and bundle.names(_SPLIT_USR):
        raise CouldNotLook(
            f"{bundle.machine}: {_SPLIT_USR} is no part of /usr here; vfproof does not read rules of such a system"
        )
    texts = {path: text for folder in FOLDERS for path, text in bundle.texts(f"{folder}/*").items()}
    links = {path: target for folder in FOLDERS for path, target in bundle.links(f"{folder}/*").items()}
    masks = [path for path, target in links.items() if target == "/dev/null"]
    order, unread = reading_order(texts, masks)
    parameters = {p.name: p.value or "1" for p in split(bundle.text("/proc/cmdline") or "")}
    rules = tuple(rule for path in order for rule in parse_file(path, texts[path]))
    return UdevRules(
        rules=rules,
        unread=unread,
        unread_texts={item.path: texts[item.path] for item in unread if item.path in texts},
        forecasts=forecast(rules, _ports(bundle), parameters),
    )


def _ports(bundle: Bundle) -> tuple[Port, ...]:
    known = _devices(bundle)
    return tuple(
        Port(
            address=pf.address,
            driver=pf.driver or "",
            netdev=pf.netdev,
            net_attributes=_net_attributes(bundle, pf.netdev),
            totalvfs=pf.totalvfs,
            path=pf.device_path,
            ids=pf.ids,
            parents=_parents(pf.device_path, known),
            database=_database(bundle, pf.netdev),
            pci_properties=_properties(bundle.text(f"{_DEVICES}/{pf.address}/uevent") or ""),
        )
        for pf in pci.parse(bundle)
    )


def _devices(bundle: Bundle) -> dict[str, tuple[str, dict[str, str]]]:
    """Driver and ids of every PCI device, by address."""
    links = bundle.links(f"{_DEVICES}/*/driver")
    drivers = {path.split("/")[-2]: target.split("/")[-1] for path, target in links.items()}
    found: dict[str, tuple[str, dict[str, str]]] = {}
    for name in pci.IDS:
        for path, text in bundle.texts(f"{_DEVICES}/*/{name}").items():
            address = path.split("/")[-2]
            found.setdefault(address, (drivers.get(address, ""), {}))[1][name] = text.strip()
    return found


def _parents(path: str, known: Mapping[str, tuple[str, dict[str, str]]]) -> tuple[Device, ...]:
    """The devices above a path such as devices/pci0000:00/0000:00:02.0/0000:01:00.0, nearest first."""
    parts = path.split("/")
    found = []
    for end in range(len(parts) - 1, 1, -1):
        name = parts[end - 1]
        driver, ids = known.get(name, ("", {}))
        attributes: dict[str, str | Absent] = {**dict.fromkeys(pci.IDS, ABSENT), **ids}
        # The root (pci0000:00) has no subsystem.
        found.append(Device("/".join(parts[:end]), (name,), "pci" if name in known else "", driver, attributes))
    return tuple(found)


def _net_attributes(bundle: Bundle, netdev: str | None) -> dict[str, str]:
    texts = {name: bundle.text(f"/sys/class/net/{netdev}/{name}") for name in _NET_ATTRIBUTES} if netdev else {}
    return {name: text.strip() for name, text in texts.items() if text is not None}


def _database(bundle: Bundle, netdev: str | None) -> dict[str, str]:
    """udev's properties of a netdev, as they were set this time."""
    index = bundle.text(f"/sys/class/net/{netdev}/ifindex") if netdev else None
    text = bundle.text(f"/run/udev/data/n{index.strip()}") if index and index.strip().isdecimal() else None
    return _properties("\n".join(line.removeprefix("E:") for line in (text or "").splitlines()))


def _properties(text: str) -> dict[str, str]:
    pairs = (line.partition("=") for line in text.splitlines())
    return {name: value for name, equals, value in pairs if equals}
