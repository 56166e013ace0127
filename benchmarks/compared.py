"""What comparing two runs of a hundred hosts takes: prints wall and processor time, with and without kept facts.

    python -m benchmarks.compared [--from DIR -i INVENTORY] [--machines 112] [--keep DIR]

Makes copies of a host's and its guest's bundles (the project's own samples, or those in DIR), one guest to nine hosts,
as `benchmarks.judged` does, and the same once more after an upgrade: another kernel on all of them, on one in ten
another name of a NIC and other numbers of IOMMU groups. `./vfproof check` judges both; `./vfproof compare` compares
the two runs, then once more with what the runs keep for it (`facts/`) taken away. `--keep DIR` leaves all of it there.
"""

from __future__ import annotations

import argparse
import contextlib
import gzip
import os
import re
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from benchmarks.judged import ROOT, make

SAMPLES = ROOT / "tests/checks/captured/sriov-lab"
MOST_S = 5.0
TIMES = 3
_KERNEL = re.compile(rb"6\.12\.\d+\+deb13")


def upgraded(before: Path, after: Path) -> None:
    """The same machines on another kernel."""
    after.mkdir()
    for number, path in enumerate(sorted(before.iterdir())):
        if not path.name.endswith(".vfb.gz"):
            shutil.copyfile(path, after / path.name)
            continue
        head, _, answer = gzip.decompress(path.read_bytes()).partition(b"\n")
        answer = _KERNEL.sub(b"6.19.7+deb14", answer)
        if number % 10 == 0:
            answer = answer.replace(b"enp1s0", b"ens1p0").replace(b"iommu_groups/1", b"iommu_groups/3")
        (after / path.name).write_bytes(gzip.compress(head + b"\n" + answer, compresslevel=6, mtime=0))


def judged(bundles: Path, run: Path) -> None:
    """`./vfproof check` of a folder of bundles."""
    words = ["check", "-i", str(bundles / "inventory.yaml"), "--bundles", str(bundles), "--run-folder", str(run), "-q"]
    with (run.parent / f"{run.name}.out").open("wb") as out:
        subprocess.run([str(ROOT / "vfproof"), *words], stdout=out, stderr=subprocess.STDOUT, check=False)


def compared(before: Path, after: Path) -> tuple[float, float]:
    """The least of some: seconds, and seconds of processor time, the door's own start included."""
    found = []
    for _ in range(TIMES):
        begun, used = time.monotonic(), _processor_s()
        words = [str(ROOT / "vfproof"), "compare", str(before), str(after), "--json", str(before.parent / "found.json")]
        with (before.parent / "compare.out").open("wb") as out:
            status = subprocess.run(words, stdout=out, stderr=subprocess.STDOUT, check=False).returncode
        if status not in (0, 1):
            sys.exit((before.parent / "compare.out").read_text())
        found.append((time.monotonic() - begun, _processor_s() - used))
    return min(found)


def _processor_s() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


@contextlib.contextmanager
def _place(keep: Path | None) -> Iterator[Path]:
    if keep is not None:
        keep.mkdir(parents=True, exist_ok=True)
        yield keep
    else:
        with tempfile.TemporaryDirectory() as folder:
            yield Path(folder)


def main() -> int:
    """Measure and print; 1 when the bound is passed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-i", "--inventory", type=Path, default=SAMPLES / "inventory.yaml")
    parser.add_argument("--from", dest="ready", type=Path, metavar="DIR", default=SAMPLES, help="bundles to copy")
    parser.add_argument("--machines", type=int, default=112)
    parser.add_argument("--keep", type=Path, help="a new folder for copies and runs")
    options = parser.parse_args()
    with _place(options.keep) as place:
        runs = []
        for name in ("before", "after"):
            bundles, run = place / f"{name}-bundles", place / name
            if not bundles.exists():
                if name == "before":
                    bundles.mkdir()
                    make(options.inventory, bundles, options.machines, options.ready)
                else:
                    upgraded(place / "before-bundles", bundles)
                judged(bundles, run)
            runs.append(run)
        kept = compared(runs[0], runs[1])
        bare = []
        for run in runs:
            copy = place / f"{run.name}-without-facts"
            shutil.copytree(run, copy, ignore=shutil.ignore_patterns("facts"), dirs_exist_ok=True)
            bare.append(copy)
        read = compared(bare[0], bare[1])
        print((place / "compare.out").read_text()[-400:])
    print(f"{'':<28}{'seconds':>10}{'processor':>12}{'at most':>10}")
    print(f"{'with kept facts':<28}{kept[0]:>10.2f}{kept[1]:>12.2f}{MOST_S:>10.0f}")
    print(f"{'bundles read again':<28}{read[0]:>10.2f}{read[1]:>12.2f}{'':>10}")
    print(f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} processors")
    return int(kept[0] > MOST_S)


if __name__ == "__main__":
    sys.exit(main())
