"""What the next boot will do: configured, in the entry that boots, running."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import pytest

from checks.facts.boot_parameters import BootParameters, NextBoot, config_of
from checks.facts.iommu import Iommu
from checks.facts.known import known
from checks.linux import dma_policy
from checks.linux.iommu_start import RELEVANT, start
from checks.linux.kernel_parameters import Parameter, intremap
from checks.next_iommu import next_start
from checks.outcome import CouldNotLook, advise
from checks.wanted_parameters import Layers, all_layers, given, next_words
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
    described = start(iommu.firmware, (), None)
    assert described.on is not False, f"{host_name}: no IOMMU after any boot: {described.because}; {described.fix}"
    following = known(boot_parameters.next_boot)
    verdict = next_start(iommu, boot_parameters, following)
    if verdict.on is None:
        raise CouldNotLook(f"{host_name}: {following.where} does not decide about the IOMMU, and {verdict.because}")
    assert verdict.on, (
        f"{host_name}: no IOMMU after the next boot: {verdict.because} (parameters of {following.where}: "
        f"'{_relevant(following.parameters)}'); running now: '{_relevant(boot_parameters.running)}', "
        f"IOMMU now {'effective' if iommu.effective else 'not effective'}; {verdict.fix}"
    )
    if verdict.by_default:
        advise(f"{host_name}: {following.where} has no parameter that turns the IOMMU on: {verdict.because}")
    if not iommu.effective:
        advise(f"{host_name}: a reboot is pending: no IOMMU now, but {following.where} turns it on ({verdict.because})")


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
    """The entry that boots next has the parameters that its source (such as /etc/default/grub) asks for.

    Why: an edit of /etc/default/grub does nothing until the boot entries are regenerated; on RHEL 9.3 and later
    grub2-mkconfig does not even copy it into them. With systemd-boot and unified kernel images the source is
    /etc/kernel/cmdline, and what it says takes a new entry or a new image.
    Fix: run update-grub (Debian), grub2-mkconfig -o /boot/grub2/grub.cfg (SUSE, RHEL up to 9.2),
    grubby --update-kernel=ALL --args=... (RHEL 9.3 and later) or kernel-install, and look at this again.
    """
    following = known(boot_parameters.next_boot)
    layer = boot_parameters.configured_always if following.recovery else boot_parameters.configured
    if layer is None:
        pytest.skip("there is no /etc/default/grub or /etc/kernel/cmdline: the entries are written by something else")
    configured = known(layer)
    missing = _not_applied(configured, following.parameters)
    assert not missing, (
        f"{host_name}: edited but not applied: {'; '.join(missing)} is not in {following.where}; "
        f"{boot_parameters.how_to_apply}"
    )
    left_over = _left_over(configured, following) if following.from_source else []
    assert not left_over, (
        f"{host_name}: {' '.join(left_over)} still in {following.where}, but no longer asked for in "
        f"{_source(following)}; {boot_parameters.how_to_apply}"
    )


def test_wanted_kernel_parameters_run(host_name: str, wanted_host: Host, boot_parameters: BootParameters) -> None:
    """Every wanted kernel parameter is at work now, or waits for nothing but a reboot.

    Why: huge pages, isolated processors and the IOMMU's mode are decided when the kernel starts, hardly later.
    Fix: put the parameter into the boot loader's configuration, regenerate the boot entries, and reboot.
    """
    wanted = _wanted(wanted_host, boot_parameters)
    lacking = [one for one in wanted if not one.running]
    running = boot_parameters.running
    wrong = [f"{one.text} (it has {given(running, one.text)})" for one in lacking if not one.next_boot]
    assert not wrong, (
        f"{host_name}: the kernel runs without {', '.join(wrong)} (read from /proc/cmdline), and "
        f"{_no_better(boot_parameters)}"
    )
    if lacking:
        advise(
            f"{host_name}: a reboot is pending: {' '.join(one.text for one in lacking)} not in /proc/cmdline, but in "
            f"{next_words(boot_parameters.next_boot)}"
        )


def test_wanted_kernel_parameters_stay(host_name: str, wanted_host: Host, boot_parameters: BootParameters) -> None:
    """Every wanted kernel parameter is in the entry that boots next, and in what that entry is written from.

    Why: a parameter that only the running kernel has is gone after the next boot, and one that only the entry has is
    gone when the next kernel is installed.
    Fix: put the parameter into the boot loader's configuration and regenerate the boot entries, as the message says.
    """
    wanted = _wanted(wanted_host, boot_parameters)
    following = known(boot_parameters.next_boot)
    absent = [_not_in_entry(one, boot_parameters, following) for one in wanted if not one.next_boot]
    assert not absent, f"{host_name}: {'; '.join(absent)}"
    only_entry = [one.text for one in wanted if one.source is False]
    message = (
        f"{host_name}: {' '.join(only_entry)} in {following.where}, but not in {_source(following)}: the next kernel's "
        "entry will lack it; add it there"
    )
    assert not only_entry or not following.from_source, message
    if only_entry:
        advise(message)
    if isinstance(boot_parameters.configured, CouldNotLook):
        raise boot_parameters.configured


def test_dma_policy_stays_after_the_next_boot(
    host_name: str, wanted_host: Host, boot_parameters: BootParameters
) -> None:
    """The entry that boots next gives devices the default DMA domain that the site's policy names.

    Why: the mode of the IOMMU is decided when the kernel starts, by the last of several parameters or by the kernel's
    own config, which may differ from one kernel to the next.
    Fix: say it outright, iommu.passthrough=0 or 1 and iommu.strict=0 or 1, and regenerate the boot entries.
    """
    if wanted_host.dma_domain == "any" and wanted_host.dma_invalidation == "any":
        pytest.skip("the inventory names no DMA policy (dma_domain, dma_invalidation)")
    following = known(boot_parameters.next_boot)
    config = config_of(boot_parameters, following.release)
    domain = dma_policy.domain(following.parameters, config)
    parts: list[tuple[str, str, str | None]] = [("domain", wanted_host.dma_domain, domain)]
    if domain != "passthrough":
        invalidation = dma_policy.invalidation(following.parameters, config)
        parts.append(("invalidation", wanted_host.dma_invalidation, invalidation))
    wrong = [
        f"{what} {found}, wanted {wanted}" for what, wanted, found in parts if found and wanted not in ("any", found)
    ]
    assert not wrong, f"{host_name}: DMA policy of {following.where}: {'; '.join(wrong)}"
    unknown = [what for what, wanted, found in parts if found is None and wanted != "any"]
    if unknown:
        raise CouldNotLook(
            f"{host_name}: neither a parameter of {following.where} nor the kernel's config (/boot/config-*) decides "
            f"about the {' and '.join(unknown)} of DMA"
        )


def _wanted(wanted_host: Host, boot: BootParameters) -> tuple[Layers, ...]:
    if not wanted_host.kernel_parameters:
        pytest.skip("the inventory wants no kernel parameters of this host (kernel_parameters)")
    return all_layers(boot, wanted_host)


def _no_better(boot: BootParameters) -> str:
    following = boot.next_boot
    if isinstance(following, CouldNotLook):
        return f"what the next boot will do is not known: {following}"
    return (
        f"a reboot does not help: {following.where} does not have it either; {boot.how_to_apply} once it is configured"
    )


def _not_in_entry(one: Layers, boot: BootParameters, following: NextBoot) -> str:
    """One wanted parameter that the next boot will lack: the state it is in, and the way out."""
    found = f"{one.text} does not hold in {following.where} (it has {given(following.parameters, one.text)})"
    now = "active now, and gone after the next boot" if one.running else "not active now either"
    if one.source:
        return f"{found}: edited but not applied, {now}; {boot.how_to_apply}"
    return f"{found}: {now}; add it to {_source(following)}, then {boot.how_to_apply}"


def _source(following: NextBoot) -> str:
    return "/etc/default/grub" if following.loader in ("grub", "grub-bls") else "/etc/kernel/cmdline"


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
