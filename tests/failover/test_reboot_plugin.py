"""`--reboot`: what it refuses before anything is looked at, and which rows there are with and without it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
INVENTORY = """
version: 1
hosts:
  willing: {connect: "ssh://127.0.0.1:1", drill: {reboot: true}}
  unwilling: {connect: "ssh://127.0.0.1:1", drill: {permitted: true}}
  here: {connect: "local://", drill: {reboot: true}}
"""


def run(tmp_path: Path, *options: str) -> tuple[int, str, list[dict[str, Any]]]:
    """Exit status, what was printed, and the rows of results.json."""
    inventory = tmp_path / "inventory.yaml"
    inventory.write_text(INVENTORY)
    words = [sys.executable, "-m", "pytest", "failover/test_reboot.py", "--inventory", str(inventory), *options]
    words += ["-p", "no:cacheprovider", "--run-folder", str(tmp_path / "run")]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)
    assert "Traceback" not in done.stdout + done.stderr
    results = tmp_path / "run/results.json"
    rows = json.loads(results.read_text())["rows"] if results.exists() else []
    return done.returncode, done.stdout + done.stderr, rows


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--drill", "--reboot", "wiling"], "there is no such host in the inventory; did you mean 'willing'?"),
        (["--drill", "--reboot", "unwilling"], "does not permit it (hosts.unwilling.drill.reboot)"),
        (["--drill", "--reboot", "willing", "--only", "here"], "not among the machines of this run (--only)"),
        (["--reboot", "willing"], "needs --drill"),
        (["--drill", "--reboot", "willing", "-n", "2"], "not with -n"),
        (["--drill", "--reboot", "willing", "--bundles", "docs"], "no machine is contacted with --bundles"),
    ],
)
def test_a_mistake_ends_the_run_before_anything_is_looked_at(tmp_path: Path, options: list[str], said: str) -> None:
    status, told, rows = run(tmp_path, *options)
    assert (status, rows) == (4, [])
    assert said in told


def test_without_it_there_are_no_rows_at_all(tmp_path: Path) -> None:
    status, _, rows = run(tmp_path, "--drill")
    assert (status, rows) == (5, [])


def test_only_hosts_that_are_named_have_rows_and_a_silent_one_could_not_be_looked_at(tmp_path: Path) -> None:
    status, _, rows = run(tmp_path, "--drill", "--reboot", "willing")
    assert status == 6
    assert {(row["machine"], row["role"], row["outcome"]) for row in rows} == {("willing", "drill", "could not look")}
    assert all("127.0.0.1" in row["message"] for row in rows)


def test_the_machine_that_this_runs_on_is_refused(tmp_path: Path) -> None:
    status, _, rows = run(tmp_path, "--drill", "--reboot", "here")
    assert status == 1
    broken = [row for row in rows if row["outcome"] == "broken"]
    assert [row["statement"].partition(":")[0] for row in broken] == ["The host may be rebooted"]
    assert "not rebooted: this runs on it" in broken[0]["message"]
    assert {row["outcome"] for row in rows} == {"broken", "could not look"}
