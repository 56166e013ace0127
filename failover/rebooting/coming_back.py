"""A machine on its way back from a reboot, as it looks from here: pure code, told of every look and every failure.

Times are in s after the reboot was commanded, by the controller's clock; what the machine itself times since its
kernel's start is carried over by the first look at the new boot.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from failover.rebooting.since_boot import SinceBoot

QUIET_S = 30.0
"""A boot that is over and has brought nothing more for so long brings no more."""


@dataclass(frozen=True, slots=True)
class Awaited:
    """What must be there again. Domains and slaves are names."""

    vfs: Mapping[str, int] = field(default_factory=dict)
    """By the PCI address of the PF."""
    domains: frozenset[str] = frozenset()
    bonds: Mapping[str, frozenset[str]] = field(default_factory=dict)
    """Slaves that must have a link, by bond."""

    def all_there(self, seen: SinceBoot) -> bool:
        """Whether nothing of it is missing."""
        return not (self.missing_pfs(seen) or self.missing_domains(seen) or self._dead(seen))

    def missing_pfs(self, seen: SinceBoot) -> tuple[str, ...]:
        """PFs that have not all their VFs."""
        return tuple(
            address
            for address, number in self.vfs.items()
            if (pf := seen.pfs.get(address)) is None or not pf.number == pf.there == number
        )

    def missing_domains(self, seen: SinceBoot) -> frozenset[str]:
        """Domains that do not run; all of them where that may not be read."""
        return self.domains - (seen.domains or frozenset())

    def _dead(self, seen: SinceBoot) -> bool:
        up = {bond: {nic for nic, status in slaves.items() if status == "up"} for bond, slaves in seen.bonds.items()}
        return any(not slaves <= up.get(bond, set()) for bond, slaves in self.bonds.items())


@dataclass(slots=True)
class ComingBack:
    """What is known of one machine's way back, and whether to look on."""

    name: str
    old_boot_id: str
    awaited: Awaited
    gone_after_s: float | None = None
    """It did not answer for the first time."""
    back_after_s: float | None = None
    """It answered from a new boot for the first time."""
    kernel_after_s: float | None = None
    """Its new kernel started."""
    booted_after_s: float | None = None
    whole_after_s: float | None = None
    """All that is awaited was there for the first time."""
    complete: dict[str, tuple[float, float | None]] = field(default_factory=dict)
    """PFs that have all their VFs: when that was seen, and when it was by the machine's own clock, if that is told."""
    domains_after_s: dict[str, float] = field(default_factory=dict)
    last: SinceBoot | None = None
    """The last look at a new boot."""
    boot_ids: list[str] = field(default_factory=list)
    """Every new boot that was seen; more than one: it did not stay up."""
    over: bool = False
    """Nothing more is to be waited for: all is there, or the boot is over and quiet."""
    _silent_since_s: float | None = None
    _trouble: str = ""
    _changed_at_s: float = 0.0

    @property
    def is_back(self) -> bool:
        """Whether it answered from a new boot."""
        return self.last is not None

    def silent(self, at_s: float, trouble: str) -> None:
        """It could not be asked."""
        if self.gone_after_s is None:
            self.gone_after_s = at_s
        if self._silent_since_s is None:
            self._silent_since_s = at_s
        self._trouble = trouble

    def seen(self, at_s: float, now: SinceBoot) -> None:
        """It answered."""
        self._silent_since_s = None
        which = "from the boot of before" if now.boot_id == self.old_boot_id else "from a new boot"
        state = f" ({now.system})" if now.system else ""
        self._trouble = f"it answered {which}{state} {at_s:.0f} s after the reboot was commanded"
        if now.boot_id == self.old_boot_id:
            return
        if now.boot_id not in self.boot_ids:
            self._begins(at_s, now)
        if self.last is None or self.last.there != now.there or (now.booted and not self.last.booted):
            self._changed_at_s = at_s
        # Every look comes a little after the machine has read its clock; the quickest one tells best.
        self.kernel_after_s = min(self.kernel_after_s or at_s, max(0.0, at_s - now.uptime_s))
        self.last = now
        self._take_what_is_there(at_s, now)
        self.over = now.booted and (self.whole_after_s is not None or at_s - self._changed_at_s >= QUIET_S)

    def _begins(self, at_s: float, now: SinceBoot) -> None:
        """A new boot: what an earlier one had brought counts no more."""
        self.boot_ids.append(now.boot_id)
        self.back_after_s = at_s
        self.kernel_after_s = None
        self.booted_after_s = self.whole_after_s = self.last = None
        self.complete.clear()
        self.domains_after_s.clear()

    def _take_what_is_there(self, at_s: float, now: SinceBoot) -> None:
        missing = self.awaited.missing_pfs(now)
        for address in self.awaited.vfs.keys() - set(missing):
            told = now.pfs[address].complete_at_s if address in now.pfs else None
            self.complete.setdefault(address, (at_s, told))
        for name in self.awaited.domains - self.awaited.missing_domains(now):
            self.domains_after_s.setdefault(name, at_s)
        if now.booted and self.booted_after_s is None:
            self.booted_after_s = at_s
        whole = self.awaited.all_there(now)
        if not whole:
            self.whole_after_s = None
        elif self.whole_after_s is None:
            self.whole_after_s = at_s

    @property
    def vfs_after_s(self) -> dict[str, float]:
        """When every PF that has all its VFs had the last of them, by the PF's address."""
        found = {}
        for address, (seen, at) in self.complete.items():
            by_its_clock = None if at is None else self.by_its_clock(at)
            found[address] = seen if by_its_clock is None else by_its_clock
        return found

    def by_its_clock(self, seconds: float) -> float | None:
        """A time since its kernel's start as one since the command; None while that is not known."""
        return None if self.kernel_after_s is None else self.kernel_after_s + seconds

    @property
    def last_seen(self) -> str:
        """The last that is known of it, in words."""
        if self._silent_since_s is None:
            return self._trouble or "nothing: it was not asked any more"
        if not self.boot_ids:
            return f"it stopped answering {self._silent_since_s:.0f} s after the reboot was commanded: {self._trouble}"
        back = f"it answered from a new boot {self.back_after_s:.0f} s after the reboot was commanded"
        return f"{back}, and no more since {self._silent_since_s:.0f} s: {self._trouble}"
