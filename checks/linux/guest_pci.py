"""Whether a guest address can be had: libvirt's rules for the slots of its PCI controllers, and QEMU's own devices.

Source: libvirt src/conf/domain_addr.c (virDomainPCIAddressBusSetModel, ...Validate, ...ReserveAddrInternal),
src/qemu/qemu_domain_address.c (11.3); QEMU hw/pci/pci.c (pci_init_multifunction); PCI 3.0, 3.2.2.3.4.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from checks.linux.domain_xml import Definition
from checks.linux.nic_names import Layout, Place

_SLOTS = {
    "pci-root": range(1, 32),
    "pcie-root": range(1, 32),
    "pci-bridge": range(1, 32),
    "pcie-to-pci-bridge": range(1, 32),
    "pci-expander-bus": range(32),
    "dmi-to-pci-bridge": range(32),
    "pcie-root-port": range(1),
    "pcie-switch-downstream-port": range(1),
    # These take ports only.
    "pcie-switch-upstream-port": range(0),
    "pcie-expander-bus": range(0),
}
_BUILT_IN_Q35 = ((0x1F, 0), (0x1F, 3))  # ICH9: LPC bridge, SMBus
_BUILT_IN_I440FX = ((1, 0), (1, 3))  # PIIX3: ISA bridge, power management


def faults(definition: Definition) -> Iterator[tuple[str, str]]:
    """Every NIC and every plain PCI device whose guest address cannot be had: what it is, and why not.

    Says nothing of a controller model that it does not know.
    """
    taken = _taken(definition)
    for one in definition.interfaces:
        if one.place is not None:
            for fault in _faults(one.place, definition.layout, taken):
                yield f"interface {one.mac or one.source or 'without a MAC'}", fault
    for device in definition.host_devices:
        if device.place is not None:
            for fault in _faults(device.place, definition.layout, taken):
                yield f"device {device.source}", fault


def _taken(definition: Definition) -> Counter[tuple[int, int, int]]:
    taken = Counter((one.bus, one.slot, one.function) for one in definition.occupied)
    layout = definition.layout
    built_in = _BUILT_IN_Q35 if layout.is_q35 else _BUILT_IN_I440FX if layout.is_i440fx else ()
    return taken + Counter((0, slot, function) for slot, function in built_in)


def _faults(place: Place, layout: Layout, taken: Counter[tuple[int, int, int]]) -> Iterator[str]:
    if place.domain:
        yield f"has guest address {place}, and only PCI domain 0 is available"
    model = next((one.model for one in layout.controllers if one.index == place.bus), None)
    slots = _SLOTS.get(model or "")
    if slots is not None and place.slot not in slots:
        yield f"has guest address {place}: {_takes(model or '', slots)}"
    if place.function > 7:
        yield f"has guest address {place}: functions go up to 7"
    if taken[place.bus, place.slot, place.function] > 1:
        yield f"has guest address {place}, which another device has too"
    if place.function and not taken[place.bus, place.slot, 0]:
        yield f"has guest address {place}: a guest looks at function 0 first, and nothing is there"


def _takes(model: str, slots: range) -> str:
    if not slots:
        return f"a {model} takes ports, no devices"
    return f"a {model} has slot 0 only" if len(slots) == 1 else f"a {model} has slots {slots.start} to {slots.stop - 1}"
