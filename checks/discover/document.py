"""The whole inventory of what was looked at."""

from __future__ import annotations

from collections.abc import Sequence

from checks.discover.guests import Home, domain_entry, guest_nodes, home_of
from checks.discover.hosts import host_nodes
from checks.discover.machine import Machine, Way, name_all
from checks.discover.yaml_text import Entry, Node, Off, Remark, render

_HEAD = """\
# What vfproof found: an inventory to edit. Read every line: what stands here is what will be demanded from now on.
# "BROKEN" marks what `./vfproof check` will call broken; correct the machine, or the inventory where that is wrong.
# Every key there is, with its meaning, stands in inventory/example.yaml.
"""
_OBSERVERS = (
    Remark("A drill needs a neighbour on the guest's network that watches:"),
    Remark("observers:"),
    Remark("  neighbour:"),
    Remark("    interface: eth0"),
    Remark("    connect: ssh://root@neighbour"),
)


def inventory_text(machines: Sequence[Machine], way: Way) -> str:
    """The inventory of these machines, hosts before guests, each in the order in which it was named."""
    ordered = list(machines)
    name_all(ordered)
    hosts = [one for one in ordered if one.role == "host"]
    guests = [one for one in ordered if one.role == "guest"]
    homes = {one.name: home_of(one, hosts) for one in guests}
    top: list[Node] = [Entry("version", 1)]
    if hosts:
        top.append(Entry("hosts", below=tuple(_entry(one, host_nodes(one), way) for one in hosts)))
    looked_at = tuple(_entry(one, guest_nodes(one, homes[one.name]), way) for one in guests)
    others = _unseen(hosts, homes)
    if looked_at:
        top.append(Entry("guests", below=(*looked_at, *(Off((one,)) for one in others))))
    elif others:
        top.append(Off((Entry("guests", below=others, comment="libvirt's; take the '# ' off those to be checked"),)))
    if any(one.bonds for one in guests):
        top.extend(_OBSERVERS)
    return _HEAD + render(top)


def _entry(machine: Machine, nodes: tuple[Node, ...], way: Way) -> Entry:
    connection = [Entry("connect", machine.asked.connect)]
    connection += [Entry("ssh_config", way.ssh_config)] if way.ssh_config else []
    connection += [Entry("sudo", value=True)] if way.sudo else []
    unknown = tuple(Remark(f"NOT KNOWN: {text}") for text in machine.unknown)
    return Entry(machine.name, below=(*connection, *nodes, *unknown), comment=machine.about())


def _unseen(hosts: Sequence[Machine], homes: dict[str, Home | None]) -> tuple[Entry, ...]:
    seen = {(home.host.name, home.domain.name) for home in homes.values() if home}
    return tuple(
        domain_entry(host, domain) for host in hosts for domain in host.domains if (host.name, domain.name) not in seen
    )
