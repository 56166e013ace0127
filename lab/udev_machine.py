"""A machine of a few seconds: QEMU with devices of one's choice, a Debian kernel, udev, one question, and its end.

    tree = images.host(say).tree                                   # where QEMU is run from
    image = udev_image("bookworm", tree, say)                      # systemd 252; "trixie" has 257
    answer = boot(image, tree, Machine("q35", ("-device", "igb")), ask="udevadm info -e")

It has no disk and no network: give NICs no `netdev`, or a `hubport` of their own.
"""

from __future__ import annotations

import re
import subprocess
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from lab import qemu
from lab.tree import tree_environment
from lab.udev_image import UdevImage, archive, file_member

# Nothing here needs what these spare: mitigations, self-tests, waiting for clocks that are emulated.
_KERNEL = (
    "console=ttyS0,115200 panic=-1 mitigations=off nokaslr no_timer_check tsc=reliable cryptomgr.notests "
    "random.trust_cpu=on quiet loglevel=4"
)
_DONE = re.compile(r"^udev-machine: done, ([0-9]+)\s*\Z", re.MULTILINE)
_TAIL = 12


class UdevMachineError(Exception):
    """The machine did not answer; the text says why, with the end of its console."""


@dataclass(frozen=True, slots=True)
class Machine:
    """The virtual hardware: QEMU's machine type with its options, and further arguments (`-device …`)."""

    type: str
    arguments: tuple[str, ...] = ()
    memory_mib: int = 256


def boot(
    image: UdevImage,
    qemu_tree: Path,
    machine: Machine,
    *,
    ask: str,
    files: Mapping[str, str] = {},
    cmdline: str = "",
    timeout_s: float = 120,
) -> str:
    """What the shell script `ask` printed in the machine after udev had settled.

    `files` lie in it from the start, by absolute path: rules, .link files. `cmdline` is added to the kernel's.
    Raises `UdevMachineError` when QEMU refuses the machine, when it does not end, or when `ask` fails.
    """
    accelerator = qemu.accelerator(qemu_tree)
    with tempfile.TemporaryDirectory(prefix="vfproof-udev-") as folder:
        initrd, console, answer = (Path(folder) / name for name in ("initrd", "console", "answer"))
        added = archive([file_member("ask", ask), *(file_member(path, text) for path, text in files.items())])
        initrd.write_bytes(image.initrd.read_bytes() + added)
        arguments = [
            "-machine", machine.type, "-accel", accelerator.argument, "-m", str(machine.memory_mib), "-no-reboot",
            "-cpu", "host" if accelerator.name == "KVM" else "qemu64",
            "-kernel", str(image.kernel), "-initrd", str(initrd), "-append", f"{_KERNEL} {cmdline}".strip(),
            "-serial", f"file:{console}", "-serial", f"file:{answer}", *machine.arguments,
        ]  # fmt: skip
        refusal = _run(qemu_tree, arguments, timeout_s)
        text = answer.read_text(errors="replace") if answer.exists() else ""
        done = _DONE.search(text)
        if refusal is None and done is not None and done[1] == "0":
            return text[: done.start()]
        why = refusal or ("it ended without an answer" if done is None else f"its script ended with {done[1]}")
        raise UdevMachineError(f"machine {machine.type} of {image.release}: {why}\n{_end_of(console)}")


def _run(tree: Path, arguments: list[str], timeout_s: float) -> str | None:
    """Run QEMU to its end; why it did not get there, or None."""
    line = qemu.command(tree, arguments)
    try:
        result = subprocess.run(
            line,
            env=tree_environment(tree),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=timeout_s,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return f"it was not done after {timeout_s:.0f} s"
    if result.returncode != 0:
        return f"QEMU ended with {result.returncode}: {result.stderr.decode(errors='replace').strip()[-500:]}"
    return None


def _end_of(console: Path) -> str:
    lines = console.read_text(errors="replace").splitlines() if console.exists() else []
    return "\n".join(f"    {line}" for line in lines[-_TAIL:])
