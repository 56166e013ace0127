"""What each event of a drill must cost and show, by the guest's own state alone: foretold before anything is done.

The numbers are those of `checks.linux.bond_prediction`; here they are applied to one event on one bond.
"""

from __future__ import annotations

from dataclasses import dataclass

from checks.linux.bond_prediction import Prediction, predicted
from checks.linux.bonding import Cause, Notifications, Span
from failover.bond_state import BondState
from inventory.model import FaultName

IN_THE_GUEST: frozenset[FaultName] = frozenset({"switch", "slave-down", "both-down"})
"""Faults that are commands in the guest: its own driver carries them out, and the bond hears of them at once."""
SILENCE = Notifications(range(1), range(1), None, None)
BEYOND_THE_LINK = (
    "miimon looks at the slave's own link and no further: whether a cut wire ever shows there is not known"
)
LINK_COMES_UP = "how long a NIC takes to bring its link up is no setting"


@dataclass(frozen=True, slots=True)
class Foretold:
    """What one event must look like to neighbours, for addresses of one kind."""

    outage: Span | None
    """The shortest and the longest gap in traffic; None when no setting tells."""
    why: str
    garps: Notifications
    """Per address."""
    takes_its_command: bool = False
    """The outage may last as long as the guest's own command does, beside everything else."""

    @property
    def announced(self) -> str:
        """How many gratuitous ARPs (or NAs) per address, for a person."""
        low, high = self.garps.usual.start, self.garps.usual.stop - 1
        apart = f", {self.garps.later_gap.high_ms:.0f} ms apart" if self.garps.later_gap else ""
        return (f"{low} to {high}" if low != high else str(low)) + apart

    def __str__(self) -> str:
        """The outage foretold, for a person."""
        if self.outage is None:
            return f"no end of the outage ({self.why})"
        if not self.outage.high_ms:
            return f"no outage ({self.why})"
        least = f"at least {self.outage.low_ms:.0f} and " if self.outage.low_ms else ""
        return f"an outage of {least}at most {self.outage.high_ms:.0f} ms ({self.why})"


def nothing_changes() -> Foretold:
    """A link that carries no traffic goes or comes."""
    return Foretold(Span(0.0, 0.0), "another slave carries the traffic, and goes on with it", SILENCE)


def cut_off() -> Foretold:
    """The last link goes."""
    return Foretold(None, "no slave with a link is left until one comes back", SILENCE)


def recovery(garps: Notifications) -> Foretold:
    """A link comes back to a bond that had none."""
    return Foretold(None, LINK_COMES_UP, garps)


def change(bond: BondState, fault: FaultName, cause: Cause, *, both_up: bool, over_bridge: bool = False) -> Foretold:
    """Another slave becomes the active one. `both_up`: the one that it takes over from has its link still.

    `over_bridge`: for addresses that sit on a bridge over the bond.
    """
    bridge = bond.bridge if over_bridge else None

    def by(cause: Cause) -> Prediction | None:
        return predicted(
            bond,
            cause,
            slave_drivers=() if fault in IN_THE_GUEST else [slave.driver for slave in bond.slaves],
            over_bridge=bridge is not None,
            bridge_arp_notify=bridge is not None and bridge.arp_notify and not bridge.keeps_mac,
        )

    found, counted = by(Cause.MANUAL if both_up else cause), by(cause)
    if found is None or counted is None:
        return Foretold(None, f"nothing is foretold of mode {bond.mode}", SILENCE)
    outage, why = found.outage, found.why
    if bridge is not None and outage is None:
        why = f"the address is on the bridge {bridge.name}, and a bridge over a bond announces nothing: {why}"
    if fault == "wire-cut" and not bond.arp_interval:
        outage, why = None, BEYOND_THE_LINK
    return Foretold(outage, why, counted.garps, takes_its_command=fault in IN_THE_GUEST)
