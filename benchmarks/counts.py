"""Gratuitous ARPs and neighbour advertisements as measured, beside what the kernel's driver is to send: prints a table.

    python -m benchmarks.counts [--lab NAME]           without a name it brings up a `bond` lab of its own

Every num_grat_arp and peer_notif_delay, by manual switch and by the loss of a link. Each cell is one drill with two
failovers, there and back; each failover counts every address of the bond and of its VLAN.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator

from benchmarks.drills import BOND, Bench, bench, wrong
from failover import announcements
from failover.result import Direction, DrillResult
from inventory.model import Budgets, FaultName

NUMBERS = (0, 1, 3, 5, 50)
DELAYS_MS = (0, 200, 500)
FAULTS: tuple[FaultName, ...] = ("switch", "slave-down")
BUDGETS = Budgets(neighbour_s=1, outage_ms=2000)
ROW = "{:>13}{:>17}{:>12}{:>14}{:>14}{:>26}{:>26}  {}"


def main() -> int:
    """Measure and print; 1 when a count or a spacing is not as the driver is said to do it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--lab")
    parser.add_argument("--numbers", type=int, nargs="+", default=NUMBERS)
    parser.add_argument("--delays", type=int, nargs="+", default=DELAYS_MS)
    words = parser.parse_args()
    disagreements = 0
    print(
        ROW.format(
            "num_grat_arp", "peer_notif_delay", "by", "expected", "measured", "apart, foretold", "apart, measured", ""
        )
    )
    with bench(words.lab) as place:
        for number in words.numbers:
            for delay_ms in words.delays:
                for fault in FAULTS:
                    said = _row(place, number, delay_ms, fault)
                    disagreements += bool(said)
    return int(disagreements > 0)


def _row(place: Bench, number: int, delay_ms: int, fault: FaultName) -> str:
    set_options(place, number, delay_ms)
    # Without announcements the observer's entries of the drill before are still those of the other slave.
    place.observer.run(b"ip neigh flush dev eth0", 30)
    try:
        result = place.drill(fault, budgets=BUDGETS, probe_interval_ms=20, give_back_after_s=240)
    finally:
        set_options(place, 3, 200)
    failovers = [
        direction for direction in result.directions if direction.event.old_active != direction.event.new_active
    ]
    said = "; ".join(explained(result, number))
    expected = failovers[0].event.expected if failovers else None
    print(
        ROW.format(
            number,
            delay_ms,
            fault,
            span(expected.usual) if expected else "-",
            "/".join(map(str, sorted({count for each in failovers for count in counts(each)}))),
            gaps_foretold(failovers),
            gaps_measured(failovers),
            said,
        ),
        flush=True,
    )
    return said


def set_options(place: Bench, number: int, delay_ms: int) -> None:
    """Set both options of the guest's bond, as root may while it is up."""
    base = f"/sys/class/net/{BOND}/bonding"
    place.guest.run(f"echo {number} >{base}/num_grat_arp && echo {delay_ms} >{base}/peer_notif_delay".encode(), 30)


def explained(result: DrillResult, number: int) -> Iterator[str]:
    """What is wrong but for what no announcement at all explains: nobody learns the new place then."""
    silent = ("did not answer", "no longer answered", "kept", "lost before the switch", "only after")
    for complaint in wrong(result, BUDGETS):
        if number or not any(word in complaint for word in silent):
            yield complaint
    for direction in result.directions:
        for by in ("GARP", "NA"):
            yield from (f"unusual: {text}" for text in announcements.strange(direction, by))


def counts(direction: Direction) -> list[int]:
    """How often each address was announced."""
    return [len(direction.timeline.of(each)) for each in direction.visible]


def gaps_foretold(failovers: list[Direction]) -> str:
    """The spans of the first gap and of the later ones."""
    if not failovers or failovers[0].event.expected.first_gap is None:
        return "-"
    first, later = failovers[0].event.expected.first_gap, failovers[0].event.expected.later_gap
    told = f"{first.low_ms:.0f}-{first.high_ms:.0f}"
    return f"{told}, then {later.low_ms:.0f}" if later else told


def gaps_measured(failovers: list[Direction]) -> str:
    """The same as seen: smallest to largest, in ms."""
    spacings = [each.timeline.spacing_ms(one) for each in failovers for one in each.visible]
    first = [gaps[0] for gaps in spacings if gaps]
    later = [gap for gaps in spacings for gap in gaps[1:]]
    if not first:
        return "-"
    told = f"{min(first):.0f}-{max(first):.0f}"
    return f"{told}, then {min(later):.0f}-{max(later):.0f}" if later else told


def span(wanted: range) -> str:
    """A range as a person writes it."""
    return str(wanted.start) if len(wanted) == 1 else f"{wanted.start}-{wanted.stop - 1}"


if __name__ == "__main__":
    sys.exit(main())
