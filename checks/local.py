"""This machine, by its shell."""

from __future__ import annotations

import contextlib
import functools
import os
import select
import selectors
import signal
import subprocess
from pathlib import Path
from typing import IO, Any

from checks.connection import Answer, Collected, Connection, Deadline, RemoteProcess, Sink, Stream
from checks.testinfra_host import host_over

_CHUNK = 65536


class LocalConnection(Connection):
    """Commands as processes of ours, each in a session of its own."""

    def __init__(self, name: str = "local") -> None:
        self.name = name
        self._running: set[subprocess.Popen[bytes]] = set()

    def execute(self, command: str, stdin: bytes, deadline_s: float, limit_bytes: int) -> Answer:
        """See `Connection.execute`."""
        deadline, collected = Deadline(deadline_s), Collected(self.name, limit_bytes)
        process = _popen(command)
        self._running.add(process)
        try:
            _converse(process, stdin, collected, deadline)
            rc = process.wait(deadline.left_s)
        except (TimeoutError, subprocess.TimeoutExpired):
            raise collected.late(deadline_s) from None
        finally:
            self._running.discard(process)
            _end(process, 0)
        return Answer(rc if rc >= 0 else -1, bytes(collected.stdout), bytes(collected.stderr), deadline.elapsed_s)

    def start(self, command: str) -> RemoteProcess:
        """See `Connection.start`."""
        return _LocalProcess(_popen(command))

    @functools.cached_property
    def host(self) -> Any:
        """See `Connection.host`."""
        return host_over(self)

    def close(self) -> None:
        """End what still runs; whoever waits for it then has its end."""
        for process in tuple(self._running):
            _signal_session(process.pid, signal.SIGKILL)


def _popen(command: str) -> subprocess.Popen[bytes]:
    pipe = subprocess.PIPE
    return subprocess.Popen(
        ["/bin/sh", "-c", command], stdin=pipe, stdout=pipe, stderr=pipe, bufsize=0, start_new_session=True
    )


def _pipes(process: subprocess.Popen[bytes]) -> tuple[IO[bytes], IO[bytes], IO[bytes]]:
    if process.stdin is None or process.stdout is None or process.stderr is None:
        raise ValueError("a process without its three pipes")
    return process.stdin, process.stdout, process.stderr


def _converse(process: subprocess.Popen[bytes], stdin: bytes, collected: Collected, deadline: Deadline) -> None:
    """Feed it and read it until both its streams have ended. Raises TimeoutError, TooMuchOutput."""
    to, out, err = _pipes(process)
    rest = memoryview(stdin)
    os.set_blocking(to.fileno(), False)
    with selectors.DefaultSelector() as selector:
        selector.register(to, selectors.EVENT_WRITE)
        selector.register(out, selectors.EVENT_READ)
        selector.register(err, selectors.EVENT_READ)
        while selector.get_map():
            ready = selector.select(deadline.left_s)
            if not ready:
                raise TimeoutError
            for key, _ in ready:
                if key.fileobj is to:
                    rest = _feed(to, rest)
                    if not rest:
                        selector.unregister(to)
                        to.close()
                elif data := os.read(key.fd, _CHUNK):
                    collected.add(data, to_stderr=key.fileobj is err)
                else:
                    selector.unregister(key.fileobj)


def _feed(to: IO[bytes], rest: memoryview) -> memoryview:
    if not rest:
        return rest
    try:
        return rest[os.write(to.fileno(), rest[:_CHUNK]) :]
    except BrokenPipeError:  # it does not read its input; its output and status tell the rest
        return memoryview(b"")


def _signal_session(leader: int, number: signal.Signals) -> None:
    """Signal every process of a session that we began: timeout(1) and others make process groups of their own in it.

    Source: proc_pid_stat(5); the fourth value after the name is the session.
    """
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            if int(stat.read_text().rpartition(")")[2].split()[3]) == leader:
                os.kill(int(stat.parent.name), number)


def _end(process: subprocess.Popen[bytes], grace_s: float) -> None:
    """End its whole session, and give up its pipes."""
    if process.poll() is None:
        for name, wait_s in ((signal.SIGTERM, grace_s), (signal.SIGKILL, None)):
            _signal_session(process.pid, name)
            try:
                process.wait(wait_s)
                break
            except subprocess.TimeoutExpired:
                continue
    for pipe in _pipes(process):
        with contextlib.suppress(BrokenPipeError):
            pipe.close()


class _LocalProcess(RemoteProcess):
    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self._process = process
        self._to, out, err = _pipes(process)
        self.stdin = Sink(self._send, self._to.close)
        self.stdout = Stream(functools.partial(_receive, out))
        self.stderr = Stream(functools.partial(_receive, err))

    def _send(self, data: bytes) -> None:
        rest = memoryview(data)
        while rest:
            rest = rest[self._to.write(rest) or 0 :]

    def poll(self) -> int | None:
        """See `RemoteProcess.poll`."""
        rc = self._process.poll()
        return rc if rc is None or rc >= 0 else -1

    def terminate(self, grace_s: float = 3.0) -> None:
        """See `RemoteProcess.terminate`."""
        _end(self._process, grace_s)


def _receive(pipe: IO[bytes], size: int, timeout_s: float | None) -> bytes:
    if pipe.closed:
        return b""
    if timeout_s is not None and not select.select([pipe], [], [], timeout_s)[0]:
        raise TimeoutError(f"nothing came within {timeout_s} s")
    return os.read(pipe.fileno(), size)
