"""What a drill does to a bond, event by event, and what the bonding driver is to make of each. Pure code.

Sources: bond_choose_primary_or_current, bond_find_best_slave and bond_change_active_slave in
drivers/net/bonding/bond_main.c of Linux 6.12; Documentation/networking/bonding.rst (primary_reselect).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from enum import Enum

from checks.linux.bonding import Cause, Notifications, expected_notifications
from failover.bond_state import BondState
from inventory.model import FaultName

NOBODY = ""
"""No slave is active, or is to be."""
_SILENCE = Notifications(range(1), range(1), None, None)


class Do(Enum):
    """What is done: another active slave by command, links taken away, links given back."""

    SWITCH = "switch"
    DOWN = "down"
    UP = "up"


@dataclass(frozen=True, slots=True)
class Event:
    """One thing that is done, and what is to come of it. `nics` are slaves, by their names in the guest."""

    do: Do
    nics: tuple[str, ...]
    old_active: str
    new_active: str
    old_mac: str
    new_mac: str
    """The bond's own MAC before and after; while no slave is active it keeps the last one."""
    expected: Notifications
    down: frozenset[str] = frozenset()
    """Slaves without a link when it is done, before their state changes by it."""

    @property
    def name(self) -> str:
        """As a person says it."""
        change = f"{self.old_active or 'none'}→{self.new_active or 'none'}"
        if self.do is Do.SWITCH:
            return change
        said = f"{' and '.join(self.nics)} {self.do.value}"
        return said if self.old_active == self.new_active else f"{said} ({change})"

    @property
    def cuts_off(self) -> bool:
        """No path to the guest is left afterwards, on purpose."""
        return self.new_active == NOBODY

    @property
    def recovers(self) -> bool:
        """There was no path before: what counts is how soon there is one again."""
        return self.old_active == NOBODY and not self.cuts_off


def planned(fault: FaultName, bond: BondState) -> tuple[Event, ...]:
    """The events of one drill on a bond that is whole; the last ones give every link back.

    The active slave may be another one at the end: `DrilledGuest.give_back` restores it.
    """
    if fault == "switch":
        return tuple(_switches(bond))
    return tuple(_both_down(bond) if fault == "both-down" else _each_down(bond))


def _switches(bond: BondState) -> Iterator[Event]:
    there = next(slave.nic for slave in bond.slaves if slave.nic != bond.active_slave)
    for old, new in ((bond.active_slave, there), (there, bond.active_slave)):
        macs = bond.mac_with_active(old), bond.mac_with_active(new)
        yield Event(Do.SWITCH, (new,), old, new, *macs, _notifications(bond, Cause.MANUAL))


def _each_down(bond: BondState) -> Iterator[Event]:
    """Take the link of the active slave away and give it back; then the same with the one that took over."""
    walk = _Walk(bond)
    first = bond.active_slave
    yield from walk.down_and_up(first)
    # With a primary that takes over again, the other slave never becomes active by a loss: its own loss is then seen
    # to cost nothing.
    other = walk.active if walk.active != first else _first(bond, first)
    yield from walk.down_and_up(other)


def _both_down(bond: BondState) -> Iterator[Event]:
    walk = _Walk(bond)
    others = tuple(slave.nic for slave in bond.slaves if slave.nic != bond.active_slave)
    yield walk.do(Do.DOWN, others)
    yield walk.do(Do.DOWN, (bond.active_slave,))
    yield walk.do(Do.UP, (bond.active_slave,))
    yield walk.do(Do.UP, others)


def _first(bond: BondState, but: str) -> str:
    return next(slave.nic for slave in bond.slaves if slave.nic != but)


class _Walk:
    """The bond as the driver has it after each event."""

    def __init__(self, bond: BondState) -> None:
        self._bond = bond
        self._down: frozenset[str] = frozenset()
        self._mac = bond.mac
        self.active = bond.active_slave

    def down_and_up(self, nic: str) -> Iterator[Event]:
        yield self.do(Do.DOWN, (nic,))
        yield self.do(Do.UP, (nic,))

    def do(self, do: Do, nics: tuple[str, ...]) -> Event:
        old, old_mac, down = self.active, self._mac, self._down
        self._down = down | set(nics) if do is Do.DOWN else down - set(nics)
        self.active = chosen(self._bond, old, self._down)
        self._mac = self._bond.mac_with_active(self.active) if self.active else old_mac
        return Event(do, nics, old, self.active, old_mac, self._mac, self._announced(old), down)

    def _announced(self, old: str) -> Notifications:
        if self.active in (old, NOBODY):
            return _SILENCE
        loss = _notifications(self._bond, Cause.LINK_LOSS)
        if old != NOBODY:
            return loss
        # The bond's own carrier comes back with the slave: how many of the first ones the pending link event
        # (linkwatch) swallows is chance (bond_should_notify_peers).
        most = max(loss.tolerated.stop, 1)
        return replace(loss, usual=range(min(1, most - 1), most), tolerated=range(min(1, most - 1), most))


def chosen(bond: BondState, current: str, down: Iterable[str]) -> str:
    """The active slave that the driver chooses while these have no link; `NOBODY` when none is left."""
    up = [slave.nic for slave in bond.slaves if slave.nic not in set(down)]
    if bond.primary in up and (current not in up or bond.primary_reselect == "always"):
        return bond.primary
    if current in up:
        return current
    return up[0] if up else NOBODY


def _notifications(bond: BondState, cause: Cause) -> Notifications:
    return expected_notifications(
        num_grat_arp=bond.num_grat_arp,
        peer_notif_delay=bond.peer_notif_delay,
        miimon=bond.miimon,
        arp_notify=bond.arp_notify,
        cause=cause,
        fail_over_mac=bond.fail_over_mac,
        arp_interval=bond.arp_interval,
    )
