"""How exactly a drill measures an outage, against the truth: prints a table.

    python -m benchmarks.accuracy [--trials N] [--interval MS ...] [--by-ping]       default: 200 trials, 5 ms

In a `bond` lab of its own the switch drops everything from and to the guest for 20, 100 or 500 ms at a random phase, or
not at all, and no failover happens. The truth is the drop rule's own packet counter times the probe interval.
"""

from __future__ import annotations

import argparse
import io
import os
import random
import sys
import time
from contextlib import closing
from dataclasses import dataclass, replace

from checks.local import LocalConnection
from failover import watch as watching
from failover.observer import Watcher, look
from failover.places import Place, entered
from failover.probes import SETTLED_NS
from failover.timeline import Announced, Scene, Switched, measure
from inventory.loading import load
from lab import session
from lab.session import Lab

GUEST = "10.77.0.21"
LENGTHS_MS = (0, 20, 100, 500)
BASELINE_S = 0.25
SHARE = 0.95
ROW = "{:>8} {:>8} {:>7} {:>7} {:>7} {:>8} {:>11} {:>11} {:>11} {:>12}"


class Sink(io.RawIOBase):
    """Takes a capture's bytes, and keeps none."""

    def writable(self) -> bool:
        return True

    def write(self, data: object) -> int:
        return len(data)  # type: ignore[arg-type]


@dataclass(frozen=True, slots=True)
class Trial:
    """One loss: what the switch dropped, and what was measured."""

    length_ms: int
    interval_ms: float
    dropped: int
    lost: int
    measured_ms: float

    @property
    def truth_ms(self) -> float:
        return self.dropped * self.interval_ms

    @property
    def error_ms(self) -> float:
        return abs(self.measured_ms - self.truth_ms)

    @property
    def agrees(self) -> bool:
        """To one probe plus 1 ms."""
        return self.error_ms <= self.interval_ms + 1

    @property
    def right(self) -> bool:
        """A loss was seen if and only if there was one."""
        return (self.dropped > 0) == (self.measured_ms > 0)


class Instrument:
    """An observer of one address, as a drill uses it."""

    def __init__(self, watcher: Watcher, address: str, interval_ms: float, for_s: float = 3600) -> None:
        self.interval_ms, self._address = interval_ms, address
        # A file of memory that is thrown away: writing to a disk is not what is measured here.
        self.watch = watching.start(watcher, (Announced(-1, address),), interval_ms, for_s, Sink())  # type: ignore[arg-type]

    def close(self) -> None:
        """Stop it; `watch.how_sent` then has something to say."""
        self.watch.stop()

    def trial(self, lab: Lab, length_ms: int) -> Trial:
        """Let the switch lose everything for so long, and measure."""
        watch = self.watch
        watch.forget()
        watch.let_pass(BASELINE_S + random.random() * self.interval_ms / 1000)
        asked_ns = time.monotonic_ns()
        dropped = _lose(lab, length_ms)
        watch.let_pass(SETTLED_NS / 1e9 + 0.1)
        scene = Scene(watch.announced, (self._address,), "", "")
        switched = Switched(watch.capture.observer_ns(asked_ns), None, "our own clock")
        (probes,) = measure(watch.frames_since(0), scene, switched).probes
        return Trial(length_ms, self.interval_ms, dropped, probes.lost + probes.baseline_lost, probes.gap_ms)


def _lose(lab: Lab, length_ms: int) -> int:
    if not length_ms:
        return 0
    lab.fault("blackhole", "guest", for_s=length_ms / 1000)
    until = time.monotonic() + 30
    while lab.status()["faults"]:
        if time.monotonic() > until:
            raise TimeoutError("the black hole did not go away")
        time.sleep(0.02)
    return lab.swallowed()["echo"]


def neighbour(lab: Lab) -> Watcher:
    """The lab's observer that has this machine's own timers."""
    wanted = load(lab.inventory).observers["neighbour"]
    return look("neighbour", Place(LocalConnection("neighbour"), entered(wanted)), wanted.interface, sudo=False)


def row(trials: list[Trial]) -> str:
    """One line of the table: trials of one length."""
    errors = sorted(trial.error_ms for trial in trials)
    agreeing = sum(trial.agrees for trial in trials)
    return ROW.format(
        f"{trials[0].interval_ms:g} ms",
        f"{trials[0].length_ms} ms",
        len(trials),
        sum(not trial.right for trial in trials),
        sum(trial.lost != trial.dropped for trial in trials),
        f"{agreeing / len(trials):.1%}",
        f"{sum(trial.truth_ms for trial in trials) / len(trials):.2f}",
        f"{sum(trial.measured_ms for trial in trials) / len(trials):.2f}",
        f"{errors[(len(errors) - 1) * 95 // 100]:.2f}",
        f"{errors[-1]:.2f}",
    )


def measured(lab: Lab, watcher: Watcher, interval_ms: float, number: int) -> list[Trial]:
    """All trials at one interval, lengths in turn; prints their lines."""
    with closing(Instrument(watcher, GUEST, interval_ms)) as instrument:
        trials = [instrument.trial(lab, LENGTHS_MS[index % len(LENGTHS_MS)]) for index in range(number)]
    for length_ms in LENGTHS_MS:
        print(row([trial for trial in trials if trial.length_ms == length_ms]))
    print("   ", instrument.watch.how_sent(), flush=True)
    dropped = instrument.watch.capture.dropped()
    print(f"    frames dropped by the capture: {dropped}; load of this machine {os.getloadavg()[0]:.1f}")
    return trials


def main() -> int:
    """Measure and print; 1 when a loss was not seen, or seen where there was none, or fewer than 95 % agree."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, default=200, help="per interval")
    parser.add_argument("--interval", type=float, nargs="+", default=[5.0], metavar="MS")
    parser.add_argument("--by-ping", action="store_true", help="probes by ping, as on an observer without Python")
    wanted = parser.parse_args()
    begun, bad = time.monotonic(), False
    head = ("interval", "loss", "trials", "wrong", "counts", "agree", "truth", "measured", "error p95", "error max")
    print(ROW.format(*head))
    print(
        "wrong: a loss unseen, or seen where there was none; counts: lost probes are not those dropped; the rest in ms"
    )
    with session.running("bond") as lab:
        watcher = neighbour(lab)
        if wanted.by_ping:
            watcher = replace(watcher, python="")
        for interval_ms in wanted.interval:
            trials = measured(lab, watcher, interval_ms, wanted.trials)
            share = sum(trial.agrees for trial in trials) / len(trials)
            print(f"    {share:.1%} of {len(trials)} agree to one probe plus 1 ms")
            bad |= share < SHARE or not all(trial.right for trial in trials)
    print(f"{time.monotonic() - begun:.0f} s")
    return int(bad)


if __name__ == "__main__":
    sys.exit(main())
