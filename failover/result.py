"""What a drill brings back: plain values, judged elsewhere."""

from __future__ import annotations

from dataclasses import dataclass

from checks.linux.bonding import Notifications
from failover.bond_state import BondState
from failover.timeline import Announced, Scene, Timeline


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
class SwitchRecord:
    """What the guest says about one switch. Times are by the guest's own clock."""

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
    """One switch, there or back."""

    old_active: str
    new_active: str
    record: SwitchRecord
    scene: Scene
    timeline: Timeline
    expected: Notifications
    visible: tuple[Announced, ...]
    """The announced addresses that the observer's place allows to see."""
    neighbours: tuple[NeighbourMove, ...]

    @property
    def name(self) -> str:
        """As a person says it."""
        return f"{self.old_active}→{self.new_active}"


@dataclass(frozen=True, slots=True)
class DrillResult:
    """Everything that one drill brought back.

    `refused`: why nothing was switched. `not_measured`: why the numbers may not be judged, although it was.
    """

    guest: str
    bond: str
    observer: str
    before: BondState | None
    after: BondState | None
    directions: tuple[Direction, ...] = ()
    refused: str | None = None
    not_measured: str | None = None
    give_back: str = ""
    """What the guest said when it was asked to give the state back."""
    armed: str = ""
    """The undo timer that was armed."""
    evidence: tuple[tuple[str, str], ...] = ()
    """Label and path inside the run folder."""
    figures: tuple[tuple[str, str], ...] = ()
