"""The IOMMU as it works now: without it no VF can be handed to a guest."""

from __future__ import annotations

import pytest

from checks.facts.boot_parameters import BootParameters, intel_default
from checks.facts.iommu import Iommu
from checks.facts.known import attempt
from checks.facts.pci import Pf
from checks.linux.iommu_start import start
from checks.linux.kernel_parameters import isolation_weakened
from checks.outcome import CouldNotLook, advise
from checks.paired_pfs import demand_presence, paired_pfs
from inventory.model import Host


def test_iommu_is_effective(host_name: str, wanted_host: Host, iommu: Iommu, boot_parameters: BootParameters) -> None:
    """The IOMMU translates DMA now.

    Why: without it VFIO refuses every VF, whatever the kernel's log says about 'IOMMU enabled'.
    Fix: do what the message below names: firmware setup first, then the kernel's parameters, then a reboot.
    """
    _skip_unless_required(wanted_host)
    assert iommu.effective, (
        f"{host_name}: no effective IOMMU: found {len(iommu.units)} units in /sys/class/iommu and {len(iommu.groups)} "
        f"groups in /sys/kernel/iommu_groups, wanted at least one of each; {_why_not(iommu, boot_parameters)}"
    )


def test_pfs_and_vfs_are_behind_the_iommu(host_name: str, wanted_host: Host, iommu: Iommu, pfs: tuple[Pf, ...]) -> None:
    """Every wanted PF and each of its VFs is in an IOMMU group.

    Why: an IOMMU may cover some devices only; a VF outside of every group cannot be handed to a guest.
    Fix: move the NIC to a slot below an IOMMU unit, or report the firmware's table to its vendor.
    """
    _skip_unless_required(wanted_host)
    paired = paired_pfs(wanted_host, pfs)
    outside = [
        f"{p.name} {what}"
        for p in paired
        if p.found
        for what, address in [
            (f"({p.found.address})", p.found.address),
            *((f"VF {vf.index} ({vf.address})", vf.address) for vf in p.found.vfs),
        ]
        if iommu.group_of(address) is None
    ]
    assert not outside, f"{host_name}: no IOMMU group in /sys/kernel/iommu_groups holds {', '.join(outside)}"
    demand_presence(host_name, paired)


def test_interrupt_remapping_is_on(host_name: str, wanted_host: Host, iommu: Iommu) -> None:
    """Interrupts from devices are remapped.

    Why: without remapping a guest's device could send any interrupt to the host, so VFIO refuses to attach it.
    Fix: enable interrupt remapping (x2APIC) in the firmware, and take intremap=off out of the kernel's parameters.
    """
    if wanted_host.interrupt_remapping == "any":
        pytest.skip("the inventory does not ask for interrupt remapping")
    where = (
        "no msi region in /sys/kernel/iommu_groups/*/reserved_regions"
        if iommu.cpu_vendor == "arm"
        else f"no chip named IR-... among the {len(iommu.interrupt_chips)} in /sys/kernel/irq/*/chip_name"
    )
    if iommu.cpu_vendor != "arm" and not iommu.interrupt_chips:
        raise CouldNotLook(f"{host_name}: the kernel shows no interrupt chips in /sys/kernel/irq/*/chip_name")
    assert iommu.interrupts_remapped, f"{host_name}: interrupts are not remapped: {where}"


def test_vfio_keeps_its_guards(host_name: str, wanted_host: Host, iommu: Iommu) -> None:
    """No option of VFIO gives up isolation.

    Why: enable_unsafe_noiommu_mode hands devices out with no isolation at all; allow_unsafe_interrupts lets a guest
    forge interrupts.
    Fix: take the options out of /etc/modprobe.d and the kernel's parameters, and load the modules anew.
    """
    _skip_unless_required(wanted_host)
    path = "/sys/module/vfio/parameters/enable_unsafe_noiommu_mode"
    assert iommu.noiommu_mode is not True, (
        f"{host_name}: {path} is Y: devices are handed out with no isolation; wanted N"
    )
    if iommu.unsafe_interrupts:
        path = "/sys/module/vfio_iommu_type1/parameters/allow_unsafe_interrupts"
        advise(f"{host_name}: {path} is Y: VFIO attaches devices even where interrupts are not remapped")


def test_every_vf_is_alone_in_its_iommu_group(
    host_name: str, wanted_host: Host, iommu: Iommu, pfs: tuple[Pf, ...], boot_parameters: BootParameters
) -> None:
    """Every VF of a wanted PF is alone in its IOMMU group, bridges aside.

    Why: all of a group goes to one guest, and devices in one group can reach each other's memory.
    Fix: use a slot whose bridges have ACS, or enable ACS and ARI in the firmware; take parameters that override ACS out
    of the kernel's command line, for they only change what the groups promise.
    """
    paired = paired_pfs(wanted_host, pfs)
    together = []
    for vf, group in [(vf, iommu.group_of(vf.address)) for p in paired if p.found for vf in p.found.vfs]:
        others = [m for m in group.members if m != vf.address and m not in iommu.bridges] if group else []
        if group and others:
            together.append(f"{vf.address} shares group {group.number} with {', '.join(others)}")
    assert not together, f"{host_name}: {'; '.join(together)} (read in /sys/kernel/iommu_groups)"
    if not iommu.effective and wanted_host.iommu == "required":
        raise CouldNotLook(f"{host_name}: there are no IOMMU groups, so nothing tells who shares one")
    if weakened := isolation_weakened(boot_parameters.running):
        advise(f"{host_name}: {' '.join(weakened)} in /proc/cmdline: IOMMU groups here promise more than they keep")
    demand_presence(host_name, paired)


def _why_not(iommu: Iommu, boot: BootParameters) -> str:
    default = attempt(lambda: intel_default(boot, boot.running_release))
    verdict = start(iommu.tables, boot.running, None if isinstance(default, CouldNotLook) else default)
    if verdict.on is False:
        return f"{verdict.because}: {verdict.fix}"
    if verdict.on is None:
        return f"{verdict.because}; look into the kernel's log (journalctl -k -b)"
    return (
        f"firmware and parameters should have started it ({verdict.because}), but it did not: look into the "
        "kernel's log (journalctl -k -b) for DMAR or AMD-Vi errors"
    )


def _skip_unless_required(wanted_host: Host) -> None:
    if wanted_host.iommu == "any":
        pytest.skip("the inventory does not ask for an IOMMU")
