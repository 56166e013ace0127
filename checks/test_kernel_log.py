"""What the kernel's log tells of SR-IOV that nothing else shows."""

from __future__ import annotations

from checks.facts.kernel_log import KernelLog, Message
from checks.facts.pci import Pf
from checks.outcome import CouldNotLook, advise
from checks.paired_pfs import paired_pfs
from inventory.model import Host

_MOST = 5


def test_the_kernel_reports_no_sriov_trouble(
    host_name: str, wanted_host: Host, pfs: tuple[Pf, ...], kernel_log: KernelLog
) -> None:
    """Since the boot, the log tells of no firmware failure of a wanted PF and of no VF that was switched off.

    Why: a card in recovery mode, or a VF that the card switched off, looks well from outside: no counter and no
    attribute tells. Other trouble that is over now may come back at the next boot.
    Fix: do what stands behind the message; a fault that was mended leaves its line until the next boot.
    """
    found = [(p.name, one) for p in paired_pfs(wanted_host, pfs) if p.found for one in _trouble(p.found, kernel_log)]
    faults = [_told(name, one) for name, one in found if one.cause.weight == "fault"]
    assert not faults, f"{host_name}: {'; '.join(faults)} (read from journalctl -b and dmesg)"
    others = [_told(name, one) for name, one in found]
    for text in others[:_MOST]:
        advise(f"{host_name}: {text}")
    if len(others) > _MOST:
        advise(f"{host_name}: and {len(others) - _MOST} more messages of this kind")
    if kernel_log.unread is not None:
        raise CouldNotLook(f"{host_name}: the log was not read: {kernel_log.unread}")
    if not kernel_log.since_boot:
        advise(f"{host_name}: the log no longer reaches back to the boot; what it said then is not known")


def _trouble(pf: Pf, log: KernelLog) -> list[Message]:
    return [one for one in log.messages if one.cause.weight != "evidence" and one.concerns(pf)]


def _told(name: str, message: Message) -> str:
    return f"{name}: {message}: {message.cause.meaning}; to mend it, {message.cause.fix}"
