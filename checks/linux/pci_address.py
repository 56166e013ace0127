"""PCI addresses as numbers: routing IDs, and where the VFs of a PF must appear.

Source: Linux 6.12 drivers/pci/iov.c (pci_iov_virtfn_bus, pci_iov_virtfn_devfn): rid = bus<<8 | slot<<3 | function.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

_ADDRESS = re.compile(r"([0-9a-f]{4,8}):([0-9a-f]{2}):([01][0-9a-f])\.([0-7])", re.IGNORECASE)


@dataclass(frozen=True, slots=True, order=True)
class PciAddress:
    """Domain and routing ID of one PCI function. `str()` gives the kernel's form, 0000:3d:00.1."""

    domain: int
    routing_id: int

    @classmethod
    def parse(cls, text: str) -> PciAddress | None:
        """The address that `text` spells as the kernel does, or None when it spells none."""
        found = _ADDRESS.fullmatch(text)
        if found is None:
            return None
        domain, bus, slot, function = (int(part, 16) for part in found.groups())
        return cls(domain, bus << 8 | slot << 3 | function)

    def __str__(self) -> str:
        bus, slot, function = self.routing_id >> 8, self.routing_id >> 3 & 0x1F, self.routing_id & 7
        return f"{self.domain:04x}:{bus:02x}:{slot:02x}.{function}"


def vf_address(pf: PciAddress, index: int, offset: int, stride: int) -> PciAddress | None:
    """Where VF `index` (from 0) of `pf` must be, by the PF's `sriov_offset` and `sriov_stride`.

    None when it would lie behind the last bus: the kernel cannot have put it there.
    """
    routing_id = pf.routing_id + offset + index * stride
    return PciAddress(pf.domain, routing_id) if routing_id <= 0xFFFF else None


def sort_key(text: str) -> tuple[int, PciAddress, str]:
    """Orders address texts as the bus does; texts that are no address come last."""
    address = PciAddress.parse(text)
    return (1, PciAddress(0, 0), text) if address is None else (0, address, text)


def decimal_taken_for_hex(text: str) -> tuple[str, ...]:
    """The addresses that may be meant where decimal digits were written as hex: 0000:01:10.0 for 0000:01:16.0.

    Of bus and slot, or of the slot alone.
    """
    found = re.fullmatch(r"([0-9a-f]{4}):([0-9a-f]{2,3}):([0-9]{2})\.([0-7])", text)
    if found is None or int(found[3]) > 0x1F:
        return ()
    buses = {int(found[2], 16), *([int(found[2])] if found[2].isdecimal() else [])}
    meant = (f"{found[1]}:{bus:02x}:{int(found[3]):02x}.{found[4]}" for bus in sorted(buses) if bus <= 0xFF)
    return tuple(one for one in meant if one != text)
