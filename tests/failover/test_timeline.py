from __future__ import annotations

from dataclasses import replace

import pytest
from scapy.layers.l2 import ARP

from failover import verdict
from failover.frames import Kind
from failover.timeline import Announced, Switched, count_announcements, find_switch, measure
from tests.failover.wire import (
    GUEST4,
    GUEST6,
    NEW,
    OLD,
    SCENE,
    START_NS,
    STRANGER,
    SWITCH_MS,
    TAGGED4,
    TOKENS,
    WANTED,
    Wire,
    direction,
    garp,
    healthy,
    marker,
    reply,
    request,
)


def timeline(wire: Wire, scene=SCENE):
    frames = wire.frames()
    switched = find_switch(frames, 4.5)
    assert switched is not None
    return measure(frames, scene, switched)


def test_the_switch_is_timed_by_its_marker():
    switched = find_switch(healthy().frames(), 4.5)
    assert switched == Switched(START_NS + 999_500_000, START_NS + 1_004_000_000, "marker frame")


def test_without_a_marker_there_is_no_switch_to_find():
    assert find_switch(Wire().put(0, marker(TOKENS.probe)).put(1, garp()).frames(), 4.5) is None


def test_the_first_garp_lies_between_two_bounds():
    measured = timeline(healthy())
    assert (measured.first_garp_ms, measured.first_garp_at_least_ms, measured.last_from_old_ms) == (3.0, 0.0, 0.0)
    assert measured.first_garp_at_most_ms == 3.0
    late = timeline(healthy().drop(lambda ms, packet: ms in {1002.5}))
    assert late.first_garp_ms == pytest.approx(203)
    assert late.first_garp_at_least_ms == pytest.approx(198.5)


def test_a_frame_from_the_old_mac_after_the_command_narrows_the_bound():
    measured = timeline(healthy().put(1002, reply(99, OLD)))
    assert measured.last_from_old_ms == pytest.approx(2.5)
    assert measured.first_garp_at_most_ms == pytest.approx(0.5)


def test_the_first_frame_of_any_kind_from_the_new_mac_is_known():
    measured = timeline(healthy())
    assert (measured.last_from_old_ms, measured.first_from_new_ms) == (0.0, 1.5)  # an answer, 1 ms before the GARP
    assert timeline(healthy(), replace(SCENE, old_mac=NEW)).first_from_new_ms is None
    from_old_only = healthy().drop(lambda ms, packet: packet.src == NEW)
    assert timeline(from_old_only).first_from_new_ms is None


def test_each_address_and_vlan_is_counted_by_itself():
    measured = timeline(healthy().put(1010, garp(TAGGED4, vlan=78)).put(1011, garp(TAGGED4)))
    assert [len(measured.of(each)) for each in WANTED] == [3, 3, 3]
    assert measured.spacing_ms(WANTED[0]) == pytest.approx((200, 200))


def test_a_strangers_garp_is_never_credited():
    measured = timeline(healthy().put(1010, garp(mac=STRANGER)))
    assert len(measured.of(WANTED[0])) == 3
    assert [(each.mac, each.of.address) for each in measured.foreign] == [(STRANGER, GUEST4)]


def test_an_announcement_by_the_old_mac_or_another_source_is_wrong():
    measured = timeline(healthy().put(1010, garp(mac=OLD)).put(1011, garp(source=STRANGER)))
    assert [(each.mac, each.source) for each in measured.wrong] == [(OLD, OLD), (NEW, STRANGER)]
    assert len(measured.of(WANTED[0])) == 3


def test_announcements_before_the_switch_do_not_count():
    assert len(timeline(healthy().put(900, garp())).of(WANTED[0])) == 3


def test_the_reply_form_is_kept_apart_by_its_form():
    measured = timeline(healthy().put(1010, garp(op=2)))
    assert [each.form for each in measured.of(WANTED[0])].count(Kind.GARP_REPLY) == 1


def test_counting_while_it_runs_agrees_with_the_timeline():
    assert count_announcements(healthy().frames(), SCENE) == dict.fromkeys(WANTED, 3)


def test_a_form_that_linux_does_not_send_is_told():
    lines = verdict.numbers(direction(healthy().put(1010, garp(op=2))))
    assert any("4 × GARP for 10.77.0.21 (1 in reply form" in line for line in lines), lines
    assert any("last frame from the old MAC at 0.0 ms, first from the new one at 1.5 ms" in line for line in lines)


def test_a_healthy_switch_has_no_gap():
    (probes,) = timeline(healthy()).probes
    assert (probes.lost, probes.gap, probes.gap_ms, probes.still_out) == (0, None, 0.0, False)
    assert (probes.baseline_sent, probes.baseline_lost) == (100, 0)
    assert probes.interval_ms == pytest.approx(10)
    assert probes.silence_ms == pytest.approx(10)


def test_the_longest_of_two_gaps_counts_from_answered_to_answered():
    (probes,) = timeline(healthy(lost=[105, *range(120, 130)])).probes
    assert probes.lost == 11
    assert probes.gap == pytest.approx((190.5 + 0, 300.5))
    assert probes.gap_ms == pytest.approx(110)
    assert probes.resolution_ms == pytest.approx(10)


def test_a_loss_before_the_switch_is_the_baselines():
    (probes,) = timeline(healthy(lost=[50])).probes
    assert (probes.baseline_lost, probes.lost, probes.gap) == (1, 0, None)


def test_probes_in_flight_at_the_switch_are_the_switchs():
    (probes,) = timeline(healthy(lost=[98, 99, 100])).probes
    assert (probes.baseline_lost, probes.lost) == (0, 3)
    assert probes.gap_ms == pytest.approx(40)


def test_a_wire_that_went_dead_well_before_the_switch_is_not_blamed_on_it():
    (probes,) = timeline(healthy(lost=range(90, 130))).probes
    assert probes.baseline_lost == 8  # but for those whose answers could still have been on their way
    assert probes.baseline_sent == 98


def test_traffic_that_does_not_come_back_is_still_out():
    (probes,) = timeline(healthy(lost=range(150, 300))).probes
    assert probes.still_out
    assert probes.tail_lost == probes.lost
    assert probes.gap_ms > 1200


def test_a_probe_on_its_way_at_the_end_is_not_lost():
    (probes,) = timeline(healthy(lost=[299])).probes
    assert (probes.lost, probes.still_out) == (0, False)


def test_duplicates_and_late_answers_have_numbers_of_their_own():
    wire = healthy(lost=[150]).put(1531, reply(150, NEW)).put(1705, reply(170, NEW))
    (probes,) = timeline(wire).probes
    assert (probes.lost, probes.duplicated, probes.reordered) == (0, 1, 1)
    assert probes.silence_ms == pytest.approx(20)


def test_sequence_numbers_come_round():
    wire = Wire().put(SWITCH_MS, marker(TOKENS.marker))
    for index, sequence in enumerate([65534, 65535, 0, 1] + [2] * 1):
        wire.put(SWITCH_MS + 1 + index * 10, request(sequence)).put(SWITCH_MS + 2 + index * 10, reply(sequence))
    for sent in (500, 900):
        wire.put(SWITCH_MS + sent, request(7)).put(SWITCH_MS + sent + 1, reply(7))
    (probes,) = timeline(wire).probes
    assert (probes.sent, probes.lost, probes.duplicated, probes.reordered) == (7, 0, 0, 0)


def test_probes_to_the_old_mac_are_counted_only_when_the_mac_moves():
    wire = healthy().put(1001, request(401, OLD)).put(1005, request(400, OLD)).put(1006, reply(400, NEW))
    assert timeline(wire).probes[0].to_old_mac == 1
    kept = replace(SCENE, old_mac=NEW)
    assert timeline(wire, kept).probes[0].to_old_mac == 0


def test_another_address_is_another_series():
    wire = healthy().put(1100, request(9, NEW, GUEST6)).put(1101, reply(9, NEW, GUEST6))
    four, six = timeline(wire, replace(SCENE, probed=(GUEST4, GUEST6))).probes
    assert (four.sent, six.sent) == (200, 1)


def test_an_address_says_what_announces_it():
    assert (Announced(-1, GUEST6).by, str(Announced(77, TAGGED4))) == ("NA", "10.77.77.21 (VLAN 77)")


def test_frames_that_were_stamped_late_make_no_bound_that_contradicts_the_other() -> None:
    """The command had returned after 4.5 ms, but the old MAC is heard until right before the GARP."""
    wire = healthy(lost=range(100, 146)).drop(lambda ms, packet: SWITCH_MS < ms < SWITCH_MS + 450 and packet.src == NEW)
    wire = wire.drop(lambda ms, packet: ms > SWITCH_MS and ARP in packet)
    wire.put(SWITCH_MS + 449.9, reply(99, OLD)).put(SWITCH_MS + 450, garp())
    timeline = direction(wire).timeline
    assert timeline.first_garp_ms is not None and timeline.first_garp_ms > 449
    assert timeline.first_garp_at_least_ms is not None and timeline.first_garp_at_most_ms is not None
    assert timeline.first_garp_at_least_ms <= timeline.first_garp_at_most_ms < 1
