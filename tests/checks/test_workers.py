"""Processes that share work: the order of what they hand over, and what becomes of one that dies."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Generator, Sequence

import pytest

from checks.workers import Died, Work, divided


def worker(units: Sequence[int]) -> Generator[bytes, None, None]:
    """Says of each unit who did it; the first worker is slow."""
    for number in units:
        time.sleep(0.02 if number % 2 == 0 else 0)
        yield f"{number} {os.getpid()}".encode()


def dies_at(fatal: int, how: str) -> Work:
    def work(units: Sequence[int]) -> Generator[bytes, None, None]:
        for number in units:
            if number == fatal:
                os.kill(os.getpid(), signal.SIGKILL) if how == "killed" else exec("raise ValueError('a mistake')")
            yield b"%d" % number

    return work


def test_what_is_handed_over_comes_in_the_order_of_the_units():
    told = [one.decode().split() for one in divided(7, 2, worker) if isinstance(one, bytes)]
    assert [int(number) for number, _ in told] == list(range(7))
    pids = [pid for _, pid in told]
    assert len(set(pids)) == 2 and str(os.getpid()) not in pids and pids[0] == pids[2] != pids[1]


def test_there_are_no_more_processes_than_units():
    assert len(set(divided(1, 5, worker))) == 1
    assert list(divided(0, 5, worker)) == []


def test_large_pieces_come_whole():
    def large(units: Sequence[int]) -> Generator[bytes, None, None]:
        yield from (bytes([number]) * 3_000_000 for number in units)

    assert [one == bytes([number]) * 3_000_000 for number, one in enumerate(divided(4, 2, large))] == [True] * 4


@pytest.mark.parametrize("how, said", [("killed", "was ended by SIGKILL"), ("mistake", "ended with status 1")])
def test_one_that_dies_takes_one_unit_with_it(how, said, capfd):
    told = list(divided(9, 3, dies_at(4, how)))
    assert told == [Died(said) if number == 4 else b"%d" % number for number in range(9)]
    assert ("ValueError: a mistake" in capfd.readouterr().err) is (how == "mistake")


def test_when_nobody_takes_any_more_the_workers_end():
    with contextlib.closing(divided(1000, 2, worker)) as told:
        pids = [int(bytes(next(told)).split()[1]) for _ in range(2)]  # type: ignore[arg-type]
    for pid in pids:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)


def test_one_that_does_not_heed_is_killed(monkeypatch):
    monkeypatch.setattr("checks.workers._GRACE_S", 0.2)

    def deaf(units: Sequence[int]) -> Generator[bytes, None, None]:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        yield str(os.getpid()).encode()
        time.sleep(600)

    begun = time.monotonic()
    with contextlib.closing(divided(2, 1, deaf)) as told:
        pid = int(bytes(next(told)))  # type: ignore[arg-type]
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
    assert time.monotonic() - begun < 10
