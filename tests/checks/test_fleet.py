"""Live gathers are bounded: one host's trouble is its own, and a large fleet takes no more than a small one."""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path

import pytest

from checks.source import Attributes, Command
from tests.checks.fleet import BAD, gather_fleet, orders
from tests.checks.sshd import Sshd

SOURCES = (Attributes("/sys/class/net/lo/*"), Command("uname -r"))
AT_ONCE = 32


def descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))  # noqa: PTH208


@pytest.mark.parametrize("number", [20, pytest.param(200, marks=pytest.mark.long)])
def test_the_rest_of_a_fleet_is_unaffected(ssh_server: Sshd, tmp_path: Path, monkeypatch, number):
    monkeypatch.setattr("checks.gather.LIMIT_BYTES", 8 * 1024 * 1024)
    before, threads = descriptors(), threading.active_count()
    wanted = orders(ssh_server, number, SOURCES)
    outcome = gather_fleet(wanted, tmp_path / "b", deadline_s=8)
    assert outcome.whole == {order.name for order in wanted} - set(BAD)
    said = {name: str(problem) for name, problem in outcome.failed.items()}
    assert set(said) == set(BAD)
    assert "no whole answer within 8 s" in said["hangs"]
    assert "the connection was lost in the middle of its answer" in said["drops"]
    assert "it answered more than 8 MiB, and was cut off" in said["babbles"]
    assert len(list((tmp_path / "b").iterdir())) == number - len(BAD)
    assert outcome.peak.descriptors <= before + 6 * AT_ONCE
    assert outcome.peak.threads <= threads + 3 * AT_ONCE + 2
    assert outcome.peak.resident_mib < 600
    until = time.monotonic() + 5  # paramiko's own threads notice the end a moment later
    while (descriptors(), threading.active_count()) != (before, threads):
        assert time.monotonic() < until, "something is left open"
        time.sleep(0.05)
    assert outcome.seconds < 20 + number / 4
