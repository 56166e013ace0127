"""The bonding driver's behaviour as code, against what was measured on Linux 6.12.107 (emulated 82576)."""

from __future__ import annotations

from typing import Any

import pytest

from checks.linux.bonding import (
    Cause,
    Span,
    expected_notifications,
    option_name,
    predicted_outage,
    swallows_on_link_loss,
)


def expected(**options):
    defaults = {"num_grat_arp": 3, "peer_notif_delay": 0, "miimon": 100, "arp_notify": False, "cause": Cause.MANUAL}
    return expected_notifications(**{**defaults, **options})


@pytest.mark.parametrize("wanted", [1, 2, 3, 5])
def test_a_manual_switch_sends_exactly_the_configured_number(wanted):
    assert list(expected(num_grat_arp=wanted).usual) == [wanted]


@pytest.mark.parametrize(("wanted", "measured"), [(1, 1), (2, 1), (3, 2), (5, 4)])
def test_a_loss_of_link_swallows_one_as_measured(wanted, measured):
    usual = expected(num_grat_arp=wanted, cause=Cause.LINK_LOSS).usual
    assert measured in usual
    assert min(usual) == measured
    assert max(usual) == wanted


def test_a_delay_of_two_ticks_cures_the_swallowing():
    assert list(expected(peer_notif_delay=200, cause=Cause.LINK_LOSS).usual) == [3]
    assert not swallows_on_link_loss(num_grat_arp=3, peer_notif_delay=200, miimon=100)
    assert swallows_on_link_loss(num_grat_arp=3, peer_notif_delay=100, miimon=100)
    assert not swallows_on_link_loss(num_grat_arp=1, peer_notif_delay=0, miimon=100)


def test_nothing_is_sent_when_none_are_configured():
    silent = expected(num_grat_arp=0)
    assert list(silent.usual) == [0]
    assert silent.first_gap is None


def test_arp_notify_adds_one_only_when_the_mac_changes():
    assert max(expected(num_grat_arp=1, arp_notify=True).usual) == 2
    assert max(expected(num_grat_arp=1, arp_notify=True, fail_over_mac="none").usual) == 1


def test_without_a_monitor_the_repeats_are_never_sent():
    alone = expected(miimon=0)
    assert list(alone.usual) == [1]
    assert alone.first_gap is None


def test_the_arp_monitor_is_a_tick_too():
    assert expected(miimon=0, arp_interval=250).later_gap == Span(250, 250)


def test_spacing_by_delay_has_a_first_gap_shorter_by_up_to_one_tick():
    spaced = expected(peer_notif_delay=500)
    assert spaced.first_gap == Span(400, 500)
    assert spaced.later_gap == Span(500, 500)
    assert expected().first_gap == Span(0, 100)
    assert expected(num_grat_arp=2).later_gap is None


def test_one_lost_or_repeated_is_tolerated_but_never_none():
    assert list(expected().tolerated) == [2, 3, 4]
    assert min(expected(num_grat_arp=1).tolerated) == 1


def test_outage_of_a_manual_switch_is_bounded_by_the_announcement():
    options: dict[str, Any] = {"cause": Cause.MANUAL, "fail_over_mac": "active", "miimon": 100}
    assert predicted_outage(**options, num_grat_arp=3).at_most_ms == 250
    assert predicted_outage(**options, num_grat_arp=0).at_most_ms is None
    assert predicted_outage(**options, num_grat_arp=3, silent=True).at_most_ms is None


def test_outage_of_a_lost_link_depends_on_how_the_driver_learns_of_it():
    options: dict[str, Any] = {"cause": Cause.LINK_LOSS, "fail_over_mac": "active", "num_grat_arp": 3}
    assert predicted_outage(**options, miimon=100, slave_driver="iavf").at_most_ms == 350
    assert predicted_outage(**options, miimon=100, slave_driver="igbvf", downdelay=200).at_most_ms == 2550
    assert predicted_outage(**options, miimon=0).at_most_ms is None
    assert predicted_outage(**options, miimon=0, arp_interval=100).at_most_ms == 600


@pytest.mark.parametrize(
    ("text", "name"),
    [("active-backup 1\n", "active-backup"), ("none 0\n", "none"), ("new-mode 9\n", "new-mode"), ("odd\n", "odd")],
)
def test_option_names(text, name):
    assert option_name(text) == name
