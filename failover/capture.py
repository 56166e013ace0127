"""A capture on the observer: a pcap stream with kernel timestamps, kept whole, decoded as it comes.

CouldNotMeasure
  CaptureFailed           the capture did not start, or frames were lost on the way
"""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable, Sequence
from typing import IO, Any, BinaryIO, cast

from scapy.error import Scapy_Exception
from scapy.utils import RawPcapReader

from failover.frames import MARKER_PORT, Frame, Tokens, decode
from failover.places import CouldNotMeasure, Place, Process, script

SNAP_BYTES = 192
BUFFER_KIB = 8192
LOOK_EVERY_S = 0.05
STALLED_S = 6
"""Longer than any probe interval, and than a busy machine keeps frames back."""
ETHERNET = 1
"""LINKTYPE_ETHERNET of the pcap format."""
_DROPPED = re.compile(r"^(\d+) packets? dropped by (kernel|interface)", re.MULTILINE)


class CaptureFailed(CouldNotMeasure):
    """The capture did not start, or frames were lost on the way."""


def capture_filter(addresses: Sequence[str]) -> str:
    """The frames that a drill needs, untagged and tagged, as a pcap filter.

    `vlan` shifts every later term (pcap-filter(7)), so the same terms come once before it and once after.
    """
    hosts = " or ".join(f"host {address}" for address in addresses if ":" not in address) or "net 0.0.0.0/32"
    wanted = f"arp or icmp6 or (icmp and ({hosts})) or (udp dst port {MARKER_PORT})"
    return f"{wanted} or (vlan and ({wanted}))"


class _Kept:
    """The stream as scapy reads it, every byte copied to the evidence on its way."""

    def __init__(self, stream: IO[bytes], evidence: BinaryIO) -> None:
        self._stream, self._evidence = stream, evidence

    def read(self, size: int) -> bytes:
        """Exactly `size` bytes, fewer only at the end of the stream."""
        data = b""
        while len(data) < size and (more := self._stream.read(size - len(data))):
            data += more
        self._evidence.write(data)
        return data


class Capture:
    """A running capture. `frames` grows until they are let go; it is in the order of the wire."""

    def __init__(self, place: Place, interface: str, terms: str, tokens: Tokens, evidence: BinaryIO, *, sudo: bool):
        self.frames: list[Frame] = []
        self.tags: set[int | None] = set()
        """VLAN tags seen, ever."""
        self._tokens = tokens
        self._errors = ""
        self._broken: str | None = None
        self._ended = threading.Event()
        self._clock_ahead_ns: int | None = None
        self._came_s: float | None = None
        command = ("tcpdump", "-Z", "root", "-i", interface, "-n", "-U", "-w", "-", "--immediate-mode")
        limits = ("-s", str(SNAP_BYTES), "-B", str(BUFFER_KIB))
        self._process: Process = place.start(script("supervise.sh", *command, *limits, terms, sudo=sudo))
        self._threads = [
            threading.Thread(target=self._read_frames, args=(evidence,), name="capture", daemon=True),
            threading.Thread(target=self._read_errors, name="capture's messages", daemon=True),
        ]
        for thread in reversed(self._threads):
            thread.start()

    def wait_until(self, condition: Callable[[], bool], deadline_s: float) -> bool:
        """Wait until the condition holds, looking 20 times a second; False when the deadline came first.

        Raises `CaptureFailed` when the capture has ended meanwhile, or nothing comes from it any more: while probes are
        sent, something does.
        """
        until = time.monotonic() + deadline_s
        while not condition():
            if self._broken is not None:
                raise CaptureFailed(f"the capture ended: {self._broken}")
            if self._came_s is not None and time.monotonic() - self._came_s > STALLED_S:
                raise CaptureFailed(f"nothing has come from the capture for {STALLED_S} s")
            left = until - time.monotonic()
            if left <= 0:
                return False
            self._ended.wait(min(left, LOOK_EVERY_S))
        return True

    def forget(self) -> None:
        """Let go of the frames so far, and of what they told of the observer's clock."""
        del self.frames[: len(self.frames)]
        self._clock_ahead_ns = None

    def wait_until_listening(self, deadline_s: float) -> None:
        """Wait until tcpdump has its socket. Raises `CaptureFailed` with its complaint."""
        if not self.wait_until(lambda: "listening on" in self._errors, deadline_s):
            raise CaptureFailed(f"no capture after {deadline_s:.0f} s: {self._complaint()}")

    @property
    def sees(self) -> bool:
        """Whether a frame has come since it began, or since `forget`."""
        return self._clock_ahead_ns is not None

    def observer_ns(self, monotonic_ns: int) -> int:
        """Our monotonic clock's time by the observer's clock, as well as the stream tells.

        The fastest frame so far gives the difference; it errs by that frame's time on its way to us.
        Raises `CaptureFailed` before the first frame.
        """
        if self._clock_ahead_ns is None:
            raise CaptureFailed("no frame has come yet that would tell the observer's time")
        return monotonic_ns - self._clock_ahead_ns

    def close(self, deadline_s: float = 10) -> None:
        """End the capture, and wait for its last frames and words."""
        self._process.end()
        for thread in self._threads:
            thread.join(deadline_s)
        self._process.close()

    def dropped(self) -> int:
        """How many frames were dropped on the way, once it is closed. Raises `CaptureFailed` when that is unknown."""
        dropped = _DROPPED.findall(self._errors)
        if not any(by == "kernel" for _, by in dropped):
            raise CaptureFailed(f"tcpdump did not say how many frames it dropped: {self._complaint()}")
        return sum(int(count) for count, _ in dropped)

    def _read_frames(self, evidence: BinaryIO) -> None:
        try:
            reader = RawPcapReader(cast("Any", _Kept(self._process.stdout, evidence)))
            ticks = 1 if reader.nano else 1000
            for data, meta in reader if reader.linktype == ETHERNET else ():
                self._add(data, meta.sec * 1_000_000_000 + meta.usec * ticks)
            self._end(f"its stream of link type {reader.linktype} is at its end (Ethernet is {ETHERNET})")
        except (Scapy_Exception, OSError, ValueError) as error:
            self._end(str(error))

    def _add(self, data: bytes, at_ns: int) -> None:
        ahead = time.monotonic_ns() - at_ns
        self._clock_ahead_ns = ahead if self._clock_ahead_ns is None else min(ahead, self._clock_ahead_ns)
        self._came_s = time.monotonic()
        frame = decode(data, at_ns, self._tokens)
        self.tags.add(frame.vlan)
        self.frames.append(frame)

    def _end(self, why: str) -> None:
        if not self._complaint():
            self._threads[1].join(1)  # tcpdump's own words come a moment later, and say more
        self._broken = self._complaint() or why
        self._ended.set()

    def _read_errors(self) -> None:
        for line in self._process.stderr:
            self._errors += line.decode(errors="replace")

    def _complaint(self) -> str:
        lines = [line for line in self._errors.splitlines() if "listening on" not in line]
        return lines[-1] if lines else ""
