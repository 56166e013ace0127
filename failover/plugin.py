"""The pytest plugin of the drills: options, and a drill per guest that is run once and judged by many statements."""

from __future__ import annotations

import argparse
import json
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from typing import get_args

import pytest

from checks.machines import SELECTION, parameters
from checks.outcome import CouldNotLook
from checks.ways import reach, way_to
from failover import drill as drilling
from failover import kernel_log, preparing, verdict
from failover.comparison import beside, caption, uneventful
from failover.drill import evidence_of
from failover.drill_data import as_data
from failover.guest import DrilledGuest, Refused
from failover.pictures import distributions, picture, protocol, statistics_told
from failover.places import CouldNotMeasure, DoesNotApply, Place
from failover.result import DrillResult
from failover.statistics import outliers, worst_ms
from inventory.model import Budgets, Drill, FaultName, Guest, Inventory
from reports.distribution import draw as draw_distribution
from reports.figure import draw
from reports.run_folder import RUN_FOLDER, RunFolder

pytest_plugins = ["failover.rebooting.plugin"]
WAYS = ("auto", "ifenslave", "iproute2", "sysfs")
MOST_ROUNDS = 10_000
MOST_DRAWN = 20
"""Of the events that stand out among many: so many have a figure of their own. All their captures are kept."""
FAULTS = get_args(FaultName)
_RESULTS = pytest.StashKey[dict[tuple[str, FaultName], DrillResult | CouldNotLook]]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """`--drill`, `--fault`, `--repeat` and `--switch-by`."""
    group = parser.getgroup("vfproof")
    group.addoption(
        "--drill", action="store_true", help="run the drills that the inventory permits; without it nothing is switched"
    )
    group.addoption(
        "--fault", action="append", choices=FAULTS, help="drill just this fault of those permitted; may be repeated"
    )
    group.addoption(
        "--repeat", type=_times, default=1, metavar="N", help="do each fault N times, and tell how much they differ"
    )
    group.addoption("--switch-by", choices=WAYS, help="how to switch the active slave, whatever the inventory says")


def _times(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= MOST_ROUNDS:
        raise argparse.ArgumentTypeError(f"--repeat takes a number from 1 to {MOST_ROUNDS}, not {text!r}")
    return int(text)


@pytest.hookimpl(trylast=True)
def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """One row per fault of any selected guest; rows of faults that a guest does not ask for are dropped."""
    if not {"drill", "fault"} <= set(metafunc.fixturenames):
        return
    selection = metafunc.config.stash.get(SELECTION, None)
    guests = [] if selection is None else [selection.inventory.guests[name] for name in selection.guests]
    asked = dict.fromkeys(fault for guest in guests for fault in guest.drill.faults)
    chosen = metafunc.config.getoption("fault") or tuple(asked) or ("switch",)
    metafunc.parametrize("fault", tuple(dict.fromkeys(chosen)), scope="session")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Drop the rows of faults that the guest's inventory does not name, unless the command line asks for them."""
    if SELECTION not in config.stash or config.getoption("fault"):
        return
    guests = config.stash[SELECTION].inventory.guests

    def unasked(item: pytest.Item) -> bool:
        given = parameters(item)
        name, fault = given.get("guest_name"), given.get("fault")
        return name in guests and fault is not None and fault not in guests[name].drill.faults

    # Not told to pytest as deselected: nobody left these out, and a report counts what the command line leaves out.
    items[:] = [item for item in items if not unasked(item)]


@pytest.fixture
def budgets(wanted_guest: Guest) -> Budgets:
    """What a failover of this guest may cost."""
    return wanted_guest.drill.budgets


@pytest.fixture
def drill(
    request: pytest.FixtureRequest, guest_name: str, fault: FaultName, wanted_guest: Guest, inventory: Inventory
) -> DrillResult:
    """The drill of this guest by this fault, run when it is first asked for. Skips where it is not permitted."""
    request.node.user_properties.append(("role", "drill"))
    _skip_unless_wanted(request, guest_name, fault, wanted_guest.drill)
    results = request.config.stash.setdefault(_RESULTS, {})
    if (guest_name, fault) not in results:
        try:
            results[guest_name, fault] = _drill(request, guest_name, fault, inventory)
        except CouldNotLook as problem:
            results[guest_name, fault] = problem
    result = results[guest_name, fault]
    if isinstance(result, CouldNotLook):
        raise result
    request.node.user_properties += [("evidence", f"{label}\t{path}") for label, path in result.evidence]
    if result.does_not_apply is not None:
        pytest.skip(f"{guest_name}: {result.does_not_apply}")
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
def numbers_noted(request: pytest.FixtureRequest, measured: DrillResult, fault: FaultName) -> None:
    """Put every measured number beside this row, and the worst where dashboards find them."""
    lines = [] if measured.rounds == 1 else statistics_told(measured)
    lines += [line for direction in measured.directions if direction.round <= 1 for line in verdict.numbers(direction)]
    lines += [*measured.how, f"undo timers: {measured.armed}"]
    if measured.unfinished:
        lines.append(f"not all was tried: {measured.unfinished}")
    if measured.before is not None and measured.before.reached_over_it:
        lines.append(
            "the controller reaches the guest over the drilled bond itself: only that timer would have saved it"
        )
    request.node.user_properties += [("note", line) for line in lines]
    request.node.user_properties += [
        ("measured", f"drill_{name}_seconds\t{fault}\t{worst / 1000:.6f}") for name, worst in worst_ms(measured).items()
    ]


@pytest.fixture
def kernel_noted(request: pytest.FixtureRequest, measured: DrillResult) -> None:
    """Put what the kernels said meanwhile beside this row."""
    request.node.user_properties += [("note", line) for line in kernel_log.noted(measured.kernel)]


@pytest.fixture
def foretold_noted(request: pytest.FixtureRequest, measured: DrillResult) -> None:
    """Put what was foretold beside what was measured."""
    lines = [line for direction in measured.directions if direction.round <= 1 for line in beside(direction)]
    request.node.user_properties += [("note", line) for line in lines]


def _skip_unless_wanted(request: pytest.FixtureRequest, guest_name: str, fault: FaultName, wanted: Drill) -> None:
    if not wanted.permitted:
        pytest.skip(f"{guest_name}: the inventory permits no drill (guests.{guest_name}.drill.permitted)")
    if fault not in (*wanted.faults, *wanted.on_request):
        pytest.skip(f"{guest_name}: the inventory permits no {fault} (guests.{guest_name}.drill.faults)")
    reason = None
    if not request.config.getoption("drill"):
        reason = "it was not asked for (--drill)"
    elif wanted.observer is None:
        reason = f"the inventory names no observer (guests.{guest_name}.drill.observer)"
    if reason is not None:
        request.node.user_properties.append(("wanted-but-not-run", reason))
        pytest.skip(f"{guest_name}: the drill has not run: {reason}")


def _drill(request: pytest.FixtureRequest, name: str, fault: FaultName, inventory: Inventory) -> DrillResult:
    config, wanted = request.config, inventory.guests[name]
    bond = preparing.bond_of(name, wanted)
    folder = config.stash[RUN_FOLDER]
    base = f"drills/{name}/{fault}"
    with ExitStack() as stack:

        def connected() -> DrilledGuest:
            connection = stack.enter_context(reach(way_to(inventory, name)))
            return DrilledGuest(name, Place(connection), bond, wanted.sudo)

        guest = connected()
        plan = preparing.plan(guest, fault, wanted, config.getoption("switch_by") or wanted.drill.switch)
        try:
            breaker = preparing.breaker(request.getfixturevalue("machines"), stack, plan, inventory)
        except Refused as reason:
            return DrillResult(name, bond, fault, (), None, None, refused=str(reason))
        except DoesNotApply as reason:
            return DrillResult(name, bond, fault, (), None, None, does_not_apply=str(reason))
        observers = [
            partial(preparing.watcher, stack, observer, inventory.observers[observer])
            for observer in (wanted.drill.observer or "", *wanted.drill.more_observers)
        ]
        plan = replace(plan, breaker=breaker, reconnect=connected)
        logs = preparing.kernel_logs(plan)
        result = drilling.run(
            plan,
            observers,
            lambda capture: folder.open(f"{base}/{capture}.pcap"),
            config.getoption("repeat"),
        )
        result = replace(result, kernel=tuple(log.end() for log in logs))
    return _with_evidence(folder, base, result, wanted.drill.budgets)


def _with_evidence(folder: RunFolder, base: str, result: DrillResult, budgets: Budgets) -> DrillResult:
    evidence = [("what the drill found", folder.add(f"{base}/drill.txt", protocol(result).encode()))]
    if result.rounds > 1:
        return _evidence_of_rounds(folder, base, result, budgets, evidence)
    told = json.dumps(as_data(result, budgets), indent=1).encode()
    evidence.append(("its numbers (JSON)", folder.add(f"{base}/drill.json", told)))
    evidence[:0] = [(f"capture of {name} (pcap)", f"{base}/{name}.pcap") for name in result.observers]
    figures = []
    for number, direction in enumerate(result.directions, 1):
        if uneventful(direction):
            continue  # its numbers stand in the notes
        drawn = draw(picture(result, direction))
        figures.append((f"{result.fault}: {caption(direction)}", folder.add(f"{base}/timeline-{number}.svg", drawn)))
    return replace(result, evidence=tuple(evidence), figures=tuple(figures))


def _evidence_of_rounds(
    folder: RunFolder, base: str, result: DrillResult, budgets: Budgets, evidence: list[tuple[str, str]]
) -> DrillResult:
    """Captures and timelines of the first round and of those that stand out, also of one that broke off."""
    odd = outliers(result.directions, budgets)
    begun = len(list((folder.path / base).glob("round-*")))
    kept = {1, *(each.direction.round for each in odd), *range(result.rounds_done + 1, begun + 1)}
    for number in range(1, begun + 1):
        for name in result.observers:
            file = f"{base}/{evidence_of(name, number)}.pcap"
            if number not in kept:
                folder.remove(file)
            elif (folder.path / file).exists():
                evidence.append((f"#{number}: capture of {name} (pcap)", file))
    told = json.dumps(as_data(result, budgets, kept), indent=1).encode()
    evidence.insert(0, ("every round's numbers (JSON)", folder.add(f"{base}/rounds.json", told)))
    figures = []
    if distribution := distributions(result, odd):
        figures.append(("all rounds", folder.add(f"{base}/rounds.svg", draw_distribution(distribution))))
    drawn = [(each, "") for each in result.directions if each.round == 1]
    drawn += [(each.direction, f": {each.why}") for each in odd if each.direction.round > 1][:MOST_DRAWN]
    for number, (direction, why) in enumerate(drawn, 1):
        file = f"{base}/round-{direction.round:03}/timeline-{number}.svg"
        figures.append((f"{direction.name}{why}", folder.add(file, draw(picture(result, direction)))))
    return replace(result, evidence=tuple(evidence), figures=tuple(figures))
