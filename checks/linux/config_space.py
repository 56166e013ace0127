"""The SR-IOV capability in a PCI function's configuration space: what the card itself can do.

Source: Linux 6.12 include/uapi/linux/pci_regs.h; PCI Express Base Specification, extended capabilities.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

_EXTENDED = 0x100  # the extended list starts here; who is not root reads 64 bytes and no more
_END = 0x1000
_SRIOV = 0x0010
_SRIOV_LENGTH = 0x40


@dataclass(frozen=True, slots=True)
class SriovCapability:
    """What the card says. `total_vfs`: its own maximum, before the driver lowers it. `enabled`: VF Enable is set."""

    total_vfs: int
    initial_vfs: int
    num_vfs: int
    offset: int
    stride: int
    enabled: bool
    ari: bool


def sriov_capability(data: bytes | None) -> SriovCapability | str | None:
    """The capability; None when the function shows none; a text that says why nobody knows.

    `data` is the whole configuration space, or as much of it as could be read.
    """
    if data is None:
        return "its configuration space was not read"
    if len(data) < _EXTENDED:
        return f"only {len(data)} bytes of its configuration space were read, which is all that root alone may exceed"
    at, seen = _EXTENDED, set()
    while _EXTENDED <= at <= len(data) - 4 and at not in seen:
        seen.add(at)
        header = int.from_bytes(data[at : at + 4], "little")
        if header in (0, 0xFFFFFFFF):  # no list at all; a function that does not answer reads as ones
            break
        if header & 0xFFFF == _SRIOV:
            return _registers(data[at : at + _SRIOV_LENGTH])
        at = header >> 20 & 0xFFC
    return None if data[:4] != b"\xff\xff\xff\xff" else "its configuration space reads as ones: it does not answer"


def _registers(data: bytes) -> SriovCapability | str:
    if len(data) < _SRIOV_LENGTH:
        return "its SR-IOV capability is cut off"
    control, _, initial, total, number, _, offset, stride = struct.unpack_from("<8H", data, 0x08)
    return SriovCapability(total, initial, number, offset, stride, enabled=bool(control & 1), ari=bool(control & 0x10))
