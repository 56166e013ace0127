"""What a drill does to a bond, event by event, and what the bonding driver is to make of each. Pure code.

Sources: bond_choose_primary_or_current, bond_find_best_slave and bond_change_active_slave in
drivers/net/bonding/bond_main.c of Linux 6.12; Documentation/networking/bonding.rst (primary_reselect).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from enum import Enum

from checks.linux.bonding import Cause, Notifications
from failover import foretold
from failover.bond_state import BondState
from failover.foretold import Foretold
from failover.timeline import Announced
from inventory.model import FaultName

NOBODY = ""
"""No slave is active, or is to be."""


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
    """The MAC that neighbours see before and after; while no slave is active it stays the last one."""
    expected: Notifications
    """Per address that is announced at all."""
    down: frozenset[str] = frozenset()
    """Slaves without a link when it is done, before their state changes by it."""
    bond_mac: str = ""
    """The bond's own MAC afterwards; empty when it is the one that neighbours see."""
    foretold: Foretold | None = None
    """What it must cost and show."""
    over_bridge: Foretold | None = None
    """The same for addresses that sit on a bridge over the bond; None when there is no bridge."""

    def foretold_for(self, address: Announced) -> Foretold | None:
        """What must be seen of this address."""
        return self.over_bridge if address.over_bridge else self.foretold

    def expected_for(self, address: Announced) -> Notifications:
        """The announcements that the wire should show of this address."""
        return self.over_bridge.garps if address.over_bridge and self.over_bridge else self.expected

    @property
    def wanted_bond_mac(self) -> str:
        """The MAC that the bond itself must have afterwards."""
        return self.bond_mac or self.new_mac

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
    walk = _Walk(bond, fault)
    if fault == "switch":
        return tuple(_switches(walk, bond))
    return tuple(_both_down(walk, bond) if fault == "both-down" else _each_down(walk, bond))


def _switches(walk: _Walk, bond: BondState) -> Iterator[Event]:
    there = next(slave.nic for slave in bond.slaves if slave.nic != bond.active_slave)
    yield walk.do(Do.SWITCH, (there,))
    yield walk.do(Do.SWITCH, (bond.active_slave,))


def _each_down(walk: _Walk, bond: BondState) -> Iterator[Event]:
    """Take the link of the active slave away and give it back; then the same with the one that took over."""
    first = bond.active_slave
    yield from walk.down_and_up(first)
    # With a primary that takes over again, the other slave never becomes active by a loss: its own loss is then seen
    # to cost nothing.
    other = walk.active if walk.active != first else _first(bond, first)
    yield from walk.down_and_up(other)


def _both_down(walk: _Walk, bond: BondState) -> Iterator[Event]:
    others = tuple(slave.nic for slave in bond.slaves if slave.nic != bond.active_slave)
    yield walk.do(Do.DOWN, others)
    yield walk.do(Do.DOWN, (bond.active_slave,))
    yield walk.do(Do.UP, (bond.active_slave,))
    yield walk.do(Do.UP, others)


def _first(bond: BondState, but: str) -> str:
    return next(slave.nic for slave in bond.slaves if slave.nic != but)


class _Walk:
    """The bond as the driver has it after each event."""

    def __init__(self, bond: BondState, fault: FaultName) -> None:
        self._bond, self._fault = bond, fault
        self._down: frozenset[str] = frozenset()
        self._mac = bond.mac
        self.active = bond.active_slave

    def down_and_up(self, nic: str) -> Iterator[Event]:
        yield self.do(Do.DOWN, (nic,))
        yield self.do(Do.UP, (nic,))

    def do(self, do: Do, nics: tuple[str, ...]) -> Event:
        """The next event. For a switch: to the first of `nics`."""
        old, old_mac, down = self.active, self._mac, self._down
        if do is Do.SWITCH:
            self.active = nics[0]
        else:
            self._down = down | set(nics) if do is Do.DOWN else down - set(nics)
            self.active = chosen(self._bond, old, self._down)
        self._mac = self._bond.mac_with_active(self.active) if self.active else old_mac
        plain = self._foretold(do, old)
        event = Event(do, nics, old, self.active, old_mac, self._mac, plain.garps, down, foretold=plain)
        if (bridge := self._bond.bridge) is None:
            return event
        return replace(
            event,
            old_mac=bridge.mac_with(old_mac),
            new_mac=bridge.mac_with(self._mac),
            bond_mac=self._mac,
            over_bridge=self._foretold(do, old, over_bridge=True),
        )

    def _foretold(self, do: Do, old: str, *, over_bridge: bool = False) -> Foretold:
        if self.active == NOBODY:
            return foretold.cut_off()
        if self.active == old:
            return foretold.nothing_changes()
        cause = Cause.MANUAL if do is Do.SWITCH else Cause.LINK_LOSS
        found = foretold.change(self._bond, self._fault, cause, both_up=do is not Do.DOWN, over_bridge=over_bridge)
        if old != NOBODY:
            return found
        # The bond's own carrier comes back with the slave: how many of the first ones the pending link event
        # (linkwatch) swallows is chance (bond_should_notify_peers).
        most = max(found.garps.tolerated.stop, 1)
        fewer = range(min(1, most - 1), most)
        return foretold.recovery(replace(found.garps, usual=fewer, tolerated=fewer))


def chosen(bond: BondState, current: str, down: Iterable[str]) -> str:
    """The active slave that the driver chooses while these have no link; `NOBODY` when none is left."""
    up = [slave.nic for slave in bond.slaves if slave.nic not in set(down)]
    if bond.primary in up and (current not in up or bond.primary_reselect == "always"):
        return bond.primary
    if current in up:
        return current
    return up[0] if up else NOBODY
