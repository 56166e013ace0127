"""The network interfaces of a machine: names, MACs, drivers, places on the PCI bus, addresses, udev's view of them."""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import IPv4Interface, IPv6Interface, ip_interface
from pathlib import PurePosixPath
from typing import Any

from pydantic import BaseModel, TypeAdapter, ValidationError

from checks.bundle import Bundle, UnexpectedOutput
from checks.facts.known import attempt, shared
from checks.outcome import CouldNotLook
from checks.source import Attributes, Command, File, Links, Source

IP_LINK = "ip -d -j link show"
IP_ADDRESS = "ip -j addr show"

SOURCES: tuple[Source, ...] = (
    Links("/sys/class/net/*"),
    Links("/sys/class/net/*/master"),
    Links("/sys/class/net/*/device/driver"),
    Attributes("/sys/class/net/*/address"),
    Attributes("/sys/class/net/*/ifindex"),
    Attributes("/sys/class/net/*/operstate"),
    Attributes("/sys/class/net/*/mtu"),
    Attributes("/sys/class/net/*/bonding_slave/*"),
    File("/run/udev/data/n*", keep="^E:"),
    File("/proc/cmdline"),
    Command(IP_LINK),
    Command(IP_ADDRESS),
)

_BDF = re.compile(r"[0-9a-f]{4,8}:[0-9a-f]{2}:[0-9a-f]{2}\.[0-7]")
_NO = frozenset({"0", "no", "n", "false", "f", "off"})  # systemd's parse_boolean


@dataclass(frozen=True, slots=True)
class Address:
    """An address of an interface. `usable` is False while IPv6 has not cleared it, or found it taken (DAD)."""

    interface: IPv4Interface | IPv6Interface
    usable: bool


@dataclass(frozen=True, slots=True)
class Nic:
    """One network interface.

    `permanent_mac`: the one the hardware (or the PF) gave it; a bond may have put another one in use as `mac`.
    `kind`: what rtnetlink calls a virtual one (bond, vlan, bridge, veth); None for hardware, and where `ip` is silent.
    `lower`, `vlan_id`: what a VLAN interface stands on, and its id. `addresses`: or why they are not known.
    `udev`: its properties in udev's database; empty when udev does not know it.
    `ifnames_off`: the kernel command line has net.ifnames=0, so udev keeps the kernel's names.
    `pci_path`: the PCI functions from the root bus down to its own, `pci_address`.
    """

    name: str
    mac: str
    permanent_mac: str
    ifindex: int
    operstate: str
    mtu: int
    driver: str | None = None
    pci_address: str | None = None
    master: str | None = None
    kind: str | None = None
    lower: str | None = None
    vlan_id: int | None = None
    addresses: tuple[Address, ...] | CouldNotLook = ()
    udev: Mapping[str, str] | None = None
    ifnames_off: bool = False
    pci_path: tuple[str, ...] = ()

    def property(self, key: str) -> str | None:
        """One udev property, such as ID_NET_NAME_SLOT; None when udev has none."""
        return (self.udev or {}).get(key)


class _LinkInfo(BaseModel):
    info_kind: str | None = None
    info_data: dict[str, Any] | None = None


class Link(BaseModel):
    """One entry of `ip -d -j link show`, as far as facts need it."""

    ifname: str | None = None
    link: str | None = None
    permaddr: str | None = None
    linkinfo: _LinkInfo | None = None


class _AddressInfo(BaseModel):
    local: str | None = None
    prefixlen: int | None = None
    tentative: bool = False
    dadfailed: bool = False


class _Addressed(BaseModel):
    ifname: str | None = None
    addr_info: list[_AddressInfo] = []


_LINKS = TypeAdapter(list[Link])
_ADDRESSED = TypeAdapter(list[_Addressed])


@shared
def parse(bundle: Bundle) -> tuple[Nic, ...]:
    """Every network interface, in the order of their indexes.

    Source: sysfs (Documentation/ABI/testing/sysfs-class-net), `ip -json` of iproute2, /run/udev/data of systemd.
    Raises UnexpectedOutput when one of them does not have its known shape.
    """
    links = attempt(lambda: links_by_name(bundle))
    known_links = {} if isinstance(links, CouldNotLook) else links
    addresses = attempt(lambda: _addresses(bundle))
    off = _ifnames_off(bundle.text("/proc/cmdline"))
    names = sorted(path.split("/")[4] for path in bundle.texts("/sys/class/net/*/address"))
    nics = (_nic(bundle, name, known_links.get(name, Link()), addresses, ifnames_off=off) for name in names)
    return tuple(sorted(nics, key=lambda nic: nic.ifindex))


@shared
def links_by_name(bundle: Bundle) -> dict[str, Link]:
    """What `ip` says of every link. Raises CouldNotLook when there is no such program, or it prints something else."""
    text = bundle.output(IP_LINK)
    if text is None:
        raise CouldNotLook(f"{bundle.machine}: there is no 'ip' program, which tells VLANs and their ids")
    try:
        return {link.ifname: link for link in _LINKS.validate_json(text) if link.ifname}
    except ValidationError as error:
        raise UnexpectedOutput(f"{bundle.machine}: '{IP_LINK}': {_reason(error)}") from None


def number(bundle: Bundle, path: str) -> int:
    """The whole number in an attribute. Raises UnexpectedOutput when there is none."""
    text = bundle.text(path)
    if text is None or not re.fullmatch(r"-?[0-9]{1,18}", text.strip()):
        raise UnexpectedOutput(f"{bundle.machine}: {path} holds {_shown(text)}, not a number")
    return int(text.strip())  # int() itself leaves a separator such as \x1f where it is


def _nic(
    bundle: Bundle,
    name: str,
    link: Link,
    addresses: dict[str, tuple[Address, ...]] | CouldNotLook,
    *,
    ifnames_off: bool,
) -> Nic:
    directory = f"/sys/class/net/{name}"
    mac = (bundle.text(f"{directory}/address") or "").strip().lower()
    ifindex = number(bundle, f"{directory}/ifindex")
    permanent = link.permaddr or (bundle.text(f"{directory}/bonding_slave/perm_hwaddr") or "").strip()
    info = link.linkinfo or _LinkInfo()
    pci_path = _pci_path(bundle.link(directory))
    return Nic(
        name=name,
        mac=mac,
        permanent_mac=permanent.lower() or mac,
        ifindex=ifindex,
        operstate=(bundle.text(f"{directory}/operstate") or "unknown").strip(),
        mtu=number(bundle, f"{directory}/mtu"),
        driver=_last(bundle.link(f"{directory}/device/driver")),
        pci_address=pci_path[-1] if pci_path else None,
        master=_last(bundle.link(f"{directory}/master")),
        kind=info.info_kind,
        lower=link.link,
        vlan_id=_vlan_id(bundle, name, info),
        addresses=addresses if isinstance(addresses, CouldNotLook) else addresses.get(name, ()),
        udev=_udev(bundle.text(f"/run/udev/data/n{ifindex}")),
        ifnames_off=ifnames_off,
        pci_path=pci_path,
    )


def _addresses(bundle: Bundle) -> dict[str, tuple[Address, ...]]:
    text = bundle.output(IP_ADDRESS)
    if text is None:
        raise CouldNotLook(f"{bundle.machine}: there is no 'ip' program, which tells addresses")
    try:
        found = _ADDRESSED.validate_json(text)
        return {one.ifname: tuple(map(_address, filter(_is_whole, one.addr_info))) for one in found if one.ifname}
    except ValidationError as error:
        raise UnexpectedOutput(f"{bundle.machine}: '{IP_ADDRESS}': {_reason(error)}") from None
    except ValueError as error:
        raise UnexpectedOutput(f"{bundle.machine}: '{IP_ADDRESS}': {error}") from None


def _is_whole(info: _AddressInfo) -> bool:
    return info.local is not None and info.prefixlen is not None


def _address(info: _AddressInfo) -> Address:
    return Address(ip_interface(f"{info.local}/{info.prefixlen}"), usable=not info.tentative and not info.dadfailed)


def _vlan_id(bundle: Bundle, name: str, info: _LinkInfo) -> int | None:
    if info.info_kind != "vlan":
        return None
    vlan_id = (info.info_data or {}).get("id")
    if not isinstance(vlan_id, int):
        raise UnexpectedOutput(f"{bundle.machine}: '{IP_LINK}' gives VLAN interface {name} no id")
    return vlan_id


def _udev(text: str | None) -> dict[str, str]:
    """Properties of a record in /run/udev/data: lines `E:KEY=value`. Source: systemd, device_update_db."""
    lines = (line.removeprefix("E:").partition("=") for line in (text or "").splitlines() if line.startswith("E:"))
    return {key: value for key, separator, value in lines if separator}


def _ifnames_off(cmdline: str | None) -> bool:
    """Source: systemd, net_id's and link-config's proc_cmdline_get_bool("net.ifnames"); the last one wins."""
    values = [word.partition("=")[2] for word in (cmdline or "").split() if word.startswith("net.ifnames=")]
    return bool(values) and values[-1].lower() in _NO


def _pci_path(target: str | None) -> tuple[str, ...]:
    """The PCI functions in an interface's sysfs path, the one it belongs to (also behind virtio) last."""
    return tuple(part for part in (target or "").split("/") if _BDF.fullmatch(part))


@functools.lru_cache(maxsize=1024)  # drivers and bonds are few
def _last(target: str | None) -> str | None:
    return PurePosixPath(target.strip()).name or None if target is not None else None


def _reason(error: ValidationError) -> str:
    first = error.errors(include_url=False, include_input=False)[0]
    return f"not the JSON of iproute2 ({first['msg']})"


def _shown(text: str | None) -> str:
    return "nothing" if text is None else repr(text.strip()[:60])
