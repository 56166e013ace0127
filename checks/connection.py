"""What every way to a machine offers, and how it can fail.

CouldNotLook
    TransportTrouble
        Unreachable             no connection came about, or it was lost
        AuthenticationFailed    the machine refused this user
        UnknownHostKey          nobody vouched for the machine's key yet; the text has the command that adds it
        HostKeyChanged          the machine shows another key than the known one
        TooMuchOutput           it answered more than was allowed
        DeadlinePassed          it did not answer in time; `stdout` holds what came until then
"""

from __future__ import annotations

import io
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from checks.outcome import CouldNotLook

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer, WriteableBuffer

# The shell takes the whole script from its standard input before it runs any of it: no argument is limited to 128 KiB,
# no command can eat the rest of the script, and shells that read their input byte by byte (bash) are not slow.
RUN_SCRIPT = "sh -c 'eval \"$(cat)\"'"


class TransportTrouble(CouldNotLook):
    """The machine could not be asked."""


class Unreachable(TransportTrouble):
    """No connection came about, or it was lost."""


class AuthenticationFailed(TransportTrouble):
    """The machine refused this user."""


class UnknownHostKey(TransportTrouble):
    """Nobody vouched for the machine's key yet."""


class HostKeyChanged(TransportTrouble):
    """The machine shows another key than the known one, or a revoked one."""


class TooMuchOutput(TransportTrouble):
    """It answered more than was allowed."""


class DeadlinePassed(TransportTrouble):
    """It did not answer in time."""

    def __init__(self, message: str, stdout: bytes = b"") -> None:
        super().__init__(message)
        self.stdout = stdout


@dataclass(frozen=True, slots=True)
class Answer:
    """What a script or command gave back. `rc` is -1 when a signal ended it and the machine does not say which."""

    rc: int
    stdout: bytes
    stderr: bytes
    elapsed_s: float


class Stream(io.RawIOBase):
    """Bytes of a running process. A read waits for at least one byte; b"" is the end.

    `timeout_s`: longest wait of one read, None for ever; then TimeoutError. Wrap it into `io.BufferedReader` for exact
    lengths.
    """

    def __init__(self, receive: Callable[[int, float | None], bytes]) -> None:
        super().__init__()
        self._receive = receive
        self.timeout_s: float | None = None

    def readable(self) -> bool:
        """It is for reading."""
        return True

    def readinto(self, buffer: WriteableBuffer) -> int:
        """Fill the buffer with what is there, at least one byte. Raises TimeoutError."""
        view = memoryview(buffer).cast("B")
        data = self._receive(len(view), self.timeout_s)
        view[: len(data)] = data
        return len(data)


class Sink(io.RawIOBase):
    """The standard input of a running process, unbuffered. Close it to end the input."""

    def __init__(self, send: Callable[[bytes], None], end: Callable[[], None]) -> None:
        super().__init__()
        self._send = send
        self._end = end

    def writable(self) -> bool:
        """It is for writing."""
        return True

    def write(self, data: ReadableBuffer) -> int:
        """Send all of it. Raises OSError when the process or the connection has ended."""
        payload = bytes(data)
        self._send(payload)
        return len(payload)

    def close(self) -> None:
        """End the process's input."""
        if not self.closed:
            super().close()
            self._end()


class RemoteProcess(ABC):
    """A command that runs on, such as a capture. Use it with `with`: leaving ends the process over there too."""

    stdin: Sink
    stdout: Stream
    stderr: Stream

    @abstractmethod
    def poll(self) -> int | None:
        """Its exit status, None while it runs; -1 when a signal ended it and nobody says which."""

    @abstractmethod
    def terminate(self, grace_s: float = 3.0) -> None:
        """End it, on its own machine: SIGTERM, and SIGKILL after the grace. No harm when it has ended."""

    def wait(self, timeout: float | None = None) -> int:
        """Its exit status; `timeout` in seconds, None for ever. Raises TimeoutError."""
        deadline = Deadline(float("inf") if timeout is None else timeout)
        while (rc := self.poll()) is None:
            if deadline.passed:
                raise TimeoutError(f"still running after {timeout} s")
            time.sleep(0.005)  # between two looks, under the deadline
        return rc

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        self.terminate()


class Connection(ABC):
    """One way to one machine, open until `close`."""

    name: str
    """How messages call the machine."""

    def run(self, script: bytes, deadline_s: float, limit_bytes: int) -> Answer:
        """Run a POSIX sh script. Its exit status is in the answer, whatever it is.

        Raises TooMuchOutput, DeadlinePassed, Unreachable.
        """
        return self.execute(RUN_SCRIPT, script, deadline_s, limit_bytes)

    @abstractmethod
    def execute(self, command: str, stdin: bytes, deadline_s: float, limit_bytes: int) -> Answer:
        """Run one shell command with this standard input. Raises as `run` does."""

    @abstractmethod
    def start(self, command: str) -> RemoteProcess:
        """Start a shell command that runs on. Raises Unreachable."""

    @property
    @abstractmethod
    def host(self) -> Any:
        """A Testinfra host for this machine, over this connection."""

    @abstractmethod
    def close(self) -> None:
        """Close it, and end everything of ours that served it."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        self.close()


class Deadline:
    """A point in time that has been fixed once."""

    def __init__(self, seconds: float) -> None:
        self._begun = time.monotonic()
        self._seconds = seconds

    @property
    def elapsed_s(self) -> float:
        """Seconds since it was set."""
        return time.monotonic() - self._begun

    @property
    def left_s(self) -> float:
        """Seconds that are left, never below 0."""
        return max(0.0, self._seconds - self.elapsed_s)

    @property
    def passed(self) -> bool:
        """Whether no time is left."""
        return self.left_s == 0.0


class Collected:
    """Standard output and error of one command, bounded together."""

    def __init__(self, name: str, limit_bytes: int) -> None:
        self._name = name
        self._limit = limit_bytes
        self.stdout = bytearray()
        self.stderr = bytearray()

    def add(self, data: bytes, *, to_stderr: bool = False) -> None:
        """Take some bytes. Raises TooMuchOutput."""
        (self.stderr if to_stderr else self.stdout).extend(data)
        if len(self.stdout) + len(self.stderr) > self._limit:
            size = f"{self._limit // 1048576} MiB" if self._limit >= 1048576 else f"{self._limit} bytes"
            raise TooMuchOutput(f"{self._name}: it answered more than {size}, and was cut off")

    def late(self, deadline_s: float) -> DeadlinePassed:
        """The error of a deadline that passed."""
        return DeadlinePassed(f"{self._name}: no whole answer within {deadline_s:g} s", bytes(self.stdout))
