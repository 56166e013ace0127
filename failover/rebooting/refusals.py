"""What must be known before a host is rebooted: that it is another machine than ours, and nobody else at work there."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import closing
from functools import partial
from pathlib import Path

from checks.facts.known import attempt
from checks.facts.libvirt import Domain
from checks.outcome import CouldNotLook
from failover.bond_state import parse_lines
from failover.guest import Refused
from failover.places import script
from failover.rebooting.asked import Asked

SCRIPT_DEADLINE_S = 30
_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
_NICS = Path("/sys/class/net")


def demand_another_machine(
    boot_id: str | None, domains: Sequence[Domain], own_boot_id: str, own_macs: frozenset[str]
) -> None:
    """Raises `Refused` when the controller is the host itself, a container on it, or one of its guests."""
    if boot_id == own_boot_id:
        raise Refused("this runs on it, or in a container on it: nobody would see it come back")
    for domain in domains:
        if domain.running and own_macs & {one.mac for one in domain.current.interfaces if one.mac}:
            raise Refused(f"this runs in {domain.name}, a guest of it: nobody would see it come back")


def own_boot_id() -> str:
    """Of the machine that this runs on; containers share it with their host."""
    return _BOOT_ID.read_text(encoding="ascii").strip()


def own_macs(nics: Path = _NICS) -> frozenset[str]:
    """The MACs of this machine's interfaces, but for those that are all zeros."""
    found = {path.read_text(encoding="ascii").strip().lower() for path in nics.glob("*/address")}
    return frozenset(mac for mac in found if mac.strip("0:"))


def demand_no_drill(host: Asked, guests: Iterable[Asked]) -> None:
    """Raises `Refused` while a drill holds something of the host or of one of its guests. Raises for the host only.

    A guest that cannot be asked holds nobody up: it has permitted to go down.
    """
    held = _drills_on(host)
    for guest in guests:
        with closing(guest):
            found = attempt(partial(_drills_on, guest))
            held += [] if isinstance(found, CouldNotLook) else found
    if held:
        raise Refused(f"a drill is at work, which holds {', '.join(held)}")


def _drills_on(asked: Asked) -> list[str]:
    said = parse_lines(asked.place.run(script("drills_here.sh", sudo=asked.machine.sudo), SCRIPT_DEADLINE_S))
    return [f"{name} of {asked.name}" for name in said.get("lock", "").split("\n") if name]
