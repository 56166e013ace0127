"""Pure code from frames to what happened around one switch, in milliseconds by the observer's clock."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from failover.frames import Frame, Kind
from failover.probes import Probes, follow

_ANNOUNCING = {Kind.GARP, Kind.GARP_REPLY, Kind.UNSOLICITED_NA}


@dataclass(frozen=True, slots=True, order=True)
class Announced:
    """An address that a switch must announce. `vlan`: -1 for the bond itself, untagged."""

    vlan: int
    address: str
    over_bridge: bool = field(default=False, compare=False)
    """It sits on a bridge over the bond, which does not pass the bond's order to announce on."""

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
    first_from_new_ms: float | None = None
    """The first frame of any kind from the new MAC. None: there was none, or the bond keeps its MAC."""

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
        return None if self.first_garp_ms is None else self.at_most_after_ms(self.first_garp_ms)

    @property
    def first_garp_at_least_ms(self) -> float | None:
        """The lower bound: since the command had returned; 0 when the GARP came before that."""
        return None if self.first_garp_ms is None else self.surely_after_ms(self.first_garp_ms)

    def surely_after_ms(self, ms: float) -> float:
        """A time since the command, counted from when that had surely returned: its program may have started late."""
        if self.switched.done_ns is None:
            return 0.0
        since_done = max(0.0, ms - (self.switched.done_ns - self.switched.at_ns) / 1e6)
        # An observer that was not served stamps all at once what had waited: then what the old MAC still sent counts.
        return min(since_done, self.at_most_after_ms(ms))

    def at_most_after_ms(self, ms: float) -> float:
        """A time since the command, counted from the last frame that surely came before the switch."""
        return ms - max(0.0, self.last_from_old_ms or 0.0)

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
        tuple(_followed(frames, address, scene, switched, credited) for address in scene.probed),
        _last_from_old(frames, scene, switched, credited),
        _first_from_new(frames, scene, switched),
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


def _first_from_new(frames: Iterable[Frame], scene: Scene, switched: Switched) -> float | None:
    if scene.old_mac == scene.new_mac:
        return None
    seen = (frame.at_ns for frame in frames if frame.source == scene.new_mac and frame.at_ns >= switched.at_ns)
    return next((_ms(at_ns, switched) for at_ns in seen), None)


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


def _followed(
    frames: Sequence[Frame], address: str, scene: Scene, switched: Switched, credited: Sequence[Announcement]
) -> Probes:
    told_ms = next((each.ms for each in credited if each.of.address == address), 0.0)
    left_mac = scene.old_mac if scene.old_mac != scene.new_mac else None
    return follow(frames, address, switched.at_ns, left_mac=left_mac, told_ms=told_ms)
