"""The main job on the `sriov` lab, as a user runs it: the door in, results.json and the exit status out.

One lab for all of it; every fault is put on by hand and taken off again.
"""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from lab.session import Lab

pytestmark = pytest.mark.lab

REPOSITORY = Path(__file__).parents[2]
RULE = "/etc/udev/rules.d"


@dataclass(frozen=True)
class Finished:
    """One run of the door."""

    status: int
    said: str
    folder: Path

    @property
    def rows(self) -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = json.loads((self.folder / "results.json").read_text())["rows"]
        return rows

    def statements(self, outcome: str) -> set[str]:
        return {row["id"].rpartition("::")[2].partition("[")[0] for row in self.rows if row["outcome"] == outcome}

    def message(self, statement: str) -> str:
        return "\n".join(row["message"] for row in self.rows if f"::{statement}[" in row["id"])


@pytest.fixture
def door(sriov_lab: Lab, tmp_path: Path):
    def run(command: str, *words: str) -> Finished:
        folder = tmp_path / f"run-{len(list(tmp_path.iterdir()))}"
        argv = [
            str(REPOSITORY / "vfproof"),
            command,
            "-i",
            str(sriov_lab.inventory),
            "--run-folder",
            str(folder),
            *words,
        ]
        done = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=240, cwd=tmp_path)
        return Finished(done.returncode, done.stdout + done.stderr, folder)

    return run


@contextmanager
def changed(lab: Lab, node: str, change: str, back: str) -> Iterator[None]:
    lab.output(node, change, timeout_s=60)
    try:
        yield
    finally:
        lab.output(node, back, timeout_s=60)


def test_a_healthy_host_and_its_guest_are_ready(door):
    run = door("check")
    assert run.status == 0, run.said
    assert not run.statements("broken")
    assert not run.statements("could not look")
    assert {"test_iommu_is_effective", "test_vfs_come_back_after_a_reboot"} <= run.statements("holds")


def test_the_seeds_faulty_rule_is_named_and_nothing_else(sriov_lab: Lab, door):
    put = (
        f"set -e; cd {RULE}; f=$(grep -l sriov_numvfs *.rules); mkdir -p /root/kept; mv $f /root/kept/; "
        """printf '%s\\n' 'ACTION=="add", SUBSYSTEM=="net", ENV{ID_NET_DRIVER}=="ixgbe", """
        """ATTR{device/sriov_numvfs}="2"' >enp14s0f0.rules"""
    )
    with changed(sriov_lab, "kvm-1", put, f"rm {RULE}/enp14s0f0.rules; mv /root/kept/*.rules {RULE}/"):
        run = door("check")
    assert run.status == 1, run.said
    assert run.statements("broken") == {"test_vfs_come_back_after_a_reboot"}
    message = run.message("test_vfs_come_back_after_a_reboot")
    assert "enp14s0f0.rules:1" in message
    assert "ixgbe" in message
    assert "igb" in message


def test_an_entry_without_the_parameter_breaks_the_next_boot_and_not_this_one(sriov_lab: Lab, door):
    keep = "cp /boot/grub/grub.cfg /root/grub.cfg.kept"
    with changed(
        sriov_lab, "kvm-1", f"{keep}; sed -i 's/intel_iommu=on//' /boot/grub/grub.cfg", f"{_back('grub.cfg')}"
    ):
        run = door("check", "kvm-1")
    assert run.status == 1, run.said
    assert run.statements("broken") == {"test_boot_entry_has_the_configured_parameters"}
    assert "intel_iommu=on" in run.message("test_boot_entry_has_the_configured_parameters")
    # Debian's kernel turns the unit on by itself: the next boot is explained by that, and said as advice.
    assert "test_iommu_is_effective" in run.statements("holds")
    assert "test_iommu_is_effective_after_the_next_boot" in run.statements("advice")


def test_an_entry_that_turns_the_iommu_off_breaks_the_next_boot_alone(sriov_lab: Lab, door):
    keep = "cp /boot/grub/grub.cfg /root/grub.cfg.kept"
    off = f"{keep}; sed -i 's/intel_iommu=on/intel_iommu=off/' /boot/grub/grub.cfg"
    with changed(sriov_lab, "kvm-1", off, _back("grub.cfg")):
        run = door("check", "kvm-1")
    assert "test_iommu_is_effective" in run.statements("holds")
    assert "test_iommu_is_effective_after_the_next_boot" in run.statements("broken")


def _back(name: str) -> str:
    return f"cp /root/{name}.kept /boot/grub/{name}; rm /root/{name}.kept"


BREAK_BOND = """set -e
for s in $(cat /sys/class/net/bond0/bonding/slaves); do echo -$s >/sys/class/net/bond0/bonding/slaves; done
ip link set bond0 down
echo {fail_over_mac} >/sys/class/net/bond0/bonding/fail_over_mac
for s in enp1s0 enp2s0; do
    ip link set $s down
    echo +$s >/sys/class/net/bond0/bonding/slaves || true
done
ip link set bond0 up
networkctl reconfigure bond0 >/dev/null 2>&1 || true
"""


def test_a_bond_that_sets_macs_is_named_and_so_is_its_refused_slave(sriov_lab: Lab, door):
    with changed(
        sriov_lab, "guest-1", BREAK_BOND.format(fail_over_mac="none"), BREAK_BOND.format(fail_over_mac="active")
    ):
        run = door("check", "guest-1")
    assert run.status == 1, run.said
    broken = run.statements("broken")
    assert "test_bonds_of_vfs_leave_macs_alone" in broken
    assert "test_every_bond_has_exactly_its_slaves" in broken


def test_a_drill_holds_in_both_directions(door):
    run = door("drill")
    assert run.status == 0, run.said
    assert not run.statements("broken") | run.statements("could not look")
    assert list(run.folder.rglob("*.pcap"))


def test_a_drill_says_that_neighbours_kept_the_old_mac(sriov_lab: Lab, door):
    sriov_lab.fault("garp-na-drop", for_s=120)
    try:
        run = door("drill")
    finally:
        sriov_lab.mend("garp-na-drop")
    assert run.status == 1, run.said
    assert "old MAC" in run.said


def test_a_host_that_is_cut_off_could_not_be_looked_at(sriov_lab: Lab, door):
    sriov_lab.fault("port-down", "kvm-1-mgmt")
    try:
        started = time.monotonic()
        run = door("check", "kvm-1")
        assert time.monotonic() - started < 60
    finally:
        sriov_lab.mend("port-down", "kvm-1-mgmt")
    assert run.status == 6, run.said
    assert not run.statements("broken") | run.statements("holds")
    assert run.statements("could not look")
