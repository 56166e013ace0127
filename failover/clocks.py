"""How two observers' clocks compare: by frames that were sent to everybody and that both have seen. Pure code.

A switch floods such a frame to all its ports at once; what it takes longer to one observer than to the other is taken
for a difference of their clocks, and no frame can tell the two apart.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import median

from failover.frames import Frame
from failover.timeline import Switched

ALIKE_NS = 50_000_000
"""Two equal frames further apart than that, by the guess, are not the same one: announcements are repeated later."""


@dataclass(frozen=True, slots=True)
class Agreement:
    """How far another observer's clock is ahead of the first one's."""

    ahead_ns: int
    within_ns: int
    """No frame says anything else by more than that."""
    frames: int
    """How many both have seen."""

    def __str__(self) -> str:
        return f"{self.ahead_ns / 1e6:+.3f} ms ± {self.within_ns / 1e6:.3f} by {self.frames} frames that both saw"


def compare(first: Iterable[Frame], other: Iterable[Frame], guess_ns: int) -> Agreement | None:
    """The clocks of two captures of the same time; None when no frame is in both.

    `guess_ns`: how far the other is ahead, by other means; good enough to tell a frame from its next repetition.
    """
    theirs = _flooded(other)
    differences: list[int] = []
    for key, mine in _flooded(first).items():
        for at_ns in mine:
            nearest = _nearest(theirs.get(key, ()), at_ns + guess_ns)
            if nearest is not None and abs(nearest - at_ns - guess_ns) < ALIKE_NS:
                differences.append(nearest - at_ns)
    if not differences:
        return None
    ahead_ns = round(median(differences))
    return Agreement(ahead_ns, max(abs(each - ahead_ns) for each in differences), len(differences))


def carried_over(switched: Switched, agreement: Agreement, seen_by: str) -> Switched:
    """The switch by another observer's clock. The span that it lies in grows by what the clocks may be apart."""
    done_ns = None
    if switched.done_ns is not None:
        done_ns = switched.done_ns + agreement.ahead_ns + agreement.within_ns
    by = f"{switched.by} of {seen_by}, whose clock differs by {agreement}"
    return Switched(switched.at_ns + agreement.ahead_ns - agreement.within_ns, done_ns, by)


def _flooded(frames: Iterable[Frame]) -> dict[tuple[object, ...], list[int]]:
    found: dict[tuple[object, ...], list[int]] = defaultdict(list)
    for frame in frames:
        if frame.for_everybody:
            ends = (frame.source, frame.destination, frame.address, frame.towards)
            found[frame.kind, frame.vlan, frame.hardware, *ends].append(frame.at_ns)
    return found


def _nearest(times: Sequence[int], to: int) -> int | None:
    index = bisect_left(times, to)
    return min(times[max(0, index - 1) : index + 1], key=lambda at: abs(at - to), default=None)
