"""Work that is divided over processes forked from this one, and what each hands over, in the order of the work.

Every worker has each so-manieth unit and knows all of them beforehand, so nothing is dealt out while it works. A worker
that dies takes the unit with it that it was at; another takes its place for those that are left. Whatever ends this
process ends its workers, too.
"""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import os
import signal
import sys
import time
import traceback
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from typing import NoReturn

_AHEAD_BYTES = 1 << 20  # so far may a worker be ahead of what this process has taken: the most that a user may have
_GRACE_S = 5.0
_PR_SET_PDEATHSIG = 1  # prctl(2)
_ENDING = (signal.SIGINT, signal.SIGTERM)

Work = Callable[[Sequence[int]], Generator[bytes, None, None]]
"""Runs in a worker: is given the numbers of its units, and gives what it hands over of each, one after another."""


@dataclass(frozen=True, slots=True)
class Died:
    """In place of what a unit's worker would have handed over. `how` goes on after "the process that ... "."""

    how: str


def divided(units: int, processes: int, work: Work) -> Generator[bytes | Died, None, None]:
    """What the workers hand over of each unit, in the order of the units. To be closed when it is not used up."""
    workers = [_Worker(work, range(first, units, processes)) for first in range(min(processes, units))]
    try:
        for number in range(units):
            worker = workers[number % processes]
            told = worker.take()
            if told is None:
                left = worker.units
                yield Died(worker.end())
                workers[number % processes] = _Worker(work, left[1:])
            else:
                yield told
    finally:
        for worker in workers:
            worker.end()


class _Worker:
    """One process. `units`: those that it has not handed over yet."""

    def __init__(self, work: Work, units: Sequence[int]) -> None:
        self.units = units
        ours, theirs = os.pipe()
        with contextlib.suppress(OSError):  # it is less where this user has many pipes; then it waits sooner
            fcntl.fcntl(theirs, fcntl.F_SETPIPE_SZ, _AHEAD_BYTES)
        parent = os.getpid()
        # A signal in between would be heard by handlers of this process in the other one.
        before = signal.pthread_sigmask(signal.SIG_BLOCK, _ENDING)
        try:
            self._pid = os.fork()
            if self._pid == 0:
                os.close(ours)
                _serve(work, units, theirs, parent, before)
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
        os.close(theirs)
        self._pipe = os.fdopen(ours, "rb")
        self._how = ""
        self._is_ending = False

    def take(self) -> bytes | None:
        """What it hands over of its next unit; waits for it. None when there is no more to come, as it died."""
        size = self._pipe.read(8)
        told = self._pipe.read(int.from_bytes(size, "big")) if len(size) == 8 else b""
        if len(size) < 8 or len(told) < int.from_bytes(size, "big"):
            self._is_ending = True
            return None
        self.units = self.units[1:]
        return told

    def end(self) -> str:
        """End it, if it has not ended by itself, and say how it ended."""
        if self._how:
            return self._how
        self._pipe.close()
        # One that met a mistake has closed its pipe, and is about to print it.
        if self.units and not (self._is_ending and _gone(self._pid, _GRACE_S)):
            os.kill(self._pid, signal.SIGTERM)
        if not _gone(self._pid, _GRACE_S):
            os.kill(self._pid, signal.SIGKILL)
        _, status = os.waitpid(self._pid, 0)
        code = os.waitstatus_to_exitcode(status)
        self._how = f"was ended by {signal.Signals(-code).name}" if code < 0 else f"ended with status {code}"
        return self._how


def _gone(pid: int, within_s: float) -> bool:
    """Whether a child has ended; it stays to be waited for."""
    until = time.monotonic() + within_s
    while os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None:
        if time.monotonic() > until:
            return False
        time.sleep(0.01)
    return True


def _serve(work: Work, units: Sequence[int], out: int, parent: int, mask: set[int]) -> NoReturn:
    """Be a worker, and never come back from it."""
    status = 1
    try:
        _end_with(parent)
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # a terminal's Ctrl-C reaches both; the other one tells this one
        signal.signal(signal.SIGTERM, signal.default_int_handler)
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        with os.fdopen(out, "wb") as pipe, contextlib.closing(work(units)) as tellings:
            for told in tellings:
                pipe.write(len(told).to_bytes(8, "big") + told)
                pipe.flush()
        status = 0
    except (KeyboardInterrupt, BrokenPipeError):
        pass
    except BaseException:  # noqa: BLE001 - whatever it is must not go on as a second copy of this process
        traceback.print_exc()
        sys.stderr.flush()
    finally:
        os._exit(status)


def _end_with(parent: int) -> None:
    """Ask the kernel for a SIGTERM when the parent goes, as one that is killed can tell nobody."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
    if os.getppid() != parent:
        raise BrokenPipeError
