"""A guest with no second path on the `sriov` lab: checks and a drill through libvirt and the guest agent alone."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from scapy.layers.inet import UDP
from scapy.utils import PcapReader

from checks.agent_answers import AgentTrouble
from checks.connection import Connection
from checks.facts.catalogue import GUEST_SOURCES
from checks.gather import Order, gather
from checks.ways import reach, way_to
from failover.frames import MARKER_PORT
from inventory.document import plain
from inventory.loading import load
from inventory.writing import written
from lab.session import Lab

pytestmark = pytest.mark.lab

DOOR = Path(__file__).parents[2] / "vfproof"
CONTROL_NIC = "enp3s0"


@pytest.fixture(scope="module")
def inventory(sriov_lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The lab's own, but with a guest that is reached by its agent."""
    known: Any = plain("inventory.yaml", sriov_lab.inventory.read_text())
    guest = known["guests"]["guest-1"]
    guest["connect"] = "qga://"
    del guest["ssh_config"]
    guest["drill"]["probe_interval_ms"] = 50  # the agent's answers come out of the guest beside those to probes
    path = tmp_path_factory.mktemp("agent") / "inventory.yaml"
    path.write_text(written(known))
    return path


@pytest.fixture(scope="module")
def agent(inventory: Path) -> Iterator[Connection]:
    with reach(way_to(load(inventory), "guest-1")) as opened:
        until = time.monotonic() + 60
        while True:
            try:
                assert opened.run(b"id -u\n", 20, 1000).stdout == b"0\n"
                break
            except AgentTrouble:
                assert time.monotonic() < until, "no agent answers in the guest"
        yield opened


def run(inventory: Path, folder: Path, command: str, *words: str) -> tuple[str, list[dict[str, Any]]]:
    argv = [str(DOOR), command, "-i", str(inventory), "--run-folder", str(folder), "guest-1", *words]
    done = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=240, cwd=folder.parent)
    return done.stdout + done.stderr, json.loads((folder / "results.json").read_text())["rows"]


def outcomes(rows: list[dict[str, Any]]) -> dict[str, str]:
    return {row["id"]: row["outcome"] for row in rows}


@pytest.mark.usefixtures("agent")
def test_checks_judge_the_same_through_the_agent_as_over_ssh(sriov_lab, inventory, tmp_path):
    said, through_agent = run(inventory, tmp_path / "agent", "check")
    # The host's bundle serves both: asking it again would cost as much as all the rest.
    order = Order("guest-1", load(sriov_lab.inventory).guests["guest-1"], GUEST_SOURCES)
    gather(order).save(tmp_path / "agent" / "bundles" / "guest-1.vfb.gz")
    _, over_ssh = run(sriov_lab.inventory, tmp_path / "ssh", "check", "--bundles", str(tmp_path / "agent" / "bundles"))
    assert outcomes(through_agent) == outcomes(over_ssh), said
    assert sum(outcome == "holds" for outcome in outcomes(through_agent).values()) > 10
    for row, other in zip(through_agent, over_ssh, strict=True):
        assert row["message"] == other["message"]


def test_a_drill_where_the_bond_is_the_only_network(sriov_lab, inventory, agent, tmp_path):
    agent.run(f"ip link set dev {CONTROL_NIC} down\n".encode(), 20, 1000)
    try:
        said, rows = run(inventory, tmp_path / "drill", "drill", "--fault", "switch")
        assert agent.run(f"cat /sys/class/net/{CONTROL_NIC}/operstate\n".encode(), 20, 99).stdout == b"down\n"
        assert agent.run(b"ls -A /run/vfproof\n", 20, 99).stdout == b"", "a lock was left"
    finally:
        agent.run(f"ip link set dev {CONTROL_NIC} up\n".encode(), 20, 1000)
    drilled = [row for row in rows if "[guest-1-switch]" in row["id"]]
    # The lab's inventory has no budget for lost probes.
    assert {row["outcome"] for row in drilled} == {"holds", "does not apply"}, said
    assert sum(row["outcome"] == "holds" for row in drilled) == len(drilled) - 1
    (found,) = (tmp_path / "drill").glob("drills/guest-1/switch*/drill.txt")
    assert "systemd timer vfproof-undo-" in found.read_text()
    with PcapReader(str(found.with_name("observer.pcap"))) as frames:
        marked = [frame for frame in frames if UDP in frame and frame[UDP].dport == MARKER_PORT]
    assert len(marked) == 2, "one for each direction"
    sriov_lab.output("guest-1", "true", timeout_s=60)
