from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scapy.layers.l2 import ARP, Ether

from failover.frames import BROADCAST, Kind, decode
from tests.failover.wire import GUEST4, GUEST6, NEW, OLD, STRANGER, TAGGED4, TOKENS, garp, marker, na, reply, request


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


def test_an_advertisement_names_its_target_and_its_mac():
    frame = seen(na())
    assert (frame.address, frame.hardware) == (GUEST6, NEW)


@given(st.binary(min_size=14, max_size=128))
def test_no_bytes_on_the_wire_make_it_stumble(data):
    assert decode(data, 5, TOKENS).at_ns == 5


@given(st.integers(0, 63), st.sampled_from([garp(), na(), request(3), reply(3, address=GUEST6), garp(vlan=77)]))
def test_a_frame_cut_short_is_no_reason_to_stumble(length, packet):
    assert decode(bytes(packet)[:length], 5, TOKENS).at_ns == 5
