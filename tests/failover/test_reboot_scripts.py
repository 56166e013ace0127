"""The scripts of the reboot drill, as they run on a machine: what they see, what they refuse, what they call."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from failover.bond_state import parse_lines
from failover.places import script
from failover.rebooting import since_boot

BOOT_ID = Path("/proc/sys/kernel/random/boot_id").read_text().strip()


def run(name: str, *arguments: str, path: Path | None = None, **environment: str) -> dict[str, str]:
    env = {"PATH": f"{path}:{os.environ['PATH']}" if path else os.environ["PATH"], **environment}
    done = subprocess.run(["sh"], input=script(name, *arguments), capture_output=True, env=env, check=True, timeout=30)
    return parse_lines(done.stdout.decode())


@pytest.fixture
def commands(tmp_path: Path) -> Path:
    """Programs that only write down that they were called, in place of those that reboot."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for name in ("systemctl", "shutdown", "reboot", "sync"):
        program = folder / name
        program.write_text(f'#!/bin/sh\necho "{name} $*" >>"{tmp_path}/called"\n[ ! -e "{tmp_path}/no-{name}" ]\n')
        program.chmod(0o755)
    return folder


def called(tmp_path: Path) -> list[str]:
    file = tmp_path / "called"
    return file.read_text().splitlines() if file.exists() else []


def reboot(tmp_path: Path, commands: Path, boot_id: str = BOOT_ID, systemd: bool = True) -> dict[str, str]:
    folder = tmp_path / "systemd"
    if systemd:
        folder.mkdir(exist_ok=True)
    return run("reboot.sh", boot_id, path=commands, VFPROOF_RUN=str(tmp_path / "run"), VFPROOF_SYSTEMD=str(folder))


needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="the script refuses anybody but root")


@needs_root
def test_it_is_told_to_reboot_by_systemd_once(tmp_path: Path, commands: Path) -> None:
    assert reboot(tmp_path, commands) == {"rebooting": "systemctl reboot"}
    assert called(tmp_path) == ["sync ", "systemctl reboot"]
    assert reboot(tmp_path, commands)["refused"] == "another reboot drill is at work there"
    assert called(tmp_path) == ["sync ", "systemctl reboot"]


@needs_root
def test_without_systemd_others_do_it(tmp_path: Path, commands: Path) -> None:
    assert reboot(tmp_path, commands, systemd=False) == {"rebooting": "shutdown -r now"}
    assert called(tmp_path) == ["sync ", "shutdown -r now"]


@needs_root
def test_a_command_that_fails_leaves_its_word_to_the_next(tmp_path: Path, commands: Path) -> None:
    (tmp_path / "no-systemctl").touch()
    said = reboot(tmp_path, commands)
    assert said["rebooting"].split("\n") == ["systemctl reboot", "shutdown -r now"]
    assert said["failed"].startswith("systemctl reboot")


@needs_root
def test_where_no_command_does_it_nothing_stays_locked(tmp_path: Path, commands: Path) -> None:
    for name in ("systemctl", "shutdown", "reboot"):
        (tmp_path / f"no-{name}").touch()
    assert reboot(tmp_path, commands)["refused"] == "no command there could reboot it"
    assert not (tmp_path / "run" / "reboot").exists()


@needs_root
def test_another_boot_than_the_one_looked_at_is_left_alone(tmp_path: Path, commands: Path) -> None:
    assert reboot(tmp_path, commands, "another")["refused"] == "it was rebooted since it was looked at"
    assert called(tmp_path) == []


@needs_root
def test_the_lock_of_a_drill_that_died_before_it_rebooted_is_taken_over(tmp_path: Path, commands: Path) -> None:
    lock = tmp_path / "run" / "reboot"
    lock.mkdir(parents=True)
    os.utime(lock, (1, 1))
    assert reboot(tmp_path, commands) == {"rebooting": "systemctl reboot"}


def test_drills_that_live_are_seen_and_dead_ones_are_not(tmp_path: Path) -> None:
    for name in ("young", "old", "alive", "dead"):
        (tmp_path / name).mkdir()
    os.utime(tmp_path / "old", (1, 1))
    lock = tmp_path / "alive"
    with subprocess.Popen(["sh", "-c", "sleep 60; exit", f"{lock}/undo"], start_new_session=True) as waiting:
        (lock / "holder").write_text(f"pid:{waiting.pid}\n")
        (tmp_path / "dead" / "holder").write_text("pid:2147483646\n")
        said = run("drills_here.sh", VFPROOF_RUN=str(tmp_path))
        os.killpg(waiting.pid, 9)
    assert said == {"lock": "alive\nyoung"}
    assert run("drills_here.sh", VFPROOF_RUN=str(tmp_path / "none")) == {}


def test_how_far_this_machine_is_can_be_read() -> None:
    done = subprocess.run(["sh"], input=script("since_boot.sh"), capture_output=True, check=True, timeout=30)
    found = since_boot.parse(done.stdout.decode())
    assert (found.boot_id, found.uptime_s > 0) == (BOOT_ID, True)
