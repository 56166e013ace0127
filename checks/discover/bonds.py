"""Bonds as inventory entries: every option as it is now."""

from __future__ import annotations

import json
from collections.abc import Iterable
from ipaddress import ip_interface

from checks.bundle import Bundle
from checks.discover.machine import Machine
from checks.discover.yaml_text import Entry, Node, Remark, stated
from checks.facts.bonds import Bond
from checks.facts.known import attempt
from checks.facts.nics import IP_ADDRESS, Nic
from checks.outcome import CouldNotLook

_FAIL_OVER_MAC = ("none", "active", "follow")
_RESELECT = ("always", "better", "failure")


def bond_entries(machine: Machine) -> tuple[Node, ...]:
    """`bonds:` of one machine; nothing where it has none."""
    nodes = tuple(_bond(machine, bond) for bond in machine.bonds)
    return (Entry("bonds", below=nodes),) if nodes else ()


def _bond(machine: Machine, bond: Bond) -> Node:
    if not bond.slaves:
        return Remark(f"{bond.name} has no slaves, so there is nothing to be checked")
    slaves = tuple(slave.nic for slave in bond.slaves)
    lost = _leased(machine.bundle)
    by_name = {nic.name: nic for nic in machine.nics}
    own, dropped = _addresses(by_name.get(bond.name), lost)
    vlans, also_dropped = _vlans(bond, lost)
    active = bond.mode == "active-backup"
    entries: tuple[Node, ...] = (
        *stated([("mode", bond.mode), ("slaves", slaves)]),
        *stated([("fail_over_mac", _one_of(bond.fail_over_mac, _FAIL_OVER_MAC))] if active else []),
        *stated([("miimon", bond.miimon), ("updelay", bond.updelay), ("downdelay", bond.downdelay)]),
        *stated([("arp_interval", bond.arp_interval or None)]),
        *stated([("num_grat_arp", bond.num_grat_arp), ("peer_notif_delay", bond.peer_notif_delay)] if active else []),
        *stated([("primary", bond.primary if bond.primary in slaves else None)]),
        *stated([("primary_reselect", _one_of(bond.primary_reselect, _RESELECT) if bond.primary else None)]),
        *stated([("mtu", bond.mtu), ("addresses", own)]),
        *vlans,
    )
    left_out = [*dropped, *also_dropped]
    remarks = (Remark(f"left out, because they are leased or made up: {', '.join(left_out)}"),) if left_out else ()
    down = [slave.nic for slave in bond.slaves if not slave.link_up]
    faults = (Remark(f"BROKEN NOW: no link on {', '.join(down)}"),) if down else ()
    return Entry(bond.name, below=(*entries, *remarks, *faults))


def _vlans(bond: Bond, leased: frozenset[str]) -> tuple[tuple[Node, ...], list[str]]:
    if isinstance(bond.vlans, CouldNotLook):
        return (Remark(f"VLAN interfaces are not known: {bond.vlans}"),), []
    entries, dropped = [], []
    for vlan in sorted(bond.vlans, key=lambda one: one.vlan_id or 0):
        own, also = _addresses(vlan, leased)
        dropped += also
        if vlan.vlan_id:
            entries.append(Entry(vlan.vlan_id, own, comment=vlan.name))
    return ((Entry("vlans", below=tuple(entries)),) if entries else ()), dropped


def _addresses(nic: Nic | None, leased: frozenset[str]) -> tuple[tuple[str, ...], list[str]]:
    """Addresses that were given to an interface by its configuration; and the others, but for link-local ones."""
    if nic is None or isinstance(nic.addresses, CouldNotLook):
        return (), []
    found = [one.interface for one in nic.addresses if not one.interface.ip.is_link_local]
    return tuple(str(one) for one in found if str(one) not in leased), [str(one) for one in found if str(one) in leased]


def _leased(bundle: Bundle) -> frozenset[str]:
    """Addresses that come from DHCP or router advertisements (`dynamic`), as `ip -j addr` says."""
    text = attempt(lambda: bundle.output(IP_ADDRESS))
    try:
        links = json.loads(text) if isinstance(text, str) else []
        infos = [info for link in _mappings(links) for info in _mappings(link.get("addr_info")) if info.get("dynamic")]
        return frozenset(str(ip_interface(f"{info.get('local')}/{info.get('prefixlen')}")) for info in infos)
    except (ValueError, RecursionError):  # the facts then say of the same text that it is not understood
        return frozenset()


def _mappings(value: object) -> Iterable[dict[str, object]]:
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []


def _one_of(value: str, known: tuple[str, ...]) -> str | None:
    return value if value in known else None
