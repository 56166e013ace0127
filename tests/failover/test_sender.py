"""The schedule of the probes' sender, with a clock that the test moves."""

from __future__ import annotations

import socket
import time
from typing import cast

import pytest

from failover.remote import sender
from failover.sending import kept_schedule

MS = 1_000_000


class Clock:
    """Time goes on by sleeping, and by what each sending takes."""

    def __init__(self, takes_ms: dict[int, float]) -> None:
        self.now, self.takes = 0, takes_ms
        self.sent: list[tuple[int, int]] = []

    def sleep(self, seconds: float) -> None:
        self.now += max(1, round(seconds * 1e9))

    def send(self, data: bytes) -> None:
        number = int.from_bytes(data[17:21], "big")
        self.sent.append((self.now // MS, number))
        self.now += round(self.takes.get(number, 0) * MS)


def kept(monkeypatch: pytest.MonkeyPatch, takes_ms: dict[int, float], slots: int = 10) -> tuple[Clock, sender.Log]:
    clock = Clock(takes_ms)
    monkeypatch.setattr(sender, "now_ns", lambda: clock.now)
    monkeypatch.setattr(time, "sleep", clock.sleep)
    return clock, sender.run([(cast("socket.socket", clock), False)], 5 * MS, slots, b"abcdefgh", [])


def test_every_slot_has_its_time(monkeypatch):
    clock, log = kept(monkeypatch, {2: 1.5})
    assert clock.sent == [(5 * number, number) for number in range(10)]
    assert (log.sent, log.late, log.skipped, log.worst_ns) == (10, 0, 0, 0)


def test_a_late_probe_does_not_delay_the_ones_after_it(monkeypatch):
    clock, log = kept(monkeypatch, {2: 8})
    assert clock.sent[:5] == [(0, 0), (5, 1), (10, 2), (18, 3), (20, 4)]
    assert (log.sent, log.late, log.skipped, log.worst_ns) == (10, 1, 0, 3 * MS)


def test_slots_that_passed_are_left_out_and_no_burst_follows(monkeypatch):
    clock, log = kept(monkeypatch, {2: 22})
    assert clock.sent == [(0, 0), (5, 1), (10, 2), (32, 3), (35, 4), (40, 5), (45, 6)]
    assert (log.sent, log.late, log.skipped, log.worst_ns) == (7, 1, 3, 17 * MS)


def test_no_more_slots_than_asked_for_and_none_after_the_end(monkeypatch):
    assert kept(monkeypatch, {}, slots=3)[1].sent == 3
    assert sender.run([], 5 * MS, 10, b"", [15]).sent == 0


def test_percentiles_are_no_better_than_they_were():
    log = sender.Log()
    for late_ms in [0] * 98 + [3, 500]:
        log.add(late_ms * MS)
    assert log.percentile_ms(0.5) == pytest.approx(0.01)
    assert log.percentile_ms(0.99) == pytest.approx(3.01)
    assert log.percentile_ms(1) == 500


def test_the_checksum_is_that_of_rfc_1071():
    message = sender.request(70001, 9, b"abcdefgh", six=False)
    assert sender.checksum(message) == 0
    assert int.from_bytes(message[6:8], "big") == 70001 & 0xFFFF


@pytest.mark.parametrize("said", ["", "Traceback", "[]", '{"sent": 3}', '{"sent": "many"}'])
def test_a_sender_that_did_not_say_it_all_is_not_believed(said):
    assert kept_schedule(said) is None
