"""A machine over SSH: one connection, however many commands."""

from __future__ import annotations

import functools
import select
import shlex
import time
from typing import Any

import paramiko

from checks.connection import (
    Answer,
    Collected,
    Connection,
    Deadline,
    DeadlinePassed,
    RemoteProcess,
    Sink,
    Stream,
    Unreachable,
)
from checks.ssh_link import Link
from checks.testinfra_host import host_over

_OPEN_S = 20.0
_CHUNK = 65536
# The process says its number first; it is the one of the shell, whose place the command takes if it says `exec`.
_NUMBERED = 'echo "$$"; eval "$0"'


class SshConnection(Connection):
    """Over one SSH link."""

    def __init__(self, link: Link, *, sudo: bool) -> None:
        self.name = link.target.asked
        self._link = link
        self._sudo = sudo

    def execute(self, command: str, stdin: bytes, deadline_s: float, limit_bytes: int) -> Answer:
        """See `Connection.execute`."""
        deadline, collected = Deadline(deadline_s), Collected(self.name, limit_bytes)
        channel = self._begin(command, min(_OPEN_S, deadline_s))
        try:
            channel.settimeout(deadline.left_s)
            channel.sendall(stdin)
            channel.shutdown_write()
            self._collect(channel, collected, deadline)
            rc = _exit_status(channel, deadline)
        except TimeoutError:
            raise collected.late(deadline_s) from None
        except OSError:
            raise Unreachable(f"{self.name}: the connection was lost in the middle of its answer") from None
        finally:
            channel.close()
        lost = rc == -1 and not channel.eof_received  # a server that names a signal alone ends the output first
        if rc is None or lost:
            if self._link.transport.is_active() and not lost:
                raise collected.late(deadline_s)
            raise Unreachable(f"{self.name}: the connection was lost in the middle of its answer")
        return Answer(rc, bytes(collected.stdout), bytes(collected.stderr), deadline.elapsed_s)

    def _collect(self, channel: paramiko.Channel, collected: Collected, deadline: Deadline) -> None:
        """Read both streams until their end. Raises TimeoutError, TooMuchOutput."""
        while True:
            ended = channel.eof_received or channel.closed
            moved = False
            if channel.recv_ready():
                collected.add(channel.recv(_CHUNK))
                moved = True
            if channel.recv_stderr_ready():
                collected.add(channel.recv_stderr(_CHUNK), to_stderr=True)
                moved = True
            if moved:
                continue
            if ended:
                return
            if not select.select([channel], [], [], deadline.left_s)[0]:
                raise TimeoutError

    def _begin(self, command: str, timeout_s: float) -> paramiko.Channel:
        try:
            channel = self._link.transport.open_session(timeout=timeout_s)
            channel.exec_command(command.encode())
        except (paramiko.SSHException, OSError, EOFError) as error:
            raise Unreachable(f"{self.name}: it runs no command: {error}") from None
        return channel

    def start(self, command: str) -> RemoteProcess:
        """See `Connection.start`. The command must not rely on being the login shell's own text: it is a sh command."""
        channel = self._begin(f"exec sh -c {shlex.quote(_NUMBERED)} {shlex.quote(command)}", _OPEN_S)
        number = b""
        channel.settimeout(_OPEN_S)
        try:
            while not number.endswith(b"\n") and len(number) < 20 and (byte := channel.recv(1)):
                number += byte
        except TimeoutError:
            number = b""
        if not number.strip().isdigit():
            channel.close()
            raise Unreachable(f"{self.name}: no POSIX shell answered the start of a command")
        return _SshProcess(self, channel, int(number), sudo=self._sudo)

    @functools.cached_property
    def host(self) -> Any:
        """See `Connection.host`."""
        return host_over(self)

    def close(self) -> None:
        """See `Connection.close`."""
        self._link.close()


def _exit_status(channel: paramiko.Channel, deadline: Deadline) -> int | None:
    """The exit status; None when none came in time. A server that only names a signal gives -1."""
    channel.status_event.wait(deadline.left_s)
    if not channel.exit_status_ready():
        return None
    return -1 if channel.closed and channel.exit_status == -1 else channel.recv_exit_status()


class _SshProcess(RemoteProcess):
    def __init__(self, connection: SshConnection, channel: paramiko.Channel, number: int, *, sudo: bool) -> None:
        self._connection, self._channel, self._number, self._sudo = connection, channel, number, sudo
        channel.settimeout(None)
        self.stdin = Sink(channel.sendall, self._end_stdin)
        self.stdout = Stream(functools.partial(_receive, channel, stderr=False))
        self.stderr = Stream(functools.partial(_receive, channel, stderr=True))

    def _end_stdin(self) -> None:
        if not self._channel.closed:
            self._channel.shutdown_write()

    def poll(self) -> int | None:
        """See `RemoteProcess.poll`."""
        if self._channel.exit_status_ready():
            return self._channel.exit_status
        return -1 if self._channel.closed else None

    def terminate(self, grace_s: float = 3.0) -> None:
        """See `RemoteProcess.terminate`. Closing the channel alone would leave a silent process running."""
        if self.poll() is None:
            try:
                self._signal("TERM")
                self.wait(grace_s)
            except TimeoutError:
                self._signal("KILL")
            except (Unreachable, DeadlinePassed):
                pass  # the link is gone: sshd has ended the session, and nobody is left to ask
        self._channel.close()

    def _signal(self, name: str) -> None:
        # sshd makes each session a process group of its own; a login shell that did not exec leaves the number alone.
        kill = f"kill -s {name} -- -{self._number} 2>/dev/null || kill -s {name} {self._number} 2>/dev/null"
        again = f" || sudo -n sh -c {shlex.quote(kill)}" if self._sudo else ""
        self._connection.execute(f"sh -c {shlex.quote(kill + again)}", b"", 10, 65536)


def _receive(channel: paramiko.Channel, size: int, timeout_s: float | None, *, stderr: bool) -> bytes:
    receive, ready = (channel.recv_stderr, channel.recv_stderr_ready) if stderr else (channel.recv, channel.recv_ready)
    if timeout_s is not None:
        deadline = Deadline(timeout_s)
        while not ready() and not channel.eof_received and not channel.closed:
            if deadline.passed:
                raise TimeoutError(f"nothing came within {timeout_s} s")
            time.sleep(0.002)  # between two looks, under the deadline: the channel's own timeout is both streams'
    data: bytes = receive(size)
    return data
