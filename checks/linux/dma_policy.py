"""Which default domain the kernel gives to devices, and when it forgets mappings: by parameters and by its config.

Sources: Linux 6.12 drivers/iommu/iommu.c (iommu_set_def_domain_type, iommu_dma_setup, iommu_subsys_init),
drivers/iommu/Kconfig (IOMMU_DEFAULT_*), arch/x86/kernel/pci-dma.c (iommu_setup), drivers/iommu/{intel,amd}.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Literal

from checks.linux.kernel_parameters import Parameter

Domain = Literal["translated", "passthrough"]
Invalidation = Literal["strict", "lazy"]

TYPES: dict[str, tuple[Domain, Invalidation | None]] = {
    "identity": ("passthrough", None),
    "DMA": ("translated", "strict"),
    "DMA-FQ": ("translated", "lazy"),
}
"""What /sys/kernel/iommu_groups/*/type says, in the words of the policy. Other types belong to drivers such as VFIO."""

_TRUE = ("1", "y", "t", "on")
_STRICT = {"intel_iommu": "strict", "amd_iommu": "fullflush"}


def domain(parameters: Sequence[Parameter], config: str | None) -> Domain | None:
    """The domain of devices that no driver has a say about; None when neither a parameter nor the config decides."""
    found: Domain | None = None
    for one in parameters:
        if one.name == "iommu.passthrough" and one.value:
            found = "passthrough" if one.value.lower().startswith(_TRUE) else "translated"
        elif one.name == "iommu":
            for word in (one.value or "").split(","):
                if word.startswith("pt"):
                    found = "passthrough"
                elif word.startswith("nopt"):
                    found = "translated"
    if found is None and config is not None:
        found = "passthrough" if _chosen(config, "PASSTHROUGH") else "translated"
    return found


def invalidation(parameters: Sequence[Parameter], config: str | None) -> Invalidation | None:
    """When a translated domain forgets a mapping; None when neither a parameter nor the config decides."""
    found: Invalidation | None = None
    for one in parameters:
        if one.name == "iommu.strict" and one.value:
            found = "strict" if one.value.lower().startswith(_TRUE) else "lazy"
        elif one.name in _STRICT and any(w.startswith(_STRICT[one.name]) for w in (one.value or "").split(",")):
            found = "strict"
    if found is None and config is not None:
        found = "strict" if _chosen(config, "DMA_STRICT") else "lazy" if _chosen(config, "DMA_LAZY") else None
    return found


def _chosen(config: str, choice: str) -> bool:
    return re.search(rf"^CONFIG_IOMMU_DEFAULT_{choice}=y", config, re.MULTILINE) is not None
