"""How the bonding driver behaves: what its options mean, what it sends after a failover, how long that may take.

Pure code over plain values; used by the bond checks and, as the forecast that a drill is measured against, by drills.

Sources: drivers/net/bonding/bond_main.c and Documentation/networking/bonding.rst of Linux 6.12; the counts and the
spacing were also measured on 6.12.107 with an emulated 82576.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

DRIVERS_THAT_POLL_THEIR_LINK = frozenset({"igbvf", "ixgbevf"})
"""VF drivers that look at their link every 2 s (igbvf watchdog, ixgbevf_service_timer); others are told by the PF."""

LINK_POLL_MS = 2000

ARP_INTERVALS_UNTIL_DOWN = 3.5
"""bond_time_in_interval with the default arp_missed_max of 2, and up to one more interval until the next look."""

SCHEDULING_SLACK_MS = 50
"""Between a timer that is due and its frame on the wire, on a machine that is not overloaded."""


MODES = frozenset({"balance-rr", "active-backup", "balance-xor", "broadcast", "802.3ad", "balance-tlb", "balance-alb"})
"""Every mode that there is (bond_mode_tbl)."""


class Cause(Enum):
    """Why the active slave changed: the driver behaves differently."""

    MANUAL = "manual switch"
    LINK_LOSS = "loss of link"


@dataclass(frozen=True, slots=True)
class Span:
    """A range of milliseconds, both ends included."""

    low_ms: float
    high_ms: float


@dataclass(frozen=True, slots=True)
class Notifications:
    """The gratuitous ARPs for ONE IPv4 address (and the unsolicited NAs for one IPv6 address) after a failover.

    The bond and every VLAN interface over it send this many for each of their addresses.
    `usual`: what the driver sends when nothing interferes. `tolerated`: what is still no fault of the bond, because the
    driver's monitor may lose or repeat one when another holds the kernel's network lock (rtnl_trylock).
    `first_gap` and `later_gap`: between the first two, and between the following ones; None where there is no such gap.
    Their lower ends are no limit to judge by: kernels since the 2025 rework may send two frames back to back.
    """

    usual: range
    tolerated: range
    first_gap: Span | None
    later_gap: Span | None


@dataclass(frozen=True, slots=True)
class Outage:
    """How long a guest's neighbours may miss it. `at_most_ms` None: until something else teaches them its place."""

    at_most_ms: float | None
    because: str


def ticks_between_notifications(*, peer_notif_delay: int, miimon: int) -> int:
    """Monitor ticks from one notification to the next; the driver keeps the delay as a multiple of miimon."""
    return max(1, peer_notif_delay // miimon) if miimon else 1


def expected_notifications(
    *,
    num_grat_arp: int,
    peer_notif_delay: int,
    miimon: int,
    arp_notify: bool,
    cause: Cause,
    fail_over_mac: str = "active",
    arp_interval: int = 0,
) -> Notifications:
    """What the wire should show, per address, after one change of the active slave of an active-backup bond.

    All times in ms. `arp_notify`: net.ipv4.conf.<bond>.arp_notify, which adds one when the bond's MAC changes.
    Source: bond_change_active_slave, bond_mii_monitor, bond_activebackup_arp_mon; inetdev_event for arp_notify.
    """
    changes_mac = 1 if arp_notify and fail_over_mac == "active" else 0
    if num_grat_arp == 0:
        return Notifications(_upto(0, changes_mac), _upto(0, changes_mac), None, None)
    tick = miimon or arp_interval
    sent = num_grat_arp if tick else 1  # without a monitor nothing ever sends the repeats
    ticks = ticks_between_notifications(peer_notif_delay=peer_notif_delay, miimon=miimon)
    swallowed = 1 if cause is Cause.LINK_LOSS and ticks == 1 and sent > 1 else 0
    gap = float(ticks * tick)
    return Notifications(
        usual=_upto(sent - swallowed, sent + changes_mac),
        tolerated=_upto(max(1, sent - 1), sent + 1 + changes_mac),
        first_gap=Span(max(0.0, gap - tick), gap) if sent > 1 else None,
        later_gap=Span(gap, gap) if sent > 2 else None,
    )


def swallows_on_link_loss(*, num_grat_arp: int, peer_notif_delay: int, miimon: int) -> bool:
    """Whether a loss of link costs one of the notifications.

    `bond_mii_monitor` counts one down after it has decided whether to send and before it changes the slave; a delay of
    at least two ticks between notifications keeps the count from reaching a sending value there.
    """
    return (
        num_grat_arp > 1
        and miimon > 0
        and ticks_between_notifications(peer_notif_delay=peer_notif_delay, miimon=miimon) == 1
    )


def predicted_outage(
    *,
    cause: Cause,
    fail_over_mac: str,
    num_grat_arp: int,
    miimon: int,
    arp_interval: int = 0,
    downdelay: int = 0,
    slave_driver: str | None = None,
    silent: bool = False,
) -> Outage:
    """The longest gap in traffic that this configuration explains by itself, in ms; a drill measures the real one.

    `silent`: the address sits on a bridge over the bond, which sends no notifications at all.
    """
    if cause is Cause.LINK_LOSS and not miimon and not arp_interval:
        return Outage(None, "neither miimon nor arp_interval is set: the bond does not notice a dead link")
    if num_grat_arp == 0 or silent:
        what = "its new MAC" if fail_over_mac == "active" else "its new switch port"
        return Outage(None, f"nothing is announced: neighbours learn {what} only from the guest's own traffic")
    announce = 2 * (miimon or arp_interval) + SCHEDULING_SLACK_MS
    if cause is Cause.MANUAL:
        return Outage(announce, "the first notification is sent inside the switch, or at the monitor's next look")
    if not miimon:
        detected = ARP_INTERVALS_UNTIL_DOWN * arp_interval
        return Outage(detected + announce, "a slave is down after 2.5 arp_intervals without an answer")
    poll = LINK_POLL_MS if slave_driver in DRIVERS_THAT_POLL_THEIR_LINK else 0
    told = f"{slave_driver} looks at its link every {LINK_POLL_MS} ms" if poll else "the slave's driver is told at once"
    return Outage(poll + miimon + downdelay + announce, f"{told}; then miimon, downdelay and the first notification")


def refused_mac(fail_over_mac: str) -> str:
    """Why a second VF cannot join a bond in this setting, for a person.

    Source: bond_enslave; igb, ixgbe, i40e: a PF refuses a MAC change of a VF with an administrative MAC and no trust.
    """
    return (
        f"with fail_over_mac={fail_over_mac} the bond writes MACs into its slaves, and a PF refuses that for a VF whose"
        " MAC it has set and does not trust (guest's log: 'Error ... calling set_mac_address'), so the VF cannot join"
    )


def option_name(text: str) -> str:
    """The word in an option that sysfs prints as `<name> <number>` (`active-backup 1`); unknown words come back as is.

    Source: bond_sysfs.c (`%s %llu`).
    """
    name, _, number = text.strip().rpartition(" ")
    return name if name and number.isdigit() else text.strip()


def _upto(low: int, high: int) -> range:
    return range(low, high + 1)
