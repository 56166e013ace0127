"""What the check foretells of a host's next boot, as values that can be compared with what came. Pure code.

Each forecast is made by the same code as the statement of the check that it stands for, from facts of before the boot.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from checks.facts.boot_parameters import BootParameters, NextBoot, config_of
from checks.facts.iommu import Iommu
from checks.facts.known import attempt, known
from checks.facts.libvirt import Domain, find
from checks.facts.pci import Pf
from checks.handed_vfs import locate
from checks.linux import dma_policy
from checks.linux.dma_policy import TYPES
from checks.linux.kernel_parameters import Parameter, intremap, obeys, parameter
from checks.linux.vf_outlook import Outlook, outlook, told
from checks.next_iommu import next_start
from checks.outcome import CouldNotLook
from checks.wanted_parameters import layers
from failover.boot_facts import HostFacts
from inventory.model import Host

_OF_THE_LOADER = frozenset({"BOOT_IMAGE", "initrd"})
"""What boot loaders put on the command line themselves."""
RUNS, OFF = "runs", "does not run"
ON, NOT_ON = "on", "off"


@dataclass(frozen=True, slots=True)
class Foretold:
    """One thing that the boot will bring. `read` finds it among the facts of afterwards; it raises `CouldNotLook`."""

    subject: str
    statement: str
    """The statement of the check that foretells it."""
    values: tuple[str, ...]
    """What it may be; empty where nothing can be foretold."""
    why: str
    read: Callable[[Any], str]


@dataclass(frozen=True, slots=True)
class Compared:
    """A forecast and what came of it; `came` is None where that could not be read, and `why_not` says why."""

    foretold: Foretold
    came: str | None
    why_not: str = ""

    @property
    def is_wrong(self) -> bool:
        """Whether something else came than was foretold."""
        return self.came is not None and bool(self.foretold.values) and self.came not in self.foretold.values

    def __str__(self) -> str:
        one = self.foretold
        said = f"foretold {' or '.join(one.values)}" if one.values else f"nothing foretold ({one.why})"
        came = self.came if self.came is not None else f"not known ({self.why_not})"
        return f"{one.subject}: {said}, came {came}"


def compare(foretold: Iterable[Foretold], after: object) -> tuple[Compared, ...]:
    """Every forecast with what came. `after`: facts of the machine that they are about."""
    found = []
    for one in foretold:
        came = attempt(partial(one.read, after))
        unknown = isinstance(came, CouldNotLook)
        found.append(Compared(one, None if unknown else str(came), str(came) if unknown else ""))
    return tuple(found)


def foretell(before: HostFacts, wanted: Host) -> tuple[Foretold, ...]:
    """All that is foretold of the host's next boot, PF by PF and domain by domain."""
    ahead = outlooks(before)
    return (*_vfs(before, ahead), *_kernel(before, wanted), *_domains(before, ahead))


def outlooks(before: HostFacts) -> Mapping[str, Outlook] | CouldNotLook:
    """What becomes of every PF's VFs, by its address."""

    def found() -> Mapping[str, Outlook]:
        persistence = known(before.persistence)
        return {one.address: outlook(one, persistence.of(one.address)) for one in known(before.udev_rules).forecasts}

    return attempt(found)


def _vfs(before: HostFacts, ahead: Mapping[str, Outlook] | CouldNotLook) -> Iterator[Foretold]:
    statement = "test_vfs_come_back_after_a_reboot"
    for pf in known(before.pfs):
        if pf.totalvfs is None:
            continue
        found = ahead if isinstance(ahead, CouldNotLook) else ahead.get(pf.address)
        values: tuple[str, ...] = ()
        if found is None or isinstance(found, CouldNotLook):
            why = str(found or "nothing is known of its rules")
        else:
            values, why = _numbers(found), told(found, None)
        name = pf.netdev or pf.address
        yield Foretold(f"VFs of {name}", statement, values, why, partial(_number_of, pf.address))


def _numbers(ahead: Outlook) -> tuple[str, ...]:
    """Either way of booting may come true; where one of them is not known, nothing is foretold."""
    return () if None in ahead.numbers else tuple(sorted(str(number) for number in ahead.numbers))


def _number_of(address: str, after: HostFacts) -> str:
    pf = next((one for one in known(after.pfs) if one.address == address), None)
    return "none, for the PF is gone" if pf is None else str(pf.numvfs or 0)


def _kernel(before: HostFacts, wanted: Host) -> Iterator[Foretold]:
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


def _domains(before: HostFacts, ahead: Mapping[str, Outlook] | CouldNotLook) -> Iterator[Foretold]:
    for domain in () if isinstance(before.domains, CouldNotLook) else before.domains:
        values, why = _fate(domain, known(before.pfs), ahead)
        yield Foretold(
            f"domain {domain.name}",
            "test_guests_start_after_their_vfs",
            values,
            why,
            partial(_runs, domain.name),
        )


def _fate(
    domain: Domain, pfs: tuple[Pf, ...], ahead: Mapping[str, Outlook] | CouldNotLook
) -> tuple[tuple[str, ...], str]:
    """Whether libvirt starts it at boot, and why that is foretold."""
    if domain.stored is None:
        return (OFF,), "it is transient, and ends with this boot"
    if domain.autostart is None:
        return (), "whether libvirt starts it by itself may not be read"
    if not domain.autostart:
        return (OFF,), "libvirt does not start it by itself"
    for address in domain.stored.host_addresses:
        if (found := locate(address, pfs)) is None:
            continue
        pf, vf = found
        numbers = {None} if isinstance(ahead, CouldNotLook) or pf.address not in ahead else ahead[pf.address].numbers
        name = f"VF {vf.index} of {pf.netdev or pf.address}"
        if all(number is not None and number <= vf.index for number in numbers):
            return (OFF,), f"{name}, which it needs, will not be there"
        if any(number is None or number <= vf.index for number in numbers):
            return (), f"whether {name}, which it needs, will be there is not known"
    return (RUNS,), "libvirt starts it by itself"


def _runs(name: str, after: HostFacts) -> str:
    domain = find(known(after.domains), name)
    return RUNS if domain is not None and domain.running else OFF
