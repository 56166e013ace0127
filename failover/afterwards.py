"""What is known of a guest when its drill is over, or broke off: read again, given back over a new connection."""

from __future__ import annotations

import time
from dataclasses import replace

from checks.connection import TransportTrouble
from checks.outcome import CouldNotLook
from failover.bond_state import BondState
from failover.guest import DrilledGuest
from failover.held import Held
from failover.plan import Plan
from failover.result import DrillResult
from inventory.bond import Bond

SETTLE_DEADLINE_S = 3
TIMER_SLACK_S = 10
"""How long after its undo timer a guest may still be busy with it."""
AGAIN_S = 1


def settled_state(guest: DrilledGuest, before: BondState) -> BondState:
    """The bond after the drill; looked at again for some seconds while something still differs."""
    until = time.monotonic() + SETTLE_DEADLINE_S
    while True:
        after = guest.state()
        if not before.differences(after) or time.monotonic() > until:
            return after


def what_became_of_it(plan: Plan, held: Held, result: DrillResult, problem: CouldNotLook) -> DrillResult:
    """The result of a drill that broke off, with the bond as it is now if the guest can be asked, even anew.

    A guest whose connection is lost is tried again until its own timer must have given everything back.
    """
    told = str(problem)
    guest = plan.guest
    if isinstance(problem, TransportTrouble) and problem_is_the_guests(guest, problem):
        until = time.monotonic() + plan.give_back_after_s + TIMER_SLACK_S
        try:
            guest = _connected_again(plan, until)
        except CouldNotLook as again:
            return replace(result, not_measured=_lost(told, again, plan, result))
        told += "; it was reached again over a new connection"
        if token := held.token(plan.guest):
            told += f", all given back: {guest.give_back(token)}"
    before = result.before
    try:
        after = guest.state() if before is None else settled_state(guest, before)
    except CouldNotLook as again:
        return replace(result, not_measured=_lost(told, again, plan, result))
    if before is not None and before.boot_id != after.boot_id:
        told += "; the guest has rebooted meanwhile"
    return replace(result, not_measured=told, after=after)


def problem_is_the_guests(guest: DrilledGuest, problem: CouldNotLook) -> bool:
    """Whether it is the guest's own connection that is in trouble: an observer's leaves the guest's alone."""
    return str(problem).startswith(f"{guest.place.connection.name}:")


def _connected_again(plan: Plan, until: float) -> DrilledGuest:
    while True:
        try:
            guest = plan.reconnect() if plan.reconnect else plan.guest
            guest.state()
        except CouldNotLook:
            if time.monotonic() > until or plan.reconnect is None:
                raise
            time.sleep(AGAIN_S)  # between two looks, under the deadline
        else:
            return guest


def _lost(told: str, again: CouldNotLook, plan: Plan, result: DrillResult) -> str:
    seen = result.last_seen or (f"active slave {result.before.active_slave}, untouched" if result.before else "nothing")
    return (
        f"{told}; and it could not be reached again: {again}; last seen: {seen}; "
        f"its own timer gives back after {plan.give_back_after_s} s"
    )


_COMPARED = (
    "mode fail_over_mac miimon updelay downdelay arp_interval num_grat_arp peer_notif_delay primary primary_reselect"
)


def against_inventory(state: BondState, wanted: Bond | None) -> list[str]:
    """What of a bond that came up by itself is not as the inventory has it, in words."""
    if wanted is None:
        return []
    found = [
        f"{key} is {getattr(state, key)}, wanted {getattr(wanted, key)}"
        for key in _COMPARED.split()
        if getattr(wanted, key) is not None and getattr(wanted, key) != getattr(state, key)
    ]
    for nic in wanted.slaves:
        slave = state.slave(nic)
        if slave is None:
            found.append(f"{nic} is not a slave of it")
        elif slave.mii_status != "up":
            found.append(f"{nic} is {slave.mii_status}")
    addresses = {each.address for each in state.addresses}
    networks = (*wanted.addresses, *(each for networks in wanted.vlans.values() for each in networks))
    return found + [f"{each.ip} is not there" for each in networks if str(each.ip) not in addresses]
