"""What was foretold of an event beside what was measured, and whether they differ by more than the instrument explains.

Less than foretold is fine: the longest outage is foretold. More is judged only beyond everything that could excuse it:
how well the gap is known, how long the guest's own command took, how slowly the guest answered before anything was
done, and how much later than set it sent its announcements, which is how short of CPU it was meanwhile.
"""

from __future__ import annotations

from collections.abc import Iterator
from statistics import median

from checks.linux.bonding import Span
from failover.foretold import Foretold
from failover.probes import Probes
from failover.result import Direction
from failover.timeline import Announced

FAR = 3
"""So many times the outage foretold, and more than FAR_MS beyond it, no slow machine explains any more."""
FAR_MS = 500
SLOW = 1.5
"""A guest whose announcements are this many times as far apart as they are set is called short of CPU."""


def beside(direction: Direction) -> list[str]:
    """A line for each probed address: foretold, measured."""
    return [_line(direction, probes, foretold) for probes, foretold in pairs(direction)]


def caption(direction: Direction) -> str:
    """What a figure of this event shows, in a line: foretold and measured of the address that it draws."""
    for probes, foretold in pairs(direction):
        measured = _measured(probes, recovers=direction.event.recovers)
        most = "no end" if foretold.outage is None else f"at most {foretold.outage.high_ms:.0f} ms"
        return f"{direction.name} {direction.done}: outage foretold: {most}, measured: {measured}"
    return f"{direction.name} {direction.done}"


def uneventful(direction: Direction) -> bool:
    """Nothing was to change, and nothing was lost or announced: a figure of it would show an empty line."""
    timeline, event = direction.timeline, direction.event
    heard = (*timeline.announcements, *timeline.wrong, *timeline.foreign)
    return event.old_active == event.new_active and not heard and not any(probes.lost for probes in timeline.probes)


def more_than_foretold(direction: Direction) -> list[str]:
    """Outages longer than foretold, but not unexplained, with the likely reason."""
    return [
        f"{_excess(direction, probes, foretold)}: {_reason(direction, probes)}"
        for probes, foretold, beyond in _judged(direction)
        if beyond > 0 and not _is_far(direction, foretold.outage, beyond)
    ]


def unexplained(direction: Direction) -> list[str]:
    """Outages so much longer than foretold that neither the bond's settings nor a slow guest explain them."""
    return [
        f"{_excess(direction, probes, foretold)}: {_reason(direction, probes)}"
        for probes, foretold, beyond in _judged(direction)
        if _is_far(direction, foretold.outage, beyond)
    ]


def is_foretold(direction: Direction) -> bool:
    """Whether any address of this event has an outage that is foretold, and can be held against it."""
    return direction.followed and any(_bounded(foretold) for _, foretold in pairs(direction))


def _bounded(foretold: Foretold) -> bool:
    return foretold.outage is not None


def pairs(direction: Direction) -> Iterator[tuple[Probes, Foretold]]:
    """Every probed address of which something is foretold, with that."""
    over_bridge = {each.address: each.over_bridge for each in direction.scene.announced}
    for probes in direction.timeline.probes:
        address = Announced(-1, probes.address, over_bridge=over_bridge.get(probes.address, False))
        if foretold := direction.event.foretold_for(address):
            yield probes, foretold


def _judged(direction: Direction) -> Iterator[tuple[Probes, Foretold, float]]:
    """Every outage that may be held against a forecast, and by how many ms it surely is beyond it."""
    if not direction.followed or direction.event.cuts_off or direction.event.recovers:
        return
    for probes, foretold in pairs(direction):
        if foretold.outage is not None and not probes.baseline_lost:
            yield probes, foretold, _surely_ms(direction, probes, foretold) - foretold.outage.high_ms


def _surely_ms(direction: Direction, probes: Probes, foretold: Foretold) -> float:
    """What is left of a gap when everything is taken off that is the instrument's or the machine's own slowness."""
    command_ms = direction.record.took_ms if foretold.takes_its_command else 0.0
    return probes.gap_ms - 2 * probes.resolution_ms - command_ms - probes.slowest_before_ms


def _is_far(direction: Direction, outage: Span | None, beyond: float) -> bool:
    if outage is None:
        return False
    return beyond > FAR_MS and beyond > (FAR * stretch(direction) - 1) * outage.high_ms


def stretch(direction: Direction) -> float:
    """How many times as far apart as set the announcements came, at least 1; 1 also when that cannot be told."""
    found = []
    for announced in direction.visible:
        set_gap = direction.event.expected_for(announced).later_gap
        gaps = direction.timeline.spacing_ms(announced)
        if set_gap is not None and set_gap.high_ms and gaps:
            found.append(median(gaps) / set_gap.high_ms)
    return max(1.0, median(found)) if found else 1.0


def _excess(direction: Direction, probes: Probes, foretold: Foretold) -> str:
    return (
        f"{direction.name}: {probes.address} did not answer for {probes.gap_ms:.0f} ms (known to "
        f"{probes.resolution_ms:.0f} ms); foretold was {foretold}"
    )


def _reason(direction: Direction, probes: Probes) -> str:
    """The likeliest reason for more than was foretold."""
    timeline = direction.timeline
    slow = stretch(direction)
    if slow >= SLOW:
        return f"its announcements came {slow:.1f} times as far apart as they are set, so the guest was short of CPU"
    heard = [each.ms for each in timeline.announcements if each.of.address == probes.address]
    if not heard or not probes.gap:
        return "no announcement of this address was seen, so neighbours learnt its place by other traffic"
    if probes.gap[1] - heard[0] > 2 * probes.resolution_ms + probes.slowest_before_ms:
        late = f"the first announcement came {probes.gap[1] - heard[0]:.0f} ms before answers did"
        if probes.to_old_mac:
            return f"{late}, and the observer went on sending to the old MAC: it did not heed the first one"
        return f"{late}: the switch had not learnt the new place, or the guest was not ready to answer"
    return "its first announcement came that late: the bond noticed late, or its driver tells it late of its links"


def _line(direction: Direction, probes: Probes, foretold: Foretold) -> str:
    address = next((each for each in direction.scene.announced if each.address == probes.address), None)
    counted = ""
    if address is not None and address in direction.visible:
        heard = len(direction.timeline.of(address))
        counted = f"; announcements: foretold {foretold.announced}, measured {heard}"
    measured = _measured(probes, recovers=direction.event.recovers)
    return f"{direction.name}: {probes.address}: foretold {foretold}; measured {measured}{counted}"


def _measured(probes: Probes, *, recovers: bool) -> str:
    if recovers:
        first = probes.first_answer_ms
        return "no answer" if first is None else f"the first answer after {first:.0f} ms"
    if not probes.gap_ms:
        return "none"
    still = " and no end of it" if probes.still_out else ""
    return f"{probes.gap_ms:.0f} ms{still} (known to {probes.resolution_ms:.0f} ms)"
