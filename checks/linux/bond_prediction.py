"""What a change of the active slave must look like, by the bond's options alone; drills hold their figures against it.

Pure code over plain values. Sources: see `checks.linux.bonding`, whose numbers these are.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol

from checks.linux.bonding import (
    DRIVERS_THAT_POLL_THEIR_LINK,
    Cause,
    Notifications,
    Span,
    expected_notifications,
    predicted_outage,
)


class Bonded(Protocol):
    """What a forecast needs of a bond; times in ms, `peer_notif_delay` None where the kernel has no such option."""

    @property
    def mode(self) -> str: ...  # noqa: D102 - the kernel's words, as for all of these
    @property
    def fail_over_mac(self) -> str: ...  # noqa: D102
    @property
    def miimon(self) -> int: ...  # noqa: D102
    @property
    def arp_interval(self) -> int: ...  # noqa: D102
    @property
    def downdelay(self) -> int: ...  # noqa: D102
    @property
    def num_grat_arp(self) -> int: ...  # noqa: D102
    @property
    def peer_notif_delay(self) -> int | None: ...  # noqa: D102
    @property
    def arp_notify(self) -> bool: ...  # noqa: D102


@dataclass(frozen=True, slots=True)
class Prediction:
    """What one change of the active slave must look like, as far as the configuration says.

    `outage`: the shortest and the longest gap in traffic; None when nothing in the configuration ends it. `garps`: per
    IPv4 address (unsolicited NAs per IPv6 address), with their spacing. `why`: how the longest outage comes about.
    """

    cause: Cause
    outage: Span | None
    garps: Notifications
    why: str

    def __str__(self) -> str:
        """The prediction as one line for a person."""
        gap = "lasts until a neighbour learns otherwise"
        if self.outage is not None:
            gap = f"costs at most {self.outage.high_ms:.0f} ms"
            gap += f", at least {self.outage.low_ms:.0f} ms" if self.outage.low_ms else ""
        counts = sorted({self.garps.usual.start, self.garps.usual.stop - 1})
        number = " to ".join(str(count) for count in counts)
        spacing = f", {self.garps.later_gap.high_ms:.0f} ms apart" if self.garps.later_gap else ""
        return f"{self.cause.value}: {gap} ({self.why}); gratuitous ARPs per address: {number}{spacing}"


def predicted(
    bond: Bonded,
    cause: Cause,
    *,
    slave_drivers: Iterable[str | None],
    over_bridge: bool = False,
    bridge_arp_notify: bool = False,
) -> Prediction | None:
    """What a drill on this bond must measure; None for modes without an active slave, of which nothing is foretold.

    `slave_drivers`: of all slaves, as any of them may be the one whose link is lost. `over_bridge`: the addresses sit
    on a bridge over the bond, which gets no notification, but with `bridge_arp_notify` announces a new MAC by itself.
    The option updelay is no part of it: it delays the return of a link.
    """
    if bond.mode != "active-backup":
        return None
    garps = expected_notifications(
        num_grat_arp=0 if over_bridge else bond.num_grat_arp,
        peer_notif_delay=bond.peer_notif_delay or 0,
        miimon=bond.miimon,
        arp_notify=bridge_arp_notify if over_bridge else bond.arp_notify,
        cause=cause,
        fail_over_mac=bond.fail_over_mac,
        arp_interval=bond.arp_interval,
    )
    polling = sorted(DRIVERS_THAT_POLL_THEIR_LINK & {driver for driver in slave_drivers if driver})
    longest = predicted_outage(
        cause=cause,
        fail_over_mac=bond.fail_over_mac,
        num_grat_arp=garps.usual.stop - 1,
        miimon=bond.miimon,
        arp_interval=bond.arp_interval,
        downdelay=bond.downdelay,
        slave_driver=polling[0] if polling else None,
    )
    shortest = float(bond.downdelay) if cause is Cause.LINK_LOSS and bond.miimon else 0.0
    outage = None if longest.at_most_ms is None else Span(shortest, longest.at_most_ms)
    return Prediction(cause, outage, garps, longest.because)
