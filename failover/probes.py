"""What became of the probes to one address around a switch: losses, gaps, duplicates, silence. Pure code."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import median

from failover.frames import Frame, Kind

SETTLED_NS = 200_000_000
"""A probe younger than this when the window closes is not called lost: its answer may be on its way."""

ON_ITS_WAY_NS = 20_000_000
"""An answer may take this much longer than twice the slowest one before it."""


@dataclass(frozen=True, slots=True)
class Probes:
    """What became of the probes to one address. Numbers without `baseline` are those of the switch."""

    address: str
    series: tuple[tuple[float, bool], ...]
    """Time sent (ms from the switch, negative before it), and whether an answer came."""
    interval_ms: float
    """Median time between two probes as sent."""
    longest_interval_ms: float
    """Longest time between two probes as sent: nothing shorter than that is sure to be seen."""
    baseline_sent: int
    baseline_lost: int
    sent: int
    lost: int
    duplicated: int
    reordered: int
    tail_lost: int
    """Lost probes with no answered one after them."""
    gap: tuple[float, float] | None
    """The longest gap: sent time of the last answered probe before it and of the first answered one after it.

    Its end is the last probe's sent time when traffic had not come back at the end. None: nothing was lost.
    """
    first_answer_ms: float | None
    """When the first probe was sent that was answered, of those after the switch; None when none was."""
    silence_ms: float
    """Longest time between two answers after the switch: also shows answers that were only late."""
    to_old_mac: int
    """Probes that the observer still sent to the old MAC although the new one had been announced (or, when nothing
    was announced, after the switch)."""
    resolution_ms: float
    """Longest time between two probes sent around the gap: its length is known no better than that."""
    slowest_before_ms: float = 0.0
    """The longest that an answer took before the event: how slow the path and the guest are when all is well."""

    @property
    def gap_ms(self) -> float:
        """Length of the longest gap; 0 without losses. The true outage is shorter by less than two resolutions."""
        return self.gap[1] - self.gap[0] if self.gap else 0.0

    @property
    def still_out(self) -> bool:
        """Traffic had not come back when the window closed."""
        return self.tail_lost > 0


@dataclass(slots=True)
class _Probe:
    sent_ns: int
    to: str
    answers: int = 0
    took_ns: int = 0
    """Until its first answer."""


def follow(frames: Sequence[Frame], address: str, at_ns: int, *, left_mac: str | None, told_ms: float) -> Probes:
    """The probes to one address around a switch at `at_ns`, from the frames of its window in the order captured.

    `left_mac`: the MAC that the guest gives up, None when it keeps it. `told_ms`: when the new one was first announced.
    """
    sent, answered_ns, reordered = _matched(frames, address, at_ns)
    closes = (frames[-1].at_ns if frames else at_ns) - SETTLED_NS
    settled = [probe for probe in sent if probe.answers or probe.sent_ns <= closes]
    before, after = _split(settled, at_ns)
    gap = _longest_gap(before, after, at_ns)
    around = [probe for probe in settled if gap and gap[0] <= _ms(probe.sent_ns, at_ns) <= gap[1]]
    gaps = [later.sent_ns - earlier.sent_ns for earlier, later in pairwise(sent)]
    return Probes(
        address=address,
        series=tuple((_ms(probe.sent_ns, at_ns), probe.answers > 0) for probe in settled),
        interval_ms=median(gaps) / 1e6 if gaps else 0.0,
        longest_interval_ms=max(gaps, default=0) / 1e6,
        baseline_sent=len(before),
        baseline_lost=sum(not probe.answers for probe in before),
        sent=len(after),
        lost=sum(not probe.answers for probe in after),
        duplicated=sum(max(0, probe.answers - 1) for probe in after),
        reordered=reordered,
        tail_lost=_tail(after),
        gap=gap,
        first_answer_ms=next((_ms(probe.sent_ns, at_ns) for probe in after if probe.answers), None),
        silence_ms=_silence_ms(answered_ns, at_ns),
        to_old_mac=sum(probe.to == left_mac and _ms(probe.sent_ns, at_ns) > told_ms for probe in after),
        resolution_ms=max((later.sent_ns - earlier.sent_ns for earlier, later in pairwise(around)), default=0) / 1e6,
        slowest_before_ms=max((probe.took_ns for probe in before), default=0) / 1e6,
    )


def _matched(frames: Sequence[Frame], address: str, at_ns: int) -> tuple[list[_Probe], list[int], int]:
    """Every probe to an address with its answers, times of the answers, and answers out of order after the switch.

    The numbers of `ping` have 16 bits and come round; an answer belongs to the latest probe of its number.
    """
    sent: list[_Probe] = []
    latest: dict[int, int] = {}
    answered_ns: list[int] = []
    newest, reordered = -1, 0
    for frame in frames:
        if frame.kind is Kind.ECHO_REQUEST and frame.towards == address:
            latest[frame.sequence] = len(sent)
            sent.append(_Probe(frame.at_ns, frame.destination))
        elif frame.kind is Kind.ECHO_REPLY and frame.address == address and frame.sequence in latest:
            index = latest[frame.sequence]
            late = index < newest and not sent[index].answers
            reordered += late and frame.at_ns >= at_ns
            newest = max(newest, index)
            if not sent[index].answers:
                sent[index].took_ns = frame.at_ns - sent[index].sent_ns
            sent[index].answers += 1
            answered_ns.append(frame.at_ns)
    return sent, answered_ns, reordered


def _split(probes: Sequence[_Probe], at_ns: int) -> tuple[Sequence[_Probe], Sequence[_Probe]]:
    """Probes of the baseline, and those that the switch could touch.

    A probe sent a moment before the switch is touched by it when its answer would have crossed it: lost probes
    right before the switch are the switch's, not the wire's. Older ones than an answer takes here are the wire's.
    """
    index = sum(probe.sent_ns < at_ns for probe in probes)
    slowest_ns = max((probe.took_ns for probe in probes[:index] if probe.answers), default=SETTLED_NS)
    on_its_way_ns = min(SETTLED_NS, ON_ITS_WAY_NS + 2 * slowest_ns)
    while index and not probes[index - 1].answers and at_ns - probes[index - 1].sent_ns < on_its_way_ns:
        index -= 1
    return probes[:index], probes[index:]


def _tail(probes: Sequence[_Probe]) -> int:
    lost = 0
    for probe in reversed(probes):
        if probe.answers:
            break
        lost += 1
    return lost


def _longest_gap(before: Sequence[_Probe], after: Sequence[_Probe], at_ns: int) -> tuple[float, float] | None:
    """The longest run of lost probes, from the answered probe before it to the answered one after it."""
    probes = [*before[-1:], *after]
    longest: tuple[float, float] | None = None
    start: int | None = None
    for index, probe in enumerate(probes):
        if not probe.answers and start is None:
            start = max(0, index - 1)
        elif probe.answers and start is not None:
            longest = _longer(longest, (_ms(probes[start].sent_ns, at_ns), _ms(probe.sent_ns, at_ns)))
            start = None
    if start is not None:
        longest = _longer(longest, (_ms(probes[start].sent_ns, at_ns), _ms(probes[-1].sent_ns, at_ns)))
    return longest


def _longer(one: tuple[float, float] | None, other: tuple[float, float]) -> tuple[float, float]:
    return other if one is None or other[1] - other[0] > one[1] - one[0] else one


def _silence_ms(answered_ns: Sequence[int], at_ns: int) -> float:
    late = [later - earlier for earlier, later in pairwise(answered_ns) if later >= at_ns]
    return max(late, default=0) / 1e6


def _ms(at: int, at_ns: int) -> float:
    return (at - at_ns) / 1e6
