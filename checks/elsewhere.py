"""Machines behind Testinfra's other backends (docker, podman, kubectl, ansible, lxc, ...), as far as those reach.

They run a command to its end and give all of its output at once: there is nothing to stream, and the deadline and the
bound on the output are kept by the machine itself (`timeout`, `head`).
"""

from __future__ import annotations

import base64
import math
from typing import Any

import testinfra

from checks.connection import Answer, Connection, Deadline, DeadlinePassed, RemoteProcess, TooMuchOutput, Unreachable

# Linux takes no longer single argument (MAX_ARG_STRLEN, 32 pages), and the script travels as one, twice quoted.
_LONGEST = 90_000


class BackendConnection(Connection):
    """Over one Testinfra backend."""

    def __init__(self, spec: str, *, sudo: bool) -> None:
        """Raises Unreachable for a backend that does not exist, or whose own parts are not installed."""
        self.name = spec
        try:
            self._host = testinfra.get_host(spec)
        except (RuntimeError, ImportError, ValueError, TypeError) as error:
            raise Unreachable(f"{spec}: Testinfra has no such way: {error}") from None
        self._sudo = sudo

    def execute(self, command: str, stdin: bytes, deadline_s: float, limit_bytes: int) -> Answer:
        """See `Connection.execute`."""
        packed = base64.b64encode(stdin).decode()
        if len(packed) > _LONGEST:
            raise Unreachable(f"{self.name}: {len(stdin)} bytes are too many for this kind of connection; use ssh://")
        timed = f"timeout {math.ceil(deadline_s)} {command}" if command.startswith("sh ") else command
        text = f"echo {packed} | base64 -d | {{ {timed}; echo $? >&2; }} | head -c {limit_bytes + 1}"
        begun = Deadline(deadline_s)
        try:
            result = self._host.run("sh -c %s", text)
        except (RuntimeError, OSError, ValueError) as error:
            raise Unreachable(f"{self.name}: {error}") from None
        stdout, (stderr, rc) = result.stdout_bytes, _status(result.stderr_bytes)
        if rc is None:
            said = result.stderr_bytes.decode(errors="backslashreplace").strip().splitlines() or ["it said nothing"]
            raise Unreachable(f"{self.name}: it runs no shell: {said[-1]}")
        if len(stdout) > limit_bytes:
            raise TooMuchOutput(f"{self.name}: it answered more than {limit_bytes} bytes, and was cut off")
        if rc == 124:
            raise DeadlinePassed(f"{self.name}: no whole answer within {deadline_s:g} s", stdout)
        return Answer(rc, stdout, stderr, begun.elapsed_s)

    def start(self, command: str) -> RemoteProcess:  # noqa: ARG002 - the signature is Connection's
        """Not possible here. Raises Unreachable."""
        raise Unreachable(f"{self.name}: this kind of connection streams nothing ; use ssh://")

    @property
    def host(self) -> Any:
        """See `Connection.host`."""
        return self._host

    def close(self) -> None:
        """Nothing is open: the backend starts a process for each command."""


def _status(stderr: bytes) -> tuple[bytes, int | None]:
    said, _, last = stderr.rstrip().rpartition(b"\n")
    return (said, int(last)) if last.isdigit() else (stderr, None)
