"""What the kernel and udev say when SR-IOV goes wrong: the line, what it means, and what to do about it.

Sources: Linux 6.12 drivers/pci/iov.c, drivers/pci/pcie/aer.c, drivers/iommu/{intel,amd}, net/sched/sch_generic.c,
drivers/vfio/vfio_iommu_type1.c and the NIC drivers named below; systemd 257 src/shared/netif-sriov.c, src/udev/net.
A log explains what is seen elsewhere. Only where nothing else can see a fault does a line count as one.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

Topic = Literal["number", "driver", "setting", "mac", "name", "traffic"]
Weight = Literal["fault", "advice", "evidence"]


@dataclass(frozen=True, slots=True)
class Cause:
    """One kind of message. `line`: what it holds, in words that grep -E and Python's `re` read alike.

    `topic`: which statement it explains. `weight`: "fault" where the line alone proves one that nothing else shows,
    "advice" where it deserves attention even when all is well now, "evidence" where it only explains.
    """

    line: str
    topic: Topic
    weight: Weight
    meaning: str
    fix: str


_REALLOC = (
    "enable SR-IOV and memory-mapped I/O above 4G in the firmware's setup, or boot with pci=realloc; "
    "ask the drivers for fewer VFs where neither helps"
)
_BUSES = "enable ARI and SR-IOV in the firmware's setup, update it, or boot with pci=assign-busses"
_GUEST_MAC = "set fail_over_mac active on the guest's bond, or let the guest keep the MAC that the host gave the VF"
_HARDWARE = "look at slot, cable and firmware of the card; replace it when this goes on"

CAUSES: tuple[Cause, ...] = (
    Cause("not enough MMIO resources for SR-IOV", "number", "advice", "no room for the VFs' registers", _REALLOC),
    Cause("SR-IOV: IOV BARS not allocated", "number", "advice", "no room for the VFs' registers", _REALLOC),
    Cause("VF BAR [0-9].*can't assign", "number", "evidence", "no room for the VFs' registers", _REALLOC),
    Cause("can't enable [0-9]+ VFs \\(bus", "number", "advice", "the VFs need a bus number that is not there", _BUSES),
    Cause("SR-IOV: bus number out of range", "number", "advice", "the VFs need a bus number that is not there", _BUSES),
    Cause(
        "Reject SRIOV config request since if is down",  # bnxt_sriov.c
        "number",
        "advice",
        "bnxt makes no VFs while its PF is down, and calls that success",
        "bring the PF up before anything writes sriov_numvfs",
    ),
    Cause(
        "Reject SRIOV config request when FW reset is in progress|Not allow SRIOV if the irq mode is not MSIX",
        "number",
        "advice",
        "bnxt made no VFs, and calls that success",
        "write sriov_numvfs again when the firmware has come back; boot without pci=nomsi",
    ),
    Cause(
        "[0-9]+ VFs requested; only [0-9]+ enabled",
        "number",
        "advice",
        "the driver made fewer VFs than it was asked for",
        "look for the driver's own message before it, and lower the number or lift the driver's limit",
    ),
    Cause(
        "VFs already enabled\\. Disable before enabling",
        "number",
        "advice",
        "somebody wanted another number while VFs were there",
        "leave one mechanism that sets the number; write 0 first, with all guests of the PF stopped",
    ),
    Cause(
        "no driver bound to device; cannot configure SR-IOV",
        "number",
        "advice",
        "the number was written before the PF had its driver",
        "let a udev rule or .link file of the PF write it, which waits for the driver",
    ),
    Cause(
        "driver does not support SR-IOV configuration via sysfs",
        "number",
        "advice",
        "this driver makes no VFs through sriov_numvfs",
        "bind the driver of the card's vendor, or update it",
    ),
    Cause(
        "Unable to configure VFs, other operation is pending",  # i40e_main.c, i40e_virtchnl_pf.c
        "number",
        "advice",
        "i40e was busy with a reset, and made no VFs",
        "write the number once more, and let whatever resets the PF at boot come first",
    ),
    Cause(
        "Failed to (enable PCI sriov|enable SR-?IOV|allocate VF)|pci_enable_sriov failed",
        "number",
        "advice",
        "the driver could not make the VFs",
        "look for the kernel's own reason just before it",
    ),
    Cause(
        "sriov_numvfs.*, ignoring|error (opening|writing) ATTR.*sriov_numvfs",  # systemd-udevd, systemd-networkd
        "number",
        "advice",
        "udev or networkd could not write the number of VFs, and went on without it",
        "look for the kernel's own reason beside it; wait for the driver, and keep to sriov_totalvfs",
    ),
    Cause(
        "driver left SR-IOV enabled after remove",
        "number",
        "advice",
        "the PF's driver went away and left its VFs behind",
        "stop all guests of the PF, reload its driver, and write sriov_numvfs 0 and then the number",
    ),
    Cause(
        "unknown parameter '?max_vfs'? ignored",
        "number",
        "advice",
        "the driver has no option max_vfs",
        "take it out of /etc/modprobe.d and set the number by a udev rule",
    ),
    Cause(
        "Firmware recovery mode detected",  # ixgbe, i40e, ice
        "driver",
        "fault",
        "the card's firmware is damaged, and its driver does next to nothing",
        "write the card's firmware anew (nvmupdate), then cold-start the host",
    ),
    Cause(
        "Entering Safe Mode",  # ice_main.c
        "driver",
        "advice",
        "ice misses its DDP package and runs in a safe mode, which has no VFs",
        "install the distribution's firmware package for this card and rebuild the initramfs",
    ),
    Cause(
        "PF still in reset state|PF still resetting",  # igbvf, ixgbevf
        "mac",
        "evidence",
        "the VF's driver started while the PF was down, and chose a random MAC",
        "bring the PF up before its VFs are bound, or set an administrative MAC",
    ),
    Cause(
        "VF [0-9]+ still in reset",  # i40e_virtchnl_pf.c
        "setting",
        "advice",
        "i40e refused a setting because the VF was being reset",
        "set it again; libvirt needs the guest started once more",
    ),
    Cause(
        "attempt(ed|ing) to override administratively set MAC",  # igb, ixgbe, i40e, ice
        "mac",
        "evidence",
        "a guest tried to change the MAC that the host set, and was refused",
        _GUEST_MAC,
    ),
    Cause(
        "more (MAC|VLAN) addresses, .*VF.* is not trusted|VF.* is not trusted, .*more VLAN addresses",  # i40e, ice
        "mac",
        "advice",
        "an untrusted VF has used up its filters; what the guest adds now is lost, IPv6 multicast among it",
        "set trust on for that VF, or give the guest fewer addresses",
    ),
    Cause(
        "Too many MDD events on VF [0-9]+, disabled",  # i40e_main.c, ice_main.c
        "traffic",
        "fault",
        "the card switched a VF off after it sent what it must not",
        "look at the guest's driver; stop the guest, and unbind and bind the VF, or set its link state, to get it back",
    ),
    Cause(
        "Spoof event\\(s\\) detected on VF|[0-9]+ Spoofed packets detected",  # igb, ixgbe
        "traffic",
        "advice",
        "a guest sends from a MAC or VLAN that its VF does not have; those frames are lost",
        _GUEST_MAC,
    ),
    Cause(
        "DMAR: .*fault addr|IO_PAGE_FAULT|ILLEGAL_DEV_TABLE_ENTRY",  # one at boot may be the firmware's own doing
        "traffic",
        "advice",
        "the IOMMU refused a transfer of the device, so its data were lost",
        "update the card's firmware and driver; look whether a guest's memory or RMRR region is at stake",
    ),
    Cause(
        "No interrupt remapping support|ineligible for IOMMU domain attach|group [0-9]+ is not viable",
        "driver",
        "advice",
        "VFIO refused to hand a device over",
        "see the statements about interrupt remapping and IOMMU groups",
    ),
    Cause(
        "Relaying device request to user",
        "number",
        "advice",
        "a VF was to be taken away while a guest had it",
        "stop the guest before the number of VFs is changed",
    ),
    Cause(
        "NETDEV WATCHDOG.*timed out|Detected Tx Unit Hang|tx hang",
        "traffic",
        "advice",
        "a queue of the NIC stood still and was reset",
        "update the card's firmware and driver; look for pause frames from the switch",
    ),
    Cause(
        "AER:.*Uncorrect.*(Fatal|error)|PCIe Bus Error: severity=Uncorrect",
        "traffic",
        "advice",
        "the card or its slot made an error that could not be corrected",
        _HARDWARE,
    ),
    Cause(
        "available PCIe bandwidth, limited by",  # pci.c (__pcie_print_link_status)
        "traffic",
        "evidence",
        "the slot carries less than the card could use",
        "move the card to a faster slot",
    ),
    Cause(
        "Failed to configure SR-IOV virtual function",
        "setting",
        "advice",
        "udev or networkd could not apply a setting of a VF, and went on without it",
        "bring the PF up first, and look whether the driver knows the setting and the VF is there",
    ),
    Cause(
        "Failed to rename network interface|error changing net interface name",
        "name",
        "advice",
        "an interface kept another name, as its own was taken",
        "look for two .link files, rules or ifcfg files that give one name to two interfaces",
    ),
)

# Shows that the log reaches back to the start of the kernel.
START = "Linux version [0-9]"
KEEP = "|".join([START, *(cause.line for cause in CAUSES)])
# A guest's bond makes igb say this for every multicast address, thousands of times; it is harmless.
DROP = "requested MAC filter but is administratively denied"

_COMPILED = tuple((re.compile(cause.line), cause) for cause in CAUSES)


def cause_of(text: str) -> Cause | None:
    """What a line of the log means; None for every other line."""
    return next((cause for pattern, cause in _COMPILED if pattern.search(text)), None)
