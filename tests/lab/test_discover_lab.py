"""`discover` on the lab's host and guest: what it prints is an inventory whose checks all hold there."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from inventory.loading import load
from lab.session import Lab

pytestmark = pytest.mark.lab

DOOR = Path(__file__).parents[2] / "vfproof"


def test_what_is_discovered_holds(sriov_lab: Lab, tmp_path: Path) -> None:
    found = tmp_path / "inventory.yaml"
    way = ["--ssh-config", str(sriov_lab.ssh_config)]
    done = _door("discover", "ssh://kvm-1", "ssh://guest-1", *way)
    assert done.returncode == 0, done.stderr
    found.write_text(done.stdout)
    inventory = load(found)
    assert {name: pf.vfs for name, pf in inventory.hosts["kvm-1"].pfs.items()} == {"enp1s0": 2, "enp2s0": 2}
    assert inventory.guests["guest-1"].bonds["bond0"].slaves == ("enp1s0", "enp2s0")
    assert not inventory.guests["guest-1"].drill.permitted
    run = tmp_path / "run"
    checked = _door("check", "-i", str(found), "--run-folder", str(run))
    outcomes = [row["outcome"] for row in json.loads((run / "results.json").read_text())["rows"]]
    assert checked.returncode == 0, checked.stdout
    assert outcomes.count("broken") == outcomes.count("could not look") == 0
    assert outcomes.count("holds") > 30


def _door(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([str(DOOR), *words], capture_output=True, text=True, check=False, timeout=120)
