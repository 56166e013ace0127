"""The IOMMU as it works now: units, groups, firmware tables, interrupt remapping, VFIO's unsafe options.

Only /sys/class/iommu together with /sys/kernel/iommu_groups tells that DMA is translated; the kernel log's
"DMAR: IOMMU enabled" only tells that a word was parsed.
Sources: Linux 6.12 Documentation/ABI/testing/sysfs-class-iommu, sysfs-kernel-iommu_groups; kernel/irq/irqdesc.c.
The processor's flags vmx and svm are about running guests, and say nothing about an IOMMU.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal, TypeVar

from checks.bundle import Bundle, UnexpectedOutput
from checks.facts.known import attempt, known
from checks.linux.acpi_tables import Dmar, has_smmu, read_dmar
from checks.linux.iommu_start import Firmware
from checks.outcome import CouldNotLook
from checks.source import Attributes, File, Links, Names, Source

_GROUPS = "/sys/kernel/iommu_groups"
_TABLES = "/sys/firmware/acpi/tables"
_CHIPS = "/sys/kernel/irq/*/chip_name"
_UNSAFE_INTERRUPTS = "/sys/module/vfio_iommu_type1/parameters/allow_unsafe_interrupts"
_NO_IOMMU = "/sys/module/vfio/parameters/enable_unsafe_noiommu_mode"

SOURCES: tuple[Source, ...] = (
    Names("/sys/class/iommu"),
    Links(f"{_GROUPS}/*/devices/*"),
    Attributes(f"{_GROUPS}/*/type"),
    Attributes(f"{_GROUPS}/*/reserved_regions"),
    Names(_TABLES),
    *(File(f"{_TABLES}/{name}", binary=True) for name in ("DMAR", "IORT")),
    Attributes(_CHIPS),
    Attributes("/sys/bus/pci/devices/*/class"),
    Attributes(_UNSAFE_INTERRUPTS),
    Attributes(_NO_IOMMU),
    File("/proc/cpuinfo", keep="^(vendor_id|CPU implementer|model name)[[:space:]]*:"),
)

T = TypeVar("T")
Vendor = Literal["intel", "amd", "arm", "unknown"]
TABLE_NAMES: Mapping[str, str] = {
    "DMAR": "Intel VT-d",
    "IVRS": "AMD-Vi",
    "IORT": "Arm SMMU",
    "VIOT": "virtio-iommu",
}
_CPU_VENDORS: Mapping[str, Vendor] = {
    "GenuineIntel": "intel",
    "AuthenticAMD": "amd",
    "HygonGenuine": "amd",
    "CentaurHauls": "intel",
    "  Shanghai  ": "intel",
}


@dataclass(frozen=True, slots=True)
class Group:
    """One IOMMU group. `type` is the default domain (DMA, DMA-FQ, identity, ...); None where it is not told
    (before Linux 5.11).

    `reserved`: the kinds of reserved regions in it (direct, direct-relaxable, reserved, msi), or why none is known.
    """

    number: int
    members: tuple[str, ...]
    type: str | None
    reserved: frozenset[str] | CouldNotLook


@dataclass(frozen=True, slots=True)
class Iommu:
    """Everything about the IOMMU that holds now. `tables` is None where the firmware speaks no ACPI.

    `dmar`, `smmu`: what DMAR's flags say, and whether IORT describes an SMMU; None where there is no such table. Both
    can be read by root only.
    """

    units: tuple[str, ...]
    groups: tuple[Group, ...]
    tables: tuple[str, ...] | None
    cpu_vendor: Vendor
    interrupt_chips: frozenset[str]
    bridges: frozenset[str]
    unsafe_interrupts: bool | None
    noiommu_mode: bool | None
    dmar: Dmar | CouldNotLook | None = None
    smmu: bool | CouldNotLook | None = None

    @property
    def effective(self) -> bool:
        """Whether DMA is translated: there are units, and devices in groups."""
        return bool(self.units) and bool(self.groups)

    @property
    def firmware_tables(self) -> tuple[str, ...]:
        """The firmware's tables that describe an IOMMU."""
        return tuple(name for name in TABLE_NAMES if name in (self.tables or ()))

    @property
    def firmware(self) -> Firmware:
        """What the firmware describes, as far as this user may know."""
        return Firmware(
            tables=self.tables,
            opt_in=self.dmar.opt_in if isinstance(self.dmar, Dmar) else None,
            smmu=self.smmu if isinstance(self.smmu, bool) else None,
        )

    @property
    def interrupts_remapped(self) -> bool:
        """Whether interrupt remapping is at work: a chip named IR-..., or on Arm an msi region in a group.

        Raises CouldNotLook where the regions are not known.
        """
        if self.cpu_vendor == "arm":
            return any("msi" in known(group.reserved) for group in self.groups)
        return any(chip.startswith("IR-") for chip in self.interrupt_chips)

    def group_of(self, address: str) -> Group | None:
        """The group of a PCI address; None when the device is behind no IOMMU."""
        return next((group for group in self.groups if address in group.members), None)


def parse(bundle: Bundle) -> Iommu:
    """The IOMMU of the host. Raises UnexpectedOutput when sysfs shows what the kernel never prints."""
    classes = bundle.texts("/sys/bus/pci/devices/*/class")
    return Iommu(
        units=bundle.names("/sys/class/iommu") or (),
        groups=_groups(bundle),
        tables=bundle.names(_TABLES),
        cpu_vendor=_cpu_vendor(bundle.text("/proc/cpuinfo") or ""),
        interrupt_chips=frozenset(text.strip() for text in bundle.texts(_CHIPS).values() if text.strip()),
        bridges=frozenset(path.split("/")[-2] for path, text in classes.items() if text.startswith("0x06")),
        unsafe_interrupts=_option(bundle, _UNSAFE_INTERRUPTS),
        noiommu_mode=_option(bundle, _NO_IOMMU),
        dmar=attempt(lambda: _table(bundle, "DMAR", read_dmar)),
        smmu=attempt(lambda: _table(bundle, "IORT", has_smmu)),
    )


def _table(bundle: Bundle, name: str, read: Callable[[bytes, str], T]) -> T | None:
    path = f"{_TABLES}/{name}"
    data = bundle.data(path)
    return None if data is None else read(data, path)


def _groups(bundle: Bundle) -> tuple[Group, ...]:
    members: dict[int, list[str]] = {}
    for path in bundle.links(f"{_GROUPS}/*/devices/*"):
        parts = path.split("/")
        members.setdefault(_number(parts[-3], path), []).append(parts[-1])
    types = attempt(lambda: _by_group(bundle.texts(f"{_GROUPS}/*/type")))
    regions = attempt(lambda: _by_group(bundle.texts(f"{_GROUPS}/*/reserved_regions")))
    return tuple(
        Group(
            number,
            tuple(sorted(names)),
            None if isinstance(types, CouldNotLook) else types.get(number, "").strip() or None,
            regions if isinstance(regions, CouldNotLook) else _kinds(regions.get(number, "")),
        )
        for number, names in sorted(members.items())
    )


def _by_group(texts: Mapping[str, str]) -> dict[int, str]:
    return {_number(path.split("/")[-2], path): text for path, text in texts.items()}


def _kinds(text: str) -> frozenset[str]:
    return frozenset(words[2] for line in text.splitlines() if len(words := line.split()) == 3)


def _number(text: str, path: str) -> int:
    if not text.isascii() or not text.isdecimal() or len(text) > 9:
        raise UnexpectedOutput(f"{path}: an IOMMU group is named by a number, this is {text[:40]!r}")
    return int(text)


def _option(bundle: Bundle, path: str) -> bool | None:
    text = bundle.text(path)
    if text is None:
        return None
    if (word := text.strip()) not in ("Y", "N", "1", "0"):
        raise UnexpectedOutput(f"{path}: a module's switch is Y or N, this is {word[:40]!r}")
    return word in ("Y", "1")


def _cpu_vendor(text: str) -> Vendor:
    for line in text.splitlines():
        key, _, value = line.partition(":")
        if key.strip() == "CPU implementer":
            return "arm"
        if key.strip() == "vendor_id":
            return _CPU_VENDORS.get(value[1:] if value.startswith(" ") else value, "unknown")
    return "unknown"
