"""A guest with two VFs below a bond and a VLAN interface on it, as its kernel, `ip` and udev show it.

The shapes are those of Linux 6.12, iproute2 6.15 and systemd 257; names and numbers are chosen here.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from checks.bundle import Bundle

MAC_1 = "52:54:00:77:00:10"
MAC_2 = "52:54:00:77:00:11"

BOND_OPTIONS = {
    "mode": "active-backup 1",
    "fail_over_mac": "active 1",
    "miimon": "100",
    "arp_interval": "0",
    "updelay": "0",
    "downdelay": "0",
    "num_grat_arp": "3",
    "num_unsol_na": "3",
    "peer_notif_delay": "200",
    "primary": "",
    "primary_reselect": "always 0",
    "active_slave": "enp1s0",
    "slaves": "enp1s0 enp2s0",
    "mii_status": "up",
}


@dataclass(frozen=True)
class Nic:
    name: str
    ifindex: int
    mac: str
    pci: str | None = None
    driver: str | None = "igbvf"
    master: str | None = None
    permanent: str | None = None
    mii_status: str = "up"
    mtu: int = 1500
    kind: str | None = None
    vlan: tuple[str, int] | None = None
    addresses: tuple[str, ...] = ()
    tentative: bool = False
    udev: dict[str, str] = field(default_factory=dict)


def udev(slot: str | None, path: str, scheme: str = "v257", link: str = "/usr/lib/systemd/network/99-default.link"):
    names = {"ID_NET_NAME_PATH": path, **({"ID_NET_NAME_SLOT": slot} if slot else {})}
    return {"ID_NET_NAMING_SCHEME": scheme, "ID_NET_LINK_FILE": link, **names}


SLAVE_1 = Nic("enp1s0", 2, MAC_1, "0000:01:00.0", master="bond0", permanent=MAC_1, udev=udev(None, "enp1s0"))
SLAVE_2 = Nic("enp2s0", 3, MAC_2, "0000:02:00.0", master="bond0", permanent=MAC_2, udev=udev(None, "enp2s0"))
BOND = Nic("bond0", 4, MAC_1, driver=None, kind="bond", addresses=("10.77.0.21/24", "fd77::21/64"))
VLAN = Nic("bond0.77", 5, MAC_1, driver=None, kind="vlan", vlan=("bond0", 77), addresses=("10.77.77.21/24",))
NICS = (SLAVE_1, SLAVE_2, BOND, VLAN)


def changed(nics: tuple[Nic, ...], name: str, /, **values: Any) -> tuple[Nic, ...]:
    return tuple(replace(nic, **values) if nic.name == name else nic for nic in nics)


def guest(
    nics: tuple[Nic, ...] = NICS,
    *,
    cmdline: str = "root=/dev/vda quiet\n",
    options: Mapping[str, str] = {},
    files: Mapping[str, str] = {},
    **more: str,
) -> Bundle:
    known: dict[str, str | bytes] = {"/proc/cmdline": cmdline, **files}
    links: dict[str, str] = {}
    for nic in nics:
        known |= _files(nic)
        links |= _links(nic)
    if any(nic.kind == "bond" for nic in nics):
        known |= {f"/sys/class/net/bond0/bonding/{k}": f"{v}\n" for k, v in {**BOND_OPTIONS, **options, **more}.items()}
    commands = {"ip -d -j link show": json.dumps([_link(n) for n in nics]), "ip -j addr show": _addresses(nics)}
    return Bundle.of("guest-1", files=known, links=links, commands=commands)


def without_ip(bundle_nics: tuple[Nic, ...] = NICS) -> Bundle:
    files: dict[str, str | bytes] = {"/proc/cmdline": "\n"}
    links: dict[str, str] = {}
    for nic in bundle_nics:
        files |= _files(nic)
        links |= _links(nic)
    files |= {f"/sys/class/net/bond0/bonding/{k}": f"{v}\n" for k, v in BOND_OPTIONS.items()}
    return Bundle.of("guest-1", files=files, links=links)


def _files(nic: Nic) -> dict[str, str | bytes]:
    directory = f"/sys/class/net/{nic.name}"
    files: dict[str, str | bytes] = {
        f"{directory}/address": f"{nic.mac}\n",
        f"{directory}/ifindex": f"{nic.ifindex}\n",
        f"{directory}/operstate": "up\n",
        f"{directory}/mtu": f"{nic.mtu}\n",
    }
    if nic.udev:
        lines = [f"E:{key}={value}\n" for key, value in nic.udev.items()]
        files[f"/run/udev/data/n{nic.ifindex}"] = "I:1234567\n" + "".join(lines) + "V:1\n"
    if nic.master == "bond0":
        files |= {
            f"{directory}/bonding_slave/state": "active\n" if nic.ifindex == 2 else "backup\n",
            f"{directory}/bonding_slave/mii_status": f"{nic.mii_status}\n",
            f"{directory}/bonding_slave/link_failure_count": "0\n",
            f"{directory}/bonding_slave/perm_hwaddr": f"{nic.permanent or nic.mac}\n",
        }
    return files


def _links(nic: Nic) -> dict[str, str]:
    directory = f"/sys/class/net/{nic.name}"
    where = f"pci0000:00/0000:00:02.0/{nic.pci}" if nic.pci else "virtual"
    links = {directory: f"../../devices/{where}/net/{nic.name}"}
    if nic.pci and nic.driver:
        links[f"{directory}/device/driver"] = f"../../../../bus/pci/drivers/{nic.driver}"
    if nic.master:
        links[f"{directory}/master"] = f"../../../virtual/net/{nic.master}"
    return links


def _link(nic: Nic) -> dict[str, object]:
    link: dict[str, object] = {"ifindex": nic.ifindex, "ifname": nic.name, "flags": ["UP"], "address": nic.mac}
    if nic.kind:
        link["linkinfo"] = {"info_kind": nic.kind, "info_data": {"id": nic.vlan[1]} if nic.vlan else {}}
    if nic.vlan:
        link["link"] = nic.vlan[0]
    if nic.permanent and nic.permanent != nic.mac:
        link["permaddr"] = nic.permanent
    return link


def _addresses(nics: tuple[Nic, ...]) -> str:
    shown = []
    for nic in nics:
        infos: list[dict[str, object]] = []
        for text in nic.addresses:
            local, _, prefix = text.partition("/")
            info: dict[str, object] = {"family": "inet6" if ":" in local else "inet", "local": local}
            infos.append({**info, "prefixlen": int(prefix), **({"tentative": True} if nic.tentative else {})})
        shown.append({"ifname": nic.name, "addr_info": infos})
    return json.dumps(shown)
