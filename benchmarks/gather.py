"""How long one gather takes, beside what else could have been done: prints a table with ratios.

    python -m benchmarks.gather                                    against an sshd of its own on loopback
    python -m benchmarks.gather --ssh-config FILE ssh://kvm-1      against a machine, such as one of the lab

Compared, interleaved in every round so that a busy machine is unfair to all: our gather; the bare `ssh` client running
the same script; Testinfra's ssh and paramiko backends with one command per source (a part of them, scaled up).
"""

from __future__ import annotations

import argparse
import contextlib
import shlex
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import testinfra

from checks.connection import RUN_SCRIPT
from checks.facts.catalogue import HOST_SOURCES
from checks.gather import Order, gather, script
from checks.source import Command
from inventory.model import Host

BOUNDARY = "0" * 32
MOST = 1.3
LEAST = 20
SAMPLED_READS = 12


def timed(act: Callable[[], object]) -> float:
    """Seconds that it takes."""
    begun = time.monotonic()
    act()
    return time.monotonic() - begun


def bare_ssh(host: str, config: str) -> None:
    """The OpenSSH client, the same script, the answer thrown away."""
    text = script(HOST_SOURCES, BOUNDARY, sudo=False)
    command = ["ssh", "-F", config, "-o", "BatchMode=yes", host, RUN_SCRIPT]
    subprocess.run(command, input=text, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=True)


def one_by_one(backend: str, host: str, config: str) -> float:
    """Seconds for one Testinfra command per source, from a sample of the sources."""
    machine = testinfra.get_host(f"{backend}://{host}", ssh_config=config)
    machine.run("true")  # paramiko keeps its connection: that it is made is not counted
    sample = HOST_SOURCES[:: max(1, len(HOST_SOURCES) // SAMPLED_READS)]
    lines = [s.line if isinstance(s, Command) else f"cat {shlex.quote(s.path)}" for s in sample]
    begun = time.monotonic()
    for line in lines:
        machine.run(line)
    return (time.monotonic() - begun) / len(lines) * len(HOST_SOURCES)


def measure(host: str, config: str, rounds: int) -> dict[str, list[float]]:
    """All ways in turn, several rounds; the first round warms up and is not counted."""
    order = Order(host, Host(connect=f"ssh://{host}", ssh_config=config), HOST_SOURCES)
    found: dict[str, list[float]] = {"gather": [], "bare ssh": []}
    for _ in range(rounds + 1):
        found["gather"].append(timed(lambda: gather(order)))
        found["bare ssh"].append(timed(lambda: bare_ssh(host, config)))
    counted = {name: times[1:] for name, times in found.items()}
    return counted | {f"testinfra by {way}": [one_by_one(way, host, config)] for way in ("ssh", "paramiko")}


def table(found: dict[str, list[float]]) -> str:
    """Minimum, median and maximum in seconds, and the ratios of medians to bare ssh's and to the gather's."""
    base, ours = statistics.median(found["bare ssh"]), statistics.median(found["gather"])
    rows = [f"{'way':<24}{'min s':>9}{'median s':>10}{'max s':>9}{'to bare ssh':>13}{'to gather':>11}"]
    for name, times in found.items():
        middle = statistics.median(times)
        ratios = f"{middle / base:>12.2f}x{middle / ours:>10.2f}x"
        rows.append(f"{name:<24}{min(times):>9.3f}{middle:>10.3f}{max(times):>9.3f}{ratios}")
    return "\n".join(rows)


@contextlib.contextmanager
def loopback() -> Iterator[tuple[str, str]]:
    """A host name and a configuration that lead to an sshd of our own."""
    from tests.checks import sshd

    with tempfile.TemporaryDirectory() as folder:
        server = sshd.start(Path(folder))
        try:
            yield "server", server.config()
        finally:
            sshd.stop(server)


def main() -> int:
    """Measure and print; 1 when a gather takes over 1.3 times a bare ssh, or Testinfra under 20 times a gather."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("host", nargs="?", help="ssh://NAME; left out: an sshd of its own")
    parser.add_argument("--ssh-config", help="OpenSSH configuration that knows the host")
    parser.add_argument("--rounds", type=int, default=7)
    options = parser.parse_args()
    if options.host and not options.ssh_config:
        parser.error("a host needs --ssh-config FILE")
    there = contextlib.nullcontext((str(options.host).removeprefix("ssh://"), options.ssh_config))
    with there if options.host else loopback() as (host, config):
        found = measure(host, config, options.rounds)
    print(f"{len(HOST_SOURCES)} sources, script of {len(script(HOST_SOURCES, BOUNDARY, sudo=False))} bytes")
    print(table(found))
    ours = statistics.median(found["gather"])
    slowly = min(found["testinfra by ssh"][0], found["testinfra by paramiko"][0])
    return int(ours > MOST * statistics.median(found["bare ssh"]) or slowly < LEAST * ours)


if __name__ == "__main__":
    sys.exit(main())
