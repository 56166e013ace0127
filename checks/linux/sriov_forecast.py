"""How many VFs udev's rules will make at the next boot, PF by PF, and why a rule that means to does not.

Two ways to boot are played through, for which one comes true depends on the initramfs:

    late    udev loads the PF's driver itself: PCI add (no driver yet), net add under the kernel's name, PCI bind, move
    early   the driver was there before udevd: PCI add and net add are replayed, driver bound and name final; no bind

In both, the kernel says "change" of a PF whenever it has made VFs.
Sources: see `sriov_events` and `sriov_writes`.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Literal

from checks.linux.sriov_correct import Corrector
from checks.linux.sriov_events import Port, Surroundings, event_of
from checks.linux.sriov_reasons import ATTRIBUTE, Seen, Unapplied, unapplied
from checks.linux.sriov_writes import Outcome, Stored, absolute, stored, target_of
from checks.linux.udev_event import Event, Value
from checks.linux.udev_language import Rule, Token
from checks.linux.udev_match import matches
from checks.linux.udev_programs import writes
from checks.linux.udev_rule_set import RuleSet
from checks.linux.udev_rules import apply

__all__ = ["Attempt", "Boot", "Forecast", "Outcome", "Port", "Surroundings", "forecast"]

Boot = Literal["late", "early"]
_EVENTS: Mapping[Boot, tuple[str, ...]] = {
    "late": ("pci add", "net add", "pci bind", "net move"),
    "early": ("pci add", "net add"),
}
# A host whose rules keep changing their minds is not played to the end of time.
_MOST_CHANGES = 4
_MOST_ATTEMPTS = 40
# Corrections are tried by playing all rules again: for one PF so many times, and fewer where there are many rules.
_MOST_TRIES = 24
_MOST_REPLAYED = 5000


@dataclass(frozen=True, slots=True)
class Attempt:
    """One write of a number of VFs that a rule makes. `result` says in words what comes of it.

    `outcome`: busy when another number of VFs is there already, so that the kernel refuses.
    """

    rule: Rule
    event: str
    boot: Boot
    result: str
    outcome: Outcome


@dataclass(frozen=True, slots=True)
class Forecast:
    """What the rules do to one PF. A number is None when it cannot be told. `unapplied`: rules that mention
    sriov_numvfs and do not reach this PF, each with a sentence that names file, line and reason.
    """

    address: str
    late: int | None
    early: int | None
    attempts: tuple[Attempt, ...]
    unapplied: tuple[Unapplied, ...]


@dataclass(slots=True)
class _Bus:
    """The PFs during one boot: how many VFs each has by now, and what was tried."""

    boot: Boot
    ports: Mapping[str, Port]
    counts: dict[str, int | None]
    bound: set[str]
    changed: list[str] = field(default_factory=list)
    attempts: dict[str, list[Attempt]] = field(default_factory=dict)
    seen: dict[str, list[Seen]] = field(default_factory=dict)

    def write(  # noqa: PLR0917
        self,
        rule: Rule,
        token: Token,
        event: Event,
        path: str,
        value: Value,
        certain: bool,  # noqa: FBT001
    ) -> None:
        """Take an assignment to an attribute, or a program."""
        attempt = Attempt(rule, f"{event.device.subsystem} {event.action}", self.boot, "", "unknown")
        if token.key == "RUN" and ATTRIBUTE in token.value:
            self._run(attempt, token, event, value, certain=certain)
        elif token.key == "ATTR" and ATTRIBUTE in path:
            target = target_of(path, event, self.ports)
            if target is None:
                result = f"there is no {path} on the {event.device.subsystem} device: {_right_path(path, event)}"
                self._note(_port_of(event, self.ports), replace(attempt, result=result, outcome="failed"))
            else:
                self._store(target, attempt, event, value, certain=certain)

    def _run(self, attempt: Attempt, token: Token, event: Event, value: Value, *, certain: bool) -> None:
        own = _port_of(event, self.ports)
        if value is None and len(event.device.names) > 1 and ("%k" in token.value or "$kernel" in token.value):
            result = f"fails: {token.name} is given the kernel's first name, and udev renames before programs run"
            self._note(own, replace(attempt, result=result, outcome="failed"))
            return
        done = writes(value or "", _environment(event, self.ports[own]))
        targets = [(text, absolute(path, self.ports), path) for text, path in done.written if ATTRIBUTE in path]
        if done.fails is not None:
            self._note(own, replace(attempt, result=f"fails: {done.fails}", outcome="failed"))
        elif not targets:
            self.counts[own] = None
            self._note(own, replace(attempt, result=f"what the program in {token.name} does cannot be told"))
        for text, target, path in targets:
            if target is None:
                result = f"fails: there is no {path[:200]} then"
                self._note(own, replace(attempt, result=result, outcome="failed"))
            else:
                self._store(target, attempt, event, text, certain=certain)

    def _store(self, address: str, attempt: Attempt, event: Event, value: Value, *, certain: bool) -> None:
        before = self.counts[address]
        done: Stored = stored(self.ports[address], before, value, event, bound=address in self.bound)
        self.counts[address] = done.count if certain or done.count == before else None
        if done.count and done.count != before:
            self.changed.append(address)
        self._note(address, replace(attempt, result=done.result, outcome=done.outcome if certain else "unknown"))

    def _note(self, address: str, attempt: Attempt) -> None:
        self.attempts.setdefault(address, []).append(attempt)

    def happen(self, kind: str, address: str, rules: RuleSet, around: Surroundings) -> None:
        """Send one event of a PF through the rules."""
        event = event_of(
            kind,
            self.ports[address],
            lambda: self.counts[address],
            around,
            bound=address in self.bound,
            early=self.boot == "early",
        )
        if event is not None:
            steps, run = apply(rules, event, self.write)
            self.seen.setdefault(address, []).extend(Seen(event, step, run) for step in steps)


def forecast(
    rules: Sequence[Rule], ports: Iterable[Port], parameters: Mapping[str, str], around: Surroundings | None = None
) -> tuple[Forecast, ...]:
    """What the rules, in the order of reading, make of every PF at the next boot. `parameters`: the kernel's."""
    around = replace(around or Surroundings(), parameters=parameters)
    known = {port.address: port for port in ports}
    about = [rule for rule in rules if ATTRIBUTE in rule.text]
    if not about:
        return tuple(Forecast(address, 0, 0, (), ()) for address in known)
    played = _played(rules)
    late, early = _play("late", played, known, around), _play("early", played, known, around)
    tries = min(_MOST_TRIES, _MOST_REPLAYED // len(played.rules))
    found = []
    for address, port in known.items():
        attempts = (*late.attempts.get(address, []), *early.attempts.get(address, []))
        seen = (*late.seen.get(address, []), *early.seen.get(address, []))
        corrector = Corrector(port, around, partial(_works, rules=played, port=port, around=around), tries)
        tried = {id(attempt.rule) for attempt in attempts}
        others = [rule for rule in about if id(rule) not in tried]
        numbers = [bus.counts[address] for bus in (late, early)]
        if any(_for_another(rule, known, address) for rule in others):
            numbers = [None, None]
        found.append(
            Forecast(
                address,
                numbers[0],
                numbers[1],
                tuple(_with_correction(attempt, attempts, corrector) for attempt in attempts[:_MOST_ATTEMPTS]),
                unapplied(others, port.driver, seen, corrector),
            )
        )
    return tuple(found)


_MOST_KEPT = 32
_known_sets: OrderedDict[tuple[int, ...], tuple[Sequence[Rule], RuleSet]] = OrderedDict()


def _played(rules: Sequence[Rule]) -> RuleSet:
    """The rules that can do anything to a PF, sorted out once for all hosts that have these very rules.

    Rules of files with the same text are the same objects (`parse_file`). What is kept holds them, so that no others
    can get their ids.
    """
    key = tuple(map(id, rules))
    if key not in _known_sets:
        _known_sets[key] = rules, RuleSet(filter(_may_matter, rules), ATTRIBUTE)
        if len(_known_sets) > _MOST_KEPT:
            _known_sets.popitem(last=False)
    _known_sets.move_to_end(key)
    return _known_sets[key][1]


def _may_matter(rule: Rule) -> bool:
    """Whether the rule can do anything to a PF: most are for other subsystems, and say so first."""
    if ATTRIBUTE in rule.text or rule.label is not None:
        return True
    return not _other_subsystem(rule)


def _other_subsystem(rule: Rule) -> bool:
    wanted = [t for t in rule.tokens if t.key == "SUBSYSTEM" and t.operator == "=="]
    return not all(any(matches(t.value, name, any_case=t.any_case) for name in ("net", "pci")) for t in wanted)


def _play(boot: Boot, rules: RuleSet, ports: Mapping[str, Port], around: Surroundings) -> _Bus:
    bus = _Bus(boot, ports, dict.fromkeys(ports, 0), set())
    for address, port in ports.items():
        for kind in _EVENTS[boot]:
            if (boot == "early" or kind != "pci add") and port.driver:
                bus.bound.add(address)
            if kind == "pci bind" and not port.driver:
                continue
            bus.happen(kind, address, rules, around)
            for _ in range(_MOST_CHANGES):
                changed, bus.changed = bus.changed, []
                for other in changed:
                    bus.happen("pci change", other, rules, around)
    return bus


def _works(rule: Rule, corrected: Rule, rules: RuleSet, port: Port, around: Surroundings) -> bool:
    """Whether a rule makes VFs on the PF when udev loads its driver, put in the place of another one."""
    changed = rules.with_another(rule, corrected)
    attempts = _play("late", changed, {port.address: port}, around).attempts.get(port.address, [])
    return any(attempt.rule is corrected and attempt.outcome == "made" for attempt in attempts)


def _for_another(rule: Rule, ports: Mapping[str, Port], address: str) -> bool:
    """Whether a rule may set the PF's number at an event of another kind of device, which is not played here."""
    if rule.problem or not _other_subsystem(rule):
        return False
    for token in rule.tokens:
        if token.key == "ATTR" and not token.is_match and token.attribute and token.attribute.startswith("[pci/"):
            return address in token.attribute and ATTRIBUTE in token.attribute
        if token.key == "RUN" and ATTRIBUTE in token.value:
            done = writes(token.value, {})
            return done.fails is None and (not done.written or address in {absolute(p, ports) for _, p in done.written})
    return False


def _with_correction(attempt: Attempt, attempts: Iterable[Attempt], corrector: Corrector) -> Attempt:
    """A failed attempt with the rule that would not fail, where there is one."""
    own = [other for other in attempts if other.rule is attempt.rule]
    if attempt.outcome != "failed" or any(other.outcome != "failed" and other.boot == "late" for other in own):
        return attempt
    corrected = corrector.corrected(attempt.rule)
    return replace(attempt, result=f"{attempt.result}; corrected, it reads {corrected}") if corrected else attempt


def _environment(event: Event, port: Port) -> dict[str, str | None]:
    """What a program is given: by then udev has renamed the netdev, and says its new name."""
    if event.device.subsystem == "net":
        return {"INTERFACE": port.netdev, "DEVPATH": f"/{port.path}/net/{port.netdev}", "ACTION": event.action}
    slot = {"PCI_SLOT_NAME": event.properties.get("PCI_SLOT_NAME")}
    return {**slot, "DEVPATH": f"/{port.path}", "ACTION": event.action}


def _port_of(event: Event, ports: Mapping[str, Port]) -> str:
    return next(address for device in event.chain for address in device.names if address in ports)


def _right_path(path: str, event: Event) -> str:
    if any(character in path for character in "$%"):
        return "udevd puts nothing into the name of an attribute that it writes"
    right = f"device/{ATTRIBUTE}" if event.device.subsystem == "net" else ATTRIBUTE
    return f"it is ATTR{{{right}}} there"
