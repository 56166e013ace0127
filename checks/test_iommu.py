"""The IOMMU as it works now: without it no VF can be handed to a guest."""

from __future__ import annotations

import pytest

from checks.facts.boot_parameters import BootParameters, intel_default
from checks.facts.iommu import Iommu
from checks.facts.known import attempt, known
from checks.facts.pci import Pf
from checks.linux.acpi_tables import Dmar
from checks.linux.dma_policy import TYPES
from checks.linux.iommu_start import start
from checks.linux.kernel_parameters import intremap, isolation_weakened, parameter, unsafe_vfio, values
from checks.outcome import CouldNotLook, advise
from checks.paired_pfs import PairedPf, demand_presence, paired_pfs
from checks.shared_groups import Owners, shared
from checks.wanted_parameters import in_source
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
    said = values(boot_parameters.running, "amd_iommu")
    if iommu.cpu_vendor == "amd" and any("on" in value.split(",") for value in said):
        advise(f"{host_name}: amd_iommu=on in /proc/cmdline is no value that the kernel knows: AMD-Vi is on without it")


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


def test_interrupt_remapping_is_on(
    host_name: str, wanted_host: Host, iommu: Iommu, boot_parameters: BootParameters
) -> None:
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
    assert iommu.interrupts_remapped, (
        f"{host_name}: interrupts are not remapped: {where}{_why_not_remapped(iommu, boot_parameters)}"
    )


def test_vfio_keeps_its_guards(
    host_name: str, wanted_host: Host, iommu: Iommu, boot_parameters: BootParameters
) -> None:
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
    asked = [] if iommu.noiommu_mode is False else unsafe_vfio(boot_parameters.running)
    noiommu = [text for text in asked if parameter(text).name == "vfio.enable_unsafe_noiommu_mode"]
    assert not noiommu, (
        f"{host_name}: {' '.join(noiommu)} in /proc/cmdline: once the module vfio is loaded, devices are handed out "
        "with no isolation; wanted without it"
    )
    if iommu.unsafe_interrupts:
        path = "/sys/module/vfio_iommu_type1/parameters/allow_unsafe_interrupts"
        advise(f"{host_name}: {path} is Y: VFIO attaches devices even where interrupts are not remapped")


def test_every_vf_is_alone_in_its_iommu_group(  # noqa: PLR0917
    host_name: str,
    wanted_host: Host,
    iommu: Iommu,
    pfs: tuple[Pf, ...],
    boot_parameters: BootParameters,
    device_owners: Owners | CouldNotLook,
) -> None:
    """No VF of a wanted PF shares its IOMMU group with a device of another guest.

    Why: all of a group goes to one guest, and devices in one group can reach each other's memory. A VF that shares its
    group with anything but bridges is worth attention even before a second guest asks for it.
    Fix: use a slot whose bridges have ACS, or enable ACS and ARI in the firmware; take parameters that override ACS out
    of the kernel's command line, for they only change what the groups promise.
    """
    paired = paired_pfs(wanted_host, pfs)
    together = tuple(shared(iommu, (vf.address for p in paired if p.found for vf in p.found.vfs)))
    owned = {} if isinstance(device_owners, CouldNotLook) else device_owners
    conflicts = [found for one in together if (found := one.guests(owned))]
    assert not conflicts, (
        f"{host_name}: {'; '.join(conflicts)} (read in /sys/kernel/iommu_groups and libvirt's domains); only one of "
        "these guests can run at a time: give all devices of a group to one guest"
    )
    if not iommu.effective and wanted_host.iommu == "required":
        raise CouldNotLook(f"{host_name}: there are no IOMMU groups, so nothing tells who shares one")
    company = "; ".join(str(one) for one in together)
    if together and isinstance(device_owners, CouldNotLook):
        raise CouldNotLook(f"{host_name}: {company}, and whose guests' they are is not known: {device_owners}")
    if together:
        advise(f"{host_name}: {company} (read in /sys/kernel/iommu_groups): one guest must get all of a group")
    if weakened := isolation_weakened(boot_parameters.running):
        advise(f"{host_name}: {' '.join(weakened)} in /proc/cmdline: IOMMU groups here promise more than they keep")
    demand_presence(host_name, paired)


def test_firmware_keeps_no_memory_of_vfs(
    host_name: str, wanted_host: Host, iommu: Iommu, pfs: tuple[Pf, ...], device_owners: Owners | CouldNotLook
) -> None:
    """The firmware keeps no memory of its own for a VF or a device that a guest has (RMRR).

    Why: VFIO refuses a device whose group has a `direct` region ("platform RMRR requirement"); a PF that stays with
    the host is none of that, and `direct-relaxable` does no harm.
    Fix: turn off the firmware's management access to that slot (HPE: conrep or "shared memory features"), or move the
    NIC to another slot.
    """
    paired = paired_pfs(wanted_host, pfs)
    vfs = [vf.address for p in paired if p.found for vf in p.found.vfs]
    owned = () if isinstance(device_owners, CouldNotLook) else tuple(device_owners)
    groups = {address: iommu.group_of(address) for address in sorted({*vfs, *owned})}
    kept = [f"{a} (group {group.number})" for a, group in groups.items() if group and "direct" in known(group.reserved)]
    assert not kept, (
        f"{host_name}: 'direct' in /sys/kernel/iommu_groups/*/reserved_regions of {', '.join(kept)}; wanted none: VFIO "
        "will refuse to attach them"
    )
    if not iommu.groups and wanted_host.iommu == "required":
        raise CouldNotLook(f"{host_name}: there are no IOMMU groups, so nothing tells what the firmware keeps")
    demand_presence(host_name, paired)


def test_pfs_have_the_wanted_dma_policy(host_name: str, wanted_host: Host, iommu: Iommu, pfs: tuple[Pf, ...]) -> None:
    """The wanted PFs are in the default DMA domain that the site's policy names.

    Why: passthrough is fast and lets the host's own devices reach all of its memory, translated confines them, and
    lazy or strict is the same choice once more. None of them is wrong for VFs, but it must be the one that was chosen.
    Fix: iommu.passthrough=0 or 1 and iommu.strict=0 or 1 among the kernel's parameters, then reboot.
    """
    if wanted_host.dma_domain == "any" and wanted_host.dma_invalidation == "any":
        pytest.skip("the inventory names no DMA policy (dma_domain, dma_invalidation)")
    paired = paired_pfs(wanted_host, pfs)
    found = [(p, iommu.group_of(p.found.address)) for p in paired if p.found]
    wrong = [text for p, group in found if group and (text := _off_policy(wanted_host, p, group.type))]
    assert not wrong, f"{host_name}: {'; '.join(wrong)} (read in /sys/kernel/iommu_groups/*/type)"
    unknown = [p.name for p, group in found if group is None or group.type not in TYPES]
    if unknown:
        raise CouldNotLook(
            f"{host_name}: the default domain of {', '.join(unknown)} is not known: it is in no IOMMU group, or "
            "/sys/kernel/iommu_groups/*/type is not there (before Linux 5.11) or says something else"
        )
    demand_presence(host_name, paired)


def _off_policy(wanted: Host, pf: PairedPf, kind: str | None) -> str | None:
    if kind not in TYPES:
        return None
    domain, invalidation = TYPES[kind]
    if wanted.dma_domain not in ("any", domain):
        return f"{pf.name} is {domain} ({kind}), wanted {wanted.dma_domain}"
    if invalidation and wanted.dma_invalidation not in ("any", invalidation):
        return f"{pf.name} is {invalidation} ({kind}), wanted {wanted.dma_invalidation}"
    return None


def _why_not_remapped(iommu: Iommu, boot: BootParameters) -> str:
    if isinstance(iommu.dmar, Dmar) and not iommu.dmar.interrupt_remapping:
        return "; the firmware's DMAR table does not offer it (its flag INTR_REMAP is 0): no kernel parameter can help"
    if intremap(boot.running) == "off":
        return "; intremap=off in /proc/cmdline turns it off"
    return ""


def _why_not(iommu: Iommu, boot: BootParameters) -> str:
    default = attempt(lambda: intel_default(boot, boot.running_release))
    verdict = start(iommu.firmware, boot.running, None if isinstance(default, CouldNotLook) else default)
    if verdict.on is False:
        return f"{verdict.because}: {_what_now(iommu, boot) or verdict.fix}"
    if verdict.on is None:
        return f"{verdict.because}; look into the kernel's log (journalctl -k -b)"
    return (
        f"firmware and parameters should have started it ({verdict.because}), but it did not: look into the "
        "kernel's log (journalctl -k -b) for DMAR or AMD-Vi errors"
    )


def _what_now(iommu: Iommu, boot: BootParameters) -> str | None:
    """What is left to do where the parameter is already on its way."""
    if isinstance(boot.next_boot, CouldNotLook):
        return None
    following = known(boot.next_boot)
    default = attempt(lambda: intel_default(boot, following.release))
    if start(iommu.firmware, following.parameters, None if isinstance(default, CouldNotLook) else default).on:
        return f"a reboot is pending: {following.where} turns it on"
    if in_source(boot, parameter("intel_iommu=on")) and start(iommu.firmware, (parameter("intel_iommu=on"),), None).on:
        return f"intel_iommu=on is configured, but not applied to {following.where}: {boot.how_to_apply}, then reboot"
    return None


def _skip_unless_required(wanted_host: Host) -> None:
    if wanted_host.iommu == "any":
        pytest.skip("the inventory does not ask for an IOMMU")
