"""What one captured frame means for a drill."""

from __future__ import annotations

import secrets
import struct
from dataclasses import dataclass
from enum import Enum
from functools import lru_cache
from ipaddress import ip_address

from scapy.layers.inet import ICMP, IP, UDP
from scapy.layers.inet6 import (
    ICMPv6EchoReply,
    ICMPv6EchoRequest,
    ICMPv6ND_NA,
    ICMPv6NDOptDstLLAddr,
    IPv6,
)
from scapy.layers.l2 import ARP, Dot1Q, Ether
from scapy.packet import Packet

BROADCAST = "ff:ff:ff:ff:ff:ff"
ETHERNET_HEADER = 14
TAG, IPV4, IPV6 = b"\x81\x00", b"\x08\x00", b"\x86\xdd"
MARKER_PORT = 9
"""The discard service (RFC 863): whoever listens there throws the frame away."""


class Kind(Enum):
    """What a frame is; the names of RFC 5227 and RFC 4861."""

    GARP = "gratuitous ARP"
    GARP_REPLY = "gratuitous ARP in reply form"
    ARP_PROBE = "ARP probe"
    ARP = "ARP"
    UNSOLICITED_NA = "unsolicited neighbour advertisement"
    ECHO_REQUEST = "probe"
    ECHO_REPLY = "answer"
    MARKER = "marker right before the switch"
    OTHER = "other"


_ECHOES = {
    (IPV4, b"\x08\x00"): Kind.ECHO_REQUEST,
    (IPV4, b"\x00\x00"): Kind.ECHO_REPLY,
    (IPV6, b"\x80\x00"): Kind.ECHO_REQUEST,
    (IPV6, b"\x81\x00"): Kind.ECHO_REPLY,
}
"""Type and code of an echo (RFC 792, RFC 4443)."""


@dataclass(frozen=True, slots=True)
class Tokens:
    """Eight random characters for each kind of frame that a drill sends itself, so that it knows its own."""

    probe: bytes
    marker: bytes

    @classmethod
    def fresh(cls) -> Tokens:
        """Tokens that no other drill has."""
        return cls(*(secrets.token_hex(4).encode() for _ in range(2)))


@dataclass(frozen=True, slots=True)
class Frame:
    """One frame on the observer's wire, by the observer's clock."""

    at_ns: int
    kind: Kind
    vlan: int | None
    source: str
    """Ethernet source."""
    destination: str
    address: str = ""
    """Who speaks: sender address of an ARP, target of an NA, IP source of the rest."""
    towards: str = ""
    """Whom it is for: target address of an ARP, IP destination of the rest."""
    hardware: str = ""
    """The MAC that an ARP or an NA announces inside."""
    sequence: int = -1
    """Of a probe or its answer: 32 bits by our own sender, 16 bits by `ping`."""

    @property
    def for_everybody(self) -> bool:
        """It is flooded to every station of its network: the group bit of its destination is set (IEEE 802)."""
        return bool(self.destination) and int(self.destination[:2], 16) & 1 == 1


def decode(data: bytes, at_ns: int, tokens: Tokens) -> Frame:
    """What an Ethernet frame is; never raises for a frame's contents: what is not understood is `OTHER`.

    A VLAN tag is read from the frame itself: libpcap puts it back there when the kernel holds it in metadata
    (pcap-linux.c). Trailing padding is ignored, and no length is demanded (a receiver sees 60 bytes, a sender 42).
    """
    if len(data) < ETHERNET_HEADER:
        return Frame(at_ns, Kind.OTHER, None, "", "")
    return _own_echo(data, at_ns, tokens.probe) or _any_frame(data, at_ns, tokens)


def _own_echo(data: bytes, at_ns: int, token: bytes) -> Frame | None:
    """A probe or its answer, read by its offsets; None for any other frame.

    Nearly all frames of a drill are these, up to thousands a second, and scapy takes 0.2 ms and more for each.
    """
    vlan, begin = None, ETHERNET_HEADER
    ethertype = data[12:14]
    if ethertype == TAG and len(data) >= ETHERNET_HEADER + 4:
        vlan, begin = int.from_bytes(data[14:16], "big") & 0xFFF, ETHERNET_HEADER + 4
        ethertype = data[16:18]
    inside = _icmp4(data, begin) if ethertype == IPV4 else _icmp6(data, begin) if ethertype == IPV6 else None
    if inside is None:
        return None
    icmp, end, source, target = inside
    kind = _ECHOES.get((ethertype, data[icmp : icmp + 2]))
    payload = data[icmp + 8 :]
    if kind is None or end < icmp + 8 or token not in payload:
        return None
    number = _number(payload, token, int.from_bytes(data[icmp + 6 : icmp + 8], "big"))
    return Frame(at_ns, kind, vlan, _mac(data[6:12]), _mac(data[:6]), _address(source), _address(target), "", number)


def _icmp4(data: bytes, begin: int) -> tuple[int, int, bytes, bytes] | None:
    """Where the ICMP of an IPv4 packet begins and ends, and its addresses (RFC 791); None with options, or in parts."""
    if len(data) < begin + 28 or data[begin] != 0x45 or data[begin + 9] != 1:
        return None
    length, parts = int.from_bytes(data[begin + 2 : begin + 4], "big"), data[begin + 6] & 0x3F | data[begin + 7]
    return None if parts else (begin + 20, begin + length, data[begin + 12 : begin + 16], data[begin + 16 : begin + 20])


def _icmp6(data: bytes, begin: int) -> tuple[int, int, bytes, bytes] | None:
    """The same of an IPv6 packet (RFC 8200); None with extension headers."""
    if len(data) < begin + 48 or data[begin] >> 4 != 6 or data[begin + 6] != 58:
        return None
    length = int.from_bytes(data[begin + 4 : begin + 6], "big")
    return begin + 40, begin + 40 + length, data[begin + 8 : begin + 24], data[begin + 24 : begin + 40]


@lru_cache(maxsize=4096)
def _mac(data: bytes) -> str:
    return data.hex(":")


@lru_cache(maxsize=4096)
def _address(data: bytes) -> str:
    return str(ip_address(data))


def _number(payload: bytes, token: bytes, low: int) -> int:
    """The number of a probe: all 32 bits where our sender wrote them behind the token, else the header's 16."""
    after = payload.find(token) + len(token)
    if payload[after : after + 1] != b"#" or len(payload) < after + 5:
        return low
    return int(struct.unpack_from("!I", payload, after + 1)[0])


def _any_frame(data: bytes, at_ns: int, tokens: Tokens) -> Frame:
    packet = Ether(data)
    vlan = packet[Dot1Q].vlan if Dot1Q in packet else None
    kind, more = Kind.OTHER, _Inside()
    if ARP in packet:
        kind, more = _arp(packet[ARP])
    elif ICMPv6ND_NA in packet and IPv6 in packet:
        kind, more = _advertisement(packet)
    elif IP in packet or IPv6 in packet:
        kind, more = _addressed(packet, tokens)
    return Frame(
        at_ns, kind, vlan, packet.src, packet.dst, more.address, more.towards, more.hardware.lower(), more.sequence
    )


@dataclass(frozen=True, slots=True)
class _Inside:
    address: str = ""
    towards: str = ""
    hardware: str = ""
    sequence: int = -1


def _arp(arp: Packet) -> tuple[Kind, _Inside]:
    """RFC 5227 for the words; what a neighbour takes for gratuitous: `arp_is_garp` in net/ipv4/arp.c."""
    inside = _Inside(str(arp.psrc), str(arp.pdst), str(arp.hwsrc))
    if arp.hwtype != 1 or arp.ptype != 0x0800:
        return Kind.OTHER, inside
    if arp.op == 1 and arp.psrc == "0.0.0.0":  # noqa: S104 - an address on the wire, nothing is bound
        return Kind.ARP_PROBE, inside
    if arp.psrc == arp.pdst:
        return {1: Kind.GARP, 2: Kind.GARP_REPLY}.get(int(arp.op), Kind.OTHER), inside
    return Kind.ARP, inside


def _advertisement(packet: Packet) -> tuple[Kind, _Inside]:
    """RFC 4861 section 7.2.6: not solicited, override, to all nodes."""
    advert = packet[ICMPv6ND_NA]
    option = packet[ICMPv6NDOptDstLLAddr].lladdr if ICMPv6NDOptDstLLAddr in packet else ""
    inside = _Inside(_canonical(advert.tgt), _canonical(packet[IPv6].dst), str(option))
    unsolicited = not advert.S and advert.O and inside.towards == "ff02::1"
    return (Kind.UNSOLICITED_NA if unsolicited else Kind.OTHER), inside


def _addressed(packet: Packet, tokens: Tokens) -> tuple[Kind, _Inside]:
    layer = packet[IP] if IP in packet else packet[IPv6]
    source, target = _canonical(layer.src), _canonical(layer.dst)
    payload = bytes(layer.payload)
    if UDP in packet:
        marks = packet[UDP].dport == MARKER_PORT and tokens.marker in payload
        return (Kind.MARKER if marks else Kind.OTHER), _Inside(source, target)
    kind, sequence = _echo(packet)
    if kind is Kind.ECHO_REQUEST and tokens.marker in payload:
        return Kind.MARKER, _Inside(source, target)
    if kind is None or tokens.probe not in payload:
        return Kind.OTHER, _Inside(source, target)
    return kind, _Inside(source, target, sequence=_number(payload, tokens.probe, sequence))


def _echo(packet: Packet) -> tuple[Kind | None, int]:
    if ICMP in packet and packet[ICMP].type in {0, 8}:
        return (Kind.ECHO_REQUEST if packet[ICMP].type == 8 else Kind.ECHO_REPLY), int(packet[ICMP].seq)
    for layer, kind in ((ICMPv6EchoRequest, Kind.ECHO_REQUEST), (ICMPv6EchoReply, Kind.ECHO_REPLY)):
        if layer in packet:
            return kind, int(packet[layer].seq)
    return None, -1


def _canonical(address: str) -> str:
    return str(ip_address(address))
