"""Whatever is killed, nothing stays: no process, no namespace, no mount, no lock, and the next lab comes up."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from lab import session, state, topology
from lab.coming_up import LabError
from lab.state import NotUp, State
from lab.state import is_up as lock_is_held

pytestmark = pytest.mark.lab

NAMESPACES = ("mnt", "net", "pid")
NAME = f"kill-{os.getpid()}"
COMMAND = [sys.executable, "-m", "lab"]


def until(condition, seconds: float = 10):
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.02)
    return found


def processes(place: State) -> set[int]:
    """Everything that carries the lab's own path in its arguments: cell, forwarders, machines."""
    found = set()
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            arguments = (folder / "cmdline").read_bytes()
        except OSError:  # it ended meanwhile
            continue
        if f"{place.folder}/".encode() in arguments or f"{place.folder}\0".encode() in arguments:
            found.add(int(folder.name))
    return found


def namespaces(pids: set[int]) -> set[str]:
    """The namespaces that these processes are in and this one is not."""
    return _all_namespaces(pids) - _all_namespaces({os.getpid()})


def _all_namespaces(pids: set[int]) -> set[str]:
    found = set()
    for pid in pids:
        for kind in NAMESPACES:
            try:
                found.add(str(Path(f"/proc/{pid}/ns/{kind}").readlink()))
            except OSError:  # it ended meanwhile
                continue
    return found


def everybody() -> set[int]:
    return {int(folder.name) for folder in Path("/proc").glob("[0-9]*")}


def nothing_is_left(place: State, theirs: set[str]) -> None:
    assert theirs
    until(lambda: not processes(place))
    until(lambda: not lock_is_held(place))
    until(lambda: not namespaces(everybody()) & theirs)
    assert str(place.folder) not in Path("/proc/self/mountinfo").read_text()


def up_by_hand() -> None:
    answer = subprocess.run([*COMMAND, "up", "bond", "--name", NAME], capture_output=True, text=True, check=False)
    assert answer.returncode == 0, answer.stderr


@pytest.fixture
def place():
    place = State.of(NAME)
    yield place
    session.down(NAME)
    assert not place.folder.exists()


def test_killing_the_controller_of_a_lab_that_comes_up_ends_the_lab(place):
    with subprocess.Popen([*COMMAND, "up", "bond", "--name", NAME], stderr=subprocess.PIPE, text=True) as controller:
        assert controller.stderr is not None
        while "guest: booting" not in (line := controller.stderr.readline()):
            assert line, "it never began to boot"
        until(lambda: len(processes(place)) > 4)
        theirs = namespaces(processes(place))
        controller.kill()
    nothing_is_left(place, theirs)


@pytest.mark.parametrize("victim", ["cell", "parent of the cell"])
def test_a_lab_outlives_its_controller_but_not_its_cell(place, victim):
    up_by_hand()  # after the rest of an earlier, killed lab of that name
    assert lock_is_held(place)
    theirs = namespaces(processes(place))
    cell = int(place.cell_pid.read_text())
    if victim == "parent of the cell":
        cell = int(Path(f"/proc/{cell}/stat").read_text().rpartition(")")[2].split()[1])
        assert b"unshare" in Path(f"/proc/{cell}/cmdline").read_bytes()
    os.kill(cell, signal.SIGKILL)
    nothing_is_left(place, theirs)
    with pytest.raises(NotUp):
        session.attach(NAME)


def test_a_lab_of_run_dies_with_its_controller(place):
    # The command asks for a line that never comes, so that only its own end of the pipe can end it.
    command = [*COMMAND, "run", "bond", "--name", NAME, "--", "sh", "-c", "echo here; read -r line"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as controller:
        assert controller.stdout is not None
        assert controller.stdout.readline() == "here\n"
        theirs = namespaces(processes(place))
        controller.kill()
        nothing_is_left(place, theirs)


def test_interrupting_a_lab_that_comes_up_leaves_not_even_a_file(place):
    command = [*COMMAND, "run", "bond", "--name", NAME, "--", "true"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as controller:
        assert controller.stderr is not None
        while "guest: booting" not in (line := controller.stderr.readline()):
            assert line, "it never began to boot"
        until(lambda: len(processes(place)) > 4)
        theirs = namespaces(processes(place))
        controller.terminate()
        assert controller.wait(15) == 128 + signal.SIGTERM
    nothing_is_left(place, theirs)
    assert not place.folder.exists()


def test_down_leaves_not_even_a_file(place):
    up_by_hand()
    theirs = namespaces(processes(place))
    scratch = place.scratch.readlink()
    assert list(scratch.iterdir())
    assert session.down(NAME)
    nothing_is_left(place, theirs)
    assert not place.folder.exists()
    assert not scratch.exists()
    assert not session.down(NAME)


def test_two_labs_do_not_meet(bond_lab):
    """Both have the same addresses and MACs; each answers to its own name only."""
    bond_lab.output("guest", "touch /run/first")
    ports = ("guest-eth0", "guest-eth1")
    for port in ports:
        bond_lab.fault("port-down", port)
    try:
        with session.running("bond") as other:  # a second one of this process
            assert other.ssh("guest", "test -e /run/first").returncode == 1
            assert other.ssh("observer", "ping -q -c 1 -W 2 10.77.0.21").returncode == 0
            # An observer in a namespace of the cell is entered from outside.
            for address in ("10.77.0.21", "fd77::21"):
                ping = [*other.namespace_command("neighbour"), "ping", "-q", "-c", "1", "-W", "2", address]
                assert subprocess.run(ping, check=False, stdout=subprocess.DEVNULL).returncode == 0
    finally:
        for port in ports:
            bond_lab.mend("port-down", port)


def test_a_node_that_does_not_come_up_gives_reason_console_and_log(tmp_path, place):
    text = topology.locate("bond").read_text()
    broken = tmp_path / "broken.yaml"
    broken.write_text(text.replace("slaves: [eth0, eth1]\n        mode", "slaves: [eth0, eth7]\n        mode", 1))
    before = everybody()
    with pytest.raises(LabError) as trouble:
        session.up(str(broken), NAME)
    told = str(trouble.value)
    assert told.startswith("guest did not come up: its kernel ended by itself")
    assert 'Cannot find device "eth7"' in told
    assert told.endswith(f"the whole console: {place.console_log('guest')}")
    assert len(told.splitlines()) <= 23
    assert place.console_log("guest").exists()
    assert not state.is_up(place)
    assert not processes(place) - before
