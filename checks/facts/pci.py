"""Physical network functions and their VFs, as sysfs and `ip` show them.

Sources: Linux 6.12 Documentation/ABI/testing/sysfs-bus-pci, drivers/pci/iov.c; iproute2 ip/ipaddress.c (print_vfinfo).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from checks.bundle import Bundle, UnexpectedOutput
from checks.facts import pf_details
from checks.facts.known import attempt, shared
from checks.facts.pf_details import PfDetails
from checks.linux.pci_address import sort_key
from checks.linux.vf_info import VfInfo, infos_by_netdev
from checks.outcome import CouldNotLook
from checks.source import Attributes, Command, Links, Source

_DEVICES = "/sys/bus/pci/devices"
_AUTOPROBE = "sriov_drivers_autoprobe"
IDS = ("class", "vendor", "device", "subsystem_vendor", "subsystem_device")
_SRIOV = ("sriov_totalvfs", "sriov_numvfs", "sriov_offset", "sriov_stride", _AUTOPROBE)
_ATTRIBUTES = (*IDS, *_SRIOV)
_LINK_LIST = "ip -d -j link show"

SOURCES: tuple[Source, ...] = (
    *(Attributes(f"{_DEVICES}/*/{name}") for name in _ATTRIBUTES),
    Links(f"{_DEVICES}/*"),
    Links(f"{_DEVICES}/*/driver"),
    Links(f"{_DEVICES}/*/physfn"),
    Links(f"{_DEVICES}/*/virtfn*"),
    Links("/sys/class/net/*"),
    Attributes("/sys/class/net/*/flags"),
    Attributes("/sys/class/net/*/address"),
    Command(_LINK_LIST),
    *pf_details.SOURCES,
)


@dataclass(frozen=True, slots=True)
class Vf:
    """One VF as its PF sees it. A setting is None where the driver does not report it, or nothing was reported.

    Rates are in Mbit/s, 0 for no limit. `vlan_protocol` is None for the usual 802.1Q. `mtu`: of its own netdev.
    """

    index: int
    address: str
    driver: str | None
    netdev: str | None
    admin_mac: str | None = None
    vlan: int | None = None
    qos: int | None = None
    spoofchk: bool | None = None
    trust: bool | None = None
    link_state: str | None = None
    vlan_protocol: str | None = None
    max_tx_rate_mbps: int | None = None
    min_tx_rate_mbps: int | None = None
    mtu: int | None = None


@dataclass(frozen=True, slots=True)
class Pf:
    """A physical network function: a PF, or a NIC that shows no SR-IOV capability (`totalvfs` is None).

    `incomplete`: why the settings of its VFs are not (all) known; None when they are. `device_path`: below /sys, with
    every parent in it. `mac`: current address of its first netdev.
    """

    address: str
    driver: str | None
    netdevs: tuple[str, ...]
    up: bool | None
    mac: str | None
    totalvfs: int | None
    numvfs: int | None
    offset: int | None
    stride: int | None
    autoprobe: bool | None
    vfs: tuple[Vf, ...]
    incomplete: str | None
    device_path: str
    ids: Mapping[str, str] = field(default_factory=dict)
    details: PfDetails = pf_details.UNKNOWN

    @property
    def netdev(self) -> str | None:
        """The name of its first netdev; None when it has none."""
        return self.netdevs[0] if self.netdevs else None


@shared
def parse(bundle: Bundle) -> tuple[Pf, ...]:
    """Every physical network function on the PCI bus, in bus order.

    Raises UnexpectedOutput when sysfs or `ip` answers what neither ever prints.
    """
    attributes = {name: _by_device(bundle.texts(f"{_DEVICES}/*/{name}")) for name in _ATTRIBUTES if name != _AUTOPROBE}
    autoprobe = attempt(
        lambda: _by_device(bundle.texts(f"{_DEVICES}/*/{_AUTOPROBE}"))
    )  # it explains, and decides nothing
    attributes[_AUTOPROBE] = {} if isinstance(autoprobe, CouldNotLook) else autoprobe
    drivers = {_device(path): _last(target) for path, target in bundle.links(f"{_DEVICES}/*/driver").items()}
    netdevs = _netdevs(bundle)
    reported, unreported = _reported_vfs(bundle)
    vfs_of = _vfs(bundle, drivers, netdevs, reported)
    are_vfs = {_device(path) for path in bundle.links(f"{_DEVICES}/*/physfn")}
    paths = {_last(path): target.lstrip("./") for path, target in bundle.links(f"{_DEVICES}/*").items()}
    found = []
    for address in sorted(paths.keys() | attributes["class"].keys(), key=sort_key):
        own = {name: values[address] for name, values in attributes.items() if address in values}
        if address in are_vfs or not (own.get("class", "").startswith("0x02") or "sriov_totalvfs" in own):
            continue
        names = netdevs.get(address, ())
        vfs = vfs_of.get(address, ())
        found.append(
            Pf(
                address=address,
                driver=drivers.get(address),
                netdevs=names,
                up=_is_up(bundle, names),
                mac=_mac(bundle, names),
                totalvfs=_number(own, "sriov_totalvfs", address),
                numvfs=_number(own, "sriov_numvfs", address),
                offset=_number(own, "sriov_offset", address),
                stride=_number(own, "sriov_stride", address),
                autoprobe=_flag(own, _AUTOPROBE, address),
                vfs=vfs,
                incomplete=_incomplete(names, len(vfs), reported, unreported),
                device_path=paths.get(address, ""),
                ids={name: own[name] for name in IDS if name in own},
                details=pf_details.details(bundle, address, names[0] if names else None),
            )
        )
    return tuple(found)


def find(pfs: Iterable[Pf], name: str, address: str | None) -> Pf | None:
    """The PF at `address`, or, without one, the PF with a netdev of that name."""
    return next((pf for pf in pfs if (pf.address == address if address else name in pf.netdevs)), None)


def _vfs(
    bundle: Bundle,
    drivers: Mapping[str, str],
    netdevs: Mapping[str, tuple[str, ...]],
    reported: Mapping[str, Mapping[int, VfInfo]],
) -> dict[str, tuple[Vf, ...]]:
    found: dict[str, list[Vf]] = {}
    for path, target in bundle.links(f"{_DEVICES}/*/virtfn*").items():
        number, pf, address = _last(path).removeprefix("virtfn"), _device(path), _last(target)
        if not number.isdecimal() or not number.isascii() or len(number) > 5:
            raise UnexpectedOutput(f"{path}: the kernel numbers VFs in decimal, this is {number[:40]!r}")
        index = int(number)
        infos = [reported[name][index] for name in netdevs.get(pf, ()) if index in reported.get(name, {})]
        names = netdevs.get(address, ())
        info = infos[0] if infos else VfInfo()
        found.setdefault(pf, []).append(
            Vf(
                index=index,
                address=address,
                driver=drivers.get(address),
                netdev=names[0] if names else None,
                admin_mac=info.mac,
                vlan=info.vlan,
                qos=info.qos,
                spoofchk=info.spoofchk,
                trust=info.trust,
                link_state=info.link_state,
                vlan_protocol=info.vlan_protocol,
                max_tx_rate_mbps=info.max_tx_rate_mbps,
                min_tx_rate_mbps=info.min_tx_rate_mbps,
                mtu=pf_details.mtu(bundle, names[0]) if names else None,
            )
        )
    return {pf: tuple(sorted(vfs, key=lambda vf: vf.index)) for pf, vfs in found.items()}


def _reported_vfs(bundle: Bundle) -> tuple[dict[str, dict[int, VfInfo]], str | None]:
    """What `ip` says per netdev and VF index, and why it says nothing."""
    try:
        text = bundle.output(_LINK_LIST)
    except CouldNotLook as error:
        return {}, str(error)
    if text is None:
        return {}, "there is no 'ip' program on the host"
    try:
        return infos_by_netdev(text), None
    except ValueError:
        raise UnexpectedOutput(f"'{_LINK_LIST}' printed no JSON list of links: {text[:60]!r}") from None


def _incomplete(
    names: tuple[str, ...], count: int, reported: Mapping[str, Mapping[int, object]], unreported: str | None
) -> str | None:
    """Why the kernel's answer lacks VFs: its netlink attribute holds 64 KiB at most, and then simply ends."""
    if unreported is not None:
        return unreported
    if not names:
        return "the PF has no netdev, so nothing reports the settings of its VFs" if count else None
    said = max(len(reported.get(name, {})) for name in names)
    return None if said >= count else f"'ip' reports {said} of {count} VFs of {names[0]}"


def _netdevs(bundle: Bundle) -> dict[str, tuple[str, ...]]:
    """Names of the netdevs by PCI address: the link of each leads through its device."""
    found: dict[str, list[str]] = {}
    for path, target in bundle.links("/sys/class/net/*").items():
        parts = target.split("/")
        if len(parts) > 4 and parts[-2] == "net":
            # A virtio device stands between a virtio NIC and its PCI function.
            parent = parts[-4] if parts[-3].startswith("virtio") else parts[-3]
            found.setdefault(parent, []).append(_last(path))
    return {address: tuple(sorted(names)) for address, names in found.items()}


def _is_up(bundle: Bundle, names: tuple[str, ...]) -> bool | None:
    text = bundle.text(f"/sys/class/net/{names[0]}/flags") if names else None
    if text is None:
        return None
    try:
        return bool(int(text, 16) & 1)  # IFF_UP, include/uapi/linux/if.h
    except ValueError:
        raise UnexpectedOutput(f"/sys/class/net/{names[0]}/flags: no hexadecimal number: {text[:40]!r}") from None


def _mac(bundle: Bundle, names: tuple[str, ...]) -> str | None:
    text = bundle.text(f"/sys/class/net/{names[0]}/address") if names else None
    return text.strip().lower() if text is not None else None


def _number(own: Mapping[str, str], name: str, address: str) -> int | None:
    text = own.get(name)
    if text is None:
        return None
    if not text.isascii() or not text.isdecimal() or len(text) > 9:
        raise UnexpectedOutput(f"{_DEVICES}/{address}/{name}: no number: {text[:40]!r}")
    return int(text)


def _flag(own: Mapping[str, str], name: str, address: str) -> bool | None:
    number = _number(own, name, address)
    return None if number is None else number != 0


def _by_device(texts: Mapping[str, str]) -> dict[str, str]:
    return {_device(path): text.strip() for path, text in texts.items()}


def _device(path: str) -> str:
    return path.split("/")[-2]


def _last(path: str) -> str:
    return path.rstrip("/").split("/")[-1]
