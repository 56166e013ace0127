"""What gathering from many hosts at once takes, three of which misbehave: prints a table.

    python -m benchmarks.fleet [--hosts N ...]         default: 20 100 200

One sshd of its own on loopback stands for all of them, so that the time is mostly that of the machine that it runs on,
and the bounds are what counts: descriptors, threads and memory must not grow with the number of hosts.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

from checks.facts.catalogue import HOST_SOURCES
from tests.checks import fleet, sshd

DEADLINE_S = 60.0
ROW = "{:>7}{:>9}{:>9}{:>10}{:>14}{:>10}{:>12}"


def main() -> int:
    """Measure and print; 1 when a host that behaves was not gathered from."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--hosts", type=int, nargs="+", default=[20, 100, 200])
    numbers = parser.parse_args().hosts
    print(f"{len(HOST_SOURCES)} sources; of the hosts one hangs (deadline {DEADLINE_S:g} s), one drops, one babbles")
    print(ROW.format("hosts", "whole", "failed", "seconds", "descriptors", "threads", "memory MiB"))
    missed = 0
    for number in numbers:
        with tempfile.TemporaryDirectory() as folder:
            (Path(folder) / "sshd").mkdir()
            server = sshd.start(Path(folder) / "sshd")
            try:
                wanted = fleet.orders(server, number, HOST_SOURCES)
                found = fleet.gather_fleet(wanted, Path(folder) / "bundles", DEADLINE_S)
            finally:
                sshd.stop(server)
        peak = found.peak
        figures = (found.seconds, peak.descriptors, peak.threads, peak.resident_mib)
        print(ROW.format(number, len(found.whole), len(found.failed), *(f"{figure:.0f}" for figure in figures)))
        missed += number - len(fleet.BAD) - len(found.whole)
    return int(missed > 0)


if __name__ == "__main__":
    sys.exit(main())
