"""Drills that are hit in the middle, on a real bond: the bond is as before whatever happens, and the next one works."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from benchmarks.drills import BOND, Bench, bench, wrong
from benchmarks.kills import left_behind, state, until, victim
from checks.transport import connect
from failover.guest import DrilledGuest
from failover.places import Place
from failover.result import DrillResult
from inventory.model import Budgets
from lab import session
from lab.coming_up import LabError
from lab.session import Lab
from tests.failover.test_on_bond_lab import outcomes

pytestmark = pytest.mark.lab
ROOT = Path(__file__).parents[2]
BUDGETS = Budgets(neighbour_s=2, outage_ms=1000)
GIVE_BACK_AFTER_S = 10
ON_TIME_S = GIVE_BACK_AFTER_S + 15
"""Each look at a guest that is short of CPU takes seconds itself."""
LOCK = f"/run/vfproof/{BOND}"
SWITCHED = f'[ "$(cat /sys/class/net/{BOND}/bonding/active_slave)" = eth1 ]'
PHASES = {
    "armed, nothing done yet": f"[ -s {LOCK}/undo ]",
    "in the middle of the change": f"[ -s {LOCK}/acting ]",
    "in the middle of giving back": f"[ -e {LOCK}/undoing ]",
}


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    with session.running("bond") as running:
        yield running


@pytest.fixture
def place(lab: Lab) -> Iterator[Bench]:
    with bench(lab.name) as open_bench:
        yield open_bench


def wait_on_guest(lab: Lab, condition: str, then: str = ":") -> None:
    """Wait there, over one connection: what passes within a tenth of a second is seen, too."""
    lab.output("guest", f"timeout 60 bash -c 'until {condition}; do :; done; {then}'", timeout_s=70)


@contextmanager
def under_way(place: Bench, **more: int) -> Iterator[Future[DrillResult]]:
    """A drill in another thread; signals are the main thread's alone, so it does without."""
    with ThreadPoolExecutor(1) as pool:
        yield pool.submit(place.drill, "switch", budgets=BUDGETS, give_back_after_s=30, **more)


@pytest.fixture
def no_signals(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("signal.signal", lambda number, handler: signal.SIG_DFL)


@pytest.mark.parametrize(
    "phase",
    [phase if "change" in phase else pytest.param(phase, marks=pytest.mark.long) for phase in PHASES],
)
def test_a_controller_killed_at_a_telling_instant_leaves_nothing_behind(lab: Lab, phase: str) -> None:
    before = state(lab)
    with victim(lab, 1) as process:
        wait_on_guest(lab, PHASES[phase])
        os.kill(process.pid, signal.SIGKILL)
        process.communicate()
    assert until(lambda: not left_behind(lab, before), ON_TIME_S) is not None
    assert until(lambda: lab.ssh("observer", "pidof ping tcpdump").returncode == 1, 10) is not None


@pytest.mark.usefixtures("no_signals")
def test_a_guest_whose_connection_is_cut_is_reached_again_and_given_back(lab: Lab, place: Bench) -> None:
    before = state(lab)
    with under_way(place) as drill:
        # every session there is ended, that of this very command, too; sshd itself stays
        with pytest.raises(LabError, match="exit status 255"):
            wait_on_guest(lab, SWITCHED, "pkill -f sshd.*notty")
        result = drill.result(90)
    assert result.not_measured is not None
    assert "it was reached again over a new connection, all given back: yes" in result.not_measured
    assert result.last_seen == "" or "eth1" in result.last_seen
    assert result.after is not None and not before.differences(result.after)
    assert left_behind(lab, before) == []


@pytest.mark.usefixtures("no_signals")
def test_an_observer_that_is_gone_ends_the_drill_and_all_is_given_back_at_once(lab: Lab, place: Bench) -> None:
    before = state(lab)
    with under_way(place, rounds=5) as drill:  # so many that it is still under way when the word arrives
        wait_on_guest(lab, SWITCHED)
        lab.output("observer", "pkill tcpdump")
        result = drill.result(60)
    assert result.not_measured is not None and "capture" in result.not_measured
    assert result.after is not None and not before.differences(result.after)
    assert left_behind(lab, before) == []


@pytest.mark.long
@pytest.mark.usefixtures("no_signals")
def test_a_guest_that_rebooted_is_not_judged(lab: Lab, place: Bench) -> None:
    other = "mount --bind /tmp/boot_id /proc/sys/kernel/random/boot_id"
    with under_way(place) as drill:
        wait_on_guest(lab, SWITCHED, f"echo another >/tmp/boot_id; {other}")
        result = drill.result(60)
    lab.output("guest", "umount /proc/sys/kernel/random/boot_id")
    assert result.not_measured == "the guest rebooted during the drill"
    assert result.before is not None and result.after is not None
    assert result.before.boot_id != result.after.boot_id == "another"


@pytest.mark.long
def test_over_the_bond_itself_the_timer_is_proven_first(lab: Lab, place: Bench, tmp_path: Path) -> None:
    """The controller comes in over the drilled bond, by way of the observer."""
    config = tmp_path / "ssh_config"
    text = lab.ssh_config.read_text()
    config.write_text(f"Host inband\n  HostName 10.77.0.21\n  HostKeyAlias guest\n  ProxyJump observer\n{text}")
    with ExitStack() as stack:
        inband = Place(stack.enter_context(connect("ssh://inband", str(config))))
        guest = DrilledGuest("guest", inband, BOND, sudo=False)
        assert guest.state().reached_over_it
        result = Bench(lab, stack, inband, place.observer).drill("switch", budgets=BUDGETS)
        assert wrong(result, BUDGETS) == []
        # no timer can be proven when none can start
        lab.output("guest", "chmod -x /usr/bin/setsid")
        try:
            refused = Bench(lab, stack, inband, place.observer).drill("switch", budgets=BUDGETS)
        finally:
            lab.output("guest", "chmod +x /usr/bin/setsid")
    assert refused.refused is not None and not refused.directions


def test_a_drill_that_is_repeated_tells_how_much_its_rounds_differ(lab: Lab, tmp_path: Path) -> None:
    words = [sys.executable, "-m", "pytest", "failover", "--inventory", str(lab.inventory), "--drill", "-q"]
    words += ["--fault", "switch", "--repeat", "3", "-p", "no:cacheprovider", "--run-folder", str(tmp_path / "run")]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, timeout=180, check=False)
    found = outcomes(tmp_path / "run")
    assert done.returncode == 0, done.stdout
    assert set(found.values()) <= {"holds", "attention", "does not apply"}
    folder = tmp_path / "run/drills/guest/switch"
    told = json.loads((folder / "rounds.json").read_text())
    assert [each["round"] for each in told["rounds"]] == [1, 2, 3]
    assert [event["event"] for event in told["events"]] == ["eth0→eth1", "eth1→eth0"]
    assert all(event["first_garp_ms"]["n"] == 3 for event in told["events"])
    kept = {each["round"] for each in told["rounds"] if each["capture_kept"]}
    assert 1 in kept
    assert {int(file.parent.name[-3:]) for file in folder.glob("round-*/observer.pcap")} == kept
    terms = "arp and arp[6:2] == 1 and arp[14:4] == arp[24:4] and arp src host 10.77.0.21"
    pcap = folder / "round-001/observer.pcap"
    read = subprocess.run(["tcpdump", "-nr", pcap, terms], capture_output=True, check=True).stdout.splitlines()
    counted = [event["announcements"]["10.77.0.21"] for event in told["rounds"][0]["events"]]
    assert len(read) == sum(counted) >= 4
    assert "3 rounds" in (folder / "rounds.svg").read_text()
