"""`--reboot`: what it refuses before anything is looked at, and which rows there are with and without it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any, cast

import pytest

from checks.machines import SELECTION
from failover.rebooting import plugin as reboot_plugin
from inventory.loading import load, select

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


class Config:
    """As much of pytest's configuration as the options need."""

    def __init__(self, file: Path, **options: Any) -> None:
        self.stash = pytest.Stash()
        self.options = {"drill": True, "bundles": None, **options}
        if not options.get("no_inventory"):
            self.stash[SELECTION] = select(load(file), options.get("only", []))

    def getoption(self, name: str, default: Any = None) -> Any:
        return self.options.get(name, default)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"reboot": ["wiling"]}, "--reboot wiling: there is no such host in the inventory; did you mean 'willing'?"),
        ({"reboot": ["willing", "unwilling"]}, "does not permit it (hosts.unwilling.drill.reboot)"),
        ({"reboot": ["willing"], "only": ["here"]}, "not among the machines of this run (--only)"),
        ({"reboot": ["willing"], "drill": False}, "needs --drill"),
        ({"reboot": ["willing"], "numprocesses": 2}, "not with -n"),
        ({"reboot": ["willing"], "bundles": "docs"}, "no machine is contacted with --bundles"),
        ({"reboot": ["willing"], "no_inventory": True}, "needs --inventory FILE"),
    ],
)
def test_a_mistake_is_one_sentence(tmp_path: Path, options: dict[str, Any], said: str) -> None:
    file = tmp_path / "inventory.yaml"
    file.write_text(INVENTORY)
    with pytest.raises(pytest.UsageError) as mistake:
        reboot_plugin.pytest_configure(cast("pytest.Config", Config(file, **options)))
    assert said in str(mistake.value)


def test_no_mistake_says_nothing(tmp_path: Path) -> None:
    file = tmp_path / "inventory.yaml"
    file.write_text(INVENTORY)
    for hosts in ([], ["willing", "here"]):
        reboot_plugin.pytest_configure(cast("pytest.Config", Config(file, reboot=hosts)))


def test_a_mistake_ends_the_run_before_anything_is_looked_at(tmp_path: Path) -> None:
    status, told, rows = run(tmp_path, "--drill", "--reboot", "unwilling")
    assert (status, rows) == (4, [])
    assert "--reboot unwilling: the inventory does not permit it" in told


def test_without_it_there_are_no_rows_at_all(tmp_path: Path) -> None:
    status, _, rows = run(tmp_path, "--drill")
    assert (status, rows) == (5, [])


def test_only_hosts_that_are_named_have_rows_and_a_silent_one_could_not_be_looked_at(tmp_path: Path) -> None:
    status, _, rows = run(tmp_path, "--drill", "--reboot", "willing")
    assert status == 6
    assert {(row["machine"], row["role"], row["outcome"]) for row in rows} == {("willing", "drill", "could not look")}
    assert all("127.0.0.1" in row["message"] for row in rows)
    assert json.loads((tmp_path / "run/results.json").read_text())["run"]["deselected"] == 0  # nobody left any out


def test_the_machine_that_this_runs_on_is_refused(tmp_path: Path) -> None:
    status, _, rows = run(tmp_path, "--drill", "--reboot", "here")
    assert status == 1
    broken = [row for row in rows if row["outcome"] == "broken"]
    assert [row["statement"].partition(":")[0] for row in broken] == ["The host may be rebooted"]
    assert "not rebooted: this runs on it" in broken[0]["message"]
    assert {row["outcome"] for row in rows} == {"broken", "could not look"}
