"""The host's side of a drill: its PFs are set down, or the links of single VFs, and given back."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from checks.outcome import CouldNotLook
from failover.bond_state import parse_lines
from failover.events import Do, Event
from failover.guest import TOO_LATE, armed, given_back
from failover.places import CouldNotMeasure, DoesNotApply, Place, script
from failover.result import Acted

SCRIPT_DEADLINE_S = 30
SETTLE_DEADLINE_S = 3
_KEPT = ("address", "mtu", "vfinfo_list")


@dataclass(frozen=True, slots=True)
class VfPlace:
    """Where a slave's VF is on the host."""

    pf: str
    index: int


@dataclass(slots=True)
class HostLinks:
    """The links behind a guest's slaves, as their host can take them away. A `failover.plan.Breaker`."""

    host: str
    place: Place
    kind: Literal["pf", "vf"]
    behind: Mapping[str, VfPlace]
    """By the name of the slave in the guest."""
    sudo: bool
    _before: dict[str, dict[str, Any]] = field(default_factory=dict, init=False)
    _armed: list[tuple[str, str]] = field(default_factory=list, init=False)

    @property
    def name(self) -> str:
        """Where it acts."""
        return self.host

    @property
    def pfs(self) -> tuple[str, ...]:
        """The PFs whose links are at stake."""
        return tuple(dict.fromkeys(vf.pf for vf in self.behind.values()))

    def demand_settable(self) -> None:
        """Raises `DoesNotApply` when the driver does not let the link states of VFs be set."""
        if self.kind == "pf":
            return
        for vf in self.behind.values():
            said = parse_lines(self._run("vf_link_settable.sh", vf.pf, str(vf.index))).get("settable", "no answer")
            if said != "yes":
                raise DoesNotApply(f"{self.host}: the link state of VF {vf.index} of {vf.pf} cannot be set: {said}")

    def arm(self, token: str, give_back_after_s: int) -> str:
        """Lock every PF (or VF) and arm its timer; says which. Raises `Refused`, with nothing left armed."""
        self._before = self._state()
        said = []
        try:
            for number, (lock, words) in enumerate(self._locks()):
                own = f"{token}{number}"
                said.append(armed(self._run("arm.sh", lock, own, str(give_back_after_s), "", *words)))
                self._armed.append((lock, own))
        except CouldNotLook:
            self.give_back(token)
            raise
        return ", ".join(said)

    def renew(self, former: str, token: str, give_back_after_s: int) -> tuple[str, str]:  # noqa: ARG002 - as give_back
        """Set everything as it was and keep every lock, each with a new timer before its old one is stopped."""
        back, said = [], []
        for number, (lock, words) in enumerate(self._locks()):
            own = f"{token}{number}"
            answer = self._run("arm.sh", lock, own, str(give_back_after_s), self._armed[number][1], *words)
            said.append(armed(answer))
            back.append(given_back(answer))
            self._armed[number] = lock, own
        return ", ".join(dict.fromkeys(back)), ", ".join(said)

    def give_back(self, token: str) -> str:  # noqa: ARG002 - each lock has a token of its own, made from this one
        """Set everything as it was, disarm every timer; says how it went."""
        said = [given_back(self._run("give_back.sh", lock, own)) for lock, own in reversed(self._armed)]
        self._armed.clear()
        return ", ".join(dict.fromkeys(said))

    def act(self, event: Event) -> Acted:
        """Take the links of the event's slaves away, or give them back."""
        places = [self.behind[nic] for nic in event.nics]
        held = dict(self._armed)
        links = dict.fromkeys(f"{vf.pf}:{vf.index}:{held[self._lock(vf)]}" for vf in places)
        said = parse_lines(self._run("link_act.sh", self.kind, "down" if event.do is Do.DOWN else "up", *links))
        if "missing" in said:
            raise CouldNotMeasure(f"{self.host}: there is no {said['missing']} on the host")
        if "too_late" in said:
            raise CouldNotMeasure(f"{self.host}: {TOO_LATE}")
        try:
            took_ms = (float(said["done_at"]) - float(said["marked_at"])) * 1000
            return Acted(self._way(event), int(said["status"]), said["message"], took_ms)
        except (KeyError, ValueError) as error:
            raise CouldNotMeasure(f"{self.host}: what it said cannot be understood: {error!r}") from error

    def differences(self) -> tuple[str, ...]:
        """What is not as it was of the PFs and their VFs; a PF that has just been set up is given a moment."""
        until = time.monotonic() + SETTLE_DEADLINE_S
        while True:
            now = self._state()
            found = tuple(
                f"{self.host}: {pf}: {key} was {json.dumps(before[key])} and is {json.dumps(now[pf][key])}"
                for pf, before in self._before.items()
                for key in before
                if before[key] != now[pf][key]
            )
            if not found or time.monotonic() > until:
                return found

    def _way(self, event: Event) -> str:
        if self.kind == "pf":
            what = " and ".join(dict.fromkeys(self.behind[nic].pf for nic in event.nics))
            return f"PF {what} {event.do.value} on {self.host}"
        what = " and ".join(f"VF {self.behind[nic].index} of {self.behind[nic].pf}" for nic in event.nics)
        return f"link of {what} {event.do.value} on {self.host}"

    def _lock(self, vf: VfPlace) -> str:
        return f"pf-{vf.pf}" if self.kind == "pf" else f"vf-{vf.pf}-{vf.index}"

    def _locks(self) -> list[tuple[str, tuple[str, ...]]]:
        """Each lock once, with what `arm.sh` must know of it."""
        return list({self._lock(vf): self._words(vf) for vf in self.behind.values()}.items())

    def _words(self, vf: VfPlace) -> tuple[str, ...]:
        return ("pf", vf.pf) if self.kind == "pf" else ("vf", vf.pf, str(vf.index))

    def _state(self) -> dict[str, dict[str, Any]]:
        said = parse_lines(self._run("pf_state.sh", *self.pfs))
        found = {}
        for pf in self.pfs:
            try:
                (link,) = json.loads(said[pf])
                found[pf] = {"up": "UP" in link["flags"], **{key: link.get(key) for key in _KEPT}}
            except (KeyError, ValueError, TypeError) as error:
                raise CouldNotMeasure(f"{self.host}: the state of {pf} cannot be understood: {error!r}") from error
        return found

    def _run(self, name: str, *arguments: str) -> str:
        return self.place.run(script(name, *arguments, sudo=self.sudo), SCRIPT_DEADLINE_S)
