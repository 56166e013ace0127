"""What a run says when a drill is not permitted, not asked for, or cannot begin."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
INVENTORY = """
version: 1
guests:
  kept: {connect: "ssh://127.0.0.1:1", bonds: {bond0: {slaves: [eth0, eth1]}}}
  unseen: {connect: "ssh://127.0.0.1:1", bonds: {bond0: {slaves: [eth0, eth1]}}, drill: {permitted: true}}
  far:
    connect: ssh://127.0.0.1:1
    bonds: {bond0: {slaves: [eth0, eth1]}}
    drill: {permitted: true, observer: watcher}
observers:
  watcher: {interface: eth0, connect: "ssh://127.0.0.1:1"}
"""


def run(tmp_path: Path, *options: str) -> tuple[int, dict[str, list[dict[str, Any]]]]:
    """Exit status, and the rows of results.json by guest."""
    inventory = tmp_path / "inventory.yaml"
    inventory.write_text(INVENTORY)
    words = [sys.executable, "-m", "pytest", "failover", "--inventory", str(inventory), "-q", *options]
    words += ["-p", "no:cacheprovider", "--run-folder", str(tmp_path / "run")]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert "Traceback" not in done.stdout + done.stderr
    rows = json.loads((tmp_path / "run/results.json").read_text())["rows"]
    return done.returncode, {
        name: [row for row in rows if row["machine"] == name] for name in ("kept", "unseen", "far")
    }


def test_each_guest_whose_drill_cannot_run_says_why(tmp_path: Path) -> None:
    status, rows = run(tmp_path, "--drill", "--switch-by", "sysfs")
    assert {row["outcome"] for row in rows["kept"] + rows["unseen"]} == {"does not apply"}
    assert all("permits no drill" in row["message"] and row["wanted_but_not_run"] is None for row in rows["kept"])
    no_observer = "the inventory names no observer (guests.unseen.drill.observer)"
    assert {row["wanted_but_not_run"] for row in rows["unseen"]} == {no_observer}
    assert {row["outcome"] for row in rows["far"]} == {"could not look"}
    assert all("127.0.0.1" in row["message"] for row in rows["far"])
    assert {row["role"] for each in rows.values() for row in each} == {"drill"}
    assert status == 6


def test_a_fault_that_the_inventory_does_not_name_is_not_done(tmp_path: Path) -> None:
    status, rows = run(tmp_path, "--drill", "--fault", "slave-down")
    assert {row["id"].partition("[")[2] for row in rows["far"]} == {"far-slave-down]"}
    assert {row["outcome"] for row in rows["far"]} == {"does not apply"}
    assert all("permits no slave-down (guests.far.drill.faults)" in row["message"] for row in rows["far"])
    assert status == 5


def test_without_drill_nothing_is_switched_and_what_was_wanted_is_named(tmp_path: Path) -> None:
    status, rows = run(tmp_path)
    assert {row["wanted_but_not_run"] for row in rows["far"]} == {"it was not asked for (--drill)"}
    assert {row["wanted_but_not_run"] for row in rows["kept"]} == {None}
    assert status == 5
