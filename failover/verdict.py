"""Pure code from a measured switch and the budgets to what is wrong with it, in words. An empty list: nothing is."""

from __future__ import annotations

from failover import announcements
from failover.announcements import KEPT, NAMES, first_garp
from failover.events import Do
from failover.probes import Probes
from failover.result import Direction, NeighbourMove
from failover.timeline import Timeline
from inventory.model import Budgets

NOT_FOLLOWED = 'nothing failed over (see the row "The bond follows")'
"""What statements say whose own failure is just a consequence."""
UNNOTICED = (
    "the bond did not notice: the link that its monitor looks at stayed up, so traffic stays lost until the fault is "
    "mended. miimon sees no further than the VF's own link. What sees further: VFs that follow their port (link-state "
    "auto) with a switch that takes ports down when its uplink is gone, or ARP monitoring (arp_interval, arp_ip_target)"
)


def not_carried_out(direction: Direction) -> list[str]:
    """The bond did not do what was asked of it, or what the loss of a link asks of it."""
    event, record = direction.event, direction.record
    said = f": {record.message}" if record.message else ""
    if record.status:
        return [f"{record.way} ended with status {record.status}{said}"]
    if record.active_after != event.new_active:
        still = "still " if record.active_after == event.old_active else ""
        why = f"; {UNNOTICED}" if still and event.do is Do.DOWN else said
        wanted = event.new_active or "none"
        return [f"the active slave is {still}{record.active_after or 'none'} after {record.way}, wanted {wanted}{why}"]
    if record.mac_after != event.wanted_bond_mac:
        return [f"the bond has MAC {record.mac_after}, fail_over_mac asks for {event.wanted_bond_mac}"]
    return []


def outages(direction: Direction, budgets: Budgets) -> list[str]:
    """Gaps in traffic beyond the budget, by each probed address; only where the wire was clean before.

    Where there was no path before, what counts is when the first probe after the event was answered.
    """
    if direction.event.cuts_off:
        return []
    if direction.event.recovers:
        told = [_late_recovery(probes, direction.timeline, budgets) for probes in direction.timeline.probes]
    else:
        told = [_outage(probes, budgets) for probes in direction.timeline.probes]
    return [sentence for sentence in told if sentence]


def _late_recovery(probes: Probes, timeline: Timeline, budgets: Budgets) -> str | None:
    if probes.first_answer_ms is None:
        return f"{probes.address} did not answer again until the watch ended"
    if timeline.surely_after_ms(probes.first_answer_ms) > budgets.outage_ms:
        late = f"{probes.address} answered again only after {probes.first_answer_ms:.0f} ms"
        return f"{late}, the budget is {budgets.outage_ms:.0f} ms"
    return None


def _outage(probes: Probes, budgets: Budgets) -> str | None:
    if probes.baseline_lost or (probes.gap_ms <= budgets.outage_ms and not probes.still_out):
        return None
    to_old = f"; {probes.to_old_mac} of its probes still went to the old MAC" if probes.to_old_mac else ""
    if probes.still_out:
        return f"{probes.address} no longer answered, for {probes.gap_ms:.0f} ms until the watch ended{to_old}"
    return (
        f"{probes.address} did not answer for {probes.gap_ms:.0f} ms (known to {probes.resolution_ms:.0f} ms), "
        f"the budget is {budgets.outage_ms:.0f} ms{to_old}"
    )


def with_cause(direction: Direction, found: list[str]) -> list[str]:
    """Complaints, as one that names its cause where that is told in another row."""
    return found if direction.followed or not found else [f"{NOT_FOLLOWED}: {', '.join(found)}"]


def dirty_baselines(direction: Direction) -> list[str]:
    """Where the wire lost probes before the event, so that its losses may not be blamed on the bond."""
    if direction.event.recovers or direction.event.cuts_off:
        return []
    return [
        f"{probes.baseline_lost} of {probes.baseline_sent} probes to {probes.address} were lost before the switch"
        for probes in direction.timeline.probes
        if probes.baseline_lost
    ]


def too_many_lost(direction: Direction, budgets: Budgets) -> list[str]:
    """Probes lost beyond the budget."""
    if direction.event.cuts_off or direction.event.recovers:
        return []
    return [
        f"{probes.lost} probes to {probes.address} were lost (interval {probes.interval_ms:.1f} ms), "
        f"the budget is {budgets.lost_probes}"
        for probes in direction.timeline.probes
        if budgets.lost_probes is not None and not probes.baseline_lost and probes.lost > budgets.lost_probes
    ]


def stuck_neighbours(direction: Direction, budgets: Budgets) -> list[str]:
    """Entries of the observer that did not have the new MAC in time."""
    if direction.event.cuts_off or not direction.followed:
        return []
    return [complaint for move in direction.neighbours if (complaint := _stuck(move, direction, budgets))]


def _stuck(move: NeighbourMove, direction: Direction, budgets: Budgets) -> str | None:
    wanted = direction.scene.new_mac
    if wanted in {direction.scene.old_mac, move.before}:
        return None
    if move.moved_after_ms is None:
        return f"the observer's entry for {move.address} kept {move.after or 'no MAC'}, wanted {wanted}: {KEPT}"
    if (at_least := direction.timeline.surely_after_ms(move.moved_after_ms)) > budgets.neighbour_s * 1000:
        return (
            f"the observer's entry for {move.address} had {wanted} only after {move.moved_after_ms:.0f} ms "
            f"(at least {at_least:.0f} ms after the switch), "
            f"the budget is {budgets.neighbour_s:g} s{_by_other_means(move, direction.timeline)}"
        )
    return None


def uncertain_neighbours(direction: Direction, budgets: Budgets) -> list[str]:
    """Entries that may have had the new MAC too late: the command itself took so long that it cannot be judged."""
    if direction.event.cuts_off or direction.scene.new_mac == direction.scene.old_mac:
        return []
    timeline, budget_ms = direction.timeline, budgets.neighbour_s * 1000
    return [
        f"{direction.name}: the observer's entry for {move.address} had the new MAC {move.moved_after_ms:.0f} ms after "
        f"{direction.record.way} began, which itself took {direction.record.took_ms:.0f} ms: a budget of "
        f"{budgets.neighbour_s:g} s cannot be judged"
        for move in direction.neighbours
        if move.moved_after_ms is not None
        and move.before != direction.scene.new_mac
        and timeline.at_most_after_ms(move.moved_after_ms) > budget_ms >= timeline.surely_after_ms(move.moved_after_ms)
    ]


def _by_other_means(move: NeighbourMove, timeline: Timeline) -> str:
    announced = any(each.of.address == move.address for each in timeline.announcements)
    return "" if announced else "; nothing announced it: other traffic of the guest did"


def complaints(direction: Direction, budgets: Budgets) -> list[str]:
    """All that any statement would call broken about one event."""
    return [
        *not_carried_out(direction),
        *dirty_baselines(direction),
        *outages(direction, budgets),
        *too_many_lost(direction, budgets),
        *(each for by in NAMES for each in announcements.wrong(direction, by)),
        *announcements.foreign(direction),
        *announcements.late_garp(direction, budgets),
        *stuck_neighbours(direction, budgets),
    ]


def numbers(direction: Direction) -> list[str]:
    """The measured numbers of one switch, one line each, for the report."""
    timeline, record = direction.timeline, direction.record
    lines = [
        f"{direction.name} {direction.done} ({record.took_ms:.1f} ms there); MAC {direction.scene.old_mac} → "
        f"{direction.scene.new_mac}; timed by {timeline.switched.by}",
    ]
    if timeline.first_garp_ms is not None:
        lines.append(f"{direction.name}: first gratuitous ARP {first_garp(timeline)}")
    if timeline.last_from_old_ms is not None and timeline.first_from_new_ms is not None:
        lines.append(
            f"{direction.name}: last frame from the old MAC at {timeline.last_from_old_ms:.1f} ms, "
            f"first from the new one at {timeline.first_from_new_ms:.1f} ms"
        )
    lines += [f"{direction.name}: {announcements.told(timeline, each)}" for each in direction.visible]
    hidden = sorted(set(direction.scene.announced) - set(direction.visible))
    if hidden:
        lines.append(f"{direction.name}: not visible from the observer: {', '.join(map(str, hidden))}")
    lines += [f"{direction.name}: {_told(probes)}" for probes in timeline.probes]
    lines += [f"{direction.name}: {_moved(move, direction)}" for move in direction.neighbours]
    return lines


def _told(probes: Probes) -> str:
    return (
        f"{probes.address}: longest gap {probes.gap_ms:.1f} ms{' and still out' if probes.still_out else ''}, "
        f"{probes.lost} of {probes.sent} probes lost, {probes.duplicated} duplicated, {probes.reordered} reordered, "
        f"longest silence {probes.silence_ms:.1f} ms, {probes.to_old_mac} sent to the old MAC, "
        f"{probes.baseline_lost} of {probes.baseline_sent} lost before (interval {probes.interval_ms:.2f} ms, "
        f"{probes.longest_interval_ms:.2f} at most)"
    )


def _moved(move: NeighbourMove, direction: Direction) -> str:
    if direction.scene.old_mac == direction.scene.new_mac:
        return f"the observer's entry for {move.address} has no MAC to learn ({move.after or 'none'})"
    if move.before == direction.scene.new_mac:
        return f"the observer's entry for {move.address} had {move.before} already: it never learned another"
    if move.moved_after_ms is None:
        return f"the observer's entry for {move.address} stayed at {move.after or 'none'}"
    return f"the observer's entry for {move.address} had the new MAC after {move.moved_after_ms:.0f} ms"
