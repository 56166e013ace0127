"""What judging and reporting a thousand bundles takes: prints wall time, memory, and how large the page is.

    ./vfproof lab up sriov
    python -m benchmarks.judged -i INVENTORY [--from DIR] [--machines 1000] [--keep DIR]

Gathers once from the inventory's first guest and its host (or takes their bundles in DIR, as `./vfproof gather` wrote
them), makes copies of both (each with its own name and its own MACs; some broken, in ten ways) with an inventory of all
of them, nine hosts to each guest, and runs `./vfproof check --bundles` on that. `--keep DIR` leaves copies, report and
page there, to be looked at.
"""

from __future__ import annotations

import argparse
import contextlib
import gzip
import json
import os
import re
import resource
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from checks.facts.catalogue import GUEST_SOURCES, HOST_SOURCES
from checks.gather import Order, gather
from checks.offline.stored import read_one
from checks.ways import way_to
from inventory.document import plain
from inventory.loading import load
from inventory.writing import written as as_text

ROOT = Path(__file__).resolve().parent.parent
MOST_S, MOST_MIB, MOST_PAGE_MB = 60.0, 1024.0, 10.0
GROUP = 20
_MAC = re.compile(rb"(?<![0-9a-f])(?<![0-9a-f]{2}:)(?:[0-9a-f]{2}:){5}[0-9a-f]{2}(?![0-9a-f:])")
_EVERYBODYS = (b"00:00:00", b"ff:ff:ff", b"01:80:c2")
Break = Callable[[bytes], bytes]


def _swap(old: str, new: str) -> Break:
    return lambda raw: re.sub(old.encode(), new.encode(), raw)


# What the report must tell of one host in twenty-five.
BREAKS: dict[str, Break] = {
    "one VF fewer": _swap(r"(01:00\.0/sriov_numvfs):2", r"\1:1"),
    "no IOMMU after the next boot": _swap(r"(/(?:grub\.cfg|default/grub):.*)intel_iommu=on", r"\1intel_iommu=off"),
    "no IOMMU now": _swap(r"/sys/kernel/iommu_groups/", "/sys/kernel/no_iommu_groups/"),
    "a rule for another number": _swap(r'(ATTR\{device/sriov_numvfs\})="2"', r'\1="3"'),
    "a VF's other driver": _swap(r"drivers/vfio-pci\b", "drivers/igbvf"),
    "another kernel than its group's": _swap(r"(osrelease:)6\.12\.\d+", r"\g<1>6.1.99"),
    "a domain that is no XML": _swap(r"</devices>", "</devcies>"),
    "an answer cut short": lambda raw: raw[: len(raw) // 2],
    "no answer": lambda _: b"",
    "a PF of which the kernel says nothing": _swap(
        r"/sys/bus/pci/devices/0000:02:00\.0", "/sys/bus/pci/devices/0000:03:00.0"
    ),
}


def copy_of(raw: bytes, names: dict[str, str], number: int) -> bytes:
    """Another machine like it: other names, other MACs, one to one."""
    for old, new in names.items():
        raw = re.sub(rb"(?<![A-Za-z0-9-])%s(?![A-Za-z0-9-])" % re.escape(old.encode()), new.encode(), raw)

    def other(match: re.Match[bytes]) -> bytes:
        mac = match[0]
        return mac if mac.startswith(_EVERYBODYS) else mac[:3] + _turned(mac[3:8], number) + mac[8:]

    return _MAC.sub(other, raw)


def _turned(two: bytes, number: int) -> bytes:
    value = int(two.replace(b":", b""), 16) ^ (number + 1)
    return b"%02x:%02x" % (value >> 8, value & 255)


def make(inventory: Path, folder: Path, machines: int, ready: Path | None) -> Counter[str]:
    """Fill the folder; how many were broken in which way."""
    known = load(inventory)
    guest_name = next(iter(known.guests))
    host_name = known.guests[guest_name].host or next(iter(known.hosts))
    own: Any = plain(str(inventory), inventory.read_text())
    orders = {
        "host": Order(host_name, known.hosts[host_name], HOST_SOURCES),
        "guest": Order(guest_name, way_to(known, guest_name), GUEST_SOURCES),
    }
    found = {role: read_one(ready, order) if ready else gather(order) for role, order in orders.items()}
    bundles = {role: gzip.decompress(bundle.packed()) for role, bundle in found.items()}
    hosts = round(machines * 0.9)
    written: dict[str, Any] = {"version": own.get("version", 1), "hosts": {}, "guests": {}}
    broken: Counter[str] = Counter()
    for number in range(hosts):
        names = {host_name: f"kvm-{number:04}", guest_name: f"vm-{number:04}"}
        wanted = json.loads(copy_of(json.dumps(own["hosts"][host_name]).encode(), names, number))
        written["hosts"][names[host_name]] = wanted | {"group": f"rack-{number // GROUP}"}
        raw = copy_of(bundles["host"], names, number)
        if number % 25 == 7:
            way = list(BREAKS)[number // 25 % len(BREAKS)]
            broken[way] += 1
            head, _, answer = raw.partition(b"\n")
            raw = head + b"\n" + BREAKS[way](answer)
        _save(folder / f"{names[host_name]}.vfb.gz", raw)
        if number < machines - hosts:
            wanted = json.loads(copy_of(json.dumps(own["guests"][guest_name]).encode(), names, number))
            wanted.pop("drill", None)
            written["guests"][names[guest_name]] = wanted
            _save(folder / f"{names[guest_name]}.vfb.gz", copy_of(bundles["guest"], names, number))
    (folder / "inventory.yaml").write_text(as_text(written))
    return broken


def _save(path: Path, plain: bytes) -> None:
    path.write_bytes(gzip.compress(plain, compresslevel=6, mtime=0))


def memory_kib(root: int) -> int:
    """What a process and all its descendants take, shared pages counted once."""
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        with contextlib.suppress(OSError, ValueError, IndexError):
            parent = int((entry / "stat").read_text().rpartition(") ")[2].split()[1])
            children.setdefault(parent, []).append(int(entry.name))
    total, waiting = 0, [root]
    while waiting:
        process = waiting.pop()
        waiting += children.get(process, [])
        with contextlib.suppress(OSError, StopIteration):
            lines = Path(f"/proc/{process}/smaps_rollup").read_text().splitlines()
            total += int(next(line for line in lines if line.startswith("Pss:")).split()[1])
    return total


def judge(folder: Path, run: Path, words: list[str]) -> tuple[float, float, float]:
    """Seconds, MiB and processor seconds of `./vfproof check`."""
    command = [str(ROOT / "vfproof"), "check", "--bundles", str(folder), "-i", str(folder / "inventory.yaml")]
    begun, most = time.monotonic(), 0
    with (folder / "out").open("wb") as out:
        child = subprocess.Popen([*command, "--run-folder", str(run), *words], stdout=out, stderr=subprocess.STDOUT)
        while child.poll() is None:
            most = max(most, memory_kib(child.pid))
            with contextlib.suppress(subprocess.TimeoutExpired):
                child.wait(0.5)
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.monotonic() - begun, most / 1024, used.ru_utime + used.ru_stime


@contextlib.contextmanager
def _place(keep: str | None) -> Iterator[Path]:
    if keep:
        Path(keep).mkdir(parents=True, exist_ok=True)
        yield Path(keep)
    else:
        with tempfile.TemporaryDirectory() as folder:
            yield Path(folder)


def main() -> int:
    """Measure and print; 1 when a bound is passed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-i", "--inventory", type=Path, required=True)
    parser.add_argument("--from", dest="ready", type=Path, metavar="DIR", help="bundles to copy, in place of a gather")
    parser.add_argument("--machines", type=int, default=1000)
    parser.add_argument("--keep", help="a new folder for copies, results and page")
    parser.add_argument("words", nargs="*", help="more words for ./vfproof check, after --")
    options = parser.parse_args()
    with _place(options.keep) as place:
        copies, run = place / "bundles", place / "run"
        if not copies.exists():
            copies.mkdir()
            broken = make(options.inventory, copies, options.machines, options.ready)
            print(f"{options.machines} bundles; broken: {', '.join(f'{n}x {way}' for way, n in broken.items())}")
        seconds, mib, worked = judge(copies, run, options.words)
        found = json.loads((run / "results.json").read_text())
        counts = Counter(row["outcome"] for row in found["rows"])
        page = (run / "report.html").stat().st_size / 1e6
        print((copies / "out").read_text()[-300:])
    print(f"{len(found['rows'])} rows: {', '.join(f'{n} {word}' for word, n in counts.most_common())}")
    print(f"{'':<12}{'found':>10}{'at most':>10}")
    table = (("seconds", seconds, MOST_S), ("MiB", mib, MOST_MIB), ("page in MB", page, MOST_PAGE_MB))
    for name, value, most in table:
        print(f"{name:<12}{value:>10.1f}{most:>10.0f}")
    print(f"{worked:.1f} s of processor time, on {os.cpu_count()} processors, load {os.getloadavg()[0]:.1f}")
    return int(any(value > most for _, value, most in table))


if __name__ == "__main__":
    sys.exit(main())
