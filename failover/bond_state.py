"""A guest's bond as a drill must know it before, and must find it again afterwards."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, fields
from ipaddress import ip_address
from typing import Any

from checks.linux.bonding import option_name
from checks.outcome import CouldNotLook
from failover.timeline import Announced

_MAC_IS_SET = "3"
"""NET_ADDR_SET in include/uapi/linux/netdevice.h."""


class UnexpectedState(CouldNotLook):
    """The guest's answer about its bond cannot be understood."""


@dataclass(frozen=True, slots=True)
class SlaveState:
    """One slave of a bond."""

    nic: str
    state: str
    mac: str
    permanent_mac: str
    mii_status: str
    driver: str = ""
    """Of the NIC behind it; empty when it has none."""


@dataclass(frozen=True, slots=True)
class BridgeState:
    """The bridge that a bond is a port of. Addresses on it are announced by nobody after a failover.

    Source: br_device_event in net/bridge/br.c passes no NETDEV_NOTIFY_PEERS on.
    """

    name: str
    mac: str
    keeps_mac: bool
    """Its MAC has been set by somebody; else it takes the lowest of its ports' (br_stp_recalculate_bridge_id)."""
    arp_notify: bool
    other_ports: tuple[str, ...]
    """The MACs of its other ports."""

    def mac_with(self, bond_mac: str) -> str:
        """Its MAC while the bond has this one."""
        return self.mac if self.keeps_mac else min((bond_mac, *self.other_ports))


@dataclass(frozen=True, slots=True)
class BondState:
    """A bond by sysfs (drivers/net/bonding/bond_sysfs.c) and its addresses by `ip -j addr`. Delays are in ms."""

    bond: str
    boot_id: str
    mode: str
    active_slave: str
    primary: str
    primary_reselect: str
    fail_over_mac: str
    miimon: int
    updelay: int
    downdelay: int
    arp_interval: int
    peer_notif_delay: int
    num_grat_arp: int
    arp_notify: bool
    mac: str
    mii_status: str
    master: str
    """What the bond is itself a port of, such as a bridge; empty when nothing."""
    slaves: tuple[SlaveState, ...]
    addresses: tuple[Announced, ...]
    """Of the bond and of every VLAN interface over it; those that a switch must announce."""
    reached_over_it: bool
    """Whether the controller's own connection comes in by one of these addresses."""
    bridge: BridgeState | None = None
    """What `master` is, when it is a bridge."""

    def slave(self, nic: str) -> SlaveState | None:
        """A slave by its name."""
        return next((slave for slave in self.slaves if slave.nic == nic), None)

    def mac_with_active(self, nic: str) -> str:
        """The MAC that the bond has when this slave is the active one.

        Source: bonding.rst, fail_over_mac: with `active` the bond takes the active slave's own MAC.
        """
        slave = self.slave(nic)
        return slave.permanent_mac if slave and self.fail_over_mac == "active" else self.mac

    def differences(self, later: BondState) -> tuple[str, ...]:
        """What is not as it was, in words. Addresses are compared as a set."""
        found = [
            f"{field.name} was {getattr(self, field.name)!r} and is {getattr(later, field.name)!r}"
            for field in fields(self)
            if field.name not in {"slaves", "addresses"} and getattr(self, field.name) != getattr(later, field.name)
        ]
        for slave in self.slaves:
            if (now := later.slave(slave.nic)) != slave:
                found.append(f"slave {slave.nic} was {slave} and is {now}")
        found += [f"slave {slave.nic} is new" for slave in later.slaves if self.slave(slave.nic) is None]
        if gone := sorted(set(self.addresses) - set(later.addresses)):
            found.append(f"addresses {', '.join(map(str, gone))} are gone")
        return tuple(found)


def parse_lines(text: str) -> dict[str, str]:
    """`key=value` lines as our scripts print them; a repeated key's values are joined by a newline."""
    found: dict[str, str] = {}
    for line in text.splitlines():
        key, equals, value = line.partition("=")
        if equals:
            found[key] = f"{found[key]}\n{value}" if key in found else value
    return found


def parse(bond: str, text: str) -> BondState:
    """The state that `bond_state.sh` printed. Raises `UnexpectedState`, in one sentence."""
    said = parse_lines(text)
    if "absent" in said:
        raise UnexpectedState(f"there is no bond {bond} on the guest")
    try:
        return _state(bond, said)
    except (KeyError, ValueError, TypeError, AttributeError) as error:
        raise UnexpectedState(f"the state of {bond} cannot be understood: {error!r} in {text[:300]!r}") from error


def _state(bond: str, said: Mapping[str, str]) -> BondState:
    bridge = _bridge(said)
    links = json.loads(said.get("addresses") or "[]")
    addresses = addresses_to_announce(bond, links, None if bridge is None else bridge.name)
    drivers = dict(line.split(" ", 1) for line in said.get("driver", "").splitlines())
    numbers = {key: int(said.get(key, "0") or "0") for key in ("miimon", "updelay", "downdelay", "peer_notif_delay")}
    return BondState(
        bond=bond,
        boot_id=said["boot_id"],
        mode=option_name(said["mode"]),
        active_slave=said["active_slave"],
        primary=said.get("primary", ""),
        primary_reselect=option_name(said.get("primary_reselect", "")),
        fail_over_mac=option_name(said.get("fail_over_mac", "none 0")),
        arp_interval=int(said.get("arp_interval") or "0"),
        num_grat_arp=int(said["num_grat_arp"]),
        arp_notify=said.get("arp_notify", "0") == "1",
        mac=said["mac"].lower(),
        mii_status=said.get("mii_status", ""),
        master=said.get("master", ""),
        slaves=tuple(_slave(line, drivers) for line in said.get("slave", "").splitlines()),
        addresses=addresses,
        reached_over_it=said.get("ssh_connection", "").split(" ")[2:3] in [[each.address] for each in addresses],
        bridge=bridge,
        **numbers,
    )


def _bridge(said: Mapping[str, str]) -> BridgeState | None:
    if "bridge_mac" not in said:
        return None
    return BridgeState(
        name=said["master"],
        mac=said["bridge_mac"].lower(),
        keeps_mac=said.get("bridge_mac_from", "") == _MAC_IS_SET,
        arp_notify=said.get("bridge_arp_notify", "0") == "1",
        other_ports=tuple(sorted(said.get("bridge_port_mac", "").lower().split())),
    )


def _slave(line: str, drivers: Mapping[str, str]) -> SlaveState:
    nic, state, mac, permanent, mii_status = line.split(" ", 4)
    return SlaveState(nic, state, mac.lower(), permanent.lower(), mii_status, drivers.get(nic, ""))


def addresses_to_announce(bond: str, links: list[dict[str, Any]], bridge: str | None = None) -> tuple[Announced, ...]:
    """The addresses in `ip -d -j addr` by which neighbours reach the guest: the bond's and its VLAN interfaces'.

    NETDEV_NOTIFY_PEERS announces these. With a bridge over the bond, also those of the bridge and of VLAN interfaces
    over it, which it does not announce.

    A tentative IPv6 address is not announced (ndisc_send_unsol_na in net/ipv6/ndisc.c).
    """
    found = []
    names = {bond} if bridge is None else {bond, bridge}
    for link in links:
        info = link.get("linkinfo", {})
        if link.get("ifname") in names:
            under, vlan = link["ifname"], -1
        elif link.get("link") in names and info.get("info_kind") == "vlan":
            under, vlan = link["link"], int(info["info_data"]["id"])
        else:
            continue
        found += [
            Announced(vlan, str(ip_address(each["local"])), over_bridge=under == bridge)
            for each in link.get("addr_info", [])
            if not each.get("tentative") and not each.get("dadfailed")
        ]
    return tuple(sorted(found))
