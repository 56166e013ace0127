"""The reboot drill on the `sriov` lab, as a user runs it: a host that comes back whole, and one foretold not to.

One lab for both; it is rebooted twice, and stays as the second reboot leaves it.
"""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from lab import session
from lab.session import Lab

pytestmark = [pytest.mark.lab, pytest.mark.long]

REPOSITORY = Path(__file__).parents[2]
LONGEST_S = 1500
PUT_THE_SEEDS_RULE = (
    "set -e; cd /etc/udev/rules.d; rm $(grep -l sriov_numvfs *.rules); "
    """printf '%s\\n' 'ACTION=="add", SUBSYSTEM=="net", ENV{ID_NET_DRIVER}=="ixgbe", """
    """ATTR{device/sriov_numvfs}="2"' >enp14s0f0.rules; sync"""
)


@dataclass(frozen=True)
class Drilled:
    """One reboot drill through the door."""

    status: int
    said: str
    folder: Path

    @property
    def rows(self) -> dict[str, dict[str, Any]]:
        rows = json.loads((self.folder / "results.json").read_text())["rows"]
        return {row["id"].rpartition("::")[2].partition("[")[0]: row for row in rows}

    def statements(self, *outcomes: str) -> set[str]:
        return {name for name, row in self.rows.items() if row["outcome"] in outcomes}


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    with session.running("sriov", f"sriov-reboot-{os.getpid()}") as lab:
        yield lab


def drill(lab: Lab, folder: Path) -> Drilled:
    words = ["drill", "--reboot", "kvm-1", "-i", str(lab.inventory), "--run-folder", str(folder)]
    argv = [str(REPOSITORY / "vfproof"), *words]
    done = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=LONGEST_S)
    return Drilled(done.returncode, done.stdout + done.stderr, folder)


def test_a_healthy_host_comes_back_whole_and_as_foretold(lab: Lab, tmp_path: Path) -> None:
    before = lab.output("kvm-1", "cat /proc/sys/kernel/random/boot_id")
    run = drill(lab, tmp_path / "run")
    assert run.status == 0, run.said
    assert run.statements("holds", "advice") == set(run.rows)
    assert lab.output("kvm-1", "cat /proc/sys/kernel/random/boot_id") != before
    notes = "\n".join(run.rows["test_host_comes_back_after_a_reboot"]["notes"])
    for what in ("all 2 VFs of enp1s0", "all 2 VFs of enp2s0", "domain guest-1 ran", "bond0 of guest-1 was whole"):
        assert what in notes
    assert "not within the deadline" not in notes
    foretold = run.rows["test_the_boot_came_as_foretold"]["notes"]
    assert "kvm-1: VFs of enp1s0: foretold 2, came 2" in foretold
    assert "kvm-1: domain guest-1: foretold runs, came runs" in foretold
    assert "guest-1: name of 52:54:00:77:00:10: foretold enp1s0, came enp1s0" in foretold
    log = "\n".join(run.rows["test_vfs_are_back_after_the_reboot"]["notes"])
    assert "renamed from" in log
    assert (run.folder / "drills/kvm-1/reboot/after/guest-1.vfb.gz").exists()


def test_with_the_seeds_faulty_rule_vfs_are_gone_as_the_check_foretold(lab: Lab, tmp_path: Path) -> None:
    lab.output("kvm-1", PUT_THE_SEEDS_RULE)
    run = drill(lab, tmp_path / "run")
    assert run.status == 1, run.said
    lost = {"test_vfs_are_back_after_the_reboot", "test_guests_run_again_after_the_reboot"}
    assert run.statements("broken") == lost
    assert not run.statements("could not look")
    vfs, guests = (run.rows[name]["message"] for name in sorted(lost, reverse=True))
    for pf in ("enp1s0 (0000:01:00.0)", "enp2s0 (0000:02:00.0)"):
        assert f"{pf} has 0 VFs, wanted 2; foretold, and it came: will have 0 VFs" in vfs
    assert "enp14s0f0.rules:1 does not apply: ENV{ID_NET_DRIVER} is 'igb', the rule wants 'ixgbe'" in vfs
    assert "guest-1 is shut off; foretold, and it came: VF 0 of enp1s0, which it needs, will not be there" in guests
    assert "test_the_boot_came_as_foretold" in run.statements("holds")
    assert lab.output("kvm-1", "cat /sys/bus/pci/devices/0000:0[12]:00.0/sriov_numvfs").split() == ["0", "0"]
