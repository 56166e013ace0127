"""How far a machine has come since its boot: what `since_boot.sh` printed, as values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from checks.outcome import CouldNotLook
from failover.bond_state import parse_lines

_BOOTED = frozenset({"running", "degraded", "maintenance"})
LONG_SINCE_S = 60
"""A machine without systemd does not say when its boot is over: after so long it must be."""


class UnexpectedAnswer(CouldNotLook):
    """The machine's answer about its boot cannot be understood."""


@dataclass(frozen=True, slots=True)
class PfSince:
    """The VFs of one PF. `complete_at_s`: since the kernel's start, when udev had the last of them; None: not told."""

    number: int
    there: int
    complete_at_s: float | None


@dataclass(frozen=True, slots=True)
class SinceBoot:
    """A machine at one moment of its boot. Times are in s since its kernel's start."""

    boot_id: str
    uptime_s: float
    system: str
    """systemd's word: starting, running, degraded, stopping, ...; empty without systemd."""
    pfs: Mapping[str, PfSince]
    """By PCI address; every device that can have VFs."""
    domains: frozenset[str] | None
    """Libvirt's domains that run; None where that may not be read."""
    libvirt_at_s: float | None
    """When the libvirt that runs had started; None where none runs, or nobody says."""
    bonds: Mapping[str, Mapping[str, str]]
    """Of every bond the slaves with what its link monitor says of each."""

    @property
    def booted(self) -> bool:
        """Whether its boot is over."""
        return self.system in _BOOTED if self.system else self.uptime_s > LONG_SINCE_S

    @property
    def there(self) -> tuple[object, ...]:
        """All that may still be coming: equal when nothing has come in between."""
        pfs = {address: (pf.number, pf.there) for address, pf in self.pfs.items()}
        return pfs, self.domains, {bond: dict(slaves) for bond, slaves in self.bonds.items()}


def parse(text: str) -> SinceBoot:
    """What the script printed. Raises `UnexpectedAnswer`."""
    said = parse_lines(text)
    try:
        return SinceBoot(
            boot_id=said["boot_id"],
            uptime_s=float(said["uptime"]),
            system=said.get("system", ""),
            pfs=dict(_pf(line) for line in _lines(said, "pf")),
            domains=None if said["domains"] == "denied" else frozenset(_lines(said, "domain")),
            libvirt_at_s=_libvirt(said),
            bonds=_bonds(said),
        )
    except (KeyError, ValueError) as error:
        raise UnexpectedAnswer(f"what it says about its boot cannot be understood: {error!r}") from error


def _lines(said: Mapping[str, str], key: str) -> list[str]:
    return said[key].split("\n") if key in said else []


def _pf(line: str) -> tuple[str, PfSince]:
    address, number, there, usec = line.split()
    return address, PfSince(int(number), int(there), int(usec) / 1e6 if int(usec) else None)


def _libvirt(said: Mapping[str, str]) -> float | None:
    """systemctl prints a block for each unit, in one order."""
    states = _lines(said, "unit.ActiveState")
    times = _lines(said, "unit.ActiveEnterTimestampMonotonic")
    started = [int(usec) for state, usec in zip(states, times, strict=False) if state == "active" and usec.isdecimal()]
    return min(started) / 1e6 if any(started) else None


def _bonds(said: Mapping[str, str]) -> dict[str, dict[str, str]]:
    found: dict[str, dict[str, str]] = {bond: {} for bond in _lines(said, "bond")}
    for line in _lines(said, "slave"):
        bond, slave, *status = line.split(maxsplit=2)
        found.setdefault(bond, {})[slave] = status[0] if status else ""
    return found
