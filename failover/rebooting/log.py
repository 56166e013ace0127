"""What a host's kernel said since it was booted: evidence of a reboot, and whether the file systems were left clean."""

from __future__ import annotations

import re
from dataclasses import dataclass

from checks.linux.kernel_messages import START, cause_of
from checks.outcome import CouldNotLook
from failover.kernel_log import parse
from failover.places import Place, script

MOST_LINES = 4000
SCRIPT_DEADLINE_S = 30
MOST_NOTED = 24
_SRIOV = re.compile(
    r"\bVFs?\b|SR-?IOV|\bsriov|renamed from|IRQ remapping|DMAR: Intel|AMD-Vi:|iommu: Default domain", re.I
)
# ext4, xfs, f2fs, FAT, systemd-journald: each says so when it was not unmounted, or closed, before the end.
_UNCLEAN = re.compile(
    r"recovery (complete|required)|orphan cleanup|[Ss]tarting recovery|recover fsync data|not properly unmounted"
    r"|uncleanly shut down"
)


@dataclass(frozen=True, slots=True)
class BootLog:
    """The lines, each with its time in s since the kernel's start; `why_not`: why there are none."""

    lines: tuple[tuple[float, str], ...] = ()
    why_not: str = ""

    @property
    def whole(self) -> bool:
        """Whether it reaches back to the kernel's start; a small ring buffer forgets."""
        return any(re.search(START, text) for _, text in self.lines)

    @property
    def unclean(self) -> tuple[str, ...]:
        """What tells that the machine went down with something unwritten."""
        return tuple(told(at, text) for at, text in self.lines if _UNCLEAN.search(text))

    def telling(self) -> list[str]:
        """The lines about SR-IOV, the IOMMU and names, the first ones."""
        found = [told(at, text) for at, text in self.lines if _SRIOV.search(text) or cause_of(text)]
        more = len(found) - MOST_NOTED
        return found[:MOST_NOTED] + ([f"and {more} more such lines"] if more > 0 else [])


def told(at: float, text: str) -> str:
    """One line, for a person."""
    return f"[{at:.3f}] {text}"


def read(place: Place, *, sudo: bool) -> BootLog:
    """The kernel's log of now. Raises nothing: a log that cannot be read is said so."""
    try:
        text = place.run(script("kernel_log.sh", str(MOST_LINES), sudo=sudo), SCRIPT_DEADLINE_S)
    except CouldNotLook as problem:
        return BootLog(why_not=f"the kernel's log could not be read: {problem}")
    lines, why_not = parse(text, MOST_LINES)
    return BootLog(tuple(lines), why_not)
