"""How many VFs udev's rules will make at the next boot, PF by PF, and why a rule that means to does not.

Two ways to boot are played through, for which one comes true depends on the initramfs:

    late    udev loads the PF's driver itself: PCI add (no driver yet), net add under the kernel's name, move, PCI bind
    early   the driver was there before udevd: PCI add and net add are replayed, driver bound and name final; no bind

Sources: systemd 252 and 257 (src/udev, rules.d); Linux 6.12 drivers/pci/iov.c (sriov_numvfs_store), lib/kstrtox.c.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from posixpath import normpath
from typing import Literal

from checks.linux.sriov_reasons import ATTRIBUTE, Seen, Unapplied, unapplied
from checks.linux.udev_event import ABSENT, Absent, Device, Event, Value
from checks.linux.udev_language import Rule, Token
from checks.linux.udev_rules import apply

Boot = Literal["late", "early"]
Outcome = Literal["made", "failed", "busy", "unknown"]
_KERNEL_NAMES = tuple(f"eth{number}" for number in range(32))
_NUMBER = re.compile(r"\+?(0[xX][0-9a-fA-F]+|0[0-7]*|[1-9][0-9]*)\n?")
_REFERENCE = re.compile(r"\[(\w+)/([^\]]+)\]/?(.*)")
_ECHO = re.compile(
    r"""echo\s+(?:-n\s+)?["']?([0-9a-fA-FxX]+)["']?\s*(?:1?>>?\s*|\|\s*tee\s+)["']?(/sys/[^\s"';&|]+/sriov_numvfs)"""
)
_NET_ID = ("ID_NET_NAMING_SCHEME", "ID_NET_NAME_MAC", "ID_NET_NAME_ONBOARD", "ID_NET_NAME_PATH", "ID_NET_NAME_SLOT")


@dataclass(frozen=True, slots=True)
class Port:
    """A PF as the forecast needs it. `parents`: the devices above it, nearest first. `database`: udev's properties of
    its netdev this time. `pci_properties`: its uevent file. `net_attributes`: those of its netdev that rules may name.
    """

    address: str
    driver: str
    netdev: str | None
    net_attributes: Mapping[str, str]
    totalvfs: int | None
    path: str
    ids: Mapping[str, str]
    parents: tuple[Device, ...]
    database: Mapping[str, str]
    pci_properties: Mapping[str, str]


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
            target = _target(path, event, self.ports)
            if target is None:
                result = f"there is no {path} on the {event.device.subsystem} device: {_right_path(event)}"
                self._note(_port_of(event, self.ports), replace(attempt, result=result, outcome="failed"))
            else:
                self._store(target, attempt, event, value, certain=certain)

    def _run(self, attempt: Attempt, token: Token, event: Event, value: Value, *, certain: bool) -> None:
        own = _port_of(event, self.ports)
        if value is None and len(event.device.names) > 1:
            result = f"fails: {token.name} is given the kernel's first name, and udev renames before programs run"
            self._note(own, replace(attempt, result=result, outcome="failed"))
            return
        targets = [(number, _absolute(path, self.ports, event)) for number, path in _ECHO.findall(value or "")]
        if not targets:
            self.counts[own] = None
            self._note(own, replace(attempt, result=f"what the program in {token.name} does cannot be told"))
        for number, target in targets:
            if target is not None:
                self._store(target, attempt, event, number, certain=certain)

    def _store(self, address: str, attempt: Attempt, event: Event, value: Value, *, certain: bool) -> None:
        before = self.counts[address]
        after, outcome, result = _stored(self.ports[address], before, value, event, bound=address in self.bound)
        self.counts[address] = after if certain or after == before else None
        self._note(address, replace(attempt, result=result, outcome=outcome if certain else "unknown"))

    def _note(self, address: str, attempt: Attempt) -> None:
        self.attempts.setdefault(address, []).append(attempt)


def forecast(rules: Sequence[Rule], ports: Iterable[Port], parameters: Mapping[str, str]) -> tuple[Forecast, ...]:
    """What the rules, in the order of reading, make of every PF at the next boot. `parameters`: the kernel's."""
    known = {port.address: port for port in ports}
    if not any(ATTRIBUTE in rule.text for rule in rules):
        return tuple(Forecast(address, 0, 0, (), ()) for address in known)
    played = [rule for rule in rules if _may_matter(rule)]
    late, early = _play("late", played, known, parameters), _play("early", played, known, parameters)
    found = []
    for address, port in known.items():
        attempts = (*late.attempts.get(address, []), *early.attempts.get(address, []))
        seen = (*late.seen.get(address, []), *early.seen.get(address, []))
        others = [rule for rule in rules if ATTRIBUTE in rule.text and rule not in {a.rule for a in attempts}]
        reasons = unapplied(others, port.driver, seen)
        found.append(Forecast(address, late.counts[address], early.counts[address], attempts, reasons))
    return tuple(found)


def _may_matter(rule: Rule) -> bool:
    """Whether the rule can do anything to a PF: most are for other subsystems, and say so first."""
    if ATTRIBUTE in rule.text or rule.value_of("LABEL") is not None:
        return True
    wanted = next((t.value for t in rule.tokens if t.key == "SUBSYSTEM" and t.operator == "=="), "*")
    return any(fnmatchcase(name, part) for name in ("net", "pci") for part in wanted.lower().split("|"))


def _play(boot: Boot, rules: Sequence[Rule], ports: Mapping[str, Port], parameters: Mapping[str, str]) -> _Bus:
    bus = _Bus(boot, ports, dict.fromkeys(ports, 0), set())
    for address, port in ports.items():
        for kind in ("pci add", "net add", "net move", "pci bind") if boot == "late" else ("pci add", "net add"):
            if (boot == "early" or kind != "pci add") and port.driver:
                bus.bound.add(address)
            event = _event(kind, port, bus, parameters)
            if event is not None:
                steps, run = apply(rules, event, bus.write, lambda rule: ATTRIBUTE in rule.text)
                bus.seen.setdefault(address, []).extend(Seen(event, step, run) for step in steps)
    return bus


def _event(kind: str, port: Port, bus: _Bus, parameters: Mapping[str, str]) -> Event | None:
    subsystem, action = kind.split()
    driver = port.driver if port.address in bus.bound else ""
    pci = Device(port.path, (port.address,), "pci", driver, _pci_attributes(port, bus.counts[port.address]))
    path_id = {"ID_PATH": f"pci-{port.address}", "ID_PATH_TAG": re.sub(r"[^\w]", "_", f"pci-{port.address}")}
    hwdb: dict[str, Value] = {k: v for k, v in port.database.items() if k.endswith("_FROM_DATABASE")}
    hwdb = hwdb or {"ID_MODEL_FROM_DATABASE": None, "ID_VENDOR_FROM_DATABASE": None}
    if subsystem == "pci":
        properties: dict[str, Value] = {**port.pci_properties, "DRIVER": driver, "ACTION": action, "SUBSYSTEM": "pci"}
        builtins: dict[str, Mapping[str, Value]] = {
            "path_id": path_id,
            "hwdb": hwdb,
        }
        return Event(action, (pci, *port.parents), properties, builtins, {}, parameters)
    if port.netdev is None:
        return None
    unsettled = bus.boot == "late" and action == "add" and port.netdev not in _KERNEL_NAMES
    if action == "move" and port.netdev in _KERNEL_NAMES:
        return None
    names = _KERNEL_NAMES if unsettled else (port.netdev,)
    device = Device(f"{port.path}/net/{names[0]}", names, "net", "", _net_attributes(port, pci))
    properties = {
        "ACTION": action,
        "SUBSYSTEM": "net",
        "INTERFACE": None if unsettled else port.netdev,
        "IFINDEX": None,
    }
    properties["DEVPATH"] = None if unsettled else f"/{device.path}"
    builtins = {
        "path_id": path_id,
        "hwdb": hwdb,
        "net_driver": {"ID_NET_DRIVER": driver} if driver else {},
        "net_id": {k: port.database.get(k) for k in _NET_ID if not port.database or k in port.database},
        "net_setup_link": {
            "ID_NET_LINK_FILE": port.database.get("ID_NET_LINK_FILE"),
            "ID_NET_NAME": port.database.get("ID_NET_NAME", port.netdev),
            **({"ID_NET_DRIVER": driver} if driver else {}),
        },
    }
    return Event(action, (device, pci, *port.parents), properties, builtins, port.database, parameters)


def _pci_attributes(port: Port, count: int | None) -> dict[str, str | Absent]:
    found: dict[str, str | Absent] = {**port.ids, f"device/{ATTRIBUTE}": ABSENT, "device/sriov_totalvfs": ABSENT}
    if port.totalvfs is None:
        return found | {ATTRIBUTE: ABSENT, "sriov_totalvfs": ABSENT}
    found["sriov_totalvfs"] = str(port.totalvfs)
    if count is not None:
        found[ATTRIBUTE] = str(count)
    return found


def _net_attributes(port: Port, pci: Device) -> dict[str, str | Absent]:
    found: dict[str, str | Absent] = {
        f"device/{k}": v for k, v in pci.attributes.items() if not k.startswith("device/")
    }
    # What PCI devices have, network devices have not; `device` is a link there.
    return found | dict.fromkeys((ATTRIBUTE, "sriov_totalvfs", *port.ids), ABSENT) | dict(port.net_attributes)


def _target(path: str, event: Event, ports: Mapping[str, Port]) -> str | None:
    """The PF whose sriov_numvfs a path in ATTR{...} means; None when there is no such file."""
    if reference := _REFERENCE.fullmatch(path):
        subsystem, name, rest = reference.groups()
        base = f"/sys/bus/pci/devices/{name}" if subsystem == "pci" else f"/sys/class/{subsystem}/{name}"
        return _absolute(f"{base}/{rest}", ports, event)
    return _absolute(f"/sys/{event.device.path}/{path}", ports, event)


def _absolute(path: str, ports: Mapping[str, Port], event: Event) -> str | None:
    """The PF whose sriov_numvfs lies at a path below /sys, links followed as they stand at the time of the event."""
    for port in ports.values():
        names = event.device.names[:1] if event.device.path.startswith(f"{port.path}/net/") else ()
        for name in {*names, *([port.netdev] if port.netdev else [])}:
            here = f"/sys/{port.path}"
            for net in (f"/sys/class/net/{name}", f"{here}/net/{name}"):
                path = path.replace(f"{net}/device/", f"{here}/")
        path = path.replace(f"/sys/bus/pci/devices/{port.address}/", f"/sys/{port.path}/")
    found = normpath(path)
    return next(
        (a for a, port in ports.items() if found == f"/sys/{port.path}/{ATTRIBUTE}" and port.totalvfs is not None), None
    )


def _stored(  # noqa: PLR0911 - one way out for each answer of the kernel
    port: Port, before: int | None, value: Value, event: Event, *, bound: bool
) -> tuple[int | None, Outcome, str]:
    """How many VFs there are after the write, and what it does, also in words."""
    if value is None:
        return None, "unknown", "writes what cannot be told"
    if not _NUMBER.fullmatch(value):
        return before, "failed", f"fails: the kernel takes {value!r} for no number"
    digits = value.strip().lstrip("+")
    octal = digits.startswith("0") and digits.isdecimal() and digits != "0"
    number = int(digits, 16 if digits[:2] in ("0x", "0X") else 8 if octal else 10)
    note = f" ({digits} is octal)" if octal else ""
    if number > (port.totalvfs or 0):
        return before, "failed", f"fails: {number} VFs{note} are more than the {port.totalvfs} of sriov_totalvfs"
    if not bound:
        return before, "failed", "fails: no driver is bound to the PF at that time"
    if before is None:
        return None, "unknown", f"writes {number}{note} where the number of VFs cannot be told"
    if number and before and number != before:
        return (
            before,
            "busy",
            f"fails: {before} VFs are there already, the kernel does not change that to {number}{note}",
        )
    if port.driver == "bnxt_en" and event.device.subsystem == "net" and number:
        return before, "failed", "makes none: bnxt_en refuses while the PF is down, as it is when it appears"
    return number, "made", f"makes {number} VFs{note}"


def _port_of(event: Event, ports: Mapping[str, Port]) -> str:
    return next(address for device in event.chain for address in device.names if address in ports)


def _right_path(event: Event) -> str:
    right = f"device/{ATTRIBUTE}" if event.device.subsystem == "net" else ATTRIBUTE
    return f"it is ATTR{{{right}}} there"
