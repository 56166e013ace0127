"""Drills: the active slave changes, by command or because its link is gone. Statements about what neighbours saw."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from checks.outcome import CouldNotLook, advise
from failover import announcements, comparison, verdict
from failover.afterwards import against_inventory
from failover.result import Direction, DrillResult
from inventory.model import Budgets, Guest

MOST_TOLD = 6
"""Of a drill that is repeated: how many complaints are told in full."""


def _all(drill: DrillResult, complain: Callable[[Direction], list[str]]) -> str:
    """Every complaint about every event, each with its event; of many rounds the first ones, and how many more."""
    found = [(each.round, f"{each.name}: {complaint}") for each in drill.directions for complaint in complain(each)]
    most = MOST_TOLD if drill.rounds > 1 else len(found)
    told = "; ".join(text for _, text in found[:most])
    if len(found) <= most:
        return told
    rounds = {number for number, _ in found}
    return f"{told}; and {len(found) - most} more like these: {len(rounds)} of {drill.rounds_done} rounds are broken so"


def _advise_on(guest_name: str, drill: DrillResult, remark: Callable[[Direction], list[str]]) -> None:
    """Every remark about every event is an advice; of many rounds the first ones, and how many more."""
    found = [text for each in drill.directions for text in remark(each)]
    most = MOST_TOLD if drill.rounds > 1 else len(found)
    for text in found[:most]:
        advise(f"{guest_name}: {text}")
    if len(found) > most:
        advise(f"{guest_name}: {len(found) - most} more like these in {drill.rounds_done} rounds")


def _skip_unless_followed(drill: DrillResult) -> None:
    """Where nothing failed over at all, there was nothing for neighbours to learn: that is told in its own row."""
    if drill.directions and not any(direction.followed for direction in drill.directions):
        pytest.skip(f"{drill.bond}: {verdict.NOT_FOLLOWED}")


def test_bond_can_fail_over(guest_name: str, drill: DrillResult) -> None:
    """The bond is whole, and another slave is ready to take over.

    Why: a bond that is degraded already has nothing to fail over to; a drill on it would cut the guest off.
    Fix: bring the slave named below back (cable, PF, VF, driver), then drill again.
    """
    assert drill.refused is None, f"{guest_name}: no drill on {drill.bond}: {drill.refused}"


@pytest.mark.usefixtures("kernel_noted")
def test_switch_is_carried_out(guest_name: str, measured: DrillResult) -> None:
    """The bond follows: the slave that must be active is, and its MAC is the one that fail_over_mac says.

    Why: a bond that does not obey a command, or does not notice that a link is gone, does not fail over.
    Fix: do what is named below; look at the guest's kernel log for the bond and its slaves.
    """
    wrong = _all(measured, verdict.not_carried_out)
    assert not wrong, f"{guest_name}: {measured.bond}: {wrong}"


@pytest.mark.usefixtures("numbers_noted")
def test_traffic_is_back_in_time(guest_name: str, measured: DrillResult, budgets: Budgets) -> None:
    """Traffic to the guest flows again within the budget after a failover.

    Why: this is the outage that the guest's users see.
    Fix: see which neighbours kept the old MAC, and whether the guest announced the new one (num_grat_arp,
    peer_notif_delay) and the switch let it pass.
    """
    dirty = _all(measured, verdict.dirty_baselines)
    late = _all(measured, lambda direction: verdict.with_cause(direction, verdict.outages(direction, budgets)))
    assert not late, f"{guest_name}: {late}"
    if dirty:
        raise CouldNotLook(f"{guest_name}: could not measure: the wire itself loses packets: {dirty}")


@pytest.mark.usefixtures("foretold_noted")
def test_failover_costs_what_was_foretold(guest_name: str, measured: DrillResult) -> None:
    """A failover costs no more than the bond's own settings foretell.

    Why: miimon, its delays, the driver's way of looking at its link and num_grat_arp say beforehand how long an outage
    can last; one that lasts longer has a reason that is not in the configuration.
    Fix: do what the likely reason below says; what was foretold, and how, stands beside what was measured.
    """
    _skip_unless_followed(measured)
    if not any(comparison.is_foretold(direction) for direction in measured.directions):
        why = dict.fromkeys(each.event.foretold.why for each in measured.directions if each.event.foretold)
        pytest.skip(f"no end of an outage is foretold of {measured.bond}: {'; '.join(why) or 'nothing is known of it'}")
    dirty = _all(measured, verdict.dirty_baselines)
    wrong = _all(measured, comparison.unexplained)
    assert not wrong, f"{guest_name}: {measured.bond}: {wrong}"
    if dirty:
        raise CouldNotLook(f"{guest_name}: could not measure: the wire itself loses packets: {dirty}")
    _advise_on(guest_name, measured, comparison.more_than_foretold)


def test_lost_probes_are_within_budget(guest_name: str, measured: DrillResult, budgets: Budgets) -> None:
    """No more probes are lost than the budget allows.

    Why: many short losses can hurt as much as one gap.
    Fix: compare with the gap and the neighbour's entry in the timeline; raise the budget only for a known reason.
    """
    if budgets.lost_probes is None:
        pytest.skip("the inventory gives no budget for lost probes")
    dirty = _all(measured, verdict.dirty_baselines)
    lost = _all(measured, lambda direction: verdict.too_many_lost(direction, budgets))
    assert not lost, f"{guest_name}: {lost}"
    if dirty:
        raise CouldNotLook(f"{guest_name}: could not measure: the wire itself loses packets: {dirty}")


def test_new_mac_is_announced_by_gratuitous_arp(guest_name: str, measured: DrillResult) -> None:
    """After a failover every IPv4 address is announced by gratuitous ARP, as often as the bond is set to.

    Why: neighbours and switches send to the old place until they are told; the kernel repeats the announcement
    (num_grat_arp) because one frame may be lost.
    Fix: with none seen, look for ARP inspection or storm control on the switch, for num_grat_arp=0, and for an address
    that sits on a bridge over the bond, which announces nothing.
    """
    _judge_announcements(guest_name, measured, "GARP")


def test_new_mac_is_announced_by_neighbour_advertisement(guest_name: str, measured: DrillResult) -> None:
    """After a failover every IPv6 address is announced by unsolicited neighbour advertisements.

    Why: what gratuitous ARP is to IPv4, these are to IPv6; a switch may drop one and pass the other.
    Fix: look for RA guard, ND inspection or multicast filtering (MLD snooping) on the switch, and num_unsol_na.
    """
    _judge_announcements(guest_name, measured, "NA")


def _judge_announcements(guest_name: str, measured: DrillResult, by: str) -> None:
    if not any(each.by == by for direction in measured.directions for each in direction.visible):
        family = {"GARP": "IPv4", "NA": "IPv6"}[by]
        pytest.skip(f"{measured.bond} has no {family} address on this observer's network")
    _skip_unless_followed(measured)
    wrong = _all(measured, lambda direction: announcements.wrong(direction, by))
    assert not wrong, f"{guest_name}: {wrong}"
    _advise_on(guest_name, measured, lambda direction: announcements.strange(direction, by))
    for text in dict.fromkeys(
        text for each in measured.directions for text in announcements.silent_by_design(each, by)
    ):
        advise(f"{guest_name}: {text}")


def test_first_gratuitous_arp_is_in_time(guest_name: str, measured: DrillResult, budgets: Budgets) -> None:
    """The first gratuitous ARP leaves within the budget.

    Why: it ends the outage for every neighbour that heeds it; the later ones are only a reserve.
    Fix: a late first one points at a link that was still pending (linkwatch), or at a bond whose monitor is slow.
    """
    _skip_unless_followed(measured)
    wanted = [each for direction in measured.directions for each in direction.visible if each.by == "GARP"]
    if not wanted or not any(announcements.announces(direction) for direction in measured.directions):
        pytest.skip(f"{measured.bond} is not expected to send any gratuitous ARP")
    late = _all(measured, lambda direction: announcements.late_garp(direction, budgets))
    assert not late, f"{guest_name}: {late}"
    _advise_on(guest_name, measured, lambda direction: announcements.uncertain_garp(direction, budgets))


def test_neighbour_learns_the_new_mac(guest_name: str, measured: DrillResult, budgets: Budgets) -> None:
    """The observer's own neighbour entries have the guest's new MAC in time.

    Why: a frame on the wire is no proof that a neighbour heeds it; its own entry is.
    Fix: on a Linux neighbour look at drop_gratuitous_arp and drop_unsolicited_na; else see the announcements above.
    """
    if all(direction.scene.old_mac == direction.scene.new_mac for direction in measured.directions):
        pytest.skip(f"{measured.bond} keeps its MAC when it fails over: there is nothing for a neighbour to learn")
    _skip_unless_followed(measured)
    stuck = _all(measured, lambda direction: verdict.stuck_neighbours(direction, budgets))
    assert not stuck, f"{guest_name}: {', '.join(measured.observers)}: {stuck}"
    _advise_on(guest_name, measured, lambda direction: verdict.uncertain_neighbours(direction, budgets))


def test_nobody_else_announces_the_guests_addresses(guest_name: str, measured: DrillResult) -> None:
    """No other MAC announces the guest's addresses during the drill.

    Why: two machines with one address take each other's traffic, most of all right after a failover.
    Fix: find the MAC named below in the switch's table; it is a duplicate address or a proxy.
    """
    others = _all(measured, announcements.foreign)
    assert not others, f"{guest_name}: {others}"


def test_state_is_given_back(guest_name: str, drill: DrillResult, wanted_guest: Guest) -> None:
    """After the drill the bond, its slaves and its addresses are as they were before.

    Why: a drill that leaves something behind is a fault of its own.
    Fix: write the active slave named below to /sys/class/net/BOND/bonding/active_slave, and tell us.
    """
    if drill.refused is not None:
        pytest.skip("nothing was switched")
    if drill.before is None or drill.after is None:
        raise CouldNotLook(f"{guest_name}: the bond could not be read again: {drill.not_measured}")
    if drill.before.boot_id != drill.after.boot_id:
        now = against_inventory(drill.after, wanted_guest.bonds.get(drill.bond)) or ["all as the inventory has it"]
        raise CouldNotLook(
            f"{guest_name}: rebooted during the drill, so nothing was left to give back; active slave before "
            f"{drill.before.active_slave}, now {drill.after.active_slave or 'none'}; {drill.bond} now: {'; '.join(now)}"
        )
    left = "; ".join([*(f"{drill.bond}: {each}" for each in drill.before.differences(drill.after)), *drill.left_behind])
    assert not left, f"{guest_name}: not as it was: {left}"
