"""Children hear each signal once, clean up in their own time, and do not outlive the door."""

from __future__ import annotations

import os
import pty
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from door.children import run
from door.memory import Peak, tree

CHILD = """
import pathlib, signal, sys, time
log = pathlib.Path(sys.argv[1])
heard = []
def hear(number, _):
    heard.append(signal.Signals(number).name)
for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
    signal.signal(number, hear)
log.write_text("ready")
deadline = time.monotonic() + 20
while not heard and time.monotonic() < deadline:
    time.sleep(0.01)
time.sleep(0.3)  # the clean-up, in which a second signal would be heard
log.write_text(" ".join(heard))
sys.exit(7)
"""
DOOR = "import sys; from door.children import run; sys.exit(run([sys.executable, '-c', sys.argv[1], sys.argv[2]]))"


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "log"


def start(log: Path, **more) -> subprocess.Popen[bytes]:
    process = subprocess.Popen([sys.executable, "-c", DOOR, CHILD, str(log)], **more)
    wait_until(lambda: log.exists() and log.read_text() == "ready")
    return process


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.01)


@pytest.mark.parametrize(("word", "status"), [("exit 0", 0), ("exit 6", 6), ("kill -9 $$", 137)])
def test_the_exit_status_is_the_child_s(word: str, status: int) -> None:
    assert run(["sh", "-c", word]) == status


def test_a_program_that_is_not_there_is_an_error() -> None:
    status = None
    try:
        status = run(["/no/such/program"])
    except OSError as error:
        assert error.errno
    assert status in {None, 127}


def test_the_child_hears_signals_as_usual() -> None:
    blocked = f"{sys.executable} -c 'import signal; print(len(signal.pthread_sigmask(signal.SIG_BLOCK, ())))'"
    assert run(["sh", "-c", f"test $({blocked}) = 0"]) == 0
    assert signal.pthread_sigmask(signal.SIG_BLOCK, ()) == set()


@pytest.mark.parametrize(("sent", "status"), [("SIGINT", 130), ("SIGTERM", 143), ("SIGHUP", 129)])
def test_a_signal_to_the_door_is_passed_on_once(log: Path, sent: str, status: int) -> None:
    process = start(log)
    process.send_signal(signal.Signals[sent])
    assert process.wait(20) == status
    assert log.read_text() == sent


def test_an_interruption_may_be_passed_on_as_another_signal(log: Path) -> None:
    by_sigterm = DOOR.replace("argv[2]]", "argv[2]], interruption=15")
    process = subprocess.Popen([sys.executable, "-c", by_sigterm, CHILD, str(log)])
    wait_until(lambda: log.exists() and log.read_text() == "ready")
    process.send_signal(signal.SIGINT)
    assert process.wait(20) == 130
    assert log.read_text() == "SIGTERM"


def test_ctrl_c_at_a_terminal_is_heard_once(log: Path) -> None:
    ours, theirs = pty.openpty()
    process = start(
        log, stdin=theirs, start_new_session=True, preexec_fn=lambda: os.close(os.open(os.ttyname(0), os.O_RDWR))
    )
    os.write(ours, b"\x03")
    assert process.wait(20) == 130
    assert log.read_text() == "SIGINT"
    os.close(ours)
    os.close(theirs)


def test_a_killed_door_tells_its_child_to_end(log: Path) -> None:
    process = start(log)
    process.kill()
    process.wait(20)
    wait_until(lambda: log.read_text() == "SIGTERM")


def test_memory_is_that_of_all_descendants() -> None:
    grandchild = f"{sys.executable} -c 'x = bytearray(60_000_000); print(1, flush=True); input()'"
    process = subprocess.Popen(["sh", "-c", f"{grandchild}; true"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert process.stdout is not None
    process.stdout.readline()
    peak = Peak()
    peak.look(process.pid)
    members = list(tree(process.pid))
    process.communicate(b"\n")
    assert len(members) == 2
    assert 60_000_000 < peak.bytes < 120_000_000
    held = peak.bytes
    peak.look(process.pid)
    assert peak.bytes == held


def test_memory_is_taken_from_proc(tmp_path: Path) -> None:
    for pid, parent, pss in ((1, 0, 1), (20, 1, 100), (30, 20, 200), (40, 30, None), (50, 1, 400)):
        folder = tmp_path / str(pid)
        folder.mkdir()
        (folder / "stat").write_text(f"{pid} (a) b (c) S {parent} 0 0\n")
        (folder / "statm").write_text("9 3 1\n")
        if pss is not None:
            (folder / "smaps_rollup").write_text(f"Rss:  999 kB\nPss:  {pss} kB\nPss_Anon: 7 kB\n")
    peak = Peak(tmp_path)
    peak.look(20)
    assert peak.bytes == 300 * 1024 + 3 * os.sysconf("SC_PAGE_SIZE")
