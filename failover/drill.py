"""One drill: make another slave the active one, and back, while the observer watches. Everything is given back."""

from __future__ import annotations

import secrets
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import BinaryIO

from checks.linux.bonding import Cause, Notifications, expected_notifications
from checks.outcome import CouldNotLook
from failover import watch as watching
from failover.bond_state import BondState
from failover.guest import DrilledGuest, Refused, other_slave, why_not
from failover.observer import Watcher
from failover.result import Direction, DrillResult
from failover.timeline import Announced, Scene, measure
from failover.watch import Watch
from inventory.model import Budgets

UNDO_MARGIN_S = 3
"""This much before the guest's own undo timer, the measurement of the way there ends and the way back begins."""
SETTLE_DEADLINE_S = 3
TIMER_WAS_FIRST = "the timer had done it already"
"""As `give_back.sh` says it."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What the inventory asks of one drill."""

    guest: DrilledGuest
    way: str
    wanted_slaves: tuple[str, ...]
    wanted_addresses: tuple[Announced, ...]
    """Used only where the guest itself cannot tell its addresses."""
    probe_interval_ms: float
    give_back_after_s: int
    budgets: Budgets

    def watch_s(self, expected: Notifications) -> float:
        """How long one switch is watched at most: as long as any budget, and a little more to see by how much."""
        budgets = self.budgets
        longest = max(budgets.outage_ms / 1000, budgets.neighbour_s, budgets.first_garp_ms / 1000)
        return max(longest + 1, watching.notify_s(expected))


def run(plan: Plan, look_at_observer: Callable[[], Watcher], evidence: BinaryIO) -> DrillResult:
    """Drill one guest. The capture's bytes go to `evidence`.

    What the guest or the observer does once the bond has been read is said in the result (`refused`, `not_measured`)
    and not raised. Ctrl-C and SIGTERM give everything back and are passed on.
    """
    before = plan.guest.state()
    result = DrillResult(plan.guest.name, plan.guest.bond, "", before, None)
    if refusal := why_not(before, plan.wanted_slaves):
        return replace(result, refused=refusal)
    try:
        watcher = look_at_observer()
        with _terminated_like_interrupted():
            return _drill(plan, before, watcher, evidence, replace(result, observer=watcher.name))
    except Refused as refusal:
        return replace(result, refused=str(refusal))
    except CouldNotLook as problem:
        return _after_trouble(plan.guest, before, replace(result, not_measured=str(problem)))


def _drill(plan: Plan, before: BondState, watcher: Watcher, evidence: BinaryIO, result: DrillResult) -> DrillResult:
    expected = _expected(before)
    lasts_s = 2 * (plan.watch_s(expected) + watching.START_DEADLINE_S) + plan.give_back_after_s
    announced = before.addresses or plan.wanted_addresses
    watch = watching.start(watcher, announced, plan.probe_interval_ms, lasts_s, evidence)
    try:
        token = secrets.token_hex(4)
        undo_at = time.monotonic() + plan.give_back_after_s - UNDO_MARGIN_S  # the timer starts after this
        armed = plan.guest.arm(token, plan.give_back_after_s)
        with _given_back(plan.guest, token) as said:
            there = _switch(plan, before, watch, other_slave(before), undo_at)
            back = _switch(plan, before, watch, before.active_slave, None)
    finally:
        watch.stop()
    after = _settled_state(plan.guest, before)
    result = replace(result, after=after, directions=(there, back), armed=armed, give_back="".join(said))
    return replace(result, not_measured=_why_not_to_judge(result, watch.capture.dropped()))


def _switch(plan: Plan, before: BondState, watch: Watch, new: str, ends: float | None) -> Direction:
    """One switch and what it did. `ends`: monotonic time at which watching ends, whatever has come by then."""
    old = before.active_slave if new != before.active_slave else other_slave(before)
    scene = Scene(watch.announced, watch.probed, before.mac_with_active(old), before.mac_with_active(new))
    expected = _expected(before)
    first = len(watch.capture.frames)
    watch.let_pass(watching.BASELINE_S)
    asked_ns = time.monotonic_ns()
    observer = watch.watcher.address_towards(watch.probed[0]) or ""
    record = plan.guest.switch(new, plan.way, observer, watch.tokens)
    switched = watch.switched(first, asked_ns, time.monotonic_ns(), record)
    latest = time.monotonic() + plan.watch_s(expected)
    watch.settle(first, scene, expected, latest if ends is None else min(ends, latest))
    timeline = measure(watch.frames_since(first), scene, switched)
    return Direction(old, new, record, scene, timeline, expected, watch.visible(), watch.moves(scene, switched))


def _expected(bond: BondState) -> Notifications:
    return expected_notifications(
        num_grat_arp=bond.num_grat_arp,
        peer_notif_delay=bond.peer_notif_delay,
        miimon=bond.miimon,
        arp_notify=bond.arp_notify,
        cause=Cause.MANUAL,
        fail_over_mac=bond.fail_over_mac,
        arp_interval=bond.arp_interval,
    )


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


def _why_not_to_judge(result: DrillResult, dropped: int) -> str | None:
    if result.before and result.after and result.before.boot_id != result.after.boot_id:
        return "the guest rebooted during the drill"
    if result.give_back == TIMER_WAS_FIRST:
        return "the guest's undo timer ran out in the middle of the drill: give_back_after_s is too short for it"
    if dropped:
        return f"{dropped} frames were dropped by the observer's capture, so that what was not seen proves nothing"
    for direction in result.directions:
        for probes in direction.timeline.probes:
            if not probes.sent:
                return f"no probe went to {probes.address} after {direction.name}"
    return None


@contextmanager
def _given_back(guest: DrilledGuest, token: str) -> Iterator[list[str]]:
    """Whatever happens inside, the guest's active slave is restored; a signal meanwhile waits until it is.

    What the guest said about it is in the list afterwards.
    """
    said: list[str] = []
    try:
        yield said
    finally:
        kept = {number: signal.signal(number, signal.SIG_IGN) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            said.append(guest.give_back(token))
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
