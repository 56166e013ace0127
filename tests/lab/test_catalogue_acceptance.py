"""The whole catalogue on the `sriov` lab, as a user runs it: with nothing wrong, and with many things wrong at once.

Faults of different areas are put on host and guest by hand. Exactly the statements that they concern must turn broken,
and each must say what was found, what was wanted, where it was read and what to do. Then all is taken back, and the
machines must be as they were.
"""

from __future__ import annotations

import json
import shlex
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from lab.session import Lab
from tests.lab.catalogue_faults import AFTER, BEFORE, CROSSING, IN_EVERY_RUN, STATES, Fault, Said

pytestmark = pytest.mark.lab

DOOR = Path(__file__).parents[2] / "vfproof"


@dataclass(frozen=True)
class Judged:
    """One run of `./vfproof check`: its exit status, what it printed, and its rows by statement."""

    status: int
    said: str
    rows: dict[str, dict[str, Any]]

    def with_outcome(self, outcome: str) -> set[str]:
        return {name for name, row in self.rows.items() if row["outcome"] == outcome}


def judge(run: Path, *words: str) -> Judged:
    done = _door("check", "--run-folder", str(run), *words)
    rows = json.loads((run / "results.json").read_text())["rows"]
    by_name = {row["id"].rpartition("::")[2].partition("[")[0]: row for row in rows}
    assert len(by_name) == len(rows), "one host and one guest: every statement has one row"
    return Judged(done.returncode, done.stdout + done.stderr, by_name)


def _door(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([str(DOOR), *words], capture_output=True, text=True, check=False, timeout=400)


@contextmanager
def put(lab: Lab, faults: Sequence[Fault]) -> Iterator[None]:
    """Put the faults on the machines. All that were begun are taken back, whatever happens, and that is proven."""
    nodes = tuple(dict.fromkeys(fault.node for fault in faults))
    before = {node: lab.output(node, STATES[node], timeout_s=120) for node in nodes}
    try:
        for node in nodes:
            lab.output(node, _putting(node, faults), timeout_s=300)
        yield
    finally:
        failed = [
            f"{node}: {done.stderr}"
            for node in reversed(nodes)
            if (done := lab.ssh(node, _taking_back(node, faults), timeout_s=300)).returncode
        ]
        assert not failed, failed
    for node in nodes:
        assert _settled(lab, node, before[node]) == before[node], f"{node} is not as it was"


def _putting(node: str, faults: Sequence[Fault]) -> str:
    """A script that notes every fault before it is put, so that only those are taken back."""
    parts = [f"touch /run/{_mark(one)}\nsh -ec {shlex.quote(one.put)}" for one in faults if one.node == node]
    return "\n".join(["set -e", BEFORE.get(node, ""), *parts])


def _taking_back(node: str, faults: Sequence[Fault]) -> str:
    """A script that goes on when a fault cannot be taken back, and says so at its end."""
    parts = [
        f"if [ -e /run/{_mark(one)} ]; then sh -ec {shlex.quote(one.back)} && rm /run/{_mark(one)} || failed=1; fi"
        for one in reversed(faults)
        if one.node == node
    ]
    return "\n".join(["failed=0", *parts, AFTER.get(node, ""), "exit $failed"])


def _mark(fault: Fault) -> str:
    return "fault-" + "".join(letter if letter.isalnum() else "-" for letter in fault.area)


def _settled(lab: Lab, node: str, wanted: str) -> str:
    """The state of a node, asked again for a while: links come back in their own time."""
    deadline = time.monotonic() + 60
    while (found := lab.output(node, STATES[node], timeout_s=120)) != wanted and time.monotonic() < deadline:
        time.sleep(1)
    return found


def assert_exactly(run: Judged, faults: Sequence[Fault]) -> None:
    """The faults' statements are broken or advised, each in the faults' words, and no other one is."""
    broken = {name: said for fault in faults for name, said in fault.broken.items()}
    assert len(broken) == sum(len(fault.broken) for fault in faults), "two faults break one statement"
    assert run.with_outcome("broken") == set(broken), run.said
    assert not run.with_outcome("could not look"), run.said
    for name, said in broken.items():
        assert_told(run.rows[name], said)
    advised = {name: text for fault in faults for name, text in fault.advised.items()}
    assert run.with_outcome("advice") == set(advised), run.said
    for name, text in advised.items():
        assert text in " ".join(run.rows[name]["advice"])
    assert run.status == 1


def assert_told(row: dict[str, Any], said: Said) -> None:
    """A broken row names what was found, what was wanted and where it was read; and it or its `Fix:` what to do."""
    for text in (said.found, said.wanted, said.read):
        assert text in row["message"], f"{row['id']}: {text!r} is not in {row['message']!r}"
    assert said.fix in f"{row['message']}\n{row['fix']}", f"{row['id']}: {said.fix!r} is nowhere"


def test_faults_of_many_areas_break_their_statements_and_no_others(sriov_lab: Lab, tmp_path: Path) -> None:
    areas = {fault.area.partition(":")[0] for fault in IN_EVERY_RUN}
    assert len(IN_EVERY_RUN) >= 10 and len(areas) >= 7
    bundles = tmp_path / "bundles"
    bundles.mkdir()
    _bundle(sriov_lab, bundles / "kvm-1.vfb")
    with put(sriov_lab, IN_EVERY_RUN):
        run = judge(tmp_path / "run", "-i", str(sriov_lab.inventory))
        _bundle(sriov_lab, bundles / "kvm-2.vfb")
    assert_exactly(run, IN_EVERY_RUN)
    _assert_apart(bundles, tmp_path)


def _bundle(lab: Lab, file: Path) -> None:
    """What the script for other people's hosts prints on the lab's."""
    script = _door("gather", "--script", "host").stdout
    done = lab.ssh("kvm-1", "sh", timeout_s=200, stdin=script)
    assert done.returncode == 0, done.stderr
    file.write_text(done.stdout)


def _assert_apart(bundles: Path, tmp_path: Path) -> None:
    """The host before the faults and the host with them, as two hosts of one group: a copied machine, set otherwise."""
    inventory = tmp_path / "group.yaml"
    host = "{connect: ssh://nowhere, group: pair, pfs: {enp1s0: {vfs: 2}, enp2s0: {vfs: 2}}}"
    inventory.write_text(f"version: 1\nhosts:\n  kvm-1: {host}\n  kvm-2: {host}\n")
    words = ("-i", str(inventory), "--bundles", str(bundles), "-k", "test_across_hosts")
    run = judge(tmp_path / "apart", *words, "kvm-2")
    alone = run.with_outcome("broken")
    assert not alone, "one host alone is compared with nobody"
    done = _door("check", "--run-folder", str(tmp_path / "pair"), *words)
    rows = json.loads((tmp_path / "pair" / "results.json").read_text())["rows"]
    assert done.returncode == 1
    for host_name in ("kvm-1", "kvm-2"):
        own = {row["id"].rpartition("::")[2].partition("[")[0]: row for row in rows if row["machine"] == host_name}
        assert {name for name, row in own.items() if row["outcome"] == "broken"} == set(CROSSING)
        for name, said in CROSSING.items():
            assert_told(own[name], said)
