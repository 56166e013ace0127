"""What a drill needs before it starts: its plan from the inventory, who breaks the link, and who watches."""

from __future__ import annotations

from contextlib import ExitStack

from checks.connection import Connection
from checks.facts import libvirt, pci
from checks.local import LocalConnection
from checks.machines import Machines
from checks.transport import connect
from failover.guest import DrilledGuest
from failover.host_links import HostLinks
from failover.kernel_log import KernelLog
from failover.observer import Watcher, look
from failover.permission import ON_THE_HOST, ON_THE_SWITCH, carried_by, demand_permission, places_behind
from failover.places import CouldNotMeasure, DoesNotApply, Place, entered
from failover.plan import Plan
from failover.switch_hook import SwitchHook
from failover.timeline import Announced
from inventory.model import FaultName, Guest, Inventory, Observer


def breaker(machines: Machines, stack: ExitStack, planned: Plan, inventory: Inventory) -> HostLinks | SwitchHook | None:
    """Who takes the link away, where the guest does not do it itself. Raises `Refused`, `DoesNotApply`."""
    name, fault = planned.guest.name, planned.fault
    if fault in ON_THE_SWITCH:
        if not inventory.switch_hook:
            raise DoesNotApply(f"{fault} needs the site's own hook, and the inventory names none (switch_hook)")
        return SwitchHook(inventory.switch_hook, fault, name)
    if fault not in ON_THE_HOST:
        return None
    host_name = carried_by(inventory, name, fault)
    host = inventory.hosts[host_name]
    pfs = machines.fact(("host", host_name), pci.parse)
    domains = machines.fact(("host", host_name), libvirt.parse)
    behind = places_behind(inventory, name, planned.wanted_slaves, domains, pfs)
    demand_permission(inventory, host_name, {vf.pf for vf in behind.values()}, domains, pfs)
    place = Place(stack.enter_context(connect(host.connect, host.ssh_config, sudo=host.sudo)))
    links = HostLinks(host_name, place, ON_THE_HOST[fault], behind, host.sudo)
    links.demand_settable()
    return links


def bond_of(name: str, wanted: Guest) -> str:
    """Which bond is drilled. Raises `CouldNotMeasure` when the inventory does not say."""
    if wanted.drill.bond is not None:
        return wanted.drill.bond
    if len(wanted.bonds) == 1:
        return next(iter(wanted.bonds))
    raise CouldNotMeasure(f"{name}: the inventory does not say which bond to drill (guests.{name}.drill.bond)")


def plan(guest: DrilledGuest, fault: FaultName, wanted: Guest, way: str) -> Plan:
    """What the inventory asks of this drill."""
    bond = wanted.bonds.get(guest.bond)
    addresses = [] if bond is None else [Announced(-1, str(each.ip)) for each in bond.addresses]
    for vlan, networks in ({} if bond is None else bond.vlans).items():
        addresses += [Announced(vlan, str(each.ip)) for each in networks]
    return Plan(
        guest=guest,
        fault=fault,
        way=way,
        wanted_slaves=() if bond is None else bond.slaves,
        wanted_addresses=tuple(addresses),
        probe_interval_ms=wanted.drill.probe_interval_ms,
        give_back_after_s=wanted.drill.give_back_after_s,
        budgets=wanted.drill.budgets,
    )


def kernel_logs(planned: Plan) -> list[KernelLog]:
    """The kernel logs of every machine of ours that acts, begun now."""
    guest, breaker = planned.guest, planned.breaker
    logs = [KernelLog(guest.name, guest.place, guest.sudo, (guest.bond, *planned.wanted_slaves))]
    if isinstance(breaker, HostLinks):
        logs.append(KernelLog(breaker.host, breaker.place, breaker.sudo, breaker.pfs))
    for log in logs:
        log.begin()
    return logs


def watcher(stack: ExitStack, name: str, wanted: Observer) -> Watcher:
    """The observer, reached and looked at."""
    if wanted.connect is None:
        place = Place(LocalConnection(f"observer {name}"), entered(wanted))
        return look(name, place, wanted.interface, sudo=False)
    connection: Connection = stack.enter_context(connect(wanted.connect, wanted.ssh_config, sudo=wanted.sudo))
    return look(name, Place(connection), wanted.interface, sudo=wanted.sudo)
