"""Pure code from frames to what happened around one switch, in milliseconds by the observer's clock."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import median

from failover.frames import Frame, Kind

SETTLED_NS = 200_000_000
"""A probe younger than this when the window closes is not called lost: its answer may be on its way."""
_ANNOUNCING = {Kind.GARP, Kind.GARP_REPLY, Kind.UNSOLICITED_NA}


@dataclass(frozen=True, slots=True, order=True)
class Announced:
    """An address that a switch must announce. `vlan`: -1 for the bond itself, untagged."""

    vlan: int
    address: str

    @property
    def by(self) -> str:
        """What announces it: `GARP` or `NA`."""
        return "NA" if ":" in self.address else "GARP"

    def __str__(self) -> str:
        return self.address if self.vlan < 0 else f"{self.address} (VLAN {self.vlan})"


@dataclass(frozen=True, slots=True)
class Scene:
    """What one switch is expected to concern: the guest's addresses, those probed, its MAC before and after."""

    announced: tuple[Announced, ...]
    probed: tuple[str, ...]
    old_mac: str
    new_mac: str


@dataclass(frozen=True, slots=True)
class Switched:
    """When the switch was commanded, by the observer's clock.

    `by`: how that is known. `done_ns`: a moment surely after the command returned, or None when there is none.
    """

    at_ns: int
    done_ns: int | None
    by: str


@dataclass(frozen=True, slots=True)
class Announcement:
    """One GARP or NA after the switch."""

    ms: float
    of: Announced
    form: Kind
    mac: str
    source: str


@dataclass(frozen=True, slots=True)
class Probes:
    """What became of the probes to one address. Numbers without `baseline` are those of the switch."""

    address: str
    series: tuple[tuple[float, bool], ...]
    """Time sent (ms from the switch, negative before it), and whether an answer came."""
    interval_ms: float
    """Median time between two probes as sent: the resolution of every gap."""
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
    silence_ms: float
    """Longest time between two answers after the switch: also shows answers that were only late."""
    to_old_mac: int
    """Probes that the observer still sent to the old MAC although the new one had been announced (or, when nothing
    was announced, after the switch)."""
    resolution_ms: float
    """Longest time between two probes sent around the gap: its length is known no better than that."""

    @property
    def gap_ms(self) -> float:
        """Length of the longest gap; 0 without losses. The true outage is shorter by less than two resolutions."""
        return self.gap[1] - self.gap[0] if self.gap else 0.0

    @property
    def still_out(self) -> bool:
        """Traffic had not come back when the window closed."""
        return self.tail_lost > 0


@dataclass(frozen=True, slots=True)
class Timeline:
    """Everything that one switch did on the wire."""

    switched: Switched
    announcements: tuple[Announcement, ...]
    """Credited to the guest: its address, its new MAC inside and as Ethernet source."""
    wrong: tuple[Announcement, ...]
    """For the guest's address but by the old MAC, or with an Ethernet source that is not the MAC inside."""
    foreign: tuple[Announcement, ...]
    """For the guest's address by a MAC that is neither its old nor its new one."""
    probes: tuple[Probes, ...]
    last_from_old_ms: float | None
    """The last frame from the old MAC before the first GARP: the bond had not switched yet. None: there was none."""

    def of(self, announced: Announced) -> tuple[Announcement, ...]:
        """The credited announcements of one address, in order."""
        return tuple(each for each in self.announcements if each.of == announced)

    @property
    def first_garp_ms(self) -> float | None:
        """From the command to the first credited GARP; the command's own start is part of it."""
        return next((each.ms for each in self.announcements if each.of.by == "GARP"), None)

    @property
    def first_garp_at_most_ms(self) -> float | None:
        """From the switch to the first GARP, upper bound: since the command, or since the old MAC was last heard."""
        if self.first_garp_ms is None:
            return None
        return self.first_garp_ms - max(0.0, self.last_from_old_ms or 0.0)

    @property
    def first_garp_at_least_ms(self) -> float | None:
        """The lower bound: since the command had returned; 0 when the GARP came before that."""
        if self.first_garp_ms is None or self.switched.done_ns is None:
            return None if self.first_garp_ms is None else 0.0
        return max(0.0, self.first_garp_ms - (self.switched.done_ns - self.switched.at_ns) / 1e6)

    def spacing_ms(self, announced: Announced) -> tuple[float, ...]:
        """Times between the announcements of one address."""
        at = [each.ms for each in self.of(announced)]
        return tuple(later - earlier for earlier, later in pairwise(at))


def measure(frames: Sequence[Frame], scene: Scene, switched: Switched) -> Timeline:
    """The timeline of one switch from the frames of its window, in the order captured.

    The window begins in the baseline before the switch and ends when traffic has settled (or the drill gave up).
    """
    credited, wrong, foreign = _sorted_announcements(frames, scene, switched)
    return Timeline(
        switched,
        tuple(credited),
        tuple(wrong),
        tuple(foreign),
        tuple(_probes(frames, address, scene, switched, credited) for address in scene.probed),
        _last_from_old(frames, scene, switched, credited),
    )


def _last_from_old(
    frames: Iterable[Frame], scene: Scene, switched: Switched, credited: Sequence[Announcement]
) -> float | None:
    """A bond that takes the new slave's MAC stops sending from the old one at the switch itself."""
    first = next((each.ms for each in credited), None)
    if scene.old_mac == scene.new_mac or first is None:
        return None
    heard = [_ms(frame.at_ns, switched) for frame in frames if frame.source == scene.old_mac]
    return max((ms for ms in heard if ms <= first), default=None)


def find_switch(frames: Iterable[Frame], took_ms: float) -> Switched | None:
    """The switch by its marker frame; None when that was not seen.

    `took_ms`: from the marker to the command's return, by the guest's clock. A duration is the same on either clock.
    """
    at_ns = next((frame.at_ns for frame in frames if frame.kind is Kind.MARKER), None)
    return None if at_ns is None else Switched(at_ns, at_ns + round(took_ms * 1e6), "marker frame")


def count_announcements(frames: Iterable[Frame], scene: Scene) -> dict[Announced, int]:
    """How often each wanted address has been announced by the new MAC: what a running drill waits for."""
    counts = dict.fromkeys(scene.announced, 0)
    for frame in frames:
        announced = Announced(_key(frame), frame.address)
        if frame.kind in _ANNOUNCING and frame.hardware == scene.new_mac and announced in counts:
            counts[announced] += 1
    return counts


def _key(frame: Frame) -> int:
    return -1 if frame.vlan is None else frame.vlan


def _sorted_announcements(
    frames: Iterable[Frame], scene: Scene, switched: Switched
) -> tuple[list[Announcement], list[Announcement], list[Announcement]]:
    credited: list[Announcement] = []
    wrong: list[Announcement] = []
    foreign: list[Announcement] = []
    for each in _announcements(frames, scene, switched):
        if each.mac == scene.new_mac == each.source:
            credited.append(each)
        elif each.mac in {scene.new_mac, scene.old_mac}:
            wrong.append(each)
        else:
            foreign.append(each)
    return credited, wrong, foreign


def _announcements(frames: Iterable[Frame], scene: Scene, switched: Switched) -> Iterator[Announcement]:
    wanted = set(scene.announced)
    for frame in frames:
        of = Announced(_key(frame), frame.address)
        if frame.kind in _ANNOUNCING and of in wanted and frame.at_ns >= switched.at_ns:
            yield Announcement(_ms(frame.at_ns, switched), of, frame.kind, frame.hardware, frame.source)


def _ms(at_ns: int, switched: Switched) -> float:
    return (at_ns - switched.at_ns) / 1e6


@dataclass(slots=True)
class _Probe:
    sent_ns: int
    to: str
    answers: int = 0


def _probes(
    frames: Sequence[Frame], address: str, scene: Scene, switched: Switched, credited: Sequence[Announcement]
) -> Probes:
    sent, answered_ns, reordered = _matched(frames, address, switched)
    closes = (frames[-1].at_ns if frames else switched.at_ns) - SETTLED_NS
    settled = [probe for probe in sent if probe.answers or probe.sent_ns <= closes]
    before, after = _split(settled, switched)
    gap = _longest_gap(before, after, switched)
    around = [probe for probe in settled if gap and gap[0] <= _ms(probe.sent_ns, switched) <= gap[1]]
    told = next((each.ms for each in credited if each.of.address == address), 0.0)
    gaps = [later.sent_ns - earlier.sent_ns for earlier, later in pairwise(sent)]
    return Probes(
        address=address,
        series=tuple((_ms(probe.sent_ns, switched), probe.answers > 0) for probe in settled),
        interval_ms=median(gaps) / 1e6 if gaps else 0.0,
        baseline_sent=len(before),
        baseline_lost=sum(not probe.answers for probe in before),
        sent=len(after),
        lost=sum(not probe.answers for probe in after),
        duplicated=sum(max(0, probe.answers - 1) for probe in after),
        reordered=reordered,
        tail_lost=_tail(after),
        gap=gap,
        silence_ms=_silence_ms(answered_ns, switched),
        to_old_mac=sum(
            probe.to == scene.old_mac != scene.new_mac and _ms(probe.sent_ns, switched) > told for probe in after
        ),
        resolution_ms=max((later.sent_ns - earlier.sent_ns for earlier, later in pairwise(around)), default=0) / 1e6,
    )


def _matched(frames: Sequence[Frame], address: str, switched: Switched) -> tuple[list[_Probe], list[int], int]:
    """Every probe to an address with its answers, times of the answers, and answers out of order after the switch.

    Sequence numbers have 16 bits and come round; an answer belongs to the latest probe of its number.
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
            reordered += late and frame.at_ns >= switched.at_ns
            newest = max(newest, index)
            sent[index].answers += 1
            answered_ns.append(frame.at_ns)
    return sent, answered_ns, reordered


def _split(probes: Sequence[_Probe], switched: Switched) -> tuple[Sequence[_Probe], Sequence[_Probe]]:
    """Probes of the baseline, and those that the switch could touch.

    A probe sent a moment before the switch is touched by it when its answer would have crossed it: lost probes
    right before the switch are the switch's, not the wire's.
    """
    index = sum(probe.sent_ns < switched.at_ns for probe in probes)
    while index and not probes[index - 1].answers and switched.at_ns - probes[index - 1].sent_ns < SETTLED_NS:
        index -= 1
    return probes[:index], probes[index:]


def _tail(probes: Sequence[_Probe]) -> int:
    lost = 0
    for probe in reversed(probes):
        if probe.answers:
            break
        lost += 1
    return lost


def _longest_gap(before: Sequence[_Probe], after: Sequence[_Probe], switched: Switched) -> tuple[float, float] | None:
    """The longest run of lost probes, from the answered probe before it to the answered one after it."""
    probes = [*before[-1:], *after]
    longest: tuple[float, float] | None = None
    start: int | None = None
    for index, probe in enumerate(probes):
        if not probe.answers and start is None:
            start = max(0, index - 1)
        elif probe.answers and start is not None:
            longest = _longer(longest, (_ms(probes[start].sent_ns, switched), _ms(probe.sent_ns, switched)))
            start = None
    if start is not None:
        longest = _longer(longest, (_ms(probes[start].sent_ns, switched), _ms(probes[-1].sent_ns, switched)))
    return longest


def _longer(one: tuple[float, float] | None, other: tuple[float, float]) -> tuple[float, float]:
    return other if one is None or other[1] - other[0] > one[1] - one[0] else one


def _silence_ms(answered_ns: Sequence[int], switched: Switched) -> float:
    late = [later - earlier for earlier, later in pairwise(answered_ns) if later >= switched.at_ns]
    return max(late, default=0) / 1e6
