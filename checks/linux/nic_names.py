"""The names that udev will give the NICs of a guest, foretold from its virtual PCI layout.

Sources: systemd 252 and 257, src/udev/udev-builtin-net_id.c and systemd.net-naming-scheme(7); QEMU's ACPI tables
(which slots have a _SUN). The rules are held against booted guests: docs/nic-names.md.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import IntEnum

from checks.linux.naming_scheme import Scheme, scheme_of
from checks.linux.net_id import Offers, fits

ROOT_PORTS = frozenset({"pcie-root-port", "pcie-switch-downstream-port"})
SLOTTED_BRIDGES = frozenset({"pci-bridge", "pcie-to-pci-bridge", "dmi-to-pci-bridge"})
_ROOTS = frozenset({"pci-root", "pcie-root"})
_EXPANDERS = frozenset({"pci-expander-bus", "pcie-expander-bus"})
_PIIX3_SLOT = 1


class Confidence(IntEnum):
    """How sure a prediction is. Only LOW is too weak to call a different name wrong."""

    LOW = 1
    MEDIUM = 2
    HIGH = 3


@dataclass(frozen=True, slots=True)
class Place:
    """Where a device sits in a guest's PCI layout. `bus` is the index of a controller, not yet a bus number."""

    bus: int
    slot: int
    function: int = 0
    multifunction: bool = False
    domain: int = 0

    def __str__(self) -> str:
        return f"{self.domain:04x}:{self.bus:02x}:{self.slot:02x}.{self.function}"


@dataclass(frozen=True, slots=True)
class Controller:
    """A PCI controller of the layout: its index is what places call `bus`. `place`: where it sits; None for a root."""

    index: int
    model: str
    place: Place | None = None


@dataclass(frozen=True, slots=True)
class Layout:
    """What decides the names: machine type (`pc-q35-10.0`), controllers, and the primary video device's place."""

    machine: str
    controllers: tuple[Controller, ...] = ()
    video: Place | None = None

    @property
    def is_i440fx(self) -> bool:
        """The `pc` family, whose root bus has hotplug slots."""
        return self.machine == "pc" or self.machine.startswith(("pc-i440fx", "pc-0.", "pc-1."))

    @property
    def is_q35(self) -> bool:
        """The `q35` family, whose root bus has none."""
        return self.machine == "q35" or self.machine.startswith("pc-q35")


@dataclass(frozen=True, slots=True)
class _Guest:
    """A layout worked out: bus numbers by controller index, owners of slot numbers, the naming scheme."""

    layout: Layout
    buses: dict[int, int]
    owners: dict[int, Place]
    scheme: Scheme | None

    def owns_its_slot(self, place: Place) -> bool:
        owner = self.owners.get(place.slot)
        return owner is not None and (owner.bus, owner.slot) == (place.bus, place.slot)


@dataclass(frozen=True, slots=True)
class Prediction:
    """The name a NIC will get, what else udev will offer for it, how sure that is, and the reason in words.

    `offers`: by kind, what a .link file's policy chooses from. `collides`: another NIC of this guest will want the same
    name; one of the two then keeps the kernel's.
    """

    name: str
    others: tuple[str, ...]
    confidence: Confidence
    because: str
    offers: Offers
    collides: bool = False


def predict(
    layout: Layout, nics: Iterable[tuple[Place | None, int | None]], scheme: str | None
) -> list[Prediction | None]:
    """Names for NICs given as (place, acpi index), in their order; None for one that has neither.

    `scheme`: the guest's own ID_NET_NAMING_SCHEME (`v252`, `rhel-9.3`); None when it is not known.
    """
    wanted = list(nics)
    buses = bus_numbers(layout)
    guest = _Guest(layout, buses, _slot_owners(layout, buses), scheme_of(scheme))
    found = [_predict_one(guest, place, index) for place, index in wanted]
    names = [one.name for one in found if one]
    return [one and _collided(one, collides=names.count(one.name) > 1) for one in found]


def bus_numbers(layout: Layout) -> dict[int, int]:
    """Bus number by controller index, as firmware numbers them: depth first, bridges by slot and function.

    Source: SeaBIOS pci_bios_init_bus_rec; Linux keeps what firmware set. A controller that has no place is left out.
    """
    below: dict[int, list[tuple[int, int, int]]] = {}
    for one in layout.controllers:
        if one.place is not None and one.model not in _ROOTS:
            below.setdefault(one.place.bus, []).append((one.place.slot, one.place.function, one.index))
    numbers = {0: 0}
    waiting = [0]
    while waiting:
        index = waiting.pop()
        numbers.setdefault(index, len(numbers))
        bridges = sorted(below.pop(index, ()))
        waiting += [bridge for _, _, bridge in reversed(bridges)]
    return numbers


def same_name(given: str, predicted: str) -> bool:
    """Whether a real name is the predicted one, or that with a port of the driver behind it (`np0`, `d1`)."""
    return re.fullmatch(re.escape(predicted) + r"(n[0-9A-Za-z]+|d[0-9]+)?", given) is not None


def _predict_one(guest: _Guest, place: Place | None, acpi_index: int | None) -> Prediction | None:
    path = _path(place, guest.buses) if place else None
    slot = _slot(place) if place and path and _has_slot_name(guest, place) else None
    offered: list[tuple[str, str, Confidence]] = []
    if acpi_index is not None:
        offered.append((f"eno{acpi_index}", f"<acpi index='{acpi_index}'/>", Confidence.HIGH))
    if place is not None and path is not None:
        where = f"{_model(guest.layout, place.bus)} {place.bus}"
        confidence = _confidence(guest, place)
        if slot:
            offered.append((slot, f"slot {place.slot} of {where} is a hotplug slot", confidence))
        because = f"{where} gives no slot number of its own, so the path counts (bus {guest.buses[place.bus]})"
        offered.append((path, because, confidence))
    usable = [one for one in offered if fits(one[0])]
    if not usable:
        return None
    (name, because, confidence), *_ = usable
    # The other name is told even where udev is not thought to offer it: that is what a weak prediction may miss.
    others = dict.fromkeys(other for other in (slot or (place and _slot(place)), path) if other and other != name)
    onboard = f"eno{acpi_index}" if acpi_index is not None else None
    return Prediction(name, tuple(others), confidence, because, Offers(onboard, slot, path))


def _has_slot_name(guest: _Guest, place: Place) -> bool:
    """Whether udev finds a slot number for the place: its own directory in /sys/bus/pci/slots, or (v257) its _SUN."""
    if place.slot == 0:
        return False
    if place.bus == 0:
        return guest.layout.is_i440fx
    if _model(guest.layout, place.bus) not in SLOTTED_BRIDGES:
        return False
    return guest.owns_its_slot(place) or (guest.scheme is not None and guest.scheme.sun)


def _slot_owners(layout: Layout, buses: dict[int, int]) -> dict[int, Place]:
    """Who owns the plain directory of a slot number; a second slot of that number becomes `3-2`, which names nothing.

    Every slot of i440fx's root bus and of a bridge has a _SUN, whether something sits in it or not; bus after bus in
    the order of their numbers, the first one takes the number. PIIX3, the primary video device and bridges cannot be
    unplugged and have none.
    """
    fixed = {(one.place.bus, one.place.slot) for one in layout.controllers if one.place}
    fixed |= {(0, _PIIX3_SLOT)} | ({(layout.video.bus, layout.video.slot)} if layout.video else set())
    slotted = [one.index for one in layout.controllers if one.model in SLOTTED_BRIDGES and one.index in buses]
    slotted += [0] if layout.is_i440fx else []
    owners: dict[int, Place] = {}
    for bus in sorted(set(slotted), key=lambda index: buses[index]):
        for slot in range(1, 32):
            if (bus, slot) not in fixed:
                owners.setdefault(slot, Place(bus, slot))
    return owners


def _path(place: Place, buses: dict[int, int]) -> str | None:
    if place.bus not in buses:
        return None
    return f"en{_domain(place)}p{buses[place.bus]}s{place.slot}{_function(place)}"


def _slot(place: Place) -> str | None:
    return f"en{_domain(place)}s{place.slot}{_function(place)}" if place.slot > 0 else None


def _domain(place: Place) -> str:
    return f"P{place.domain}" if place.domain else ""


def _function(place: Place) -> str:
    return f"f{place.function}" if place.function or place.multifunction else ""


def _model(layout: Layout, index: int) -> str:
    if index == 0:
        return "pci-root" if layout.is_i440fx else "pcie-root"
    return next((one.model for one in layout.controllers if one.index == index), "unknown controller")


def _confidence(guest: _Guest, place: Place) -> Confidence:
    layout = guest.layout
    model = _model(layout, place.bus)
    unsure = (
        not (layout.is_i440fx or layout.is_q35),
        any(one.model in _EXPANDERS for one in layout.controllers),
        place.bus != 0 and model not in ROOT_PORTS | SLOTTED_BRIDGES,
        model in SLOTTED_BRIDGES and guest.scheme is None and not guest.owns_its_slot(place),
    )
    if any(unsure):
        return Confidence.LOW
    # Libvirt's own order makes both ways of counting agree; where they differ, firmware has the last word.
    return Confidence.HIGH if all(index == bus for index, bus in guest.buses.items()) else Confidence.MEDIUM


def _collided(one: Prediction, *, collides: bool) -> Prediction:
    if not collides:
        return one
    because = f"{one.because}; another NIC wants this name too"
    return replace(one, confidence=Confidence.LOW, because=because, collides=True)
