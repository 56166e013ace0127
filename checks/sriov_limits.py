"""Why a PF makes no VFs, or not as many as are wanted: the card, its firmware, the driver, or what the kernel says."""

from __future__ import annotations

from checks.facts.kernel_log import KernelLog
from checks.facts.pci import Pf
from checks.linux.config_space import SriovCapability

_NVIDIA = "0x15b3"


def why_no_capability(pf: Pf) -> str:
    """Why the kernel offers no sriov_totalvfs for the PF, as far as its configuration space tells."""
    card = pf.details.capability
    if card is None:
        return f"its configuration space shows no SR-IOV capability either, so firmware hides it: {_firmware(pf)}"
    if not isinstance(card, SriovCapability):
        return f"firmware may hide it: {_firmware(pf)}"
    if card.total_vfs == 0:
        return f"the card itself has the capability, but its firmware allows 0 VFs: {_firmware(pf)}"
    return (
        f"the card itself has the capability, for {card.total_vfs} VFs, but the kernel does not use it: "
        "look for CONFIG_PCI_IOV in its configuration and for this address in its log"
    )


def whose_limit(pf: Pf) -> str:
    """Whose limit sriov_totalvfs is; empty when that is not known."""
    card = pf.details.capability
    if not isinstance(card, SriovCapability) or pf.totalvfs is None:
        return ""
    if card.total_vfs > pf.totalvfs:
        return f" (the card could make {card.total_vfs}; the limit is that of driver {pf.driver})"
    return f" (the card's own limit: {_firmware(pf)})"


def why_not_as_many(pf: Pf, log: KernelLog) -> str:
    """What is known about a number of VFs that is not the wanted one; empty when nothing is."""
    down = "; bnxt_en makes none while its PF is down, and calls that success" if _refuses_when_down(pf) else ""
    return down + log.why(pf, "number", "driver")


def _refuses_when_down(pf: Pf) -> bool:
    return pf.driver == "bnxt_en" and pf.up is False and not pf.numvfs  # drivers/net/ethernet/broadcom, bnxt_sriov.c


def _firmware(pf: Pf) -> str:
    if pf.ids.get("vendor") == _NVIDIA:
        return f"mlxconfig -d {pf.address} set SRIOV_EN=1 NUM_OF_VFS=N, then a cold start"
    return "enable SR-IOV in the firmware's setup and in the card's own, then cold-start"
