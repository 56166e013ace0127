"""The firmware's tables about IOMMUs, from their bytes: what DMAR's flags allow, and whether IORT describes an SMMU.

Sources: Intel VT-d specification 5.1, 8.1 (Linux include/acpi/actbl1.h, struct acpi_table_dmar);
Arm DEN0049 (Linux include/acpi/actbl2.h, struct acpi_table_iort).
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

from checks.bundle import UnexpectedOutput

_HEADER_BYTES = 36
_SMMU_KINDS = (3, 4)  # SMMUv1/v2, SMMUv3
_MAX_NODES = 100_000


@dataclass(frozen=True, slots=True)
class Dmar:
    """DMAR's flags. `opt_in`: the firmware asks for DMA remapping even where the kernel would leave it off."""

    interrupt_remapping: bool
    x2apic_opt_out: bool
    opt_in: bool


def read_dmar(table: bytes, where: str) -> Dmar:
    """The flags of a DMAR table. Raises UnexpectedOutput for bytes that are none."""
    if table[:4] != b"DMAR" or len(table) <= _HEADER_BYTES + 1:
        raise UnexpectedOutput(f"{where}: not a DMAR table ({len(table)} bytes)")
    flags = table[_HEADER_BYTES + 1]
    return Dmar(bool(flags & 1), bool(flags & 2), bool(flags & 4))


def has_smmu(table: bytes, where: str) -> bool:
    """Whether an IORT table has a node for an SMMU. Raises UnexpectedOutput for bytes that are no IORT."""
    if table[:4] != b"IORT" or len(table) < _HEADER_BYTES + 8:
        raise UnexpectedOutput(f"{where}: not an IORT table ({len(table)} bytes)")
    count, at = struct.unpack_from("<II", table, _HEADER_BYTES)
    for _ in range(min(count, _MAX_NODES)):
        if at + 3 > len(table):
            raise UnexpectedOutput(f"{where}: its nodes end behind the table")
        kind, length = struct.unpack_from("<BH", table, at)
        if kind in _SMMU_KINDS:
            return True
        if length < 3:
            raise UnexpectedOutput(f"{where}: a node of {length} bytes")
        at += length
    return False
