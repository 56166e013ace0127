from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scapy.layers.inet import IP
from scapy.layers.l2 import ARP, Ether

from failover import frames
from failover.frames import BROADCAST, Frame, Kind, Tokens, decode
from tests.failover.wire import (
    GUEST4,
    GUEST6,
    NEW,
    OLD,
    STRANGER,
    TAGGED4,
    TOKENS,
    garp,
    marker,
    na,
    numbered,
    reply,
    request,
)


def seen(packet):
    return decode(bytes(packet), 5, TOKENS)


def test_a_gratuitous_arp_is_known_by_its_two_equal_addresses():
    frame = seen(garp())
    assert (frame.kind, frame.address, frame.hardware, frame.source, frame.vlan) == (Kind.GARP, GUEST4, NEW, NEW, None)


def test_the_reply_form_is_told_apart():
    assert seen(garp(op=2)).kind is Kind.GARP_REPLY


def test_padding_to_sixty_bytes_changes_nothing():
    padded = decode(bytes(garp()) + b"\0" * 18, 5, TOKENS)
    assert padded == seen(garp())


def test_a_tag_is_read_from_the_frame():
    frame = seen(garp(TAGGED4, vlan=77))
    assert (frame.kind, frame.vlan) == (Kind.GARP, 77)


def test_an_ethernet_source_that_is_not_the_announced_mac_is_kept():
    frame = seen(garp(source=STRANGER))
    assert (frame.source, frame.hardware) == (STRANGER, NEW)


@pytest.mark.parametrize(
    ("packet", "kind"),
    [
        (Ether(src=OLD, dst=BROADCAST) / ARP(op=1, hwsrc=OLD, psrc="0.0.0.0", pdst=GUEST4), Kind.ARP_PROBE),
        (Ether(src=OLD, dst=BROADCAST) / ARP(op=1, hwsrc=OLD, psrc="10.77.0.9", pdst=GUEST4), Kind.ARP),
        (Ether(src=OLD, dst=BROADCAST) / ARP(op=1, hwsrc=OLD, psrc="0.0.0.0", pdst="0.0.0.0"), Kind.ARP_PROBE),
        (na(), Kind.UNSOLICITED_NA),
        (na(solicited=1), Kind.OTHER),
        (na(towards="fd77::9"), Kind.OTHER),
        (marker(TOKENS.marker), Kind.MARKER),
        (marker(b"somebody"), Kind.OTHER),
        (request(1, payload=TOKENS.marker * 5), Kind.MARKER),
        (request(1, payload=b"another's ping" * 3), Kind.OTHER),
        (request(1, address=GUEST6, payload=TOKENS.marker * 5), Kind.MARKER),
    ],
)
def test_each_frame_has_its_kind(packet, kind):
    assert seen(packet).kind is kind


@pytest.mark.parametrize("address", [GUEST4, GUEST6])
def test_probes_and_answers_carry_their_number(address):
    there, back = seen(request(65535, address=address)), seen(reply(65535, address=address))
    assert (there.kind, there.towards, there.sequence) == (Kind.ECHO_REQUEST, address, 65535)
    assert (back.kind, back.address, back.sequence) == (Kind.ECHO_REPLY, address, 65535)


@pytest.mark.parametrize("vlan", [None, 77])
@pytest.mark.parametrize("answer", [False, True])
@pytest.mark.parametrize("address", [GUEST4, GUEST6])
def test_our_own_senders_numbers_have_32_bits(address, answer, vlan):
    frame = seen(numbered(0x12345678, address, answer=answer, vlan=vlan))
    kind = Kind.ECHO_REPLY if answer else Kind.ECHO_REQUEST
    assert (frame.kind, frame.sequence, frame.vlan) == (kind, 0x12345678, vlan)
    assert (frame.address if answer else frame.towards) == address


def test_a_probe_of_another_drill_or_in_fragments_is_none_of_ours():
    strange = Tokens(b"99998888", b"marker02")
    assert decode(bytes(numbered(1)), 5, strange).kind is Kind.OTHER
    fragment = bytes(Ether(src=OLD, dst=NEW) / IP(src=GUEST4, dst=GUEST4, proto=1, frag=3) / (b"\x08\0" + b"1" * 40))
    assert decode(fragment, 5, TOKENS).kind is Kind.OTHER


PROBES = [numbered(70000, address, answer=answer) for address in (GUEST4, GUEST6) for answer in (False, True)]
PROBES += [numbered(3, vlan=77), request(9), reply(9, address=GUEST6)]


@given(st.sampled_from(PROBES), st.lists(st.tuples(st.integers(0, 90), st.integers(0, 255)), max_size=3))
def test_what_is_read_by_offsets_is_what_scapy_reads(packet, changes):
    data = bytearray(bytes(packet))
    for at, value in changes:
        data[at % len(data)] = value
    quick = frames._own_echo(bytes(data), 5, TOKENS.probe)
    assert quick is None or quick == frames._any_frame(bytes(data), 5, TOKENS)
    if not changes:
        assert quick is not None


@pytest.mark.parametrize(
    ("mac", "flooded"), [(BROADCAST, True), ("33:33:00:00:00:01", True), (OLD, False), ("", False)]
)
def test_a_frame_for_everybody_is_known_by_its_destination(mac, flooded):
    assert Frame(1, Kind.OTHER, None, OLD, mac).for_everybody is flooded


def test_an_advertisement_names_its_target_and_its_mac():
    frame = seen(na())
    assert (frame.address, frame.hardware) == (GUEST6, NEW)


@given(st.binary(min_size=14, max_size=128))
def test_no_bytes_on_the_wire_make_it_stumble(data):
    assert decode(data, 5, TOKENS).at_ns == 5


@given(st.integers(0, 63), st.sampled_from([garp(), na(), request(3), reply(3, address=GUEST6), garp(vlan=77)]))
def test_a_frame_cut_short_is_no_reason_to_stumble(length, packet):
    assert decode(bytes(packet)[:length], 5, TOKENS).at_ns == 5
