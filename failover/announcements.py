"""Pure code from a measured switch and the budgets to what is wrong with its announcements, in words."""

from __future__ import annotations

from failover.events import Do
from failover.frames import Kind
from failover.result import Direction
from failover.timeline import Announced, Timeline
from inventory.model import Budgets

NAMES = {"GARP": "gratuitous ARP", "NA": "unsolicited neighbour advertisement"}
KEPT = "neighbours keep the old MAC until their own entry runs out or the guest happens to talk to them"


def wrong(direction: Direction, by: str) -> list[str]:
    """What is wrong with the GARPs (or NAs) of every address that the observer can see: their number, their MACs."""
    if not direction.followed:
        return []
    name = NAMES[by]
    wanted = {each: direction.event.expected_for(each).tolerated for each in direction.visible if each.by == by}
    counts = {each: len(direction.timeline.of(each)) for each in wanted}
    found = []
    if unheard := [str(each) for each, count in counts.items() if count == 0 and wanted[each].start > 0]:
        found.append(f"no {name} from {direction.scene.new_mac} for {', '.join(unheard)}: {KEPT}")
    found += [
        f"{count} × {name} for {each}, wanted {_span(wanted[each])}"
        for each, count in counts.items()
        if count not in wanted[each] and (count or wanted[each].start == 0)
    ]
    return found + [
        f"{each.of.by} for {each.of} at {each.ms:.1f} ms announces {each.mac} in a frame from {each.source}, "
        f"both should be {direction.scene.new_mac}"
        for each in direction.timeline.wrong
        if each.of.by == by
    ]


def strange(direction: Direction, by: str) -> list[str]:
    """Numbers of GARPs or NAs that are no fault, but not the driver's usual ones."""
    found = []
    for announced in direction.visible:
        expected, count = direction.event.expected_for(announced), len(direction.timeline.of(announced))
        if announced.by == by and count in expected.tolerated and count not in expected.usual:
            found.append(f"{direction.name}: {count} × {by} for {announced}, usually {_span(expected.usual)}")
    return found


def silent_by_design(direction: Direction, by: str) -> list[str]:
    """Addresses that nobody announces because they sit on a bridge over the bond."""
    silent = [str(each) for each in direction.visible if each.by == by and each.over_bridge]
    told = direction.event.over_bridge
    if (
        not silent
        or told is None
        or told.garps.usual.stop > 1
        or direction.event.new_active == direction.event.old_active
    ):
        return []
    return [
        f"nothing announces {', '.join(silent)} after a failover: a bridge over a bond passes the bond's order to "
        "announce on to nobody. Put the address on the bond or a VLAN interface over it, or set net.ipv4.conf.BRIDGE."
        "arp_notify=1 (helps only where the bridge's own MAC changes with the bond's)"
    ]


def foreign(direction: Direction) -> list[str]:
    """GARPs and NAs for the guest's addresses from a MAC that is not the guest's."""
    return [
        f"{each.of.by} for {each.of} at {each.ms:.1f} ms from {each.mac} (frame from {each.source})"
        for each in direction.timeline.foreign
    ]


def late_garp(direction: Direction, budgets: Budgets) -> list[str]:
    """The first GARP came surely later than the budget allows."""
    timeline, budget_ms = direction.timeline, _garp_budget_ms(direction, budgets)
    at_least = timeline.first_garp_at_least_ms
    if not announces(direction) or not direction.followed:
        return []
    if at_least is None:
        return ["no gratuitous ARP was seen at all"]
    if at_least > budget_ms:
        return [f"the first gratuitous ARP came {first_garp(timeline)}, the budget is {budget_ms:.0f} ms"]
    return []


def announces(direction: Direction) -> bool:
    """Whether any GARP is due: none is when nothing changes, or when none is configured."""
    return any(direction.event.expected_for(each).tolerated.stop > 1 for each in direction.visible if each.by == "GARP")


def uncertain_garp(direction: Direction, budgets: Budgets) -> list[str]:
    """The first GARP may have been later than the budget: its upper bound is, its lower bound is not."""
    at_most, budget_ms = direction.timeline.first_garp_at_most_ms, _garp_budget_ms(direction, budgets)
    if at_most is None or at_most <= budget_ms or late_garp(direction, budgets):
        return []
    return [
        f"{direction.name}: the first gratuitous ARP came {first_garp(direction.timeline)}; {direction.record.way} "
        f"itself took {direction.record.took_ms:.0f} ms, so a budget of {budget_ms:.0f} ms cannot be judged"
    ]


def first_garp(timeline: Timeline) -> str:
    """The first GARP's latency by the observer's clock, with its bounds."""
    upper, lower = timeline.first_garp_at_most_ms, timeline.first_garp_at_least_ms
    if upper is None or lower is None:
        return "never"
    return f"{lower:.1f} to {upper:.1f} ms after the switch ({timeline.first_garp_ms:.1f} ms after its command began)"


def told(timeline: Timeline, announced: Announced) -> str:
    """How often an address was announced, how far apart and in which form, for the report."""
    spacing = timeline.spacing_ms(announced)
    apart = f", {' / '.join(f'{each:.0f}' for each in spacing)} ms apart" if spacing else ""
    replies = sum(each.form is Kind.GARP_REPLY for each in timeline.of(announced))
    form = f" ({replies} in reply form, which Linux does not send by itself)" if replies else ""
    return f"{len(timeline.of(announced))} × {announced.by} for {announced}{form}{apart}"


def _garp_budget_ms(direction: Direction, budgets: Budgets) -> float:
    """A lost link must first be noticed, which is part of the outage that the budget allows."""
    return budgets.first_garp_ms if direction.event.do is Do.SWITCH else budgets.outage_ms


def _span(wanted: range) -> str:
    return str(wanted.start) if len(wanted) == 1 else f"{wanted.start} to {wanted.stop - 1}"
