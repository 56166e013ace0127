from __future__ import annotations

from failover.pictures import picture, protocol
from failover.result import NeighbourMove
from reports.figure import draw
from tests.failover.wire import GUEST4, NEW, OLD, STRANGER, SWITCH_MS, direction, drilled, garp, healthy


def test_the_picture_shows_switch_announcements_macs_and_the_gap():
    one = direction(healthy(lost=range(100, 115)))
    drawn = picture(drilled(one), one)
    kinds = [mark[1] for mark in drawn.marks]
    assert (kinds.count("switch"), kinds.count("garp"), kinds.count("na"), kinds.count("mac")) == (1, 6, 3, 2)
    assert [mark[2] for mark in drawn.marks if mark[1] == "mac"] == [OLD, NEW]
    assert drawn.gap == one.timeline.probes[0].gap
    assert drawn.window is not None and drawn.window[0] < 0 and drawn.window[1] > 403
    assert b"10.77.77.21 (VLAN 77)" in draw(drawn)


def test_a_neighbour_that_did_not_move_is_drawn_with_its_old_mac_only():
    one = direction(healthy(), neighbours=(NeighbourMove(GUEST4, OLD, OLD, None),))
    assert [mark[2] for mark in picture(drilled(one), one).marks if mark[1] == "mac"] == [OLD]


def test_a_neighbour_that_went_astray_first_is_drawn_with_every_mac_it_had():
    astray = NeighbourMove(GUEST4, NEW, OLD, None, ((4.0, STRANGER), (9.0, OLD)))
    one = direction(healthy(), neighbours=(astray,))
    drawn = [(mark[0], mark[2]) for mark in picture(drilled(one), one).marks if mark[1] == "mac"]
    assert [mac for _, mac in drawn] == [NEW, STRANGER, OLD]
    assert [ms for ms, _ in drawn[1:]] == [4.0, 9.0]


def test_the_protocol_lists_every_announcement_a_strangers_too():
    one = direction(healthy().put(SWITCH_MS + 20, garp(mac=STRANGER)))
    text = protocol(drilled(one, armed="systemd timer x"))
    assert text.count("gratuitous ARP for 10.77.0.21") == 4
    assert f"{STRANGER}, from {STRANGER}" in text
    assert "systemd timer x" in text
