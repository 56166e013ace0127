"""Bytes of what no machine here has: EFI variables, unified kernel images, firmware tables, built by their formats.

Sources: UEFI 2.10 (3.1.3, 10.3); Microsoft's PE format; the UAPI group's UKI specification, with the sections in the
order in which systemd's ukify writes them; Intel VT-d 8.1; Arm DEN0049. The DMAR table's first bytes are those that
QEMU's intel-iommu shows.
"""

from __future__ import annotations

import struct

from checks.linux import efi_variables as efi

EFIVARS = "/sys/firmware/efi/efivars"
ATTRIBUTES = struct.pack("<I", 6)


def variable(text):
    return ATTRIBUTES + text.encode("utf-16-le") + b"\0\0"


def loader(**texts):
    return {efi.loader_variable(name): variable(text) for name, text in texts.items()}


def order(*numbers, name="BootOrder"):
    return {efi.firmware_variable(name): ATTRIBUTES + struct.pack(f"<{len(numbers)}H", *numbers)}


def load_option(path, active=True, description="debian"):
    name = path.replace("/", "\\").encode("utf-16-le") + b"\0\0"
    nodes = struct.pack("<BBH", 4, 1, 42) + bytes(38)  # the partition
    nodes += struct.pack("<BBH", 4, 4, 4 + len(name)) + name + struct.pack("<BBH", 0x7F, 0xFF, 4)
    title = description.encode("utf-16-le") + b"\0\0"
    return ATTRIBUTES + struct.pack("<IH", int(active), len(nodes)) + title + nodes + b"optional data"


def boot_option(number, path, **changes):
    return {efi.firmware_variable(f"Boot{number:04X}"): load_option(path, **changes)}


def uki(sections, stub=4096):
    """A PE file with these sections, each padded to 512 bytes, behind a stub's code."""
    names = [".text", *[name for name, _ in sections]]
    bodies = [bytes(stub), *[text.encode() if isinstance(text, str) else text for _, text in sections]]
    headers, at, data = b"", 1024, b""
    for name, body in zip(names, bodies, strict=True):
        padded = body + bytes(-len(body) % 512)
        headers += struct.pack("<8sIIIIIIHHI", name.encode(), len(body), 0x1000, len(padded), at, 0, 0, 0, 0, 0)
        at, data = at + len(padded), data + padded
    pe = b"PE\0\0" + struct.pack("<HHIIIHH", 0x8664, len(names), 0, 0, 0, 240, 0x22E) + bytes(240)
    start = b"MZ" + bytes(58) + struct.pack("<I", 128)
    return (start.ljust(128, b"\0") + pe + headers).ljust(1024, b"\0") + data


def dmar(flags=1):
    return b"DMAR\x98\x00\x00\x00\x01\x5eBOCHS BXPC    " + b"\0" * 12 + bytes([38, flags]) + bytes(114)


def iort(*kinds):
    nodes = b"".join(struct.pack("<BH", kind, 24) + bytes(21) for kind in kinds)
    return b"IORT" + bytes(32) + struct.pack("<III", len(kinds), 48, 0) + nodes
