"""Reboot a host, wait until it, its VFs and its guests are back, and read everything again. There is no way to undo it.

Nothing is started, written or repaired: what does not come back by itself stays away, and is told.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial

from checks.connection import Deadline, TransportTrouble
from checks.facts.known import attempt, known
from checks.facts.libvirt import Domain, find
from checks.facts.pci import find as find_pf
from checks.outcome import CouldNotLook
from checks.ways import way_to
from failover.bond_state import parse_lines
from failover.guest import Refused
from failover.held import signals_wait, terminated_like_interrupted
from failover.places import CouldNotMeasure, ProgramFailed, script
from failover.rebooting import log as boot_log
from failover.rebooting.asked import Asked, Carried, wait_for_all
from failover.rebooting.coming_back import Awaited, ComingBack
from failover.rebooting.facts import GuestFacts, bundle_file, gather_guests, gather_host
from failover.rebooting.forecast import foretell
from failover.rebooting.foretold import Compared, compare
from failover.rebooting.log import BootLog
from failover.rebooting.name_forecast import foretell_names
from failover.rebooting.permission import demand_reboot_permission, freed, guests_on
from failover.rebooting.refusals import demand_another_machine, demand_no_drill, own_boot_id, own_macs
from failover.rebooting.result import GuestReboot, RebootResult
from failover.rebooting.since_boot import SinceBoot
from failover.rebooting.told import picture, protocol
from inventory.model import Host, Inventory
from reports.milestones import draw
from reports.run_folder import RunFolder

COMMAND_DEADLINE_S = 30


@dataclass(slots=True)
class Reboot:
    """One reboot of one host, as the inventory permits it. `say` tells a person who waits what is going on."""

    host: str
    inventory: Inventory
    folder: RunFolder
    say: Callable[[str], None] = lambda _: None
    result: RebootResult = field(init=False)
    """What is known so far, whatever happens next; there once the host has been read."""

    @property
    def base(self) -> str:
        """Where its evidence lies in the run folder."""
        return f"drills/{self.host}/reboot"

    @property
    def _wanted(self) -> Host:
        return self.inventory.hosts[self.host]

    def run(self) -> RebootResult:
        """Look, reboot, wait, look again. Raises `CouldNotLook` only as long as nothing was rebooted.

        Ctrl-C, SIGTERM and SIGHUP end the waiting; the `KeyboardInterrupt` that is passed on says what is known.
        """
        file = bundle_file(f"{self.base}/before", self.host)
        before = gather_host(self.host, self._wanted, self.folder, file)
        self.result = RebootResult(self.host, self._wanted.drill.reboot_deadline_s, before)
        self._add(evidence=[(f"bundle of {self.host} before", file)])
        asked = Asked(self.host, self._wanted)
        try:
            self._demand_all(asked, known(before.domains))
            with terminated_like_interrupted():
                self._reboot_and_wait(asked)
                self._read_again(asked)
        except Refused as reason:
            return replace(self.result, refused=str(reason))
        except KeyboardInterrupt as signal:
            if self.result.back is None:
                raise
            raise KeyboardInterrupt(self._interrupted(self.result.back, signal)) from None
        finally:
            asked.close()
        return self.result

    def _add(self, *, evidence: Sequence[tuple[str, str]]) -> None:
        self.result = replace(self.result, evidence=(*self.result.evidence, *evidence))

    def _demand_all(self, asked: Asked, domains: Sequence[Domain]) -> None:
        """Raises `Refused` unless everybody permits it; then the guests are read."""
        before = self.result.before
        demand_another_machine(before.system.boot_id, domains, own_boot_id(), own_macs())
        demand_reboot_permission(self.inventory, self.host, domains, known(before.pfs))
        on = guests_on(self.inventory, self.host)
        running = {on[one.name]: one.name for one in domains if one.running}
        ways = {name: way_to(self.inventory, name) for name in running}
        demand_no_drill(asked, [Asked(name, way) for name, way in ways.items()])
        facts = gather_guests(ways, self.folder, f"{self.base}/before")
        off = freed(self.inventory, self.host, domains)
        stays_off = {one.name for one in domains if one.running and one.autostart is not True}
        guests = tuple(
            GuestReboot(name, domain, may_stay_off=domain in stays_off, before=facts[name])
            for name, domain in running.items()
        )
        self.result = replace(self.result, guests=guests, freed=off)
        read = [name for name, found in facts.items() if not isinstance(found, CouldNotLook)]
        self._add(evidence=[(f"bundle of {name} before", bundle_file(f"{self.base}/before", name)) for name in read])

    def _reboot_and_wait(self, asked: Asked) -> None:
        """Raises `CouldNotLook` or `Refused` before the command, and nothing after it but `KeyboardInterrupt`."""
        first = asked.look()
        guests = [self._awaited_guest(one) for one in self.result.guests if not one.may_stay_off]
        awaited = self._awaited_host(first)
        with signals_wait():
            begun = Deadline(self.result.deadline_s)
            way = command(asked, first.boot_id)
            back = ComingBack(self.host, first.boot_id, awaited)
            self.result = replace(self.result, way=way, back=back, guests=tuple(self._with_backs(guests)))
        self.say(f"{self.host}: rebooting by {way}; waiting for it and its guests, {self.result.deadline_s} s at most")
        wait_for_all(asked, back, guests, begun)

    def _awaited_host(self, now: SinceBoot) -> Awaited:
        """The wanted VFs of PFs that are there, domains that ran and start by themselves, and its own bonds."""
        pfs = known(self.result.before.pfs)
        paired = {name: find_pf(pfs, name, wanted.address) for name, wanted in self._wanted.pfs.items()}
        vfs = {pf.address: self._wanted.pfs[name].vfs for name, pf in paired.items() if pf is not None}
        domains = known(self.result.before.domains)
        return Awaited(vfs, frozenset(one.name for one in domains if one.running and one.autostart), _links_up(now))

    def _awaited_guest(self, guest: GuestReboot) -> Carried:
        """A guest with the links that its bonds have now; one that cannot be asked now is awaited all the same."""
        asked = Asked(guest.name, way_to(self.inventory, guest.name))
        now = attempt(asked.look)
        if isinstance(now, CouldNotLook):
            return Carried(asked, ComingBack(guest.name, "", Awaited()), guest.domain)
        return Carried(asked, ComingBack(guest.name, now.boot_id, Awaited(bonds=_links_up(now))), guest.domain)

    def _with_backs(self, carried: Sequence[Carried]) -> Iterator[GuestReboot]:
        backs = {one.back.name: one.back for one in carried}
        return (replace(guest, back=backs.get(guest.name)) for guest in self.result.guests)

    def _interrupted(self, back: ComingBack, signal: KeyboardInterrupt) -> str:
        """What a person must know who ends the waiting: the host goes on without him."""
        self._write_down()
        why = f" ({signal})" if str(signal) else ""
        return (
            f"the waiting for {self.host} was ended{why}: it had been told to reboot, which cannot be undone, and "
            f"goes on by itself; {back.last_seen}"
        )

    def _read_again(self, asked: Asked) -> None:
        """Facts of afterwards, the kernel's log, and what became of every forecast. Raises nothing."""
        back, before = self.result.back, self.result.before
        if back is not None and back.is_back:
            self.say(f"{self.host}: {back.last_seen}; reading everything again")
            file = bundle_file(f"{self.base}/after", self.host)
            after = attempt(partial(gather_host, self.host, self._wanted, self.folder, file))
            if isinstance(after, CouldNotLook):
                self.result = replace(self.result, not_read=str(after))
            else:
                self._add(evidence=[(f"bundle of {self.host} after", file)])
                came = compare(foretell(before, self._wanted), after)
                self.result = replace(self.result, after=after, forecasts=came)
                self._read_guests_again(known(before.domains))
                self._read_log(asked)
        self._write_down()

    def _read_guests_again(self, domains: Sequence[Domain]) -> None:
        back = {guest.name for guest in self.result.guests if guest.back is not None and guest.back.is_back}
        below = f"{self.base}/after"
        found = gather_guests({name: way_to(self.inventory, name) for name in back}, self.folder, below)
        self._add(
            evidence=[
                (f"bundle of {name} after", bundle_file(below, name))
                for name, facts in found.items()
                if not isinstance(facts, CouldNotLook)
            ]
        )
        self.result = replace(
            self.result,
            guests=tuple(
                replace(one, after=found.get(one.name), forecasts=_names(one, found.get(one.name), domains))
                for one in self.result.guests
            ),
        )

    def _read_log(self, asked: Asked) -> None:
        place = attempt(lambda: asked.place)
        problem = place if isinstance(place, CouldNotLook) else None
        log = BootLog(why_not=str(problem)) if problem else boot_log.read(known(place), sudo=self._wanted.sudo)
        self.result = replace(self.result, log=log)
        if log.lines:
            text = "\n".join(boot_log.told(at, line) for at, line in log.lines)
            file = self.folder.add(f"{self.base}/boot-log.txt", text.encode())
            self._add(evidence=[(f"kernel log of {self.host}'s new boot", file)])

    def _write_down(self) -> None:
        file = self.folder.add(f"{self.base}/reboot.txt", "\n".join([*protocol(self.result), ""]).encode())
        self.result = replace(self.result, evidence=(("what the reboot brought", file), *self.result.evidence))
        if (drawn := picture(self.result)) is not None:
            figure = self.folder.add(f"{self.base}/phases.svg", draw(drawn))
            self.result = replace(self.result, figures=(("what came back when", figure),))


def command(asked: Asked, boot_id: str) -> str:
    """Tell the machine to reboot, if it is still in this boot; says how.

    A connection that is lost meanwhile is what a reboot does: whether it was one, the next boot tells. Raises
    `Refused`; what its connection raises when none came about; `CouldNotMeasure` when nobody knows what was done.
    """
    place = asked.place
    try:
        said = parse_lines(place.run(script("reboot.sh", boot_id, sudo=asked.machine.sudo), COMMAND_DEADLINE_S))
    except TransportTrouble as problem:
        return f"a command whose answer was lost ({problem})"
    except ProgramFailed as problem:
        raise CouldNotMeasure(f"{problem}; whether it reboots now is not known") from problem
    if "rebooting" not in said or "refused" in said:
        tried = said.get("failed", "").replace("\n", "; ")
        raise Refused(f"{said.get('refused', 'no answer to the command')}{f' ({tried})' if tried else ''}")
    return said["rebooting"].split("\n")[-1]


def _links_up(now: SinceBoot) -> dict[str, frozenset[str]]:
    """The slaves that have a link, by bond."""
    return {bond: frozenset(nic for nic in slaves if slaves[nic] == "up") for bond, slaves in now.bonds.items()}


def _names(
    guest: GuestReboot, after: GuestFacts | CouldNotLook | None, domains: Sequence[Domain]
) -> tuple[Compared, ...]:
    """What was foretold of the names of a guest's NICs, if it could be read both times."""
    if isinstance(guest.before, CouldNotLook) or after is None or isinstance(after, CouldNotLook):
        return ()
    before, domain = guest.before, find(tuple(domains), guest.domain)
    foretold = attempt(lambda: tuple(foretell_names(domain, before)))
    return () if isinstance(foretold, CouldNotLook) else compare(foretold, after)
