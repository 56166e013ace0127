"""What the check foretells of a host's next boot, as values that can be compared with what came. Pure code.

Each forecast is made by the same code as the statement of the check that it stands for, from facts of before the boot.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial

from checks.facts.known import attempt, known
from checks.facts.libvirt import Domain, find
from checks.facts.pci import Pf
from checks.handed_vfs import locate
from checks.linux.vf_outlook import Outlook, outlook, told
from checks.outcome import CouldNotLook
from failover.rebooting.facts import HostFacts
from failover.rebooting.foretold import Foretold
from failover.rebooting.kernel_forecast import foretell_kernel
from inventory.model import Host

RUNS, OFF = "runs", "does not run"


def foretell(before: HostFacts, wanted: Host) -> tuple[Foretold, ...]:
    """All that is foretold of the host's next boot, PF by PF and domain by domain."""
    ahead = outlooks(before)
    return (*_vfs(before, ahead), *foretell_kernel(before, wanted), *_domains(before, ahead))


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
