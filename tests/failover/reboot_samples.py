"""A host and its guest around a reboot: facts of the project's own lab (tests/checks/captured/sriov-lab), changed."""

from __future__ import annotations

import functools
from dataclasses import replace
from pathlib import Path
from typing import Any

from checks.bundle import Bundle
from checks.facts.libvirt import Domain
from checks.facts.pci import Pf
from failover.rebooting.coming_back import Awaited, ComingBack
from failover.rebooting.facts import GuestFacts, HostFacts, of_guest, of_host
from failover.rebooting.forecast import foretell
from failover.rebooting.foretold import compare
from failover.rebooting.log import BootLog
from failover.rebooting.name_forecast import foretell_names
from failover.rebooting.result import GuestReboot, RebootResult
from failover.rebooting.since_boot import PfSince, SinceBoot
from inventory.loading import load
from inventory.model import Inventory

FOLDER = Path(__file__).parents[1] / "checks" / "captured" / "sriov-lab"
HOST, GUEST = "hfbc9a", "h488d4f"
PF_1, PF_2 = "0000:01:00.0", "0000:02:00.0"
VF_0 = "0000:01:10.0"
OLD, NEW = "0" * 8 + "-old", "1" * 8 + "-new"
FIRST_LINE = (0.0, "Linux version 6.12.117+deb13-amd64 (debian-kernel@lists.debian.org)")
RENAMED = (7.25, "igb 0000:01:00.0 enp1s0: renamed from eth0")
BOND = {"bond0": {"enp1s0": "up", "enp2s0": "up"}}


@functools.cache
def inventory() -> Inventory:
    return load(FOLDER / "inventory.yaml")


@functools.cache
def host_facts() -> HostFacts:
    return of_host(Bundle.load(FOLDER / f"{HOST}.vfb.gz"))


@functools.cache
def guest_facts() -> GuestFacts:
    return of_guest(Bundle.load(FOLDER / f"{GUEST}.vfb.gz"))


def wanted(**changes: Any) -> Any:
    return inventory().hosts[HOST].model_copy(update=changes)


def pfs(facts: HostFacts | None = None) -> tuple[Pf, ...]:
    found = (facts or host_facts()).pfs
    assert isinstance(found, tuple)
    return found


def domain() -> Domain:
    found = host_facts().domains
    assert isinstance(found, tuple)
    return found[0]


def with_pf(address: str, facts: HostFacts | None = None, /, **changes: Any) -> HostFacts:
    """The host with one PF changed."""
    facts = facts or host_facts()
    return replace(facts, pfs=tuple(replace(pf, **changes) if pf.address == address else pf for pf in pfs(facts)))


def with_vf(address: str, /, **changes: Any) -> HostFacts:
    """The host with one VF of PF_1 changed."""
    [pf] = [pf for pf in pfs() if pf.address == PF_1]
    return with_pf(PF_1, vfs=tuple(replace(vf, **changes) if vf.address == address else vf for vf in pf.vfs))


def with_domain(**changes: Any) -> HostFacts:
    return replace(host_facts(), domains=(replace(domain(), **changes),))


def without_vfs(address: str = PF_1) -> HostFacts:
    """The host with no VF on one PF, and so with its guest off."""
    return with_pf(address, with_domain(live=None, state="shut off"), numvfs=0, vfs=())


def since(boot_id: str = NEW, **changes: Any) -> SinceBoot:
    values: dict[str, Any] = {
        "boot_id": boot_id,
        "uptime_s": 40.0,
        "system": "running",
        "pfs": {PF_1: PfSince(2, 2, 7.5), PF_2: PfSince(2, 2, None)},
        "domains": frozenset({GUEST}),
        "libvirt_at_s": 21.0,
        "bonds": {},
    }
    return SinceBoot(**{**values, **changes})


def way_back(*looks: tuple[float, SinceBoot | str], awaited: Awaited | None = None, name: str = HOST) -> ComingBack:
    """A machine's way back after these looks; a text is one that failed."""
    everything = Awaited({PF_1: 2, PF_2: 2}, frozenset({GUEST}))
    back = ComingBack(name, OLD, everything if awaited is None else awaited)
    for at, what in looks or ((3.0, "connection refused"), (60.0, since())):
        if isinstance(what, str):
            back.silent(at, what)
        else:
            back.seen(at, what)
    return back


def guest_back(*looks: tuple[float, SinceBoot | str]) -> ComingBack:
    up = Awaited(bonds={"bond0": frozenset({"enp1s0", "enp2s0"})})
    seen = since(pfs={}, domains=frozenset(), bonds=BOND)
    return way_back(*(looks or ((4.0, "no route"), (110.0, seen))), awaited=up, name=GUEST)


def guest_reboot(**changes: Any) -> GuestReboot:
    facts = guest_facts()
    after = changes.get("after", facts)
    forecasts = compare(foretell_names(domain(), facts), after) if isinstance(after, GuestFacts) else ()
    values = {"may_stay_off": False, "before": facts, "after": after, "back": guest_back(), "forecasts": forecasts}
    return GuestReboot(GUEST, GUEST, **{**values, **changes})


def result(before: HostFacts | None = None, after: HostFacts | None = None, **changes: Any) -> RebootResult:
    """A reboot that brought `after`; everything as it was where nothing else is said."""
    before, after = before or host_facts(), after or host_facts()
    host = wanted()
    values = {
        "way": "systemctl reboot",
        "back": way_back(),
        "after": after,
        "guests": (guest_reboot(),),
        "forecasts": compare(foretell(before, host), after),
        "log": BootLog((FIRST_LINE, RENAMED)),
    }
    return RebootResult(HOST, 900, before, **{**values, **changes})
