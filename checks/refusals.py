"""Why something is not in a bundle, as errors and as sentences.

CouldNotLook
    NotABundle          a file that is no bundle, or one of a version this program does not know
    NotGathered         no source covers the path: a fact module forgot to name it
    Denied              this user may not read it
    TimedOut            the read hung, or the gather was cut short before it
    Truncated           there was more than the source allows
    ReadFailed          the kernel refused the read
    CommandFailed       the command ended with an error
    UnexpectedOutput    a parser does not understand what it was given

"""

from __future__ import annotations

from typing import NoReturn

from checks.contents import Reading
from checks.outcome import CouldNotLook


class NotGathered(CouldNotLook):
    """No source covers what was asked for."""


class Denied(CouldNotLook):
    """This user may not read it."""


class TimedOut(CouldNotLook):
    """The read hung, or the gather was cut short before it."""


class Truncated(CouldNotLook):
    """There was more than the source allows, and half a text proves nothing."""


class ReadFailed(CouldNotLook):
    """The kernel refused the read for another reason than rights."""


class CommandFailed(CouldNotLook):
    """The command ended with `rc`; `stderr` is the first line it complained with, `stdout` what it printed."""

    def __init__(self, message: str, rc: int, stderr: str, stdout: bytes = b"") -> None:
        super().__init__(message)
        self.rc = rc
        self.stderr = stderr
        self.stdout = stdout

    def __reduce__(self) -> tuple[object, ...]:
        """All of it, when it is handed from process to process."""
        return type(self), (str(self), self.rc, self.stderr, self.stdout)


class UnexpectedOutput(CouldNotLook):
    """A parser does not understand what the host answered. The text says what, and where it was read."""


def refuse(machine: str, name: str, reading: Reading) -> NoReturn:
    """Raise the error of a reading that is none."""
    text = sentence(machine, name, reading)
    if reading.status == "failed" and reading.rc:
        raise CommandFailed(text, reading.rc, reading.detail, reading.data)
    errors: dict[str, type[CouldNotLook]] = {"denied": Denied, "timed out": TimedOut, "truncated": Truncated}
    raise errors.get(reading.status, ReadFailed)(text)


def sentence(machine: str, name: str, reading: Reading) -> str:
    """What happened to a reading, for a person: which machine, what, why, and what to do."""
    said = f" ({reading.detail})" if reading.detail else ""
    match reading.status:
        case "denied":
            what = f"not allowed to read '{name}'{said}; {_remedy(reading)}"
        case "timed out":
            what = f"'{name}' did not answer in time{said}"
        case "truncated":
            what = f"'{name}' is larger than the gather takes{said}"
        case "no value":
            what = f"'{name}' has no value now{said}"
        case "spared":
            what = f"'{name}' was not run, as root read what is in {reading.detail}"
        case _ if reading.rc:
            what = f"'{name}' failed with exit status {reading.rc}{said}"
        case _:
            what = f"'{name}' could not be read{said}"
    return f"{machine}: {what}"


def _remedy(reading: Reading) -> str:
    if reading.detail.startswith("sudo"):
        return "let this user run there what './vfproof sudoers USER' lists, or connect as root"
    return "connect as root, or set 'sudo: true' in the inventory"
