"""Many hosts by one sshd: most answer, one hangs once it is authenticated, one is cut off, one never stops talking."""

from __future__ import annotations

import os
import subprocess
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from checks.bundle import Bundle
from checks.gather import Order, gather_all
from checks.outcome import CouldNotLook
from checks.source import Source
from inventory.model import Host
from reports.run_folder import RunFolder
from tests.checks.sshd import Sshd

# What sshd runs in place of the gather, for the key that each bad host is asked with.
BAD = {
    "hangs": "exec sleep 600",
    "drops": "head -c 1000 >/dev/null; head -c 20000 /dev/zero; kill -KILL $PPID",
    "babbles": "exec cat /dev/zero",
}


@dataclass
class Peak:
    """The most that this process held while it was watched."""

    descriptors: int = 0
    threads: int = 0
    resident_mib: float = 0.0
    children: int = 0


@dataclass
class Outcome:
    """How a fleet's gather went."""

    seconds: float
    peak: Peak
    whole: set[str] = field(default_factory=set)
    failed: dict[str, CouldNotLook] = field(default_factory=dict)


def orders(server: Sshd, number: int, sources: tuple[Source, ...]) -> list[Order]:
    """So many hosts, the bad ones spread among them."""
    names = [f"h{n:03d}" for n in range(number - len(BAD))]
    configs = {name: _config(server, name, server.folder / "client_key") for name in names}
    authorized = server.folder / "authorized_keys"
    for place, (kind, command) in enumerate(BAD.items()):
        key = server.folder / f"key-{kind}"
        if not key.exists():
            subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key)], check=True)
            line = f'command="{command}" {key.with_suffix(".pub").read_text()}'
            authorized.write_text(authorized.read_text() + line)
        names.insert((place + 1) * 4, kind)
        configs[kind] = _config(server, kind, key)
    return [
        Order(name, Host(connect=f"ssh://{name}", ssh_config=configs[name]), sources, f"{name}.vfb.gz")
        for name in names
    ]


def _config(server: Sshd, name: str, key: Path) -> str:
    path = Path(server.config(name))
    path.write_text(path.read_text().replace(str(server.folder / "client_key"), str(key)))
    return str(path)


def gather_fleet(wanted: Sequence[Order], folder: Path, deadline_s: float) -> Outcome:
    """Gather from all of them; what it took."""
    begun = time.monotonic()
    folder.mkdir(exist_ok=True)
    with watched() as peak:
        gathers = gather_all(wanted, RunFolder(folder), deadline_s)
        outcome = Outcome(0, peak)
        try:
            for file, found in gathers.each():
                name = file.removesuffix(".vfb.gz")
                if isinstance(found, Bundle):
                    outcome.whole.add(name)
                else:
                    outcome.failed[name] = found
        finally:
            gathers.close()
    outcome.seconds = time.monotonic() - begun
    return outcome


@contextmanager
def watched() -> Iterator[Peak]:
    """Look at this process over and over."""
    peak, over = Peak(), threading.Event()

    def look() -> None:
        while not over.wait(0.02):
            status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
            peak.descriptors = max(peak.descriptors, len(os.listdir("/proc/self/fd")))  # noqa: PTH208
            peak.threads = max(peak.threads, threading.active_count())
            peak.resident_mib = max(peak.resident_mib, int(status["VmRSS"].split()[0]) / 1024)

    watcher = threading.Thread(target=look)
    watcher.start()
    try:
        yield peak
    finally:
        over.set()
        watcher.join()
