"""What the next boot does with the IOMMU: firmware, kernel and parameters of the entry that boots."""

from __future__ import annotations

from checks.facts.boot_parameters import BootParameters, NextBoot, intel_default
from checks.facts.iommu import Iommu
from checks.facts.known import attempt
from checks.linux.iommu_start import Start, same_start, start
from checks.outcome import CouldNotLook


def next_start(iommu: Iommu, boot: BootParameters, following: NextBoot) -> Start:
    """What the next boot does: as the rules say, or, where those do not reach, as the same kernel did this time."""
    default = attempt(lambda: intel_default(boot, following.release))
    verdict = start(iommu.firmware, following.parameters, None if isinstance(default, CouldNotLook) else default)
    if verdict.on is not None:
        return verdict
    same_kernel = following.release is not None and following.release == boot.running_release
    if same_kernel and same_start(following.parameters, boot.running):
        because = "the same kernel runs now with the same parameters for the IOMMU"
        return Start(iommu.effective, because, fix="look at what the statement about the IOMMU of now says")
    if isinstance(default, CouldNotLook):
        return Start(None, f"the kernel's own default is not known: {default}")
    return verdict
