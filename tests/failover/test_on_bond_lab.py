"""The drill on a real bond: user-mode machines, a switch that can drop announcements, a controller that is killed."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import pytest

from checks.transport import connect
from failover import announcements, verdict
from failover import drill as drilling
from failover.guest import DrilledGuest
from failover.observer import look
from failover.places import Place
from failover.plan import Plan
from failover.result import DrillResult
from failover.timeline import Announced
from inventory.model import Budgets, FaultName
from lab import session
from lab.session import Lab

pytestmark = pytest.mark.lab
ROOT = Path(__file__).parents[2]
ACTIVE = "cat /sys/class/net/bond0/bonding/active_slave"
QUICK = "observer: observer\n      give_back_after_s: 30\n      budgets: {neighbour_s: 1, outage_ms: 500}\n"
BUDGETS = Budgets()


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    with session.running("bond") as running:
        yield running


@pytest.fixture
def quick_inventory(lab: Lab, tmp_path: Path) -> Path:
    """The lab's own inventory with tight budgets and the shortest undo timer."""
    text = lab.inventory.read_text()
    assert "observer: observer\n" in text
    file = tmp_path / "inventory.yaml"
    file.write_text(text.replace("observer: observer\n", QUICK, 1))
    return file


def drill(lab: Lab, way: str, evidence: io.BytesIO, fault: FaultName = "switch") -> DrillResult:
    with ExitStack() as stack:

        def place(name: str) -> Place:
            return Place(stack.enter_context(connect(f"ssh://{name}", str(lab.ssh_config))))

        guest = DrilledGuest("guest", place("guest"), "bond0", sudo=False)
        plan = Plan(guest, fault, way, ("eth0", "eth1"), (), 5, 30, BUDGETS)
        look_at = partial(look, "observer", place("observer"), "eth0", sudo=False)
        return drilling.run(plan, [look_at], lambda _: Kept(evidence))


class Kept(io.BytesIO):
    """A file in memory whose bytes outlive it."""

    def __init__(self, to: io.BytesIO) -> None:
        super().__init__()
        self._to = to

    def close(self) -> None:
        self._to.write(self.getvalue())
        super().close()


def complaints(result: DrillResult) -> list[str]:
    found = []
    for direction in result.directions:
        found += verdict.not_carried_out(direction) + verdict.outages(direction, BUDGETS)
        found += announcements.wrong(direction, "GARP") + announcements.wrong(direction, "NA")
        found += announcements.late_garp(direction, BUDGETS) + verdict.stuck_neighbours(direction, BUDGETS)
        found += announcements.foreign(direction) + verdict.dirty_baselines(direction)
    return found


def eventually(condition: Callable[[], bool], deadline_s: float) -> float:
    """How long it took, in s; fails when the deadline came first."""
    begun = time.monotonic()
    while not condition():
        assert time.monotonic() - begun < deadline_s, f"not within {deadline_s} s"
        time.sleep(0.1)
    return time.monotonic() - begun


def start_run(inventory: Path, folder: Path) -> subprocess.Popen[str]:
    words = [sys.executable, "-m", "pytest", "failover", "--inventory", str(inventory), "--drill", "-q"]
    words += ["-p", "no:cacheprovider", "--run-folder", str(folder)]
    return subprocess.Popen(words, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def outcomes(folder: Path) -> dict[str, str]:
    rows = json.loads((folder / "results.json").read_text())["rows"]
    return {row["id"].partition("::test_")[2].partition("[")[0]: row["outcome"] for row in rows}


@pytest.mark.parametrize("way", ["ifenslave", "iproute2", "sysfs"])
def test_a_healthy_bond_holds_and_tcpdump_reads_the_same(lab: Lab, way: str, tmp_path: Path) -> None:
    evidence = io.BytesIO()
    result = drill(lab, way, evidence)
    assert result.not_measured is None
    assert not complaints(result)
    assert [direction.record.way for direction in result.directions] == [way, way]
    assert [direction.name for direction in result.directions] == ["eth0→eth1", "eth1→eth0"]
    assert result.before is not None and result.after is not None
    assert not result.before.differences(result.after)
    assert {(each.vlan, each.by) for each in result.directions[0].visible} == {
        (vlan, by) for vlan in (-1, 77) for by in ("GARP", "NA")
    }
    assert all(direction.timeline.switched.by == "marker frame" for direction in result.directions)
    file = tmp_path / "observer.pcap"
    file.write_bytes(evidence.getvalue())
    for announced, terms in (
        (Announced(-1, "10.77.0.21"), "arp and arp[6:2] == 1 and arp[14:4] == arp[24:4] and arp src host 10.77.0.21"),
        (Announced(77, "10.77.77.21"), "vlan 77 and arp and arp src host 10.77.77.21 and arp dst host 10.77.77.21"),
        (Announced(-1, "fd77::21"), "icmp6 and ip6[40] == 136 and dst host ff02::1 and src host fd77::21"),
    ):
        read = subprocess.run(["tcpdump", "-nr", file, terms], capture_output=True, check=True).stdout.splitlines()
        assert len(read) == sum(len(direction.timeline.of(announced)) for direction in result.directions) >= 4


@pytest.mark.parametrize(
    ("fault", "events"),
    [
        ("slave-down", ["eth0 down (eth0→eth1)", "eth0 up", "eth1 down (eth1→eth0)", "eth1 up"]),
        ("both-down", ["eth1 down", "eth0 down (eth0→none)", "eth0 up (none→eth0)", "eth1 up"]),
    ],
)
def test_a_bond_follows_its_links(lab: Lab, fault: FaultName, events: list[str]) -> None:
    result = drill(lab, "auto", io.BytesIO(), fault)
    assert (result.refused, result.not_measured, result.unfinished) == (None, None, "")
    assert [direction.name for direction in result.directions] == events
    assert not complaints(result)
    assert result.before is not None and result.after is not None
    assert not result.before.differences(result.after)
    for direction in result.directions:
        still_out = {probes.still_out for probes in direction.timeline.probes}
        assert still_out == {direction.event.cuts_off}, direction.name


def test_a_switch_that_drops_announcements_breaks_the_drill_for_that_reason(
    lab: Lab, quick_inventory: Path, tmp_path: Path
) -> None:
    lab.fault("garp-na-drop")
    try:
        with start_run(quick_inventory, tmp_path / "run") as run:
            said, _ = run.communicate(timeout=90)
    finally:
        lab.mend("garp-na-drop")
    assert run.returncode == 1, said
    found = outcomes(tmp_path / "run")
    assert found["bond_can_fail_over"] == found["switch_is_carried_out"] == found["state_is_given_back"] == "holds"
    for statement in (
        "new_mac_is_announced_by_gratuitous_arp",
        "new_mac_is_announced_by_neighbour_advertisement",
        "neighbour_learns_the_new_mac",
        "traffic_is_back_in_time",
    ):
        assert found[statement] == "broken", said
    assert "neighbours keep the old MAC" in said
    assert {file.name for file in (tmp_path / "run/drills/guest/switch").iterdir()} == {
        "observer.pcap",
        "drill.json",
        "drill.txt",
        "timeline-1.svg",
        "timeline-2.svg",
    }


def test_a_run_that_is_terminated_gives_everything_back_at_once(
    lab: Lab, quick_inventory: Path, tmp_path: Path
) -> None:
    """Killed ones: test_drill_survives.py."""
    with start_run(quick_inventory, tmp_path / "run") as run:
        # one connection that waits: on a busy machine each new one would take longer than the switch is there
        lab.output("guest", f"timeout 60 sh -c 'until [ \"$({ACTIVE})\" = eth1 ]; do sleep 0.1; done'", timeout_s=70)
        os.kill(run.pid, signal.SIGTERM)
        run.communicate(timeout=30)
    eventually(lambda: lab.output("guest", ACTIVE).strip() == "eth0", 6)
    eventually(lambda: not lab.output("guest", "ls /run/vfproof").split(), 6)
    eventually(lambda: lab.ssh("observer", "pidof ping tcpdump").returncode == 1, 5)


def test_a_second_drill_is_refused_and_switches_nothing(lab: Lab) -> None:
    with connect("ssh://guest", str(lab.ssh_config)) as connection:
        guest = DrilledGuest("guest", Place(connection), "bond0", sudo=False)
        guest.arm("first", 30)
        result = drill(lab, "sysfs", io.BytesIO())
        assert result.refused is not None
        assert "another drill holds /run/vfproof/bond0 (first)" in result.refused
        assert not result.directions
        assert guest.give_back("first") == "yes"


def test_a_degraded_bond_is_refused(lab: Lab) -> None:
    lab.output("guest", "ip link set eth1 down")
    try:
        result = drill(lab, "sysfs", io.BytesIO())
    finally:
        lab.output("guest", "ip link set eth1 up")
    assert result.refused == "it is degraded: no link on eth1 (down)"
    eventually(lambda: lab.output("guest", "cat /sys/class/net/eth1/bonding_slave/mii_status").strip() == "up", 5)
