"""The names that udev offers for a NIC on the PCI bus, worked out from what sysfs shows, for any naming scheme.

Source: systemd 252 and 257, src/udev/udev-builtin-net_id.c; man systemd.net-naming-scheme. With the machine's own
scheme this is what udev exports as ID_NET_NAME_*; with a newer one it is what an upgrade will bring.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from checks.linux.naming_scheme import Scheme

LONGEST = 15
"""Bytes of an interface's name (IFNAMSIZ with its end)."""
POLICY = ("onboard", "slot", "path")
"""What the .link file that systemd ships asks for, in its order, as far as a guest's NIC can have it."""
_ADDRESS = re.compile(r"([0-9a-f]{4,8}):([0-9a-f]{2}):([0-9a-f]{2})\.([0-7])")
_SLOT = re.compile(r"[0-9]{1,9}")  # a duplicate's directory is called 3-2, which is no number
_MAX_INDEX, _MAX_WIDE_INDEX = 16383, 65535


@dataclass(frozen=True, slots=True)
class Bus:
    """The PCI side of a machine: its functions, slot directories (name to address), and numbers that firmware gives.

    `suns`: by function, firmware_node/sun. `indexes`: by function, acpi_index or (SMBIOS) index.
    """

    functions: frozenset[str] = frozenset()
    slots: Mapping[str, str] | None = None
    suns: Mapping[str, int] | None = None
    indexes: Mapping[str, int] | None = None
    multifunction: frozenset[str] = frozenset()
    """Functions that say of themselves that they are one of several."""

    def has_siblings(self, address: str) -> bool:
        """Whether the function is one of several of its device."""
        device = address[:-1]
        others = any(one != address and one[:-1] == device for one in self.functions)
        return others or address in self.multifunction or not address.endswith(".0")


@dataclass(frozen=True, slots=True)
class Offers:
    """The names on offer, None where there is none."""

    onboard: str | None
    slot: str | None
    path: str | None

    def chosen(self, policy: Sequence[str] = POLICY) -> str | None:
        """The one that a policy takes: the first that there is and that is not too long for an interface."""
        names = (getattr(self, word) for word in policy if word in POLICY)
        return next((name for name in names if name and fits(name)), None)

    def with_port(self, suffix: str) -> Offers:
        """The same with the port that the driver names behind each."""
        onboard, slot, path = (name and f"{name}{suffix}" for name in (self.onboard, self.slot, self.path))
        return Offers(onboard, slot, path)


def fits(name: str) -> bool:
    """Whether an interface can have the name."""
    return len(name.encode()) <= LONGEST


def port_suffix(phys_port_name: str | None, dev_port: str | None) -> str:
    """What the driver adds to every name of a NIC: its port's name, or else its number when that is not 0."""
    if phys_port_name:
        return f"n{phys_port_name}"
    return f"d{int(dev_port)}" if dev_port and dev_port.isdecimal() and int(dev_port) else ""


def offers(path: Sequence[str], bus: Bus, scheme: Scheme, suffix: str = "") -> Offers | None:
    """What udev offers for a NIC. `path`: the PCI functions from the root port (or nothing) down to the NIC's own.

    None where the last one is no PCI address. Not for a VF whose PF is in the same machine.
    """
    place = _ADDRESS.fullmatch(path[-1]) if path else None
    if place is None:
        return None
    address = path[-1]
    domain, number, slot, function = (int(part, 16) for part in place.groups())
    start = f"en{f'P{domain}' if domain else ''}"
    end = f"{f'f{function}' if bus.has_siblings(address) else ''}{suffix}"
    index = (bus.indexes or {}).get(address)
    user_slot = _slot_number(path, bus, scheme)
    return Offers(
        onboard=f"eno{index}{suffix}" if index is not None and _names(index, scheme) else None,
        slot=f"{start}s{user_slot}{end}" if user_slot else None,
        path=f"{start}p{number}s{slot}{end}",
    )


def _names(index: int, scheme: Scheme) -> bool:
    low, high = 0 if scheme.zero_index else 1, _MAX_WIDE_INDEX if scheme.wide_index else _MAX_INDEX
    return low <= index <= high


def _slot_number(path: Sequence[str], bus: Bus, scheme: Scheme) -> int | None:
    if scheme.sun and (sun := _sun(path, bus)):
        return sun
    return next(_slots_upwards(path, bus, scheme), None)


def _sun(path: Sequence[str], bus: Bus) -> int | None:
    """The number of the NIC's own slot in ACPI; or, for one of several functions, that of the bridge above it."""
    suns = bus.suns or {}
    own = suns.get(path[-1], 0)
    if own > 0 or len(path) < 2 or not bus.has_siblings(path[-1]):
        return own or None
    return suns.get(path[-2], 0) or None


def _slots_upwards(path: Sequence[str], bus: Bus, scheme: Scheme) -> Iterator[int]:
    """The slot's directory that holds the NIC, or a bridge above it where the scheme lets that one count."""
    numbers = {
        address.strip(): int(name) for name, address in (bus.slots or {}).items() if _SLOT.fullmatch(name) and int(name)
    }
    several = bus.has_siblings(path[-1])
    for steps, address in enumerate(reversed(path)):
        number = numbers.get(address.rpartition(".")[0])
        if number is None:
            continue
        if steps and scheme.skips_bridges and not (scheme.multifunction_behind_bridges and several):
            continue
        yield number
