"""What a drill brings back: plain values, judged elsewhere."""

from __future__ import annotations

from dataclasses import dataclass

from failover.bond_state import BondState
from failover.events import Event
from failover.kernel_log import Logged
from failover.timeline import Announced, Scene, Timeline
from inventory.model import FaultName


@dataclass(frozen=True, slots=True)
class NeighbourMove:
    """The observer's own neighbour entry for one of the guest's addresses, around one switch."""

    address: str
    before: str
    """Its MAC before the switch; empty when there was no entry."""
    after: str
    """Its MAC when the watch ended."""
    moved_after_ms: float | None
    """From the switch until the entry first had the wanted MAC, by the observer's clock; None when it never did."""
    changes: tuple[tuple[float, str], ...] = ()
    """Every MAC that the entry took after the switch: ms from the switch, MAC."""


@dataclass(frozen=True, slots=True)
class Acted:
    """What another machine than the guest says about what it did to a link."""

    way: str
    status: int
    message: str
    took_ms: float


@dataclass(frozen=True, slots=True)
class SwitchRecord:
    """What the machine that did it says about one event. Times are by its own clock."""

    way: str
    marker: str
    status: int
    message: str
    active_before: str
    active_after: str
    mac_after: str
    took_ms: float
    """From the marker until the command had returned, start of its program included."""


@dataclass(frozen=True, slots=True)
class Direction:
    """One event as one observer saw it."""

    event: Event
    record: SwitchRecord
    scene: Scene
    timeline: Timeline
    visible: tuple[Announced, ...]
    """The announced addresses that the observer's place allows to see."""
    neighbours: tuple[NeighbourMove, ...]
    observer: str = ""
    """Named only where several watch."""
    round: int = 0
    """Which repetition of the drill this belongs to, from 1; 0 when it is not repeated."""

    @property
    def done(self) -> str:
        """By what, as a person says it."""
        return "in the guest" if self.record.way == self.event.do.value else f"by {self.record.way}"

    @property
    def followed(self) -> bool:
        """Whether the bond did what the event asks of it; if not, nothing changed that neighbours could learn."""
        return self.record.status == 0 and self.record.active_after == self.event.new_active

    @property
    def name(self) -> str:
        """As a person says it."""
        counted = f"#{self.round} " if self.round else ""
        seen_by = f" (seen by {self.observer})" if self.observer else ""
        return f"{counted}{self.event.name}{seen_by}"


@dataclass(frozen=True, slots=True)
class DrillResult:
    """Everything that one drill brought back.

    `refused`: why nothing was switched. `not_measured`: why the numbers may not be judged, although it was.
    """

    guest: str
    bond: str
    fault: FaultName
    observers: tuple[str, ...]
    before: BondState | None
    after: BondState | None
    directions: tuple[Direction, ...] = ()
    """Events in their order; each as often as there are observers."""
    refused: str | None = None
    does_not_apply: str | None = None
    """Why there is no such fault here: a driver that cannot do it, a site that has no such hook."""
    not_measured: str | None = None
    give_back: str = ""
    """What was said when the state was to be given back."""
    armed: str = ""
    """The undo timers that were armed."""
    left_behind: tuple[str, ...] = ()
    """What is not as it was on another machine than the guest, in words."""
    rounds: int = 1
    """How often the fault's events were to be done."""
    rounds_done: int = 0
    last_seen: str = ""
    """The bond as it was last heard of while the drill ran."""
    how: tuple[str, ...] = ()
    """How it was measured: who sent each observer's probes, and how punctually."""
    unfinished: str = ""
    """Why not all events of the fault were tried."""
    evidence: tuple[tuple[str, str], ...] = ()
    """Label and path inside the run folder."""
    figures: tuple[tuple[str, str], ...] = ()
    kernel: tuple[Logged, ...] = ()
    """What the kernels of the guest, and of the host that broke its link, logged meanwhile."""
