"""A site's own hook for faults on its switches: the drill asks, the hook does it and undoes it by itself in time."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

from failover.events import Do, Event
from failover.places import CouldNotMeasure, DoesNotApply
from failover.result import Acted
from inventory.model import FaultName

NOT_HERE = 3
"""Exit status of a hook for a fault that the site cannot do."""
HOOK_DEADLINE_S = 30


@dataclass(slots=True)
class SwitchHook:
    """The site's hook, as a `failover.plan.Breaker`. Runs on this machine, by no shell."""

    command: Sequence[str]
    fault: FaultName
    guest: str
    _for_s: int = field(default=0, init=False)
    _broken: list[str] = field(default_factory=list, init=False)

    @property
    def name(self) -> str:
        """Where it acts."""
        return f"switch hook {self.command[0]}"

    def arm(self, token: str, give_back_after_s: int) -> str:  # noqa: ARG002 - the guest's bond is what is locked
        """A hook has its own timer, by contract: it is told the time with every fault."""
        self._for_s = give_back_after_s
        return f"the hook undoes by itself after {give_back_after_s} s"

    def renew(self, former: str, token: str, give_back_after_s: int) -> tuple[str, str]:
        """Mend whatever is still broken; each new fault tells the hook its time again."""
        return self.give_back(former), self.arm(token, give_back_after_s)

    def give_back(self, token: str) -> str:  # noqa: ARG002
        """Mend whatever is still broken."""
        for nic in tuple(self._broken):
            done = self._call("mend", self.fault, self.guest, nic)
            if done.returncode:
                return f"the hook could not mend {self.fault} of {nic}: {_words(done)}"
            self._broken.remove(nic)
        return "yes"

    def act(self, event: Event) -> Acted:
        """Break the wires of the event's slaves, or mend them. Raises `DoesNotApply` when the site cannot."""
        begun = time.monotonic()
        status, message = 0, ""
        for nic in event.nics:
            done = self._break(nic) if event.do is Do.DOWN else self._mend(nic)
            status, message = status or done.returncode, message or _words(done)
        return Acted(self.fault, status, message, (time.monotonic() - begun) * 1000)

    def differences(self) -> tuple[str, ...]:
        """Only the site knows its switches: what a failed mend left is told."""
        return tuple(f"{self.name}: {self.fault} of {nic} was not mended" for nic in self._broken)

    def _break(self, nic: str) -> subprocess.CompletedProcess[str]:
        self._broken.append(nic)
        done = self._call(self.fault, self.guest, nic, str(self._for_s))
        if done.returncode == NOT_HERE:
            self._broken.remove(nic)
            raise DoesNotApply(f"{self.fault} of {self.guest}'s {nic} is not possible here: {_words(done)}")
        return done

    def _mend(self, nic: str) -> subprocess.CompletedProcess[str]:
        done = self._call("mend", self.fault, self.guest, nic)
        if done.returncode == 0 and nic in self._broken:
            self._broken.remove(nic)
        return done

    def _call(self, *words: str) -> subprocess.CompletedProcess[str]:
        command = [*self.command, *words]
        try:
            return subprocess.run(
                command, capture_output=True, text=True, timeout=HOOK_DEADLINE_S, stdin=subprocess.DEVNULL, check=False
            )
        except OSError as error:
            raise CouldNotMeasure(f"{self.name}: cannot be run: {error.strerror}") from error
        except subprocess.TimeoutExpired:
            raise CouldNotMeasure(f"{self.name}: no end after {HOOK_DEADLINE_S} s of {' '.join(words)}") from None


def _words(done: subprocess.CompletedProcess[str]) -> str:
    lines = (done.stderr or done.stdout).strip().splitlines()
    return lines[-1] if lines else f"exit status {done.returncode}" if done.returncode else ""
