"""One drill: do a fault's events to a guest's bond while observers watch. Everything is given back."""

from __future__ import annotations

import secrets
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from typing import BinaryIO

from checks.outcome import CouldNotLook
from failover import watch as watching
from failover.bond_state import BondState
from failover.events import Event, planned
from failover.guest import DrilledGuest, Refused, why_not
from failover.observer import Watcher
from failover.places import DoesNotApply
from failover.plan import Holder, Plan
from failover.result import Direction, DrillResult, SwitchRecord
from failover.timeline import Scene, measure
from failover.watch import Watch

UNDO_MARGIN_S = 3
"""This much before the guest's own undo timer, the measurement of the way there ends and the way back begins."""
SETTLE_DEADLINE_S = 3
FOLLOW_S = 3.5
"""How long a bond may take to follow an event beyond its own timers: some VF drivers look at their link every 2 s."""
TIMER_WAS_FIRST = "the timer had done it already"
"""As `give_back.sh` says it."""


Look = Callable[[], Watcher]


def run(plan: Plan, observers: Sequence[Look], evidence: Callable[[str], BinaryIO]) -> DrillResult:
    """Drill one guest by one fault. `evidence` opens the file for the bytes of an observer's capture.

    What the guest or an observer does once the bond has been read is said in the result (`refused`, `not_measured`)
    and not raised. Ctrl-C and SIGTERM give everything back and are passed on.
    """
    before = plan.guest.state()
    result = DrillResult(plan.guest.name, plan.guest.bond, plan.fault, (), before, None)
    if refusal := why_not(before, plan.wanted_slaves):
        return replace(result, refused=refusal)
    try:
        watchers = [look() for look in observers]
        result = replace(result, observers=tuple(watcher.name for watcher in watchers))
        with _terminated_like_interrupted():
            return _drill(plan, before, watchers, evidence, result)
    except Refused as refusal:
        return replace(result, refused=str(refusal))
    except DoesNotApply as reason:
        return replace(result, does_not_apply=str(reason), after=_settled_state(plan.guest, before))
    except CouldNotLook as problem:
        return _after_trouble(plan.guest, before, replace(result, not_measured=str(problem)))


def _drill(
    plan: Plan,
    before: BondState,
    watchers: Sequence[Watcher],
    evidence: Callable[[str], BinaryIO],
    result: DrillResult,
) -> DrillResult:
    events = planned(plan.fault, before)
    lasts_s = sum(plan.watch_s(event) + FOLLOW_S for event in events)
    lasts_s += watching.START_DEADLINE_S * (len(watchers) + 1) + plan.give_back_after_s
    announced = before.addresses or plan.wanted_addresses
    watches: list[Watch] = []
    with ExitStack() as stack:
        for watcher in watchers:
            file = stack.enter_context(evidence(watcher.name))
            watches.append(watching.start(watcher, announced, plan.probe_interval_ms, lasts_s, file))
            stack.callback(watches[-1].stop)
        result = _round(plan, before, events, watches, result)
    result = replace(result, after=_settled_state(plan.guest, before))
    return replace(result, not_measured=_why_not_to_judge(result, watches))


def _round(
    plan: Plan, before: BondState, events: Sequence[Event], watches: Sequence[Watch], result: DrillResult
) -> DrillResult:
    """Arm every way back, do the events, give everything back."""
    undo_at = time.monotonic() + plan.give_back_after_s - UNDO_MARGIN_S  # the timers start after this
    holders: list[Holder] = [plan.guest, *([plan.breaker] if plan.breaker else [])]
    armed: list[str] = []
    said: list[list[str]] = []
    directions: list[Direction] = []
    unfinished = ""
    with ExitStack() as stack:
        for holder in holders:
            token = secrets.token_hex(4)
            armed.append(f"{holder.name}: {holder.arm(token, plan.give_back_after_s)}")
            said.append(stack.enter_context(_given_back(holder, token)))
        for event in events:
            if unfinished := _why_to_stop(directions, undo_at):
                break
            directions += _perform(plan, before, event, watches, undo_at)
    left = plan.breaker.differences() if plan.breaker else ()
    return replace(
        result,
        directions=(*result.directions, *directions),
        armed=", ".join(armed),
        give_back=", ".join("".join(each) for each in said),
        left_behind=(*result.left_behind, *left),
        unfinished=unfinished or result.unfinished,
    )


def _why_to_stop(done: Sequence[Direction], undo_at: float) -> str:
    """Why no further event is tried: the bond is not where they would begin, or time is up."""
    if done and done[-1].record.active_after != done[-1].event.new_active:
        return f"after {done[-1].event.name} the bond was not where the rest would begin"
    if time.monotonic() > undo_at:
        return "give_back_after_s was over before all was tried"
    return ""


def _perform(plan: Plan, before: BondState, event: Event, watches: Sequence[Watch], undo_at: float) -> list[Direction]:
    """Do one event, and what every observer saw of it; watching ends in time for the way back."""
    firsts = [len(watch.capture.frames) for watch in watches]
    watches[0].let_pass(watching.BASELINE_S)
    asked_ns = time.monotonic_ns()
    record = _done(plan, before, event, watches[0])
    returned_ns = time.monotonic_ns()
    ends = min(undo_at, time.monotonic() + plan.watch_s(event))
    directions = []
    for watch, first in zip(watches, firsts, strict=True):
        scene = Scene(watch.announced, watch.probed, event.old_mac, event.new_mac)
        switched = watch.switched(first, asked_ns, returned_ns, record)
        watch.settle(first, scene, event, ends)
        timeline = measure(watch.frames_since(first), scene, switched)
        seen_by = watch.watcher.name if len(watches) > 1 else ""
        moves = watch.moves(scene, switched)
        directions.append(Direction(event, record, scene, timeline, watch.visible(), moves, seen_by))
    return directions


def _done(plan: Plan, before: BondState, event: Event, watch: Watch) -> SwitchRecord:
    follow_s = FOLLOW_S + (before.miimon + max(before.updelay, before.downdelay) + 4 * before.arp_interval) / 1000
    if plan.breaker is None:
        observer = watch.watcher.address_towards(watch.probed[0]) or ""
        return plan.guest.act(event, plan.way, observer, watch.tokens, follow_s)
    acted = plan.breaker.act(event)
    record = plan.guest.follow(event, follow_s)
    return replace(record, way=acted.way, status=acted.status, message=acted.message, took_ms=acted.took_ms)


def _settled_state(guest: DrilledGuest, before: BondState) -> BondState:
    """The bond after the drill; looked at again for some seconds while something still differs."""
    until = time.monotonic() + SETTLE_DEADLINE_S
    while True:
        after = guest.state()
        if not before.differences(after) or time.monotonic() > until:
            return after


def _after_trouble(guest: DrilledGuest, before: BondState, result: DrillResult) -> DrillResult:
    """The result of a drill that broke off, with the bond as it is now if the guest still answers."""
    try:
        return replace(result, after=_settled_state(guest, before))
    except CouldNotLook as problem:
        return replace(result, not_measured=f"{result.not_measured}; afterwards: {problem}")


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


@contextmanager
def _given_back(holder: Holder, token: str) -> Iterator[list[str]]:
    """Whatever happens inside, the holder restores what it holds; a signal meanwhile waits until it has.

    What it said about it is in the list afterwards.
    """
    said: list[str] = []
    try:
        yield said
    finally:
        kept = {number: signal.signal(number, signal.SIG_IGN) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            said.append(holder.give_back(token))
        finally:
            for number, handler in kept.items():
                signal.signal(number, handler)


@contextmanager
def _terminated_like_interrupted() -> Iterator[None]:
    """SIGTERM unwinds like Ctrl-C, so that everything is given back."""

    def interrupt(number: int, _frame: object) -> None:
        raise KeyboardInterrupt(f"signal {number}")

    kept = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, kept)
