"""The guest's side of a drill: read its bond, arm the way back, do one thing to it, give back.

CouldNotMeasure
  Refused                 the guest does not let itself be drilled now: it is locked, or no undo timer can be armed
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass

from failover import bond_state
from failover.bond_state import BondState, parse_lines
from failover.events import Do, Event
from failover.frames import Tokens
from failover.places import CouldNotMeasure, Place, script
from failover.result import SwitchRecord

SCRIPT_DEADLINE_S = 30
REHEARSAL_S = 1
UNLOCK_DEADLINE_S = 15
TOO_LATE = "the undo timer ran out, or all was given back, before this could be done: nothing was changed any more"


class Refused(CouldNotMeasure):
    """The guest does not let itself be drilled now."""


@dataclass(frozen=True, slots=True)
class DrilledGuest:
    """A guest whose bond is drilled."""

    name: str
    place: Place
    bond: str
    sudo: bool

    def state(self) -> BondState:
        """Its bond as it is now. Raises `UnexpectedState`, or what its connection raises."""
        return bond_state.parse(self.bond, self._run("bond_state.sh", self.bond))

    def arm(self, token: str, give_back_after_s: int) -> str:
        """Lock the bond against other drills and arm the timer that restores its links and its active slave.

        Says which timer. Raises `Refused` when another drill holds the lock, or no timer can be armed and read back as
        alive.
        """
        return armed(self._arm(token, give_back_after_s, ""))

    def renew(self, former: str, token: str, give_back_after_s: int) -> tuple[str, str]:
        """Restore everything as `give_back` does, but keep the lock, with a new timer before the old one is stopped.

        Says how it went, and which timer.
        """
        answer = self._arm(token, give_back_after_s, former)
        return given_back(answer), armed(answer)

    def _arm(self, token: str, give_back_after_s: int, former: str) -> str:
        return self._run("arm.sh", self.bond, token, str(give_back_after_s), former, "bond", self.bond)

    def give_back(self, token: str) -> str:
        """Restore links and active slave, then disarm the timer and open the lock; says how it went."""
        return given_back(self._run("give_back.sh", self.bond, token))

    def prove_timer(self) -> None:
        """Let an undo timer run out, with nothing done that it would undo, and see it open its lock.

        For a guest that only its timer could bring back. Raises `Refused` when it does not.
        """
        token = f"rehearsal-{secrets.token_hex(4)}"
        self.arm(token, REHEARSAL_S)
        said = parse_lines(self._run("await_unlock.sh", self.bond, token, str(UNLOCK_DEADLINE_S)))
        if said.get("unlocked") != "yes":
            self.give_back(token)
            raise Refused(
                "the controller reaches the guest over this bond, and in a rehearsal its undo timer did not run out: "
                "nobody would give the bond back if the path were cut"
            )

    def act(
        self, event: Event, way: str, observer_address: str, tokens: Tokens, deadline_s: float, *, held: str
    ) -> SwitchRecord:
        """Do one thing to the bond, right after a marker frame to the observer, and see the bond follow.

        `way`: how to switch. `held`: the token that holds the lock; without it nothing is done. Raises
        `CouldNotMeasure` when the guest has no program for it, or the lock is not held any more.
        """
        by = way if event.do is Do.SWITCH else event.do.value
        return self._act(event, by, observer_address, tokens, deadline_s, held=held)

    def follow(self, event: Event, deadline_s: float) -> SwitchRecord:
        """See the bond follow what somebody else has done."""
        do = "wait-up" if event.do is Do.UP else "wait"
        return self._act(event, do, "", Tokens(b"", b""), deadline_s, held="")

    def _act(
        self, event: Event, by: str, observer_address: str, tokens: Tokens, deadline_s: float, *, held: str
    ) -> SwitchRecord:
        wanted = (event.new_active, event.wanted_bond_mac, str(round(deadline_s * 1000)))
        words = (self.bond, held, self.bond, by, observer_address, tokens.marker.decode(), *wanted, *event.nics)
        said = parse_lines(self._run("act.sh", *words, run_by="bash", more_s=deadline_s))
        if "missing" in said:
            raise CouldNotMeasure(f"{self.name}: there is no {said['missing']} on the guest to switch with")
        if "too_late" in said:
            raise CouldNotMeasure(f"{self.name}: {TOO_LATE}")
        try:
            return _record(said)
        except (KeyError, ValueError) as error:
            raise CouldNotMeasure(f"{self.name}: what the switch said cannot be understood: {error!r}") from error

    def _run(self, name: str, *arguments: str, run_by: str = "sh", more_s: float = 0) -> str:
        return self.place.run(script(name, *arguments, run_by=run_by, sudo=self.sudo), SCRIPT_DEADLINE_S + more_s)


def armed(answer: str) -> str:
    """What `arm.sh` said, for a person. Raises `Refused` when nothing is armed."""
    said = parse_lines(answer)
    if "armed" not in said:
        raise Refused(said.get("refused", "the undo timer could not be armed"))
    return said["armed"] + (" (after a drill that died was cleaned up)" if "taken_over" in said else "")


def given_back(answer: str) -> str:
    """What `give_back.sh` said, for a person."""
    return parse_lines(answer).get("given_back", "no answer")


def _record(said: Mapping[str, str]) -> SwitchRecord:
    return SwitchRecord(
        way=said["way"],
        marker=said["marker"],
        status=int(said["status"]),
        message=said.get("message", ""),
        active_before=said["active_before"],
        active_after=said["active_after"],
        mac_after=said["mac_after"].lower(),
        took_ms=(float(said["done_at"]) - float(said["marked_at"])) * 1000,
    )


def why_not(state: BondState, wanted_slaves: tuple[str, ...]) -> str | None:
    """Why this bond may not be drilled now; None when it may."""
    if state.mode != "active-backup":
        return f"its mode is {state.mode}; only active-backup has an active slave to switch"
    if missing := sorted(set(wanted_slaves) - {slave.nic for slave in state.slaves}):
        return f"it is degraded: {', '.join(missing)} of the inventory is not a slave of it"
    if len(state.slaves) < 2:
        return f"it has {len(state.slaves)} slave{'' if len(state.slaves) == 1 else 's'}; a failover needs two"
    if down := [f"{slave.nic} ({slave.mii_status})" for slave in state.slaves if slave.mii_status != "up"]:
        return f"it is degraded: no link on {', '.join(down)}"
    if state.slave(state.active_slave) is None:
        return "it has no active slave"
    return None
