"""The pytest plugin of the drills: options, and a drill per guest that is run once and judged by many statements."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import replace

import pytest

from checks.connection import Connection
from checks.local import LocalConnection
from checks.outcome import CouldNotLook
from checks.transport import connect
from failover import drill as drilling
from failover import verdict
from failover.guest import DrilledGuest
from failover.observer import Watcher, look
from failover.pictures import picture, protocol
from failover.places import CouldNotMeasure, Place, entered
from failover.result import DrillResult
from failover.timeline import Announced
from inventory.model import Budgets, Drill, Guest, Inventory, Observer
from reports.figure import draw
from reports.run_folder import RUN_FOLDER, RunFolder

WAYS = ("auto", "ifenslave", "iproute2", "sysfs")
_RESULTS = pytest.StashKey[dict[str, DrillResult | CouldNotLook]]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """`--drill` and `--switch-by`."""
    group = parser.getgroup("vfproof")
    group.addoption(
        "--drill", action="store_true", help="run the drills that the inventory permits; without it nothing is switched"
    )
    group.addoption("--switch-by", choices=WAYS, help="how to switch the active slave, whatever the inventory says")


@pytest.fixture
def budgets(wanted_guest: Guest) -> Budgets:
    """What a failover of this guest may cost."""
    return wanted_guest.drill.budgets


@pytest.fixture
def drill(request: pytest.FixtureRequest, guest_name: str, wanted_guest: Guest, inventory: Inventory) -> DrillResult:
    """The drill of this guest, run when it is first asked for. Skips where none is permitted or asked for."""
    request.node.user_properties.append(("role", "drill"))
    _skip_unless_wanted(request, guest_name, wanted_guest.drill)
    results = request.config.stash.setdefault(_RESULTS, {})
    if guest_name not in results:
        try:
            results[guest_name] = _drill(request.config, guest_name, wanted_guest, inventory)
        except CouldNotLook as problem:
            results[guest_name] = problem
    result = results[guest_name]
    if isinstance(result, CouldNotLook):
        raise result
    request.node.user_properties += [("evidence", f"{label}\t{path}") for label, path in result.evidence]
    return result


@pytest.fixture
def measured(request: pytest.FixtureRequest, drill: DrillResult) -> DrillResult:
    """The drill's result, for statements about its numbers. Raises `CouldNotMeasure` when it has none."""
    if drill.refused is not None:
        raise CouldNotMeasure(f"{drill.guest}: nothing was measured: no drill on {drill.bond}: {drill.refused}")
    if drill.not_measured is not None:
        raise CouldNotMeasure(f"{drill.guest}: could not measure: {drill.not_measured}")
    request.node.user_properties += [("figure", f"{label}\t{path}") for label, path in drill.figures]
    return drill


@pytest.fixture
def numbers_noted(request: pytest.FixtureRequest, measured: DrillResult) -> None:
    """Put every measured number beside this row."""
    lines = [line for direction in measured.directions for line in verdict.numbers(direction)]
    lines.append(f"undo timer on the guest: {measured.armed}")
    if measured.before is not None and measured.before.reached_over_it:
        lines.append(
            "the controller reaches the guest over the drilled bond itself: only that timer would have saved it"
        )
    request.node.user_properties += [("note", line) for line in lines]


def _skip_unless_wanted(request: pytest.FixtureRequest, guest_name: str, wanted: Drill) -> None:
    if not wanted.permitted:
        pytest.skip(f"{guest_name}: the inventory permits no drill (guests.{guest_name}.drill.permitted)")
    reason = None
    if not request.config.getoption("drill"):
        reason = "it was not asked for (--drill)"
    elif wanted.observer is None:
        reason = f"the inventory names no observer (guests.{guest_name}.drill.observer)"
    if reason is not None:
        request.node.user_properties.append(("wanted-but-not-run", reason))
        pytest.skip(f"{guest_name}: the drill has not run: {reason}")


def _drill(config: pytest.Config, name: str, wanted: Guest, inventory: Inventory) -> DrillResult:
    bond = _bond(name, wanted)
    folder = config.stash[RUN_FOLDER]
    with ExitStack() as stack:
        connection = stack.enter_context(connect(wanted.connect, wanted.ssh_config, sudo=wanted.sudo))
        guest = DrilledGuest(name, Place(connection), bond, wanted.sudo)
        plan = _plan(guest, wanted, config.getoption("switch_by") or wanted.drill.switch)
        observer = wanted.drill.observer or ""
        with folder.open(f"drills/{name}/observer.pcap") as evidence:
            result = drilling.run(plan, lambda: _look(stack, observer, inventory.observers[observer]), evidence)
    return _with_evidence(folder, result)


def _bond(name: str, wanted: Guest) -> str:
    if wanted.drill.bond is not None:
        return wanted.drill.bond
    if len(wanted.bonds) == 1:
        return next(iter(wanted.bonds))
    raise CouldNotMeasure(f"{name}: the inventory does not say which bond to drill (guests.{name}.drill.bond)")


def _plan(guest: DrilledGuest, wanted: Guest, way: str) -> drilling.Plan:
    bond = wanted.bonds.get(guest.bond)
    addresses = [] if bond is None else [Announced(-1, str(each.ip)) for each in bond.addresses]
    for vlan, networks in ({} if bond is None else bond.vlans).items():
        addresses += [Announced(vlan, str(each.ip)) for each in networks]
    return drilling.Plan(
        guest=guest,
        way=way,
        wanted_slaves=() if bond is None else bond.slaves,
        wanted_addresses=tuple(addresses),
        probe_interval_ms=wanted.drill.probe_interval_ms,
        give_back_after_s=wanted.drill.give_back_after_s,
        budgets=wanted.drill.budgets,
    )


def _look(stack: ExitStack, name: str, wanted: Observer) -> Watcher:
    if wanted.connect is None:
        place = Place(LocalConnection(f"observer {name}"), entered(wanted))
        return look(name, place, wanted.interface, sudo=False)
    connection: Connection = stack.enter_context(connect(wanted.connect, wanted.ssh_config, sudo=wanted.sudo))
    return look(name, Place(connection), wanted.interface, sudo=wanted.sudo)


def _with_evidence(folder: RunFolder, result: DrillResult) -> DrillResult:
    base = f"drills/{result.guest}"
    evidence = [("capture (pcap)", f"{base}/observer.pcap")]
    evidence.append(("what the drill found", folder.add(f"{base}/drill.txt", protocol(result).encode())))
    figures = []
    for number, direction in enumerate(result.directions, 1):
        drawn = draw(picture(result, direction))
        figures.append((direction.name, folder.add(f"{base}/timeline-{number}.svg", drawn)))
    return replace(result, evidence=tuple(evidence), figures=tuple(figures))
