"""Programs that the door starts and waits for, so that Ctrl-C ends them properly and in their own time."""

from __future__ import annotations

import os
import shutil
import signal
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

INTERRUPTED = 128 + signal.SIGINT  # as a shell says it
_FROM_THE_KERNEL = 0x80  # SI_KERNEL: the terminal sent it, and the whole foreground group has it already
_PASSED_ON = frozenset({signal.SIGINT, signal.SIGTERM, signal.SIGHUP})
_HEARD = _PASSED_ON | {signal.SIGCHLD}


LOOK_EVERY_S = 1.0
"""In a process with several threads the child's end may be told to another thread, which ignores it (signal(7))."""


@dataclass
class Child:
    """A process that was started here, and what was heard while it ran."""

    pid: int
    interruption: signal.Signals
    heard: int | None = None

    def hear(self, event: signal.struct_siginfo) -> None:
        """Hand a signal on, unless the terminal has given it to the child as well (twice would cut its clean-up)."""
        if event.si_signo not in _PASSED_ON:
            return
        self.heard = self.heard or event.si_signo
        if event.si_code != _FROM_THE_KERNEL:
            os.kill(self.pid, self.interruption if event.si_signo == signal.SIGINT else event.si_signo)

    def status(self) -> int | None:
        """Its exit status as a shell gives it, None while it runs; 130 (or 143, 129) when it was told to end."""
        pid, raw = os.waitpid(self.pid, os.WNOHANG)
        if pid == 0:
            return None
        code = os.waitstatus_to_exitcode(raw)
        if self.heard is not None:
            return 128 + self.heard
        return code if code >= 0 else 128 - code


def run(
    command: Sequence[str],
    *,
    interruption: signal.Signals = signal.SIGINT,
    every_s: float = 3600,
    tick: Callable[[int], None] = lambda _pid: None,
) -> int:
    """Run a program to its end and give its exit status. `tick` is called with its pid about every so many seconds.

    `interruption` is what the child gets for a SIGINT that was sent to the door alone. The child is told to end when
    the door is killed. Raises `OSError` when it cannot be started.
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _HEARD)
    try:
        child, ticked = Child(_start(command, before), interruption), time.monotonic()
        while True:
            event = signal.sigtimedwait(_HEARD, min(every_s, LOOK_EVERY_S))
            if event is not None:
                child.hear(event)
            status = child.status()
            if status is not None:
                return status
            if time.monotonic() - ticked >= every_s:
                tick(child.pid)
                ticked = time.monotonic()
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _start(command: Sequence[str], mask: set[signal.Signals | int]) -> int:
    setpriv = shutil.which("setpriv")
    argv = [setpriv, "--pdeathsig", "TERM", "--", *command] if setpriv else list(command)
    return os.posix_spawnp(argv[0], argv, os.environ, setsigmask=mask)
