"""Whether a capture loses frames on a busy wire: prints what passed, what was dropped, and what it cost.

    python -m benchmarks.capture_load [--seconds N] [--frames PER_S] [--interval MS]     default: 30 s, 10000, 1 ms

In a `bond` lab of its own another station sends frames past the observer (to its port, not through the guest) while it
probes the guest and captures; then a whole drill is done under the same load.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.accuracy import GUEST, Instrument, Sink, neighbour
from checks.transport import connect
from failover import drill as drilling
from failover.frames import Kind
from failover.guest import DrilledGuest
from failover.places import Place
from failover.plan import Plan
from failover.result import DrillResult
from inventory.document import plain
from inventory.model import Budgets
from lab import session, topology
from lab.session import Lab

CROWD = {"nic": "eth0", "mac": "52:54:00:77:00:07", "bridge": "sw", "tap": "crowd-eth0", "addresses": ["10.77.0.7/24"]}
TO_MAC = "52:54:00:77:00:08"
FLOOD = """
import socket, sys, time
to, source, per_s = bytes.fromhex(sys.argv[1]), bytes.fromhex(sys.argv[2]), int(sys.argv[3])
wire = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
wire.bind(("eth0", 0))
# UDP from 10.77.0.7 to 10.77.0.250, which nobody is: the observer's NIC takes it, its kernel throws it away.
header = "0800" "450000e4000000004011" "646f" "0a4d0007" "0a4d00fa" "2710271000d00000"
frame = to + source + bytes.fromhex(header) + bytes(200)
begun, sent = time.monotonic(), 0
while True:
    due = int((time.monotonic() - begun) * per_s)
    for _ in range(due - sent):
        wire.send(frame)
    sent = due
    time.sleep(0.001)
"""


@contextmanager
def crowded_lab() -> Iterator[Lab]:
    """A `bond` lab with one more station on the switch."""
    data: Any = plain("bond", topology.locate("bond").read_text())
    data["namespaces"]["crowd"] = CROWD
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "crowded.yaml"
        file.write_text(json.dumps(data))
        with session.running(str(file), f"bond-{os.getpid()}") as lab:
            yield lab


@contextmanager
def flooded(lab: Lab, per_s: int) -> Iterator[None]:
    """Frames past the observer for the length of the block."""
    words = [*lab.namespace_command("crowd"), sys.executable, "-c", FLOOD, TO_MAC.replace(":", "")]
    words += [str(CROWD["mac"]).replace(":", ""), str(per_s)]
    with subprocess.Popen(words) as flood:
        try:
            yield
        finally:
            flood.terminate()


def received(lab: Lab) -> int:
    """Frames that have come to the observer's NIC."""
    words = [*lab.namespace_command("neighbour"), "ip", "-s", "-j", "link", "show", "dev", "eth0"]
    said = json.loads(subprocess.run(words, capture_output=True, check=True).stdout)
    return int(said[0]["stats64"]["rx"]["packets"])


def our_cpu_s() -> float:
    """Processor time of this process: reading and decoding."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


@dataclass(frozen=True, slots=True)
class Passed:
    """What passed while it was watched, and what was lost of it."""

    seconds: float
    frames: int
    probes: int
    answers: int
    dropped: int
    cpu_s: float
    how: str


def watched(lab: Lab, interval_ms: float, seconds: float) -> Passed:
    """Capture and probes for so long."""
    with closing(Instrument(neighbour(lab), GUEST, interval_ms)) as instrument:
        instrument.watch.forget()
        begun, frames, cpu_s = time.monotonic(), received(lab), our_cpu_s()
        instrument.watch.let_pass(seconds)
        lasted, passed, used = time.monotonic() - begun, received(lab) - frames, our_cpu_s() - cpu_s
    kinds = [frame.kind for frame in instrument.watch.capture.frames]
    probes, answers = kinds.count(Kind.ECHO_REQUEST), kinds.count(Kind.ECHO_REPLY)
    dropped = instrument.watch.capture.dropped()
    return Passed(lasted, passed, probes, answers, dropped, used, instrument.watch.how_sent())


def drilled(lab: Lab, interval_ms: float) -> DrillResult:
    """A whole drill, both families probed."""
    with connect("ssh://guest", str(lab.ssh_config)) as connection:
        guest = DrilledGuest("guest", Place(connection), "bond0", sudo=False)
        plan = Plan(guest, "switch", "auto", ("eth0", "eth1"), (), interval_ms, 60, Budgets())
        return drilling.run(plan, [partial(neighbour, lab)], lambda _: Sink())  # type: ignore[arg-type,return-value]


def main() -> int:
    """Measure and print; 1 when frames were lost and the drill did not say so."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=30)
    parser.add_argument("--frames", type=int, default=10_000, metavar="PER_S")
    parser.add_argument("--interval", type=float, default=1.0, metavar="MS")
    wanted = parser.parse_args()
    with crowded_lab() as lab, flooded(lab, wanted.frames):
        seen = watched(lab, wanted.interval, wanted.seconds)
        print(f"past the observer: {seen.frames / seen.seconds:.0f} frames/s for {seen.seconds:.0f} s")
        print(f"probes: {seen.probes / seen.seconds:.0f}/s; answers: {seen.answers / seen.seconds:.0f}/s")
        print(
            f"dropped by the capture: {seen.dropped}; our own processor time: {seen.cpu_s / seen.seconds:.1%} of a core"
        )
        print(seen.how)
        result = drilled(lab, wanted.interval)
        lost = sum(each.lost for direction in result.directions for each in direction.timeline.probes)
        print(
            f"a drill of two addresses under it: {lost} probes lost; "
            f"could not measure: {result.refused or result.not_measured or 'no, it could'}"
        )
        print(*result.how, sep="\\n")
        print(f"load of this machine {os.getloadavg()[0]:.1f} on {os.cpu_count()} processors")
    return int(seen.dropped > 0 or result.refused is not None)


if __name__ == "__main__":
    sys.exit(main())
