"""What a bond's options foretell, against what was measured on Linux 6.12.107 (domain notes 7.2, emulated 82576)."""

from __future__ import annotations

from typing import Any

import pytest

from checks.facts import bonds
from checks.linux.bond_prediction import predicted
from checks.linux.bonding import Cause, Span
from tests.checks.guest_samples import guest


def of(cause, options=None, **how: Any):
    [bond] = bonds.parse(guest(options=options or {}))
    return predicted(bond, cause, **{"slave_drivers": ["igbvf", "igbvf"], **how})


def test_the_bond_of_the_lab():
    manual, lost = of(Cause.MANUAL), of(Cause.LINK_LOSS)
    assert manual.outage == Span(0, 250)
    assert list(manual.garps.usual) == [3]
    assert manual.garps.later_gap == Span(200, 200)
    assert lost.outage == Span(0, 2350)
    assert list(lost.garps.usual) == [3]
    assert "igbvf looks at its link every 2000 ms" in lost.why


def test_a_driver_that_is_told_of_its_link():
    assert of(Cause.LINK_LOSS, slave_drivers=["iavf", None]).outage == Span(0, 350)


def test_one_slave_that_polls_is_enough_to_wait_for_it():
    assert of(Cause.LINK_LOSS, slave_drivers=["iavf", "ixgbevf"]).outage == Span(0, 2350)


def test_the_downdelay_is_waited_for_in_any_case():
    assert of(Cause.LINK_LOSS, {"downdelay": "500"}).outage == Span(500, 2850)
    assert of(Cause.MANUAL, {"downdelay": "500"}).outage == Span(0, 250)


def test_an_updelay_delays_no_failover():
    assert of(Cause.LINK_LOSS, {"updelay": "5000"}).outage == of(Cause.LINK_LOSS).outage


@pytest.mark.parametrize(("wanted", "measured"), [("1", 1), ("2", 1), ("3", 2), ("5", 4)])
def test_the_swallowed_notification(wanted, measured):
    options = {"num_grat_arp": wanted, "peer_notif_delay": "0"}
    assert min(of(Cause.LINK_LOSS, options).garps.usual) == measured
    assert list(of(Cause.MANUAL, options).garps.usual) == [int(wanted)]


def test_nothing_ends_the_outage_when_nothing_is_announced_or_noticed():
    assert of(Cause.MANUAL, {"num_grat_arp": "0"}).outage is None
    assert of(Cause.MANUAL, over_bridge=True).outage is None
    assert list(of(Cause.MANUAL, over_bridge=True).garps.usual) == [0]
    assert of(Cause.LINK_LOSS, {"miimon": "0"}).outage is None


def test_a_bridge_that_announces_its_new_mac():
    by_itself = of(Cause.MANUAL, over_bridge=True, bridge_arp_notify=True)
    assert by_itself.outage == Span(0, 250)
    assert list(by_itself.garps.usual) == [0, 1]  # measured: exactly 1
    assert of(Cause.MANUAL, {"fail_over_mac": "none 0"}, over_bridge=True, bridge_arp_notify=True).outage is None


@pytest.mark.parametrize("mode", ["802.3ad 4", "quantum 9"])
def test_nothing_is_foretold_without_an_active_slave(mode):
    assert of(Cause.MANUAL, {"mode": mode}) is None


def test_the_arp_monitor():
    assert of(Cause.LINK_LOSS, {"miimon": "0", "arp_interval": "100"}).outage == Span(0, 600)


def test_a_line_for_a_person():
    assert str(of(Cause.LINK_LOSS, {"downdelay": "200", "peer_notif_delay": "0"})) == (
        "loss of link: costs at most 2550 ms, at least 200 ms (igbvf looks at its link every 2000 ms; then miimon,"
        " downdelay and the first notification); gratuitous ARPs per address: 2 to 3, 100 ms apart"
    )
    silent = str(of(Cause.MANUAL, {"num_grat_arp": "0"}))
    assert silent.startswith("manual switch: lasts until a neighbour learns otherwise (nothing is announced:")
    assert silent.endswith("gratuitous ARPs per address: 0")
