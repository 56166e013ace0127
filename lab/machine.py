"""What the cell asks of a machine, whatever runs it: User-mode Linux, QEMU, or a guest nested in another machine."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol


class MachineError(Exception):
    """A machine of the lab cannot do what was asked."""


class DidNotComeUp(MachineError):  # noqa: N818 - reads as what happened
    """A machine did not answer in time, or ended; the text is the reason, one sentence."""


class NotSupported(MachineError):  # noqa: N818
    """This kind of machine has no way to do that; the text names what was asked."""


class Machine(Protocol):
    """One node of the lab. The cell calls `start`, then `ready`, each in a thread of that machine's own."""

    name: str
    runs_on: str
    """What executes it, for `lab status`: `UML`, `QEMU (TCG)`, `QEMU (KVM)`, `nested in kvm-1`."""
    console_log: Path

    def start(self) -> None:
        """Begin to run; returns at once. Raises `DidNotComeUp` when it cannot even begin."""

    def ready(self, deadline: float) -> None:
        """Return when SSH answers with success. `deadline` is a `time.monotonic()` instant. Raises `DidNotComeUp`."""

    def ended(self) -> str | None:
        """Why it can answer no more (its process is gone), one sentence; None while it runs."""

    def stop(self) -> None:
        """End it as well as it can be done in two seconds; the death of the cell does the rest."""

    def set_wire(self, nic: str, *, connected: bool) -> None:
        """Cut or mend the wire of one NIC from outside the machine. Raises `NotSupported`."""
