"""What the check foretells of the kernel that boots next, and of the IOMMU under it. Pure code."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import partial

from checks.facts.boot_parameters import BootParameters, NextBoot, config_of
from checks.facts.iommu import Iommu
from checks.facts.known import attempt, known
from checks.linux import dma_policy
from checks.linux.dma_policy import TYPES
from checks.linux.kernel_parameters import Parameter, intremap, obeys, parameter
from checks.next_iommu import next_start
from checks.outcome import CouldNotLook
from checks.wanted_parameters import layers
from failover.rebooting.facts import HostFacts
from failover.rebooting.foretold import Foretold
from inventory.model import Host

_OF_THE_LOADER = frozenset({"BOOT_IMAGE", "initrd"})
"""What boot loaders put on the command line themselves."""
ON, NOT_ON = "on", "off"


def foretell_kernel(before: HostFacts, wanted: Host) -> Iterator[Foretold]:
    """The kernel that boots next: its release, command line and wanted parameters, the IOMMU and its policy."""
    if isinstance(before.boot, CouldNotLook) or isinstance(before.boot.next_boot, CouldNotLook):
        why = before.boot if isinstance(before.boot, CouldNotLook) else before.boot.next_boot
        statement = "test_boot_entry_has_the_configured_parameters"
        yield Foretold("command line of the kernel", statement, (), str(why), lambda after: _line(known(after.boot)))
        return
    boot, following = before.boot, before.boot.next_boot
    yield from _command_line(following)
    for text in wanted.kernel_parameters:
        there = layers(boot, parameter(text)).next_boot
        yield Foretold(
            f"parameter {text}",
            "test_wanted_kernel_parameters_stay",
            () if there is None else (_switch(there),),
            f"by {following.where}",
            partial(_obeyed, text),
        )
    if not isinstance(before.iommu, CouldNotLook):
        yield from _iommu(before.iommu, boot, following)
    if wanted.dma_domain != "any" or wanted.dma_invalidation != "any":
        yield from _dma(before, wanted, boot, following)


def _command_line(following: NextBoot) -> Iterator[Foretold]:
    release = () if following.release is None else (following.release,)
    why = f"{following.where} boots it"
    yield Foretold("kernel", "test_boot_entry_has_the_configured_parameters", release, why, _release)
    same = "as in the entry"
    wanted = _words(following.parameters)

    def read(after: HostFacts) -> str:
        running = _words(known(after.boot).running)
        lacks, more = [w for w in wanted if w not in running], [r for r in running if r not in wanted]
        parts = [f"without {' '.join(lacks)}"] * bool(lacks) + [f"with {' '.join(more)} besides"] * bool(more)
        return " and ".join(parts) or same

    statement = "test_boot_entry_has_the_configured_parameters"
    yield Foretold("command line of the kernel", statement, (same,), f"{following.where}: '{' '.join(wanted)}'", read)


def _release(after: HostFacts) -> str:
    if after.system.kernel is None:
        raise CouldNotLook("/proc/sys/kernel/osrelease could not be read")
    return after.system.kernel


def _words(parameters: Iterable[Parameter]) -> list[str]:
    return [one.text for one in parameters if one.name not in _OF_THE_LOADER]


def _line(boot: BootParameters) -> str:
    return " ".join(_words(boot.running))


def _obeyed(text: str, after: HostFacts) -> str:
    return _switch(obeys(known(after.boot).running, parameter(text)))


def _switch(on: bool) -> str:  # noqa: FBT001 - one value, one word
    return ON if on else NOT_ON


def _iommu(iommu: Iommu, boot: BootParameters, following: NextBoot) -> Iterator[Foretold]:
    verdict = next_start(iommu, boot, following)
    yield Foretold(
        "IOMMU",
        "test_iommu_is_effective_after_the_next_boot",
        () if verdict.on is None else (_switch(verdict.on),),
        verdict.because,
        lambda after: _switch(known(after.iommu).effective),
    )
    off = intremap(following.parameters) == "off" or verdict.on is False
    stays = iommu.interrupts_remapped and bool(verdict.on)
    yield Foretold(
        "interrupt remapping",
        "test_interrupt_remapping_is_on_after_the_next_boot",
        (NOT_ON,) if off else (ON,) if stays else (),
        "no IOMMU, or intremap=off" if off else f"nothing in {following.where} turns it off",
        lambda after: _switch(known(after.iommu).interrupts_remapped),
    )


def _dma(before: HostFacts, wanted: Host, boot: BootParameters, following: NextBoot) -> Iterator[Foretold]:
    config = attempt(lambda: config_of(boot, following.release))
    text = None if isinstance(config, CouldNotLook) else config
    domain = dma_policy.domain(following.parameters, text)
    lazy = None if domain == "passthrough" else dma_policy.invalidation(following.parameters, text)
    names = {name: one.address for name, one in wanted.pfs.items()}
    for pf in known(before.pfs):
        if pf.netdev not in names and pf.address not in names.values():
            continue
        value = domain if domain == "passthrough" or lazy is None else f"{domain}, {lazy}"
        yield Foretold(
            f"DMA domain of {pf.netdev or pf.address}",
            "test_dma_policy_stays_after_the_next_boot",
            (value,) if value and (domain == "passthrough" or lazy) else (),
            f"parameters of {following.where} and the kernel's config",
            partial(_dma_of, pf.address),
        )


def _dma_of(address: str, after: HostFacts) -> str:
    group = known(after.iommu).group_of(address)
    if group is None or group.type not in TYPES:
        raise CouldNotLook("its default domain is not told (/sys/kernel/iommu_groups/*/type)")
    domain, invalidation = TYPES[group.type]
    return domain if invalidation is None else f"{domain}, {invalidation}"
