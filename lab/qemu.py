"""QEMU 10, run from the host image's own tree: one version inside and outside, and none of the machine's needed."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import tempfile
import time
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from lab.tree import run_in_tree, tree_command, tree_environment

PROGRAM = "usr/bin/qemu-system-x86_64"
_FIRMWARE = ("usr/share/qemu", "usr/share/seabios")
_BARE = ("-nodefaults", "-no-user-config", "-display", "none")
_PROBE_S = 5
_CONNECT_S = 10
_POLL_S = 0.05


class QemuError(Exception):
    """QEMU cannot be run, or refused a command; the text says why."""


@dataclass(frozen=True, slots=True)
class Accelerator:
    """What executes the machine's instructions, and why that was chosen."""

    name: str
    argument: str
    cpu: str
    cpus: int
    why: str


# One processor: the emulator does not forget an interrupt that it has injected into a nested guest, and when another
# thread then stops the processor for a moment, the guest gets it once more, with interrupts off, and hangs on a lock of
# its own (helper_vmrun leaves exception_index set for SVM_EVTINJ_TYPE_INTR; QEMU 10.0). A second processor stops the
# first all the time, and the guest hung in every second start; a processor alone is stopped for interrupts only.
_TCG_CPUS = 1
_TCG_ARGUMENT = "tcg"
_TCG_CPU = "EPYC,+svm"  # nested SVM: so that the emulated host has a /dev/kvm of its own


def command(tree: Path, arguments: list[str]) -> list[str]:
    """The argument list that runs the tree's QEMU with nothing but what is asked for."""
    firmware = [word for folder in _FIRMWARE for word in ("-L", str(tree / folder))]
    return tree_command(tree, PROGRAM, *_BARE, *firmware, *arguments)


def run(tree: Path, arguments: list[str], *, timeout_s: float) -> int:
    """Run a machine to its end and give QEMU's exit status. Raises `QemuError` when it takes longer."""
    line = command(tree, arguments)
    try:
        result = subprocess.run(
            line,
            env=tree_environment(tree),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=timeout_s,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise QemuError(f"QEMU was not done after {timeout_s:.0f} s") from error
    return result.returncode


def overlay(tree: Path, backing: Path, backing_format: str, target: Path) -> None:
    """Make `target`, a qcow2 that holds only what is written over `backing`. Raises `lab.tree.ProgramError`."""
    run_in_tree(
        tree, "usr/bin/qemu-img", "create", "-q", "-f", "qcow2", "-F", backing_format, "-b", str(backing), str(target)
    )


# The smallest guest there is: a boot sector that says "alive" by ending QEMU with a status of its choice.
#   mov dx, 0xf4 ; mov al, 0x15 ; out dx, al ; hlt      (isa-debug-exit: status = value * 2 + 1)
_ALIVE_SECTOR = bytes.fromhex("baf400b015eef4").ljust(510, b"\0") + b"\x55\xaa"
_ALIVE_STATUS = 0x15 * 2 + 1


def answers(tree: Path, accelerator_argument: str, timeout_s: float = _PROBE_S) -> bool:
    """Whether a tiny guest really runs with this accelerator: /dev/kvm can be there and spin for ever."""
    with tempfile.NamedTemporaryFile(suffix=".raw") as disk:
        disk.write(_ALIVE_SECTOR)
        disk.flush()
        drive = ["-drive", f"file={disk.name},format=raw,if=ide,readonly=off"]
        exit_port = ["-device", "isa-debug-exit,iobase=0xf4,iosize=4"]
        machine = ["-machine", "pc", "-m", "32", "-accel", accelerator_argument]
        try:
            return run(tree, [*machine, *drive, *exit_port], timeout_s=timeout_s) == _ALIVE_STATUS
        except QemuError:
            return False


def kvm_refusal(cpu_flags: str, kvm: Path, nested: list[Path]) -> str | None:
    """Why KVM is not worth a trial, judged from what the machine says of itself; None when it is."""
    if not {"vmx", "svm"} & set(cpu_flags.split()):
        return "the processor shows neither vmx nor svm"
    if not os.access(kvm, os.R_OK | os.W_OK):
        return f"{kvm} cannot be opened"
    if not any(path.exists() and path.read_text().strip() in ("Y", "1") for path in nested):
        return "KVM runs no nested guests here"
    return None


@cache
def accelerator(tree: Path) -> Accelerator:
    """KVM where flags, device and a guest that answers within seconds prove it; emulation otherwise."""
    flags = next(
        (line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("flags")), "flags:"
    )
    nested = [Path(f"/sys/module/kvm_{vendor}/parameters/nested") for vendor in ("intel", "amd")]
    refusal = kvm_refusal(flags.partition(":")[2], Path("/dev/kvm"), nested)
    if refusal is None and not answers(tree, "kvm"):
        refusal = f"/dev/kvm is there, but a guest on it gave no answer within {_PROBE_S} s"
    if refusal is not None:
        return Accelerator("TCG", _TCG_ARGUMENT, _TCG_CPU, _TCG_CPUS, refusal)
    return Accelerator("KVM", "kvm", "host", 2, "a guest on /dev/kvm answered")


class Qmp:
    """A connection to QEMU's control socket (docs/interop/qmp-spec.rst). A context manager."""

    def __init__(self, path: Path) -> None:
        self._socket = _connect(path)
        self._reader = self._socket.makefile("r", encoding="utf-8")
        json.loads(self._reader.readline())
        self.execute("qmp_capabilities")

    def __enter__(self) -> Qmp:
        return self

    def __exit__(self, *_exc: object) -> None:
        self._reader.close()
        self._socket.close()

    def execute(self, name: str, /, **arguments: Any) -> Any:
        """Run a command and give its answer; events in between are passed over. Raises `QemuError`."""
        self._send({"execute": name, "arguments": arguments})
        while True:
            line = self._next_line()
            if not line:
                raise QemuError(f"QEMU ended while it was asked to {name}")
            answer = json.loads(line)
            if "error" in answer:
                raise QemuError(f"QEMU refused {name}: {answer['error']['desc']}")
            if "return" in answer:
                return answer["return"]

    def _next_line(self) -> str:
        try:
            return self._reader.readline()
        except ConnectionError:  # gone in the middle: the same as an end of file
            return ""

    def _send(self, request: dict[str, Any]) -> None:
        try:
            self._socket.sendall(json.dumps(request).encode() + b"\n")
        except ConnectionError as error:
            raise QemuError(f"QEMU ended while it was asked to {request['execute']}") from error

    def save(self, target: Path, deadline: float) -> None:
        """Stop the machine and write its state to `target`; its disks are then at rest too. Raises `QemuError`."""
        self.execute("stop")
        # The default of 128 MiB/s is meant to spare a network.
        self.execute("migrate-set-parameters", **{"max-bandwidth": 0})
        self.execute("migrate", uri=f"file:{target}")
        while (status := self.execute("query-migrate").get("status")) != "completed":
            if status in ("failed", "cancelled"):
                raise QemuError("QEMU could not save the machine's state")
            if time.monotonic() > deadline:
                raise QemuError("saving the machine's state took too long")
            time.sleep(_POLL_S)

    def resume(self, deadline: float) -> None:
        """Let a machine go on whose state is being loaded (`-incoming`). Raises `QemuError`.

        It was saved while stopped, so it stays stopped when all is loaded, and `cont` before that is forgotten.
        """
        while self.execute("query-status")["status"] == "inmigrate":
            if time.monotonic() > deadline:
                raise QemuError("loading the machine's state took too long")
            time.sleep(_POLL_S)
        self.execute("cont")


def _connect(path: Path) -> socket.socket:
    deadline = time.monotonic() + _CONNECT_S
    while True:
        connection = socket.socket(socket.AF_UNIX)
        try:
            connection.connect(str(path))
        except OSError as error:
            connection.close()
            if time.monotonic() > deadline:
                raise QemuError(f"no answer at QEMU's control socket {path}: {error.strerror}") from error
            time.sleep(_POLL_S)
        else:
            connection.settimeout(_CONNECT_S * 6)
            return connection
