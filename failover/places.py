"""Where a drill's programs run: on a machine over a connection, or here, in a network namespace or not.

CouldNotMeasure           a drill brought no numbers, or none that may be judged
  ProgramFailed           one of our scripts did not run through
  DoesNotApply            what the drill needs does not exist here, and nobody asked for it
"""

from __future__ import annotations

import io
import shlex
from dataclasses import dataclass
from pathlib import Path

from checks.connection import RUN_SCRIPT, Connection, RemoteProcess
from checks.outcome import CouldNotLook
from inventory.model import Observer

SCRIPTS = Path(__file__).parent / "remote"
ANSWER_LIMIT_BYTES = 1_048_576
BUFFER_BYTES = 65_536
_NAMESPACES = Path("/run/netns")


class CouldNotMeasure(CouldNotLook):
    """A drill brought no numbers, or none that may be judged. The text is one sentence for a person."""


class ProgramFailed(CouldNotMeasure):
    """One of our scripts did not run through."""


class DoesNotApply(CouldNotMeasure):
    """What the drill needs does not exist here, and cannot be asked for: no fault of the machine's."""


class Process:
    """A program that runs at a place. Its input ends when it is told to end, or when we die."""

    def __init__(self, running: RemoteProcess) -> None:
        self._running = running
        self.stdout = io.BufferedReader(running.stdout, BUFFER_BYTES)
        self.stderr = io.BufferedReader(running.stderr)

    def end(self) -> None:
        """Tell `supervise.sh` to end the program; its last words still come."""
        self._running.stdin.close()

    def close(self) -> None:
        """End whatever is still running."""
        self._running.terminate()


@dataclass(frozen=True, slots=True)
class Place:
    """Where scripts run and programs are started: over a connection, and `enter`ed there by these words."""

    connection: Connection
    enter: tuple[str, ...] = ()

    def run(self, script: bytes, deadline_s: float) -> str:
        """What a shell script prints. Raises `ProgramFailed`, or what the connection raises."""
        command = " ".join((*map(shlex.quote, self.enter), RUN_SCRIPT))
        done = self.connection.execute(command, script, deadline_s, ANSWER_LIMIT_BYTES)
        if done.rc != 0:
            said = done.stderr.decode(errors="replace").strip().splitlines() or [
                f"a script ended with status {done.rc}"
            ]
            raise ProgramFailed(f"{self.connection.name}: {said[-1]}")
        return done.stdout.decode(errors="replace")

    def start(self, script: bytes) -> Process:
        """A shell script that keeps running and streams. Raises what the connection raises."""
        # `exec`: no shell in between holds the program's output open after its end.
        return Process(self.connection.start(f"exec {shlex.join((*self.enter, 'sh', '-c', script.decode()))}"))


def script(name: str, *arguments: str, run_by: str = "sh", sudo: bool = False) -> bytes:
    """A script of `failover/remote` with its arguments, as text for any POSIX shell. Every argument is quoted.

    `run_by="bash"` takes bash where there is one, else sh.
    """
    words = " ".join(shlex.quote(argument) for argument in arguments)
    body = shlex.quote((SCRIPTS / name).read_text())
    root = "sudo -n " if sudo else ""
    text = f'exec {root}sh -c "$body" {name} {words}\n'
    if run_by == "bash":
        text = f'if command -v bash >/dev/null; then exec {root}bash -c "$body" {name} {words}; fi\n{text}'
    return f"body={body}\n{text}".encode()


def entered(observer: Observer) -> tuple[str, ...]:
    """The command that enters an observer's network namespace on this machine; empty when there is none to enter.

    Raises `CouldNotMeasure` when the namespace does not exist.
    """
    root = ("sudo", "-n") if observer.sudo else ()
    if observer.namespace is None:
        return root
    path = Path(observer.namespace) if "/" in observer.namespace else _NAMESPACES / observer.namespace
    for place in (path, Path(observer.user_namespace or path)):
        if not place.exists():
            raise CouldNotMeasure(f"there is no namespace {place} on this machine")
    user = () if observer.user_namespace is None else (f"--user={observer.user_namespace}", "--preserve-credentials")
    return (*root, "nsenter", *user, f"--net={path}")
