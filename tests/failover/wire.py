"""A wire for tests: frames built by scapy, decoded as a capture's are."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from functools import cache

from scapy.layers.inet import ICMP, IP, UDP
from scapy.layers.inet6 import ICMPv6EchoReply, ICMPv6EchoRequest, ICMPv6ND_NA, ICMPv6NDOptDstLLAddr, IPv6
from scapy.layers.l2 import ARP, Dot1Q, Ether
from scapy.packet import Packet, Raw

from checks.linux.bonding import Cause, expected_notifications
from failover.bond_state import BondState, SlaveState
from failover.events import Do, Event
from failover.frames import BROADCAST, Frame, Tokens, decode
from failover.remote import sender
from failover.result import Direction, DrillResult, NeighbourMove, SwitchRecord
from failover.timeline import Announced, Scene, find_switch, measure

TOKENS = Tokens(b"11112222", b"marker01")
OLD, NEW, OBSERVER, STRANGER = "52:54:00:77:00:10", "52:54:00:77:00:11", "52:54:00:77:00:09", "02:00:00:00:00:99"
GUEST4, GUEST6, TAGGED4, WATCHER4, WATCHER6 = "10.77.0.21", "fd77::21", "10.77.77.21", "10.77.0.9", "fd77::9"
START_NS = 1_700_000_000_000_000_000
SWITCH_MS = 1000.0
WANTED = (Announced(-1, GUEST4), Announced(-1, GUEST6), Announced(77, TAGGED4))


def garp(address: str = GUEST4, mac: str = NEW, *, source: str | None = None, vlan: int | None = None, op: int = 1):
    frame = Ether(src=source or mac, dst=BROADCAST)
    if vlan is not None:
        frame /= Dot1Q(vlan=vlan)
    target = "00:00:00:00:00:00" if op == 1 else mac
    return frame / ARP(op=op, hwsrc=mac, psrc=address, hwdst=target, pdst=address)


def na(address: str = GUEST6, mac: str = NEW, *, solicited: int = 0, towards: str = "ff02::1") -> Packet:
    return (
        Ether(src=mac, dst="33:33:00:00:00:01")
        / IPv6(src=address, dst=towards, hlim=255)
        / ICMPv6ND_NA(R=0, S=solicited, O=1, tgt=address)
        / ICMPv6NDOptDstLLAddr(lladdr=mac)
    )


@cache
def request(sequence: int, to: str = OLD, address: str = GUEST4, payload: bytes = TOKENS.probe * 5) -> Packet:
    frame = Ether(src=OBSERVER, dst=to)
    if ":" in address:
        return frame / IPv6(src=WATCHER6, dst=address) / ICMPv6EchoRequest(seq=sequence, data=b"t" * 16 + payload)
    return frame / IP(src=WATCHER4, dst=address) / ICMP(type=8, seq=sequence) / Raw(b"t" * 16 + payload)


@cache
def reply(sequence: int, source: str = OLD, address: str = GUEST4) -> Packet:
    frame = Ether(src=source, dst=OBSERVER)
    if ":" in address:
        data = b"t" * 16 + TOKENS.probe * 5
        return frame / IPv6(src=address, dst=WATCHER6) / ICMPv6EchoReply(seq=sequence, data=data)
    return frame / IP(src=address, dst=WATCHER4) / ICMP(type=0, seq=sequence) / Raw(b"t" * 16 + TOKENS.probe * 5)


def numbered(number: int, address: str = GUEST4, *, answer: bool = False, vlan: int | None = None) -> Packet:
    """A probe of our own sender, built by its own code, or its answer."""
    six = ":" in address
    icmp = bytearray(sender.request(number, 7, TOKENS.probe, six=six))
    if answer:
        icmp[0] = 129 if six else 0
    ends = (NEW, OBSERVER) if answer else (OBSERVER, NEW)
    frame = Ether(src=ends[0], dst=ends[1])
    if vlan is not None:
        frame /= Dot1Q(vlan=vlan)
    who = (address, WATCHER6 if six else WATCHER4)
    source, target = who if answer else who[::-1]
    above = IPv6(src=source, dst=target, nh=58) if six else IP(src=source, dst=target, proto=1)
    return frame / above / Raw(bytes(icmp))


def marker(token: bytes) -> Packet:
    return Ether(src=OLD, dst=OBSERVER) / IP(src=GUEST4, dst=WATCHER4) / UDP(sport=40000, dport=9) / Raw(token)


_DECODED: dict[int, tuple[Packet, Frame]] = {}


def decoded(packet: Packet) -> Frame:
    """The packet as a capture's bytes would be decoded; each object once, since scapy takes its time."""
    if id(packet) not in _DECODED:
        _DECODED[id(packet)] = packet, decode(bytes(packet), 0, TOKENS)
    return _DECODED[id(packet)][1]


@dataclass
class Wire:
    """Packets with their times in ms; `frames()` decodes them in order of time."""

    packets: list[tuple[float, Packet]] = field(default_factory=list)

    def put(self, ms: float, packet: Packet) -> Wire:
        self.packets.append((ms, packet))
        return self

    def drop(self, unwanted: Callable[[float, Packet], bool]) -> Wire:
        return Wire([(ms, packet) for ms, packet in self.packets if not unwanted(ms, packet)])

    def frames(self) -> list[Frame]:
        ordered = sorted(self.packets, key=lambda each: each[0])
        return [replace(decoded(packet), at_ns=START_NS + round(ms * 1e6)) for ms, packet in ordered]


def healthy(lost: Iterable[int] = (), interval_ms: float = 10, until_ms: float = 3000) -> Wire:
    """One switch at 1000 ms: probes for three seconds (all answered but `lost`), three GARPs and NAs, a marker."""
    wire, gone = Wire(), set(lost)
    for sequence in range(int(until_ms / interval_ms)):
        sent = sequence * interval_ms
        mac = OLD if sent < SWITCH_MS else NEW
        wire.put(sent, request(sequence, mac))
        if sequence not in gone:
            wire.put(sent + 1, reply(sequence, mac))
    wire.put(SWITCH_MS - 0.5, marker(TOKENS.marker))
    for ms in (2.5, 202.5, 402.5):
        wire.put(SWITCH_MS + ms, garp()).put(SWITCH_MS + ms, garp(TAGGED4, vlan=77)).put(SWITCH_MS + ms, na())
    return wire


SCENE = Scene(WANTED, (GUEST4,), OLD, NEW)
RECORD = SwitchRecord("iproute2", "udp", 0, "", "eth0", "eth1", NEW, 4.5)
BEFORE = BondState(
    bond="bond0",
    boot_id="b",
    mode="active-backup",
    active_slave="eth0",
    primary="",
    primary_reselect="always",
    fail_over_mac="active",
    miimon=100,
    updelay=0,
    downdelay=0,
    arp_interval=0,
    peer_notif_delay=200,
    num_grat_arp=3,
    arp_notify=False,
    mac=OLD,
    mii_status="up",
    master="",
    slaves=(SlaveState("eth0", "active", OLD, OLD, "up"), SlaveState("eth1", "backup", NEW, NEW, "up")),
    addresses=WANTED,
    reached_over_it=False,
)
EXPECTED = expected_notifications(
    num_grat_arp=3, peer_notif_delay=200, miimon=100, arp_notify=False, cause=Cause.MANUAL
)


EVENT = Event(Do.SWITCH, ("eth1",), "eth0", "eth1", OLD, NEW, EXPECTED)


def direction(wire: Wire, scene: Scene = SCENE, record: SwitchRecord = RECORD, **changes: object) -> Direction:
    """One switch as measured on this wire."""
    frames = wire.frames()
    switched = find_switch(frames, record.took_ms)
    assert switched is not None
    measured = Direction(
        event=EVENT,
        record=record,
        scene=scene,
        timeline=measure(frames, scene, switched),
        visible=scene.announced,
        neighbours=(NeighbourMove(GUEST4, OLD, NEW, 12.0, ((12.0, NEW),)),),
    )
    return replace(measured, **changes)  # type: ignore[arg-type]


def drilled(*directions: Direction, **changes: object) -> DrillResult:
    """A whole drill of these directions, its state given back."""
    result = DrillResult("guest-1", "bond0", "switch", ("watcher",), BEFORE, BEFORE, directions)
    return replace(result, **changes)  # type: ignore[arg-type]
