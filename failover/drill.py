"""One drill: do a fault's events to a guest's bond while observers watch, once or many times. All is given back."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import replace
from typing import BinaryIO, cast

from checks.outcome import CouldNotLook
from failover import watch as watching
from failover.afterwards import settled_state, what_became_of_it
from failover.bond_state import BondState
from failover.events import Event, planned
from failover.guest import Refused, why_not
from failover.held import DONE, Held, terminated_like_interrupted
from failover.observer import Watcher
from failover.pcap_files import PcapFiles
from failover.places import DoesNotApply
from failover.plan import Plan
from failover.result import Direction, DrillResult, SwitchRecord
from failover.statistics import thinned
from failover.timeline import Scene, measure
from failover.watch import Watch

UNDO_MARGIN_S = 3
"""This much before the guest's own undo timer, the measurement of the way there ends and the way back begins."""
FOLLOW_S = 3.5
"""How long a bond may take to follow an event beyond its own timers: some VF drivers look at their link every 2 s."""
REMOTE_S = 6
"""What the scripts of one event may take beside its waiting, at most, on a machine that is short of CPU."""
TIMER_WAS_FIRST = "the timer had done it already"
"""As `give_back.sh` says it."""


Look = Callable[[], Watcher]
Evidence = Callable[[str], BinaryIO]


def run(plan: Plan, observers: Sequence[Look], evidence: Evidence, rounds: int = 1) -> DrillResult:
    """Drill one guest by one fault. `evidence` opens a file for the bytes of a capture.

    It is told the observer's name, or with several rounds that of `evidence_of`, a file for each of them.
    What the guest or an observer does once the bond has been read is said in the result (`refused`, `not_measured`)
    and not raised. Ctrl-C, SIGTERM and SIGHUP give everything back and are passed on.
    """
    before = plan.guest.state()
    result = DrillResult(plan.guest.name, plan.guest.bond, plan.fault, (), before, None, rounds=rounds)
    if refusal := why_not(before, plan.wanted_slaves):
        return replace(result, refused=refusal)
    drill = _Drill(plan, before, evidence, result)
    with terminated_like_interrupted():
        try:
            drill.run([look() for look in observers])
        except Refused as problem:
            if not drill.result.last_seen:
                return replace(drill.result, refused=str(problem))
            return what_became_of_it(plan, drill.held, drill.result, problem)
        except DoesNotApply as reason:
            return replace(drill.result, does_not_apply=str(reason), after=settled_state(plan.guest, before))
        except CouldNotLook as problem:
            return what_became_of_it(plan, drill.held, drill.result, problem)
    return drill.result


def evidence_of(observer: str, number: int) -> str:
    """What the capture of one round is called; 0 when there is just one."""
    return f"round-{number:03}/{observer}" if number else observer


class _Drill:
    """A drill under way. `result` holds what is known so far, whatever happens next."""

    def __init__(self, plan: Plan, before: BondState, evidence: Evidence, result: DrillResult) -> None:
        self.result = result
        self.held = Held([plan.guest, *([plan.breaker] if plan.breaker else [])], plan.give_back_after_s)
        self._plan, self._before, self._evidence = plan, before, evidence
        self._events = planned(plan.fault, before)
        self._watches: list[Watch] = []
        self._undo_at = 0.0

    def run(self, watchers: Sequence[Watcher]) -> None:
        """All rounds. Raises what a drill may meet, with everything given back that can be reached."""
        self.result = replace(self.result, observers=tuple(watcher.name for watcher in watchers))
        plan, before = self._plan, self._before
        if before.reached_over_it:
            plan.guest.prove_timer()
        with ExitStack() as stack:
            files = [stack.enter_context(PcapFiles(self._file(watcher, 1))) for watcher in watchers]
            for watcher, file in zip(watchers, files, strict=True):
                announced, to = before.addresses or plan.wanted_addresses, cast("BinaryIO", file)  # it is only written
                watch = watching.start(watcher, announced, plan.probe_interval_ms, self._lasts_s(len(watchers)), to)
                self._watches.append(watch)
                stack.callback(watch.stop)
            self._hold_and_do(files)
        self.result = replace(self.result, how=tuple(watch.how_sent() for watch in self._watches))
        left = plan.breaker.differences() if plan.breaker else ()
        self.result = replace(
            self.result, after=settled_state(plan.guest, before), left_behind=(*self.result.left_behind, *left)
        )
        self.result = replace(self.result, not_measured=_why_not_to_judge(self.result, self._watches))

    def _file(self, watcher: Watcher, number: int) -> BinaryIO:
        return self._evidence(evidence_of(watcher.name, number if self.result.rounds > 1 else 0))

    def _lasts_s(self, observers: int) -> float:
        """How long probes may have to be sent, at most."""
        each_s = sum(self._plan.watch_s(event) + FOLLOW_S + REMOTE_S for event in self._events)
        rounds_s = self.result.rounds * (each_s + 2 * REMOTE_S)
        return rounds_s + watching.START_DEADLINE_S * (observers + 1) + self._plan.give_back_after_s

    def _hold_and_do(self, files: Sequence[PcapFiles]) -> None:
        """Arm every way back, do the events of every round, give everything back."""
        try:
            self._timers_start()
            with self.held:
                self._round(1, time.monotonic())
                for number in range(2, self.result.rounds + 1):
                    self._next_round(number, files)
        finally:
            said = ", ".join(dict.fromkeys(self.held.given_back))
            failed = [each for each in self.held.given_back if each not in {DONE, TIMER_WAS_FIRST}]
            self.result = replace(
                self.result, armed=", ".join(self.held.armed), give_back=said, left_behind=tuple(dict.fromkeys(failed))
            )

    def _timers_start(self) -> None:
        self._undo_at = time.monotonic() + self._plan.give_back_after_s - UNDO_MARGIN_S  # before the timers do

    def _next_round(self, number: int, files: Sequence[PcapFiles]) -> None:
        """Another round. Where all is as it was, the time for giving back and arming is baseline, too."""
        for watch, file in zip(self._watches, files, strict=True):
            watch.forget()
            file.go_on_in(self._file(watch.watcher, number))
        self._timers_start()
        begun = time.monotonic()
        self.held.renew()
        last = self.result.directions[-1]
        as_it_was = last.record.active_after == last.event.new_active == self._before.active_slave
        self._round(number, begun if as_it_was else time.monotonic())

    def _round(self, number: int, begun: float) -> None:
        """Every event once. `begun`: since when the wire has been left alone."""
        done: list[Direction] = []
        for event in self._events:
            if why := self._why_to_stop(done):
                self.result = replace(self.result, unfinished=self.result.unfinished or why)
                break
            seen = self._perform(event, begun if not done else time.monotonic(), fresh=not done)
            done += [replace(each, round=number if self.result.rounds > 1 else 0) for each in seen]
        directions = (*self.result.directions, *done)
        if self.result.rounds > 1:
            directions = thinned(directions, self._plan.budgets)
        self.result = replace(self.result, directions=directions, rounds_done=number)

    def _why_to_stop(self, done: Sequence[Direction]) -> str:
        """Why no further event is tried: the bond is not where they would begin, or time is up."""
        if done and done[-1].record.active_after != done[-1].event.new_active:
            return f"after {done[-1].name} the bond was not where the rest would begin"
        if time.monotonic() > self._undo_at:
            return "give_back_after_s was over before all was tried"
        return ""

    def _perform(self, event: Event, begun: float, *, fresh: bool) -> list[Direction]:
        """Do one event, and what every observer saw of it; watching ends in time for the way back.

        `fresh`: a round begins, and every frame since is of its baseline.
        """
        several = self.result.rounds > 1
        firsts = [0 if fresh and several else len(watch.capture.frames) for watch in self._watches]
        for watch in self._watches:
            watch.baseline(begun + watching.BASELINE_S)
        asked_ns = time.monotonic_ns()
        record = self._done(event)
        self.result = replace(self.result, last_seen=_seen(event, record))
        returned_ns = time.monotonic_ns()
        ends = min(self._undo_at, time.monotonic() + self._plan.watch_s(event))
        scenes = [Scene(watch.announced, watch.probed, event.old_mac, event.new_mac) for watch in self._watches]
        for watch, first, scene in zip(self._watches, firsts, scenes, strict=True):
            watch.settle(first, scene, event, ends)
        directions = []
        known = self._watches[0].switched(firsts[0], asked_ns, returned_ns, record)
        for watch, first, scene in zip(self._watches, firsts, scenes, strict=True):
            switched = known
            if watch is not self._watches[0]:
                switched = watch.switched_like(self._watches[0], known, firsts[0], first, (asked_ns, returned_ns))
            timeline = measure(watch.frames_since(first), scene, switched)
            seen_by = watch.watcher.name if len(self._watches) > 1 else ""
            moves = watch.moves(scene, switched)
            directions.append(Direction(event, record, scene, timeline, watch.visible(), moves, seen_by))
        return directions

    def _done(self, event: Event) -> SwitchRecord:
        plan, before, watch = self._plan, self._before, self._watches[0]
        follow_s = FOLLOW_S + (before.miimon + max(before.updelay, before.downdelay) + 4 * before.arp_interval) / 1000
        if plan.breaker is None:
            observer = watch.watcher.address_towards(watch.probed[0]) or ""
            return plan.guest.act(event, plan.way, observer, watch.tokens, follow_s, held=self.held.token(plan.guest))
        acted = plan.breaker.act(event)
        record = plan.guest.follow(event, follow_s)
        return replace(record, way=acted.way, status=acted.status, message=acted.message, took_ms=acted.took_ms)


def _seen(event: Event, record: SwitchRecord) -> str:
    return f"active slave {record.active_after or 'none'} after {event.name}"


def _why_not_to_judge(result: DrillResult, watches: Sequence[Watch]) -> str | None:
    if result.before and result.after and result.before.boot_id != result.after.boot_id:
        return "the guest rebooted during the drill"
    if TIMER_WAS_FIRST in result.give_back:
        return "the guest's undo timer ran out in the middle of the drill: give_back_after_s is too short for it"
    for watch in watches:
        if dropped := watch.capture.dropped():
            name = watch.watcher.name
            return f"{dropped} frames were dropped by the capture of {name}: what was not seen proves nothing"
    for direction in result.directions:
        for probes in direction.timeline.probes:
            if not probes.sent:
                return f"no probe went to {probes.address} after {direction.name}"
    return None
