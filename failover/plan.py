"""What one drill is to do, and who may have to help."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from failover import watch as watching
from failover.events import Event
from failover.guest import DrilledGuest
from failover.result import Acted
from failover.timeline import Announced
from inventory.model import Budgets, FaultName


class Holder(Protocol):
    """A machine that holds part of a fault, and can undo it alone."""

    @property
    def name(self) -> str:
        """Where it is, for a person."""

    def arm(self, token: str, give_back_after_s: int) -> str:
        """Lock it against other drills and arm its own undo timer; says which. Raises `Refused`."""

    def renew(self, former: str, token: str, give_back_after_s: int) -> tuple[str, str]:
        """Undo the fault and keep the lock, with a new timer before the old one ends; says how it went, and which."""

    def give_back(self, token: str) -> str:
        """Undo the fault, then disarm the timer and open the lock; says how it went."""


class Breaker(Holder, Protocol):
    """Who takes a slave's link away when the guest does not do it itself: its host, or a site's switch."""

    def differences(self) -> tuple[str, ...]:
        """What is not as it was when it was armed, in words."""

    def act(self, event: Event) -> Acted:
        """Take the links of `event.nics` away, or give them back."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What the inventory asks of one drill."""

    guest: DrilledGuest
    fault: FaultName
    way: str
    """How to switch; only for the fault `switch`."""
    wanted_slaves: tuple[str, ...]
    wanted_addresses: tuple[Announced, ...]
    """Used only where the guest itself cannot tell its addresses."""
    probe_interval_ms: float
    give_back_after_s: int
    budgets: Budgets
    breaker: Breaker | None = None
    """None: the guest does everything itself."""
    reconnect: Callable[[], DrilledGuest] | None = None
    """The same guest over a new connection, for when the first is lost. Raises what a connection raises."""

    def watch_s(self, event: Event) -> float:
        """How long one event is watched at most: as long as any budget, and a little more to see by how much."""
        budgets = self.budgets
        longest = max(budgets.outage_ms / 1000, budgets.neighbour_s, budgets.first_garp_ms / 1000)
        return max(longest + 1, watching.notify_s(event.expected))
