"""What runs on the observer during a drill, and what a running drill waits for."""

from __future__ import annotations

import time
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import BinaryIO

from checks.linux.bonding import Notifications
from failover.capture import Capture
from failover.clocks import carried_over, compare
from failover.events import Event
from failover.frames import Frame, Kind, Tokens
from failover.observer import Program, Watcher, latest_lines, latest_mac, moved, watch_neighbours
from failover.places import CouldNotMeasure
from failover.probes import SETTLED_NS
from failover.result import NeighbourMove, SwitchRecord
from failover.sending import how_sent, start_probes
from failover.timeline import Announced, Scene, Switched, count_announcements, find_switch

BASELINE_S = 1.0
START_DEADLINE_S = 15
"""Until the capture listens, and again until every probed address has answered."""
MARKER_DEADLINE_S = 0.5
NOTIFY_SLACK_S = 0.5
NOTIFY_STRETCH = 1.25
"""A kernel that ticks 100 times a second looks every 110 ms where miimon says 100; a busy one later still."""
CUT_OFF_S = 1.0
STEADY_NS = 500_000_000


@dataclass(slots=True)
class Watch:
    """Capture, probes and neighbour entries on the observer."""

    watcher: Watcher
    tokens: Tokens
    announced: tuple[Announced, ...]
    probed: tuple[str, ...]
    capture: Capture
    neighbours: Program
    interval_ms: float
    probes: tuple[Program, ...] = ()
    stack: ExitStack = field(default_factory=ExitStack)
    _neighbours_before: str = ""
    _neighbours_from: int = 0

    def stop(self) -> None:
        """End every program; see `Capture.dropped`."""
        self.stack.close()

    def how_sent(self) -> str:
        """Who sent the probes and how punctually, once it is stopped."""
        return how_sent(self.watcher, self.probes, self.interval_ms)

    def let_pass(self, seconds: float) -> None:
        """Let the wire's time pass while the capture is alive: nothing is waited for but frames."""
        until = time.monotonic() + seconds
        self.capture.wait_until(lambda: time.monotonic() >= until, seconds + 1)

    def baseline(self, until: float) -> None:
        """Let the wire alone until then, and until it has shown a frame: nothing is done unseen.

        Raises `CaptureFailed` when none comes.
        """
        seconds = max(0.0, until - time.monotonic())
        self.capture.wait_until(lambda: time.monotonic() >= until and self.capture.sees, seconds + START_DEADLINE_S)

    def forget(self) -> None:
        """A round is over: let go of its frames, and of the neighbours' history but for the latest entries."""
        self.capture.forget()
        self._neighbours_from, said = len(self.neighbours.output), self.neighbours.output
        self._neighbours_before = latest_lines(said[: self._neighbours_from], self.probed)

    @property
    def neighbour_lines(self) -> str:
        """What `neighbour.sh` has said that still matters."""
        return self._neighbours_before + self.neighbours.output[self._neighbours_from :]

    def frames_since(self, first: int) -> list[Frame]:
        """The frames of one window, which began when `first` frames had been seen."""
        return self.capture.frames[first:]

    def switched(self, first: int, asked_ns: int, returned_ns: int, record: SwitchRecord) -> Switched:
        """When the switch was commanded: by the guest's marker frame, else between our asking and its answer.

        Our own times are monotonic.
        """
        if record.marker != "none":
            self.capture.wait_until(lambda: find_switch(self.frames_since(first), 0) is not None, MARKER_DEADLINE_S)
        if marked := find_switch(self.frames_since(first), record.took_ms):
            return marked
        return self._bracketed(asked_ns, returned_ns)

    def switched_like(
        self, other: Watch, known: Switched, their_first: int, first: int, between_ns: tuple[int, int]
    ) -> Switched:
        """The same by this observer's clock, where another one is known to have seen it.

        What both were sent tells how their clocks differ; else it lies between our asking and its answer.
        """
        guess_ns = self.capture.observer_ns(between_ns[0]) - other.capture.observer_ns(between_ns[0])
        agreement = compare(other.frames_since(their_first), self.frames_since(first), guess_ns)
        if agreement is None:
            return self._bracketed(*between_ns)
        return carried_over(known, agreement, other.watcher.name)

    def _bracketed(self, asked_ns: int, returned_ns: int) -> Switched:
        by = f"the controller's clock, ± {(returned_ns - asked_ns) / 1e6:.0f} ms"
        return Switched(self.capture.observer_ns(asked_ns), self.capture.observer_ns(returned_ns), by)

    def settle(self, first: int, scene: Scene, event: Event, ends: float) -> None:
        """Wait until traffic is steady, neighbours have moved and announcements are through; until `ends` at most.

        An event that cuts the guest off is watched for a moment only: nothing comes.

        No announcement is given up early: a guest that is short of CPU sends them seconds late.
        Then a little longer: one announcement too many would come one gap later, and the youngest probes are to be
        answered.
        """

        if event.cuts_off:
            self.let_pass(CUT_OFF_S)
            return
        expected = {each: event.expected_for(each) for each in scene.announced}
        counts, counted = dict.fromkeys(scene.announced, 0), first

        def settled() -> bool:
            nonlocal counted
            frames = self.capture.frames
            fresh = frames[counted:]
            counted += len(fresh)
            for each, count in count_announcements(fresh, scene).items():
                counts[each] += count
            announced = all(counts[each] >= expected[each].usual.start for each in self.visible())
            learnt = all(latest_mac(self.neighbour_lines, address) == scene.new_mac for address in self.probed)
            return announced and learnt and steady(frames, scene.probed)

        self.capture.wait_until(settled, max(0.0, ends - time.monotonic()))
        gap_ms = event.expected.later_gap.high_ms if event.expected.later_gap else 0
        more_s = max(gap_ms, SETTLED_NS / 1e6) / 1000 + 0.1
        self.let_pass(min(more_s, max(0.0, ends - time.monotonic())))

    def visible(self) -> tuple[Announced, ...]:
        """The announced addresses that this place allows to see: untagged, of its own VLANs, or of a tag seen."""
        tags = self.capture.tags | self.watcher.vlans
        return tuple(each for each in self.announced if each.vlan < 0 or each.vlan in tags)

    def moves(self, scene: Scene, switched: Switched) -> tuple[NeighbourMove, ...]:
        """What the observer's own neighbour entries did around one switch."""
        return tuple(moved(self.neighbour_lines, address, scene, switched) for address in self.probed)


def start(watcher: Watcher, announced: tuple[Announced, ...], interval_ms: float, for_s: float, to: BinaryIO) -> Watch:
    """Capture and probes, proven to work: the capture has seen our own probes, and the guest has answered them.

    `to` gets the capture's bytes. Raises `CouldNotMeasure` with the reason when something does not work.
    """
    probed = watcher.probed(announced)
    if not probed:
        own = ", ".join(watcher.networks) or "it has none"
        guests = ", ".join(map(str, announced)) or "none"
        raise CouldNotMeasure(
            f"observer {watcher.name}: no address of {watcher.interface} ({own}) is on a "
            f"network of the guest's ({guests})"
        )
    tokens = Tokens.fresh()
    with ExitStack() as stack:
        capture = watcher.capture([each.address for each in announced], tokens, to)
        stack.callback(capture.close)
        neighbours = watch_neighbours(watcher)
        stack.callback(neighbours.stop)
        watch = Watch(watcher, tokens, announced, probed, capture, neighbours, interval_ms)
        capture.wait_until_listening(START_DEADLINE_S)
        watch.probes = start_probes(watcher, probed, interval_ms, for_s, tokens)
        for program in watch.probes:
            stack.callback(program.stop)
        _wait_for_answers(watch)
        watch.stack = stack.pop_all()
    return watch


def _wait_for_answers(watch: Watch) -> None:
    def silent() -> list[str]:
        seen = {frame.address for frame in watch.capture.frames if frame.kind is Kind.ECHO_REPLY}
        return sorted(set(watch.probed) - seen)

    if watch.capture.wait_until(lambda: not silent(), START_DEADLINE_S):
        return
    if any(frame.kind is Kind.ECHO_REQUEST for frame in watch.capture.frames):
        raise CouldNotMeasure(f"{', '.join(silent())} did not answer the observer before anything was switched")
    why = next((program.complaint for program in watch.probes if program.complaint), "its sender says nothing")
    raise CouldNotMeasure(f"observer {watch.watcher.name}: no probe was sent to {', '.join(silent())}: {why}")


def notify_s(expected: Notifications) -> float:
    """Seconds from the switch until the last announcement has been sent, at the latest."""
    gap_ms = max((gap.high_ms for gap in (expected.first_gap, expected.later_gap) if gap is not None), default=0)
    return expected.usual.stop * gap_ms * NOTIFY_STRETCH / 1000 + NOTIFY_SLACK_S


def steady(frames: list[Frame], probed: tuple[str, ...]) -> bool:
    """Whether every probe of the last half second but the youngest has been answered, by every address."""
    if not frames:
        return False
    now = frames[-1].at_ns
    answered, recent = set(), []
    for frame in reversed(frames):
        if frame.at_ns <= now - STEADY_NS - SETTLED_NS:
            break
        if frame.kind is Kind.ECHO_REPLY:
            answered.add((frame.address, frame.sequence))
        elif frame.kind is Kind.ECHO_REQUEST and frame.at_ns < now - SETTLED_NS:
            recent.append((frame.towards, frame.sequence))
    return {address for address, _ in recent} >= set(probed) and all(each in answered for each in recent)
