"""The way back on the guest: its scripts run here, on a bond that is two files."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from checks.local import LocalConnection
from failover.guest import DrilledGuest, Refused
from failover.places import CouldNotMeasure, Place
from failover.result import SwitchRecord
from tests.failover import wire

SYSTEMD_RUN = """#!/bin/sh
printf '%s\\n' "$*" >>"$LOG"
for word in "$@"; do case $word in --unit=*) touch "$LOG.${word#--unit=}" ;; esac; done
"""
SYSTEMCTL = """#!/bin/sh
printf 'systemctl %s\\n' "$*" >>"$LOG"
case $1 in
is-active) [ -e "$LOG.$(basename "$3" .timer)" ] ;;
stop) rm "$LOG.$(basename "$2" .timer)" ;;
esac
"""


@pytest.fixture
def active(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The file that holds the active slave of a bond, the lock in a place of its own."""
    file = tmp_path / "net/bond0/bonding/active_slave"
    file.parent.mkdir(parents=True)
    file.write_text("eth0\n")
    (tmp_path / "net/bond0/address").write_text(f"{wire.NEW}\n")
    monkeypatch.setenv("VFPROOF_NET", str(tmp_path / "net"))
    monkeypatch.setenv("VFPROOF_RUN", str(tmp_path / "run"))
    monkeypatch.setenv("VFPROOF_SYSTEMD", str(tmp_path / "systemd"))
    yield file
    assert not (tmp_path / "run").exists() or not list((tmp_path / "run").iterdir())


@pytest.fixture
def guest() -> DrilledGuest:
    return DrilledGuest("guest-1", Place(LocalConnection("guest-1")), "bond0", sudo=False)


def waiter(armed: str) -> int:
    return int(armed.removeprefix("detached shell ").split()[0])


def wait_for(condition: Callable[[], bool], deadline_s: float) -> bool:
    until = time.monotonic() + deadline_s
    while not condition() and time.monotonic() < until:
        time.sleep(0.02)
    return condition()


def gone(number: int) -> bool:
    try:
        return b"undo" not in Path(f"/proc/{number}/cmdline").read_bytes()
    except FileNotFoundError:
        return True


def test_giving_back_restores_disarms_and_unlocks(guest: DrilledGuest, active: Path) -> None:
    number = waiter(guest.arm("one", 60))
    assert not gone(number)
    active.write_text("eth1\n")
    assert guest.give_back("one") == "yes"
    assert active.read_text() == "eth0\n"
    assert wait_for(lambda: gone(number), 2)


def test_the_timer_restores_when_nobody_else_does(guest: DrilledGuest, active: Path) -> None:
    guest.arm("one", 1)
    active.write_text("eth1\n")
    assert wait_for(lambda: active.read_text() == "eth0\n", 5)
    assert wait_for(lambda: guest.give_back("one") == "the timer had done it already", 2)


def test_a_second_drill_is_refused_while_the_first_lives(guest: DrilledGuest, active: Path) -> None:
    guest.arm("one", 60)
    with pytest.raises(Refused, match=r"another drill holds .*bond0 \(one\)"):
        guest.arm("two", 60)
    assert guest.give_back("two") == "the timer had done it already"
    assert guest.give_back("one") == "yes"


def test_the_lock_of_a_dead_drill_is_taken_over_and_its_state_restored(guest: DrilledGuest, active: Path) -> None:
    number = waiter(guest.arm("one", 60))
    active.write_text("eth1\n")
    os.killpg(number, signal.SIGKILL)
    assert wait_for(lambda: gone(number), 2)
    assert "cleaned up" in guest.arm("two", 60)
    assert active.read_text() == "eth0\n"
    assert guest.give_back("two") == "yes"


def test_a_bond_that_may_not_be_written_is_refused(guest: DrilledGuest, active: Path) -> None:
    active.unlink()
    with pytest.raises(Refused, match="cannot be written"):
        guest.arm("one", 60)


def test_a_bond_without_an_active_slave_is_refused(guest: DrilledGuest, active: Path) -> None:
    active.write_text("\n")
    with pytest.raises(Refused, match="no active slave"):
        guest.arm("one", 60)


@pytest.fixture
def systemd(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A stand-in for systemd that writes down what it is told; the file of what it was told."""
    for name, text in (("systemd-run", SYSTEMD_RUN), ("systemctl", SYSTEMCTL)):
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(0o755)
    (tmp_path / "systemd").mkdir()
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.setenv("LOG", str(tmp_path / "log"))
    return tmp_path / "log"


def test_under_systemd_the_timer_is_a_unit_and_read_back(guest: DrilledGuest, active: Path, systemd: Path) -> None:
    assert guest.arm("one", 60) == "systemd timer vfproof-undo-one"
    said = systemd.read_text()
    assert "--on-active=60s" in said
    assert said.splitlines()[0].endswith("/bin/sh " + str(active.parents[3] / "run/bond0/undo_and_unlock"))
    assert "systemctl is-active --quiet vfproof-undo-one.timer" in said
    active.write_text("eth1\n")
    assert guest.give_back("one") == "yes"
    assert active.read_text() == "eth0\n"
    assert "systemctl stop vfproof-undo-one.timer" in systemd.read_text()


def test_a_timer_that_systemd_does_not_start_is_refused(guest: DrilledGuest, active: Path, systemd: Path) -> None:
    (systemd.parent / "systemd-run").write_text("#!/bin/sh\necho 'Failed to start transient timer unit' >&2\nexit 1\n")
    with pytest.raises(Refused, match="did not start: Failed to start transient timer unit"):
        guest.arm("one", 60)


def test_the_lock_of_a_dead_timer_is_taken_over(guest: DrilledGuest, active: Path, systemd: Path) -> None:
    guest.arm("one", 60)
    active.write_text("eth1\n")
    Path(f"{systemd}.vfproof-undo-one").unlink()
    assert "cleaned up" in guest.arm("two", 60)
    assert active.read_text() == "eth0\n"
    assert guest.give_back("two") == "yes"


def lock_of(active: Path) -> Path:
    return active.parents[3] / "run/bond0"


def switch(guest: DrilledGuest, held: str) -> SwitchRecord:
    return guest.act(wire.EVENT, "sysfs", "", wire.TOKENS, 1, held=held)


def test_a_new_round_gives_back_and_never_is_without_a_timer(guest: DrilledGuest, active: Path) -> None:
    first = waiter(guest.arm("one", 60))
    active.write_text("eth1\n")
    back, armed = guest.renew("one", "two", 60)
    assert (back, active.read_text()) == ("yes", "eth0\n")
    assert not gone(waiter(armed))
    assert wait_for(lambda: gone(first), 2)
    with pytest.raises(Refused, match=r"\(two\)"):
        guest.arm("three", 60)
    switch(guest, "two")
    assert active.read_text() == "eth1\n"
    assert guest.give_back("two") == "yes"
    assert active.read_text() == "eth0\n"


def test_a_new_round_after_the_timer_says_so(guest: DrilledGuest, active: Path) -> None:
    guest.arm("one", 1)
    assert wait_for(lambda: not lock_of(active).exists(), 5)
    assert guest.renew("one", "two", 60)[0] == "the timer had done it already"
    assert guest.give_back("two") == "yes"


def test_a_new_round_that_cannot_give_back_is_refused_and_its_timer_stays(guest: DrilledGuest, active: Path) -> None:
    number = waiter(guest.arm("one", 60))
    undo = lock_of(active) / "undo"
    kept = undo.read_text()
    undo.write_text("exit 1\n")
    with pytest.raises(Refused, match="could not be given back"):
        guest.renew("one", "two", 60)
    assert not gone(number)
    undo.write_text(kept)
    assert guest.give_back("one") == "yes"


def test_nothing_is_changed_without_the_lock(guest: DrilledGuest, active: Path) -> None:
    with pytest.raises(CouldNotMeasure, match="nothing was changed any more"):
        switch(guest, "one")
    guest.arm("one", 60)
    with pytest.raises(CouldNotMeasure, match="nothing was changed any more"):
        switch(guest, "another")
    (lock_of(active) / "undoing").touch()
    with pytest.raises(CouldNotMeasure, match="nothing was changed any more"):
        switch(guest, "one")
    assert active.read_text() == "eth0\n"
    assert guest.give_back("one") == "yes"


@pytest.mark.parametrize("by", ["controller", "timer", "next round"])
def test_the_way_back_waits_for_whoever_is_changing_something(guest: DrilledGuest, active: Path, by: str) -> None:
    """A switch that is under way when all is given back would else come after it, and stay."""
    guest.arm("one", 1 if by == "timer" else 60)
    acting = subprocess.Popen(["sleep", "30"])
    (lock_of(active) / "acting").write_text(f"{acting.pid}\n")
    with ThreadPoolExecutor() as pool:
        back = {
            "controller": lambda: guest.give_back("one"),
            "timer": lambda: wait_for(lambda: not lock_of(active).exists(), 20),
            "next round": lambda: guest.renew("one", "two", 60)[0],
        }[by]
        done = pool.submit(back)
        assert wait_for((lock_of(active) / "undoing").exists, 10)
        active.write_text("eth1\n")  # the change that was under way
        assert not done.done()
        acting.kill()
        acting.wait()
        assert done.result(20) in {"yes", True}
    assert active.read_text() == "eth0\n"
    guest.give_back("two")


def test_a_way_back_that_fails_is_tried_again(guest: DrilledGuest, active: Path) -> None:
    guest.arm("one", 1)
    undo = lock_of(active) / "undo"
    kept = undo.read_text()
    undo.write_text(f"touch '{active.parents[3]}/tried'; exit 1\n")
    active.write_text("eth1\n")
    assert wait_for((active.parents[3] / "tried").exists, 5)
    assert guest.give_back("one") == "it failed; the timer will try again"
    undo.write_text(kept)
    assert wait_for(lambda: not lock_of(active).exists(), 15)
    assert active.read_text() == "eth0\n"


def test_a_timer_is_proven_by_a_rehearsal(guest: DrilledGuest, active: Path) -> None:
    guest.prove_timer()
    assert active.read_text() == "eth0\n"
    assert not lock_of(active).exists()


def test_a_timer_that_does_not_run_out_is_not_proven(
    guest: DrilledGuest, active: Path, systemd: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("failover.guest.UNLOCK_DEADLINE_S", 1)
    with pytest.raises(Refused, match="in a rehearsal its undo timer did not run out"):
        guest.prove_timer()
    assert "systemctl stop vfproof-undo-rehearsal-" in systemd.read_text()
