"""All hosts of a run side by side: who has which MAC, and how each differs from the others of its group."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from checks.bundle import Bundle
from checks.facts import firmware, libvirt, pci, system
from checks.facts.libvirt import Domain
from checks.host_view import HostView
from checks.hosts_alike import Difference, differences
from checks.outcome import CouldNotLook
from inventory import model

_NO_MAC = "00:00:00:00:00:00"
Read = Callable[[str, Callable[[Bundle], Any]], Any]
"""Gives what a parser makes of a host's bundle. Raises CouldNotLook."""


@dataclass(frozen=True, slots=True)
class Owner:
    """Who has a MAC. `domain`: name of the guest whose NIC it is; `asleep` when that guest does not run."""

    host: str
    label: str
    domain: str | None = None
    asleep: bool = False


@dataclass(frozen=True, slots=True)
class AllHosts:
    """Every host that this run looks at, and why some could not be seen.

    `shared`: the owners of every MAC that is on more than one host. `apart`: by host, what sets it apart in its group.
    `groups`: the group of every host that is in one, seen or not.
    """

    seen: Mapping[str, HostView]
    unseen: Mapping[str, str]
    shared: Mapping[str, tuple[Owner, ...]]
    apart: Mapping[str, tuple[Difference, ...]]
    groups: Mapping[str, str]

    def view(self, name: str) -> HostView:
        """One of them. Raises CouldNotLook for one that could not be seen."""
        if name in self.unseen:
            raise CouldNotLook(self.unseen[name])
        return self.seen[name]


def look_at_all(wanted: Mapping[str, model.Host], read: Read) -> AllHosts:
    """Put the hosts side by side. Raises nothing: a host that cannot be seen is named with its reason."""
    seen, unseen = [], {}
    for name, host in wanted.items():
        try:
            seen.append(
                HostView(
                    name=name,
                    wanted=host,
                    pfs=read(name, pci.parse),
                    system=read(name, system.parse),
                    domains=_domains(name, read),
                    firmware=read(name, firmware.parse),
                )
            )
        except CouldNotLook as error:
            unseen[name] = str(error)
    groups = {name: host.group for name, host in wanted.items() if host.group is not None}
    return side_by_side(seen, unseen, groups)


def side_by_side(views: Iterable[HostView], unseen: Mapping[str, str], groups: Mapping[str, str]) -> AllHosts:
    """The hosts that were seen, compared once and for all rows. `groups`: by host."""
    seen = {view.name: view for view in views}
    owners: dict[str, list[Owner]] = defaultdict(list)
    members: dict[str, dict[str, HostView]] = defaultdict(dict)
    for view in seen.values():
        for mac, owner in _macs(view):
            owners[mac].append(owner)
        if view.name in groups:
            members[groups[view.name]][view.name] = view
    shared = {mac: tuple(found) for mac, found in owners.items() if len({one.host for one in found}) > 1}
    apart = {name: found for group in members.values() for name, found in differences(group).items()}
    return AllHosts(seen, unseen, shared, apart, groups)


def shared_macs(name: str, hosts: AllHosts) -> Iterator[tuple[str, list[Owner], list[Owner]]]:
    """Every MAC of the host that another host has, too: the MAC, its owners here, and its owners elsewhere.

    A guest that is defined on two hosts and sleeps on one of them is one guest: left out.
    """
    for mac, owners in hosts.shared.items():
        here = [one for one in owners if one.host == name]
        elsewhere = [one for one in owners if one.host != name and not _same_guest(one, owners, here)]
        if here and elsewhere:
            yield mac, here, elsewhere


def _same_guest(other: Owner, owners: Iterable[Owner], here: Iterable[Owner]) -> bool:
    """Whether one of both sides is nothing but the sleeping copy of a guest of the other."""
    if other.asleep:
        return any(one.domain == other.domain for one in here)
    guests = {one.domain for one in owners if one.host == other.host and one.domain}
    return all(one.asleep and one.domain in guests for one in here)


def _domains(name: str, read: Read) -> tuple[Domain, ...] | str:
    try:
        found: tuple[Domain, ...] = read(name, libvirt.parse)
    except CouldNotLook as error:
        return str(error)
    return found


def _macs(view: HostView) -> Iterator[tuple[str, Owner]]:
    for pf in view.pfs:
        name = pf.netdev or pf.address
        if pf.mac and pf.mac != _NO_MAC:
            yield pf.mac, Owner(view.name, name)
        for vf in pf.vfs:
            if vf.admin_mac and vf.admin_mac != _NO_MAC:
                yield vf.admin_mac, Owner(view.name, f"{name} VF {vf.index}")
    for domain in view.domains if isinstance(view.domains, tuple) else ():
        for mac in dict.fromkeys(one.mac for one in domain.current.interfaces if one.mac):
            yield mac, Owner(view.name, f"guest {domain.name}", domain.name, asleep=not domain.running)
