"""What a reboot shows, as complaints: each in words, with what was foretold of it. Pure code."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from checks.facts.bonds import Bond
from checks.facts.known import known
from checks.facts.libvirt import find
from checks.facts.nics import Nic
from checks.facts.pci import find as find_pf
from checks.judged_bonds import missing_addresses
from checks.linux.kernel_parameters import obeys, parameter
from checks.outcome import CouldNotLook
from checks.shared_groups import owners
from checks.wanted_parameters import given
from failover.rebooting.facts import GuestFacts, HostFacts
from failover.rebooting.foretold import Compared
from failover.rebooting.result import GuestReboot, RebootResult
from inventory.model import Guest, Host


def by_forecast(one: Compared | None) -> str:
    """How what came stands to what was foretold, as a clause for a sentence."""
    if one is None or not one.foretold.values:
        return "" if one is None else f"; nothing was foretold of it: {one.foretold.why}"
    if one.is_wrong:
        return f"; foretold was {' or '.join(one.foretold.values)}: {one.foretold.why}"
    return f"; foretold, and it came: {one.foretold.why}"


def lost_vfs(result: RebootResult, after: HostFacts, wanted: Host) -> tuple[list[str], list[str]]:
    """PFs without their wanted number of VFs, and wanted PFs that are not there."""
    wrong, gone = [], []
    for name, pf in wanted.pfs.items():
        found = find_pf(known(after.pfs), name, pf.address)
        if found is None:
            gone.append(name)
        elif (number := min(found.numvfs or 0, len(found.vfs))) != pf.vfs:
            foretold = by_forecast(result.forecast(f"VFs of {found.netdev or found.address}"))
            wrong.append(f"{name} ({found.address}) has {number} VFs, wanted {pf.vfs}{foretold}")
    return wrong, gone


def vfs_with_a_mac(result: RebootResult, wanted: Host) -> frozenset[str]:
    """VFs whose MAC somebody sets: the inventory wants it, or a domain has the VF. By address."""
    found: set[str] = set()
    for name, pf in wanted.pfs.items():
        there = find_pf(known(result.before.pfs), name, pf.address)
        stated = {index for index, vf in pf.vf.items() if vf.mac is not None}
        found |= {vf.address for vf in (there.vfs if there else ()) if vf.index in stated}
    return frozenset(found | owners(known(result.before.domains)).keys())


def not_as_wanted(after: HostFacts, wanted: Host) -> list[str]:
    """What the kernel that was booted lacks of what the inventory wants."""
    wrong = []
    if wanted.iommu == "required" and not known(after.iommu).effective:
        wrong.append("no effective IOMMU (/sys/class/iommu, /sys/kernel/iommu_groups)")
    if wanted.interrupt_remapping == "required" and not known(after.iommu).interrupts_remapped:
        wrong.append("interrupts are not remapped (/sys/kernel/irq/*/chip_name)")
    running = known(after.boot).running if wanted.kernel_parameters else ()
    for text in wanted.kernel_parameters:
        if not obeys(running, parameter(text)):
            wrong.append(f"{text} is not at work (it has {given(running, text)}; /proc/cmdline)")
    return wrong


def guests_that_stayed_off(result: RebootResult, after: HostFacts) -> list[str]:
    """Domains that ran, or that libvirt starts by itself, and that do not run; those that may stay off are left out."""
    excused = {guest.domain for guest in result.guests if guest.may_stay_off}
    wrong = []
    for domain in known(result.before.domains):
        if domain.name in excused or not (domain.running or domain.autostart):
            continue
        now = find(known(after.domains), domain.name)
        if now is None or not now.running:
            state = "is unknown to libvirt" if now is None else f"is {now.state}"
            wrong.append(f"{domain.name} {state}{by_forecast(result.forecast(f'domain {domain.name}'))}")
    return wrong


def awaited(result: RebootResult, after: HostFacts) -> Iterator[GuestReboot]:
    """The guests that run again: what became of the others is told by the host."""
    for guest in result.guests:
        domain = find(known(after.domains), guest.domain)
        if not guest.may_stay_off and domain is not None and domain.running:
            yield guest


def bonds_not_whole(guest: GuestReboot, wanted: Guest) -> list[str]:
    """What of a guest's bonds is not as it was, and not as the inventory has it. Raises `CouldNotLook`."""
    before, after = _facts(guest)
    return _bonds_not_whole(before, after, wanted)


def hosts_bonds_not_whole(result: RebootResult, after: HostFacts, wanted: Host) -> list[str]:
    """The same of the host's own bonds. Raises `CouldNotLook`."""
    return _bonds_not_whole(result.before, after, wanted)


def _bonds_not_whole(before: HostFacts | GuestFacts, after: HostFacts | GuestFacts, wanted: Host | Guest) -> list[str]:
    was = {bond.name: bond for bond in known(before.bonds)}
    now = {bond.name: bond for bond in known(after.bonds)}
    nics = {nic.name: nic for nic in known(after.nics)}
    wrong = [f"{name} is gone" for name in was if name not in now]
    for name, bond in now.items():
        wrong += [f"{name}: {text}" for text in _not_whole(was.get(name), bond, wanted, nics)]
    return wrong


def _facts(guest: GuestReboot) -> tuple[GuestFacts, GuestFacts]:
    before = known(guest.before)
    if guest.after is None:
        seen = "it was not asked" if guest.back is None else guest.back.last_seen
        raise CouldNotLook(f"{guest.name} has not come back: {seen}")
    return before, known(guest.after)


def _not_whole(was: Bond | None, bond: Bond, wanted: Host | Guest, nics: Mapping[str, Nic]) -> Iterator[str]:
    ours = wanted.bonds.get(bond.name)
    there = {slave.nic: slave for slave in bond.slaves}
    expected = {slave.nic for slave in (was.slaves if was else ()) if slave.link_up} | set(ours.slaves if ours else ())
    for nic in sorted(expected):
        if nic not in there:
            yield f"{nic} is no slave of it any more"
        elif not there[nic].link_up:
            yield f"no link on {nic} ({there[nic].mii_status})"
    if was is not None and was.mode != bond.mode:
        yield f"its mode was {was.mode}, is {bond.mode}"
    if bond.mode == "active-backup" and bond.active_slave is None:
        yield "it has no active slave"
    if ours is not None:
        yield from missing_addresses(bond, ours, nics.get(bond.name))


def wrong_forecasts(result: RebootResult) -> list[str]:
    """Every forecast that something else came of."""
    return [
        f"{'' if machine == result.host else f'{machine}: '}{one}; by {one.foretold.statement}: {one.foretold.why}"
        for machine, one in result.all_forecasts
        if one.is_wrong
    ]


def unread_forecasts(result: RebootResult) -> list[str]:
    """Every forecast of which it could not be read what came."""
    found = [f"{machine}: {one}" for machine, one in result.all_forecasts if one.foretold.values and one.came is None]
    for guest in result.guests:
        if isinstance(guest.before, CouldNotLook) and not guest.may_stay_off:
            found.append(f"nothing was foretold of {guest.name}: {guest.before}")
        elif isinstance(guest.after, CouldNotLook):
            found.append(f"what came of {guest.name}'s NICs is not known: {guest.after}")
    return found
