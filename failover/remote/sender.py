"""Numbered ICMP echo requests on a schedule that does not drift; at its end one line of JSON says how well it was kept.

Runs on the observer with nothing but Python 3 (3.7 or later) there, and needs root or CAP_NET_RAW.
usage: python3 -c TEXT INTERFACE INTERVAL_MS SECONDS TOKEN ADDRESS...
Ends after so many seconds or at SIGTERM, whichever comes first.
"""

from __future__ import annotations

import errno
import gc
import json
import os
import signal
import socket
import struct
import sys
import time

SOL_RAW, ICMP_FILTER = 255, 1  # raw(7); a raw socket would else be given every answer, and nobody reads them here
ICMPV6_FILTER = 1  # linux/icmpv6.h
ECHO_REQUEST, ECHO_REQUEST6 = 8, 128
FILL = 32  # bytes of payload
BUCKETS_PER_MS, BUCKETS = 100, 10000  # lateness is counted in hundredths of a millisecond, up to 100 ms
PR_SET_TIMERSLACK = 29


def be_punctual() -> bool:
    """Ask for exact sleeping, and to be served before others; whether the latter was granted."""
    gc.disable()
    try:
        import ctypes

        ctypes.CDLL(None).prctl(PR_SET_TIMERSLACK, 1, 0, 0, 0)  # else it may sleep 50 us too long: prctl(2)
    except (ImportError, OSError, AttributeError):
        pass  # a Python without it is a little less punctual, and says by how much
    try:
        os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(1))
    except OSError:
        return False
    return True


def opened(interface: str, address: str) -> socket.socket:
    """A raw socket towards an address."""
    if ":" in address:
        raw = socket.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_ICMPV6)
        raw.setsockopt(socket.IPPROTO_ICMPV6, ICMPV6_FILTER, b"\xff" * 32)
    else:
        raw = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP)
        raw.setsockopt(SOL_RAW, ICMP_FILTER, b"\xff" * 4)
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, interface.encode() + b"\0")
    raw.settimeout(0)
    raw.connect((address, 0))
    return raw


def checksum(data: bytes) -> int:
    """RFC 1071; the kernel does it for ICMPv6 (RFC 3542, 3.1), and not for ICMP."""
    words: tuple[int, ...] = struct.unpack(f"!{len(data) // 2}H", data)
    total = sum(words)
    total = (total >> 16) + (total & 0xFFFF)
    return ~(total + (total >> 16)) & 0xFFFF


def request(number: int, identifier: int, token: bytes, *, six: bool) -> bytes:
    """One echo request. Its own number has 16 bits only, so the payload has it again with 32."""
    low = number & 0xFFFF
    body = (token + b"#" + struct.pack("!I", number & 0xFFFFFFFF)).ljust(FILL, b"\0")
    if six:
        return struct.pack("!BBHHH", ECHO_REQUEST6, 0, 0, identifier, low) + body
    summed = checksum(struct.pack("!BBHHH", ECHO_REQUEST, 0, 0, identifier, low) + body)
    return struct.pack("!BBHHH", ECHO_REQUEST, 0, summed, identifier, low) + body


class Log:
    """How well the schedule was kept. Bounded, however long it lasts."""

    def __init__(self) -> None:
        self.sent = self.late = self.skipped = self.refused = 0
        self.worst_ns = 0
        self.lateness = [0] * BUCKETS

    def add(self, late_ns: int) -> None:
        """One slot was served so late."""
        self.sent += 1
        self.worst_ns = max(self.worst_ns, late_ns)
        self.lateness[min(BUCKETS - 1, late_ns * BUCKETS_PER_MS // 1000000)] += 1

    def percentile_ms(self, share: float) -> float:
        """At least this share of all was no later than that."""
        seen, wanted = 0, share * self.sent
        for bucket, count in enumerate(self.lateness[:-1]):
            seen += count
            if seen >= wanted:
                return min((bucket + 1) / BUCKETS_PER_MS, self.worst_ns / 1e6)
        return self.worst_ns / 1e6


def now_ns() -> int:
    """The clock of the schedule."""
    return time.clock_gettime_ns(time.CLOCK_MONOTONIC)


def run(targets: list[tuple[socket.socket, bool]], interval_ns: int, slots: int, token: bytes, ended: list[int]) -> Log:
    """Send one probe per slot and address. A slot that passed meanwhile is skipped and counted: no burst follows."""
    log = Log()
    identifier = os.getpid() & 0xFFFF
    begun, slot, number = now_ns(), 0, 0
    while slot < slots and not ended:
        late_ns = now_ns() - begun - slot * interval_ns
        if late_ns < 0:
            time.sleep(-late_ns / 1e9)
            continue
        passed, late_ns = divmod(late_ns, interval_ns)
        log.skipped += passed
        slot += passed
        log.late += passed > 0 or late_ns * 2 > interval_ns
        for raw, six in targets:
            try:
                raw.send(request(number, identifier, token, six=six))
            except OSError as error:
                # The kernel tells of an earlier probe that found no neighbour, or has no room: the schedule goes on.
                if error.errno in (errno.ENETDOWN, errno.ENODEV):
                    raise
                log.refused += 1
        log.add(late_ns + passed * interval_ns)
        number += 1
        slot += 1
    return log


def main(words: list[str]) -> None:
    """Send until told to end, then say how it went."""
    interface, interval_ms, seconds, token = words[:4]
    ended: list[int] = []
    signal.signal(signal.SIGTERM, lambda number, _frame: ended.append(number))
    first = be_punctual()
    interval_ns = int(float(interval_ms) * 1e6)
    targets = [(opened(interface, address), ":" in address) for address in words[4:]]
    log = run(targets, interval_ns, int(float(seconds) * 1e9) // interval_ns, token.encode(), ended)
    said = {
        "sent": log.sent,
        "late": log.late,
        "skipped": log.skipped,
        "refused": log.refused,
        "median_ms": round(log.percentile_ms(0.5), 3),
        "p99_ms": round(log.percentile_ms(0.99), 3),
        "max_ms": round(log.worst_ns / 1e6, 3),
        "served_first": first,
    }
    print(json.dumps(said), flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
