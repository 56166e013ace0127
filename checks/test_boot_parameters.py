"""What the next boot will do: configured, in the entry that boots, running."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import pytest

from checks.facts.boot_parameters import BootParameters, NextBoot, intel_default
from checks.facts.iommu import Iommu
from checks.facts.known import attempt, known
from checks.linux.iommu_start import RELEVANT, Start, same_start, start
from checks.linux.kernel_parameters import Parameter, intremap
from checks.outcome import CouldNotLook, advise
from inventory.model import Host

_WATCHED = (*RELEVANT, "pci", "pcie_acs_override", "vfio", "vfio_pci.ids", "net.ifnames", "biosdevname")


def test_iommu_is_effective_after_the_next_boot(
    host_name: str, wanted_host: Host, iommu: Iommu, boot_parameters: BootParameters
) -> None:
    """The IOMMU will translate DMA after the next boot.

    Why: what runs now says nothing about a boot entry that has been regenerated, or a kernel that is yet to boot.
    Fix: put the parameter into the configuration, regenerate the boot entries with the distribution's tool
    (update-grub; grub2-mkconfig; grubby on RHEL 9.3 and later), and reboot.
    """
    if wanted_host.iommu == "any":
        pytest.skip("the inventory does not ask for an IOMMU")
    described = start(iommu.tables, (), None)
    assert described.on is not False, f"{host_name}: no IOMMU after any boot: {described.because}; {described.fix}"
    following = known(boot_parameters.next_boot)
    verdict = _start(iommu, boot_parameters, following)
    if verdict.on is None:
        raise CouldNotLook(f"{host_name}: {following.where} does not decide about the IOMMU, and {verdict.because}")
    assert verdict.on, (
        f"{host_name}: no IOMMU after the next boot: {verdict.because} (parameters of {following.where}: "
        f"'{_relevant(following.parameters)}'); running now: '{_relevant(boot_parameters.running)}', "
        f"IOMMU now {'effective' if iommu.effective else 'not effective'}; {verdict.fix}"
    )
    if verdict.by_default:
        advise(f"{host_name}: {following.where} has no parameter that turns the IOMMU on: {verdict.because}")


def test_interrupt_remapping_is_on_after_the_next_boot(
    host_name: str, wanted_host: Host, boot_parameters: BootParameters
) -> None:
    """No parameter of the next boot turns interrupt remapping off.

    Why: without remapping VFIO refuses to attach any device, and `intremap=off` takes it away while DMA is still
    translated.
    Fix: take intremap=off out of the configuration, regenerate the boot entries and reboot.
    """
    if wanted_host.interrupt_remapping == "any":
        pytest.skip("the inventory does not ask for interrupt remapping")
    following = known(boot_parameters.next_boot)
    assert intremap(following.parameters) != "off", f"{host_name}: intremap=off in {following.where}; wanted on"


def test_boot_entry_has_the_configured_parameters(host_name: str, boot_parameters: BootParameters) -> None:
    """The entry that boots next has the parameters that /etc/default/grub asks for.

    Why: an edit of /etc/default/grub does nothing until the boot entries are regenerated; on RHEL 9.3 and later
    grub2-mkconfig does not even copy it into them.
    Fix: run update-grub (Debian), grub2-mkconfig -o /boot/grub2/grub.cfg (SUSE, RHEL up to 9.2), or
    grubby --update-kernel=ALL --args=... (RHEL 9.3 and later), and look at this again.
    """
    following = known(boot_parameters.next_boot)
    layer = boot_parameters.configured_always if following.recovery else boot_parameters.configured
    if layer is None:
        pytest.skip("there is no /etc/default/grub: the boot entries are written by something else")
    configured = known(layer)
    missing = _not_applied(configured, following.parameters)
    assert not missing, (
        f"{host_name}: edited but not applied: {'; '.join(missing)} is not in {following.where}; "
        f"{_how_to_apply(following)}"
    )
    left_over = _left_over(configured, following) if following.from_source else []
    assert not left_over, (
        f"{host_name}: {' '.join(left_over)} still in {following.where}, but no longer asked for in /etc/default/grub; "
        f"{_how_to_apply(following)}"
    )


def _start(iommu: Iommu, boot: BootParameters, following: NextBoot) -> Start:
    """What the next boot does: as the rules say, or, where those do not reach, as the same kernel did this time."""
    default = attempt(lambda: intel_default(boot, following.release))
    verdict = start(iommu.tables, following.parameters, None if isinstance(default, CouldNotLook) else default)
    if verdict.on is not None:
        return verdict
    same_kernel = following.release is not None and following.release == boot.running_release
    if same_kernel and same_start(following.parameters, boot.running):
        because = "the same kernel runs now with the same parameters for the IOMMU"
        return Start(iommu.effective, because, fix="look at what the statement about the IOMMU of now says")
    if isinstance(default, CouldNotLook):
        return Start(None, f"the kernel's own default is not known: {default}")
    return verdict


def _relevant(parameters: Iterable[Parameter]) -> str:
    return " ".join(p.text for p in parameters if p.name in RELEVANT)


def _not_applied(configured: Mapping[str, tuple[Parameter, ...]], parameters: Iterable[Parameter]) -> list[str]:
    there = {(p.name, p.value) for p in parameters}
    return [
        f"'{' '.join(absent)}' of {where}"
        for where, wanted in configured.items()
        if (absent := [p.text for p in wanted if (p.name, p.value) not in there])
    ]


def _left_over(configured: Mapping[str, tuple[Parameter, ...]], following: NextBoot) -> list[str]:
    """Parameters of the entry that only the configuration can have put there, and that it no longer holds.

    Only those that matter here: a distribution's own scripts add others.
    """
    asked = {(p.name, p.value) for parameters in configured.values() for p in parameters}
    return [p.text for p in following.parameters if p.name in _WATCHED and (p.name, p.value) not in asked]


def _how_to_apply(following: NextBoot) -> str:
    if not following.from_source:
        return "run grubby --update-kernel=ALL --args=..., or grub2-mkconfig with --update-bls-cmdline"
    if "/boot/grub2/" in following.where:
        return "run grub2-mkconfig -o /boot/grub2/grub.cfg"
    return "run update-grub"
