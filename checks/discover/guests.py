"""Guests as inventory entries: those that were looked at, and those that only libvirt names."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from checks.discover.bonds import bond_entries
from checks.discover.machine import Machine, machine_name
from checks.discover.yaml_text import Entry, Node, Remark, stated
from checks.facts.libvirt import Domain
from checks.facts.nics import Nic
from checks.handed_vfs import HandedVf, behind, handed_vfs
from checks.linux.nic_names import predict


@dataclass(frozen=True, slots=True)
class Home:
    """The host and the domain that a guest was found in."""

    host: Machine
    domain: Domain


def home_of(guest: Machine, hosts: Iterable[Machine]) -> Home | None:
    """The domain that hands out most of the guest's MACs: nothing else ties the two together."""
    macs = {nic.permanent_mac for nic in _hardware(guest)}
    places = [
        (len(macs & {one.mac for one in domain.current.interfaces}), Home(host, domain))
        for host in hosts
        for domain in host.domains
        if guest.asked.domain in (None, domain.name)
    ]
    best = max(places, key=lambda place: (place[0], place[1].domain.running), default=None)
    if best is None or (best[0] == 0 and guest.asked.domain is None):
        return None
    return best[1]


def guest_nodes(guest: Machine, home: Home | None) -> tuple[Node, ...]:
    """What stands below a guest's name, after its connection."""
    nodes: list[Node] = []
    vfs: dict[str, HandedVf] = {}
    if home is None:
        nodes.append(Remark("no host that was looked at has its MACs; name it here as host:, and its NICs' pf: below"))
    else:
        nodes += [Entry("host", home.host.name), Entry("domain", home.domain.name)]
        vfs = behind(guest.nics, handed_vfs(home.domain.current, home.host.pfs))
    if nics := tuple(_nic(nic, vfs.get(nic.name)) for nic in _hardware(guest)):
        nodes.append(Entry("nics", below=nics))
    bonds = bond_entries(guest)
    return (*nodes, *bonds, *(_drill(guest) if bonds else ()))


def domain_entry(host: Machine, domain: Domain) -> Entry:
    """A guest of which only libvirt's definition is known: nobody knows where it answers."""
    handed = {id(one.interface): one for one in handed_vfs(domain.current, host.pfs)}
    places = ((one.place, one.acpi_index) for one in domain.current.interfaces)
    names = predict(domain.current.layout, places, None)
    nics = tuple(
        Entry(name.name, below=_of(one.mac, handed.get(id(one))), comment="a foretold name")
        for one, name in zip(domain.current.interfaces, names, strict=True)
        if name is not None and one.mac and not name.collides
    )
    where = Entry("connect", f"ssh://root@{machine_name(domain.name)}", comment="libvirt does not say where it answers")
    below = (where, Entry("host", host.name), Entry("domain", domain.name, comment=domain.state))
    return Entry(machine_name(domain.name), below=(*below, *((Entry("nics", below=nics),) if nics else ())))


def _hardware(guest: Machine) -> list[Nic]:
    return sorted((nic for nic in guest.nics if nic.pci_address), key=lambda nic: nic.name)


def _nic(nic: Nic, handed: HandedVf | None) -> Entry:
    return Entry(nic.name, below=_of(nic.permanent_mac, handed), comment=f"driver {nic.driver or 'none'}")


def _of(mac: str | None, handed: HandedVf | None) -> tuple[Entry, ...]:
    if handed is None or not handed.pf.netdev:
        return stated([("mac", mac)])
    vlans = handed.interface.vlans
    vlan = vlans[0] if vlans else 0
    return stated([("mac", mac), ("pf", handed.pf.netdev), ("vf", handed.vf.index), ("vlan", vlan)])


def _drill(guest: Machine) -> tuple[Node, ...]:
    permitted = Entry("permitted", value=False, comment="true, and an observer: below, to switch its bond in a drill")
    several = [bond.name for bond in guest.bonds if bond.slaves]
    which = (Remark(f"bond: {several[0]}   # one of {', '.join(several)}"),) if len(several) > 1 else ()
    return (Entry("drill", below=(permitted, Remark("observer: neighbour"), *which)),)
