"""What most likely changed a fact, and what that means: tables of the field's knowledge, and nothing that is read."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from math import inf
from typing import Literal, get_args

from checks.compare import forecasts
from checks.compare.features import Features

Cause = Literal[
    "kernel",
    "driver",
    "firmware",
    "systemd",
    "libvirt",
    "QEMU",
    "machine",
    "inventory",
    "waiver",
    "vfproof",
    "settings",
    "unknown",
]
CAUSES: tuple[Cause, ...] = get_args(Cause)
"""In the order in which a person is told."""
Effect = Literal["breaks", "look", "expected"]
EFFECTS: tuple[Effect, ...] = ("breaks", "look", "expected")

Values = tuple[str | None, str | None]
VERSIONS = "versions"
IDENTITY = "identity"
"""The section of what makes up a NIC's chain (`checks.compare.identity`)."""
MADE_UP = "MAC that nobody chose"
_OF_ITSELF: Mapping[str, Cause] = {
    "os": "machine",
    "kernel": "kernel",
    "systemd": "systemd",
    "libvirt": "libvirt",
    "qemu": "QEMU",
    "cpu": "machine",
    "product": "machine",
    "bios": "firmware",
    "firmware": "firmware",
}
# Whose other version explains a change, the likeliest first. systemd makes names out of what the kernel exports
# (systemd.net-naming-scheme(7)); drivers number VFs and keep their settings; the kernel makes IOMMU groups out of what
# firmware and bridges say (ACS); libvirt and QEMU place a guest's devices.
_SUSPECTS: Mapping[str, tuple[Cause, ...]] = {
    "PFs and VFs": ("driver", "kernel", "firmware"),
    "IOMMU": ("kernel", "firmware"),
    "NICs": ("kernel", "systemd"),
    "bonds": ("kernel", "systemd"),  # systemd-networkd makes them, and udev names their slaves
    "failovers": ("kernel",),
    "next boot": ("systemd", "driver"),  # udev reads the rules; the boot entry is the site's own
    "next start": ("systemd", "kernel", "libvirt", "QEMU"),
    "domains": ("libvirt", "QEMU"),
}
_LINK_SUSPECTS: Mapping[str, tuple[Cause, ...]] = {
    "name": ("systemd", "kernel", "libvirt", "QEMU"),
    "PCI address": ("firmware", "kernel", "libvirt", "QEMU"),
    "VF": ("driver", "kernel", "firmware"),
    "PF": ("driver", "kernel", "firmware"),
    "PCI address on the host": ("driver", "kernel", "firmware", "libvirt"),
    "shares its IOMMU group with": ("kernel", "firmware"),
    "number of its IOMMU group": ("kernel", "firmware"),
    "MAC": ("driver", "kernel"),
    "NIC": ("driver", "kernel", "firmware"),
}


def moved(before: Mapping[str, Features], after: Mapping[str, Features]) -> frozenset[Cause]:
    """Which of the things that explain others have another version on a machine."""
    found: set[Cause] = set()
    for section in (VERSIONS, "PFs and VFs"):
        old, new = before.get(section, {}), after.get(section, {})
        for key in old.keys() & new.keys():
            if old[key] != new[key] and (cause := own_cause(section, key[1], (old[key], new[key]))):
                found.add(cause)
    return frozenset(found)


def own_cause(section: str, what: str, values: Values) -> Cause | None:
    """The cause that a version is of. A driver that is the kernel's own has the kernel's release as its version."""
    if what == "driver version":
        return "kernel" if all(re.match(r"\d+\.\d+\.\d+[-+]", value or "") for value in values) else "driver"
    if section == "next boot" and what == "kernel":
        return "kernel"
    if (section, what) == (IDENTITY, MADE_UP):
        return "driver"  # the VF's: it makes one up whenever it finds none (eth_hw_addr_random, linux/etherdevice.h)
    return _OF_ITSELF.get(what) if section in (VERSIONS, "PFs and VFs") else None


def cause(section: str, what: str, values: Values, has_moved: Iterable[Cause]) -> Cause:
    """What most likely did it; `settings` where nothing that is told explains it."""
    if own := own_cause(section, what, values):
        return own
    suspects = _LINK_SUSPECTS.get(what, ()) if section == IDENTITY else _SUSPECTS.get(section, ())
    known = set(has_moved)
    return next((one for one in suspects if one in known), "settings")


def effect(section: str, what: str, values: Values) -> Effect:
    """What a change means by itself: an upgrade does that, something that was promised is gone, or who knows."""
    if (section, what) in _NATURAL or (section == VERSIONS and None not in values):
        return "expected"
    is_worse = _WORSE.get((section, what)) or _WORSE.get((section, "*"))
    return "breaks" if is_worse is not None and is_worse(*values) else "look"


def _fewer(before: str | None, after: str | None) -> bool:
    """Fewer for certain or perhaps: of "2 or 0" the 0 counts, and what is not known counts as none."""
    return _least(after) < _least(before)


def _least(text: str | None) -> int:
    numbers = [int(word) for word in re.findall(r"\d+", (text or "").partition(",")[0])]
    return min(numbers, default=0)


def _longer(before: str | None, after: str | None) -> bool:
    return after is not None and before is not None and _ms(after) > _ms(before)


def _ms(text: str) -> float:
    number = re.fullmatch(r"(\d+) ms", text)
    return float(number[1]) if number else inf  # no end, or nobody knows when


def _more_company(before: str | None, after: str | None) -> bool:
    return bool(_members(after) - _members(before))


def _members(text: str | None) -> set[str]:
    return set() if text in (None, "nobody") else set(str(text).split(", "))


def _lost(before: str | None, after: str | None) -> bool:
    """Whether some of a list is no longer there."""
    return bool(_members(before) - _members(after) - {"none"})


def _another(before: str | None, after: str | None) -> bool:
    return before is not None and before != after


def _no_longer(before: str | None, after: str | None) -> bool:
    return before == "True" and after != "True"


Worse = Callable[[str | None, str | None], bool]
_NATURAL = frozenset(
    {
        ("PFs and VFs", "driver version"),
        ("PFs and VFs", "firmware"),
        ("next boot", "kernel"),
        (IDENTITY, "number of its IOMMU group"),
        (IDENTITY, MADE_UP),
    }
)
_WORSE: Mapping[tuple[str, str], Worse] = {
    ("PFs and VFs", "VFs"): _fewer,
    ("PFs and VFs", "VFs at most"): _fewer,
    ("PFs and VFs", "up"): _no_longer,
    **{("PFs and VFs", name): _another for name in ("admin_mac", "vlan", "qos", "spoofchk", "trust", "link_state")},
    ("IOMMU", "units"): _lost,
    ("IOMMU", "interrupts are remapped"): _no_longer,
    ("IOMMU", "shares its IOMMU group with"): _more_company,
    ("bonds", "slaves"): _lost,
    ("failovers", forecasts.OUTAGE): _longer,
    ("failovers", forecasts.GARPS): _fewer,
    ("next boot", forecasts.VFS): _fewer,
    ("next start", forecasts.NAME): _another,
    (IDENTITY, "name"): _another,
    (IDENTITY, "PCI address"): _another,
    (IDENTITY, "PCI address on the host"): _another,
    (IDENTITY, "PF"): _another,
    (IDENTITY, "VF"): _another,
    (IDENTITY, "shares its IOMMU group with"): _more_company,
    (IDENTITY, "NIC"): _another,
}
