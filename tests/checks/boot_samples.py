"""Bytes of what no machine here has: EFI variables, unified kernel images, firmware tables, built by their formats.

Sources: UEFI 2.10 (3.1.3, 10.3); Microsoft's PE format; the UAPI group's UKI specification, with the sections in the
order in which systemd's ukify writes them; Arm DEN0049. The DMAR table is a real one.
"""

from __future__ import annotations

import struct

from checks.linux import efi_variables as efi

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


KVM_1_DMAR = bytes.fromhex(
    "44 4d 41 52 98 00 00 00 01 86 42 4f 43 48 53 20 42 58 50 43 20 20 20 20 01 00 00 00 42 58 50 43 01 00 00 00 "
    "2f 01 00 00 00 00 00 00 00 00 00 00 00 00 68 00 00 00 00 00 00 00 d9 fe 00 00 00 00 03 08 00 00 00 ff 00 00 "
    "01 08 00 00 00 00 00 00 01 08 00 00 00 00 02 00 01 08 00 00 00 00 03 00 02 08 00 00 00 00 04 00 02 08 00 00 "
    "00 00 05 00 01 08 00 00 00 00 06 00 01 08 00 00 00 00 07 00 01 08 00 00 00 00 1f 00 01 08 00 00 00 00 1f 02 "
    "01 08 00 00 00 00 1f 03 "
)
"""The whole table of the lab's kvm-1: QEMU with intel-iommu, interrupt remapping on."""


def dmar(flags=1):
    return KVM_1_DMAR[:37] + bytes([flags]) + KVM_1_DMAR[38:]


def iort(*kinds):
    nodes = b"".join(struct.pack("<BH", kind, 24) + bytes(21) for kind in kinds)
    return b"IORT" + bytes(32) + struct.pack("<III", len(kinds), 48, 0) + nodes
