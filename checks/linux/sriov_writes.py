"""What a write of a number of VFs means: which PF it reaches, and what the kernel makes of it.

Source: Linux 6.12 drivers/pci/iov.c (sriov_numvfs_store), lib/kstrtox.c; systemd 257 src/udev/udev-rules.c
(attr_subst_subdir), udev-util.c (udev_resolve_subsys_kernel).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from posixpath import normpath
from typing import Literal

from checks.linux.sriov_events import Port
from checks.linux.sriov_reasons import ATTRIBUTE
from checks.linux.udev_event import Event, Value

Outcome = Literal["made", "failed", "busy", "unknown"]
_NUMBER = re.compile(r"\+?(0[xX][0-9a-fA-F]+|0[0-7]*|[1-9][0-9]*)\n?")
_REFERENCE = re.compile(r"\[([^/\]]+)/([^\]]+)\]/?(.*)", re.DOTALL)
_U16 = 65535
# They refuse, or make VFs only when a module parameter allows it.
_STUBS = {"vfio-pci": "vfio-pci makes VFs only when its option enable_sriov is set"}


@dataclass(frozen=True, slots=True)
class Stored:
    """How many VFs there are after a write (None when that cannot be told), and what it did, also in words."""

    count: int | None
    outcome: Outcome
    result: str


def target_of(path: str, event: Event, ports: Mapping[str, Port]) -> str | None:
    """The PF whose sriov_numvfs a path in ATTR{...} means; None when there is no such file."""
    if reference := _REFERENCE.fullmatch(path):
        subsystem, name, rest = reference.groups()
        base = f"/sys/bus/pci/devices/{name}" if subsystem == "pci" else f"/sys/class/{subsystem}/{name}"
        return absolute(f"{base}/{rest}", ports, event.device.names)
    return absolute(f"/sys/{event.device.path}/{path}", ports, event.device.names)


def absolute(path: str, ports: Mapping[str, Port], names: tuple[str, ...] = ()) -> str | None:
    """The PF whose sriov_numvfs lies at a path below /sys. `names`: what the netdev of the event is called now."""
    for port in ports.values():
        here = f"/sys/{port.path}"
        for name in {*(n for n in names if f"{here}/net/{n}/" in path), *([port.netdev] if port.netdev else [])}:
            if len(names) > 1 and name == port.netdev and f"{here}/net/" not in path:
                continue  # not called that yet
            for net in (f"/sys/class/net/{name}", f"{here}/net/{name}", f"{here}/net/*"):
                path = path.replace(f"{net}/device/", f"{here}/")
        for other in (f"/sys/bus/pci/devices/{port.address}", f"/sys/bus/pci/drivers/{port.driver}/{port.address}"):
            path = path.replace(f"{other}/", f"{here}/")
    found = normpath(path)
    return next(
        (a for a, port in ports.items() if found == f"/sys/{port.path}/{ATTRIBUTE}" and port.totalvfs is not None), None
    )


def number_of(value: str) -> tuple[int, str] | None:
    """The number that the kernel reads, and a remark where it surprises; None for what it takes for none."""
    if not _NUMBER.fullmatch(value):
        return None
    digits = value.strip().lstrip("+")
    octal = len(digits) > 1 and digits.startswith("0") and digits.isdecimal()
    hexadecimal = digits[:2] in ("0x", "0X")
    if len(digits) > 24:
        return _U16 + 1, ""
    number = int(digits, 16 if hexadecimal else 8 if octal else 10)
    return number, f" ({digits} is octal)" if octal and number > 7 else ""


def stored(  # noqa: PLR0911 - one way out for each answer of the kernel
    port: Port, before: int | None, value: Value, event: Event, *, bound: bool
) -> Stored:
    """What becomes of a PF's VFs when a value is written to its sriov_numvfs."""
    if value is None:
        return Stored(None, "unknown", "writes what cannot be told")
    read = number_of(value)
    if read is None:
        return Stored(before, "failed", f"fails: the kernel takes {value[:40]!r} for no number{_likely(value)}")
    number, note = read
    if number > (port.totalvfs or 0):
        said = f"fails: {number} VFs{note} are more than the {port.totalvfs} of sriov_totalvfs"
        return Stored(before, "failed", said)
    if number == before:
        return Stored(number, "made" if number else "unknown" if not bound else "made", f"leaves {number} VFs{note}")
    if not bound:
        return Stored(before, "failed", "fails: no driver is bound to the PF at that time")
    if before is None:
        return Stored(None, "unknown", f"writes {number}{note} where the number of VFs cannot be told")
    if number and before:
        said = f"fails: {before} VFs are there already, the kernel does not change that to {number}{note}"
        return Stored(before, "busy", said)
    if port.driver in _STUBS:
        return Stored(None, "unknown", _STUBS[port.driver])
    if port.driver == "bnxt_en" and event.device.subsystem == "net" and number:
        return Stored(before, "failed", "makes none: bnxt_en refuses while the PF is down, as it is when it appears")
    return Stored(number, "made", f"makes {number} VFs{note}")


def _likely(value: str) -> str:
    """What was probably meant, for the message."""
    digits = re.fullmatch(r"\D*?(\d+)\D*", value)
    return f'; write "{int(digits[1][:9])}"' if digits else ""
