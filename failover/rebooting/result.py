"""What a reboot of a host brings back: plain values, judged elsewhere."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from checks.facts.known import known
from checks.outcome import CouldNotLook
from failover.rebooting.coming_back import ComingBack
from failover.rebooting.facts import GuestFacts, HostFacts
from failover.rebooting.foretold import Compared
from failover.rebooting.log import BootLog


@dataclass(frozen=True, slots=True)
class GuestReboot:
    """One guest of the inventory that ran on the host. `after` is None where nothing was asked of it any more."""

    name: str
    domain: str
    may_stay_off: bool
    before: GuestFacts | CouldNotLook
    after: GuestFacts | CouldNotLook | None = None
    back: ComingBack | None = None
    forecasts: tuple[Compared, ...] = ()
    before_file: str = ""
    after_file: str = ""


@dataclass(frozen=True, slots=True)
class RebootResult:
    """Everything that one reboot brought back. `refused`: why nothing was rebooted."""

    host: str
    deadline_s: int
    before: HostFacts
    after: HostFacts | None = None
    refused: str | None = None
    way: str = ""
    """The command that rebooted it."""
    back: ComingBack | None = None
    not_read: str = ""
    """Why it was not read again, although it came back."""
    guests: tuple[GuestReboot, ...] = ()
    freed: Mapping[str, str] = field(default_factory=dict)
    """VFs of guests that were to stay off: by address, with the domain."""
    forecasts: tuple[Compared, ...] = ()
    log: BootLog = field(default_factory=BootLog)
    evidence: tuple[tuple[str, str], ...] = ()
    """Label and path inside the run folder; the first is the protocol of it all."""
    figures: tuple[tuple[str, str], ...] = ()

    @property
    def way_back(self) -> ComingBack:
        """The host on its way back. Raises `CouldNotLook` when it was not rebooted."""
        if self.back is None:
            raise CouldNotLook(f"{self.host}: nothing was rebooted: {self.refused or 'nobody got so far'}")
        return self.back

    @property
    def read_again(self) -> HostFacts:
        """The host as it is after the reboot. Raises `CouldNotLook`."""
        back = self.way_back
        if not back.is_back:
            raise CouldNotLook(f"{self.host}: has not come back within {self.deadline_s} s: {back.last_seen}")
        if self.after is None:
            raise CouldNotLook(f"{self.host}: it came back, and could not be read again: {self.not_read}")
        return self.after

    @property
    def all_forecasts(self) -> Iterator[tuple[str, Compared]]:
        """Every forecast with the machine that it is about."""
        yield from ((self.host, one) for one in self.forecasts)
        for guest in self.guests:
            yield from ((guest.name, one) for one in guest.forecasts)

    def forecast(self, subject: str) -> Compared | None:
        """The host's forecast about this subject."""
        return next((one for one in self.forecasts if one.foretold.subject == subject), None)

    def pf_name(self, address: str) -> str:
        """What a PF was called before the reboot."""
        return next((pf.netdev or address for pf in known(self.before.pfs) if pf.address == address), address)


@dataclass(frozen=True, slots=True)
class Phase:
    """One thing that came back, and when: s after the reboot was commanded; None when it did not come."""

    what: str
    after_s: float | None
    since_kernel_s: float | None = None

    def __str__(self) -> str:
        if self.after_s is None:
            return f"{self.what}: not within the deadline"
        by_kernel = "" if self.since_kernel_s is None else f", {self.since_kernel_s:.1f} s after its kernel's start"
        return f"{self.what}: {self.after_s:.0f} s after the command{by_kernel}"


def phases(result: RebootResult) -> list[Phase]:
    """Everything that was waited for, in the order in which it came."""
    back = result.back
    if back is None:
        return []
    found = [Phase(f"{result.host} stopped answering", back.gone_after_s)]
    found.append(Phase("its new kernel started", back.kernel_after_s))
    found.append(_phase(back, "it answered again", back.back_after_s))
    for address, number in back.awaited.vfs.items():
        if number:
            what = f"all {number} VFs of {result.pf_name(address)} were there"
            found.append(_phase(back, what, back.vfs_after_s.get(address)))
    libvirt = back.last.libvirt_at_s if back.last else None
    if libvirt is not None:
        found.append(_phase(back, "libvirt had started", back.by_its_clock(libvirt)))
    found += [
        _phase(back, f"domain {name} ran", back.domains_after_s.get(name)) for name in sorted(back.awaited.domains)
    ]
    found.append(_phase(back, "its boot was over", back.booted_after_s))
    for guest in result.guests:
        if guest.back is not None:
            found.append(Phase(f"{guest.name} answered from a new boot", guest.back.back_after_s))
            bonds = ", ".join(guest.back.awaited.bonds)
            found += [Phase(f"{bonds} of {guest.name} was whole", guest.back.whole_after_s)] * bool(bonds)
    return sorted(found, key=lambda one: (one.after_s is None, one.after_s or 0.0))


def _phase(back: ComingBack, what: str, after_s: float | None) -> Phase:
    since = None if after_s is None or back.kernel_after_s is None else max(0.0, after_s - back.kernel_after_s)
    return Phase(what, after_s, since)
