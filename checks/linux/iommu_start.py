"""Whether the kernel starts an IOMMU, from what the firmware describes, the parameters and the kernel's own default.

Sources: Linux 6.12 drivers/iommu/intel/dmar.c (detect_intel_iommu), drivers/iommu/intel/iommu.c,
drivers/iommu/amd/init.c (amd_iommu_detect), arch/x86/kernel/pci-dma.c; platform_optin_force_iommu in
drivers/iommu/intel/iommu.c (DMA_CTRL_PLATFORM_OPT_IN works only with an external-facing port).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from checks.linux.kernel_parameters import Parameter, amd_iommu_off, intel_iommu, iommu_off, values

DESCRIBED = "DMAR, IVRS, IORT or VIOT in /sys/firmware/acpi/tables"
RELEVANT = ("intel_iommu", "amd_iommu", "iommu", "intremap")


@dataclass(frozen=True, slots=True)
class Start:
    """`on` is None when neither can be told. `because` completes "it is on/off because ..."; `by_default`: no word of
    the command line decided it.
    """

    on: bool | None
    because: str
    fix: str = ""
    by_default: bool = False


@dataclass(frozen=True, slots=True)
class Firmware:
    """What the firmware describes. `tables`: names of its ACPI tables, None without ACPI.

    `opt_in`: DMAR asks for DMA remapping (DMA_CTRL_PLATFORM_OPT_IN). `smmu`: IORT has an SMMU. None is not known.
    """

    tables: Sequence[str] | None
    opt_in: bool | None = None
    smmu: bool | None = None


def start(firmware: Firmware, parameters: Sequence[Parameter], intel_default_on: bool | None) -> Start:  # noqa: FBT001
    """What a kernel with these parameters does.

    `intel_default_on`: the kernel's own choice for VT-d, None when its config is not known.
    """
    tables = firmware.tables
    if tables is None:
        return Start(None, "the firmware speaks no ACPI, so nothing tells beforehand whether there is an IOMMU")
    if "DMAR" in tables:
        return _intel(parameters, intel_default_on, firmware.opt_in)
    if "IVRS" in tables:
        return _amd(parameters)
    if "VIOT" in tables:
        return Start(on=True, because="the kernel starts the virtio-iommu that VIOT describes")
    if "IORT" in tables and firmware.smmu is not False:
        return _arm(firmware.smmu)
    return Start(
        on=False,
        because=f"the firmware describes no IOMMU (no {DESCRIBED}){_not_fooled(parameters)}",
        fix="enable VT-d, AMD-Vi or the SMMU in the firmware's setup; no kernel parameter can help",
    )


def same_start(one: Sequence[Parameter], other: Sequence[Parameter]) -> bool:
    """Whether two command lines say the same about the IOMMU."""
    return all(values(one, name) == values(other, name) for name in RELEVANT)


def _arm(smmu: bool | None) -> Start:  # noqa: FBT001
    if smmu is None:
        return Start(None, "only root may read whether IORT describes an SMMU")
    return Start(on=True, because="the kernel starts the SMMU that IORT describes; no parameter is needed for it")


def _intel(parameters: Sequence[Parameter], default_on: bool | None, opt_in: bool | None) -> Start:  # noqa: FBT001
    if iommu_off(parameters):
        return _off(parameters, "iommu", "off")
    match intel_iommu(parameters), default_on:
        case "on", _:
            return Start(on=True, because="intel_iommu=on")
        case "off", _:
            return _off(parameters, "intel_iommu", "off")
        case None, True:
            return Start(on=True, because="the kernel's own default turns VT-d on", by_default=True)
        case None, False if not opt_in:
            return Start(
                on=False,
                because=f"this kernel leaves VT-d off and no parameter turns it on{_unknown_words(parameters)}",
                fix="add intel_iommu=on to the kernel's parameters",
            )
    because = "nothing on the command line decides, and the kernel's config (/boot/config-*) is not there"
    if default_on is False:
        because = "this kernel leaves VT-d off, but the firmware opts in to it, which counts for some machines"
    return Start(None, because)


def _amd(parameters: Sequence[Parameter]) -> Start:
    if iommu_off(parameters):
        return _off(parameters, "iommu", "off")
    if amd_iommu_off(parameters):
        return _off(parameters, "amd_iommu", "off")
    return Start(on=True, because="AMD-Vi is on unless a parameter turns it off")


def _off(parameters: Sequence[Parameter], name: str, word: str) -> Start:
    said = [value for value in values(parameters, name) if word in value]
    text = f"{name}={said[-1] if said else word}"
    return Start(
        on=False, because=f"the parameter {text} turns it off", fix=f"take {text} out of the kernel's parameters"
    )


def _unknown_words(parameters: Sequence[Parameter]) -> str:
    said = values(parameters, "intel_iommu")
    return f" (intel_iommu={said[-1]} says neither on nor off; words are case-sensitive)" if said else ""


def _not_fooled(parameters: Sequence[Parameter]) -> str:
    if intel_iommu(parameters) != "on":
        return ""
    return "; intel_iommu=on alone makes the kernel log 'DMAR: IOMMU enabled', which only says that it read the word"
