"""A run over many bundles, judged by as many processes as there are processors.

Rows are collected once; then this process is forked. Each worker judges a machine, with the guests on it, and hands
over what pytest reported of its rows, what the top of the report shows of it, and what hosts are compared by. Here the
reports are told to pytest in the order of the rows, as if they had been made here: all that a run writes and prints,
and its exit status, come from the same hooks as in one process. What compares hosts is judged so at the end, by other
workers, which know what was kept of all.
"""

from __future__ import annotations

import contextlib
import gc
import os
import sys
import threading
from collections.abc import Generator, Iterable, Sequence
from itertools import groupby
from pathlib import Path

import pytest

from checks.fixtures import machines_of
from checks.machine_order import are_many, place_in
from checks.machines import BUNDLES, SELECTION
from checks.retold import Unit, lost, retell, retold
from checks.unit_judge import UnitJudge
from checks.workers import Died, Work, divided
from reports.run_folder import BY_MACHINE

_OURS = Path(__file__).parent
# They get ready anew for each phase of each row, which takes as long as most rows do.
_FOR_PRINTS_AND_LOGS = ("capturemanager", "logging-plugin")
_ROWS_AT_A_TIME = 50  # of those about all hosts, or about no machine
_QUIET = "vfproof-reporting"  # writes the run folder, which is for one process to do


def pytest_addoption(parser: pytest.Parser) -> None:
    """`--processes`."""
    parser.getgroup("vfproof").addoption(
        "--processes",
        type=int,
        metavar="N",
        help="judge the bundles of many machines in N processes (default: as many as there are processors)",
    )


@pytest.hookimpl(tryfirst=True)
def pytest_runtestloop(session: pytest.Session) -> bool | None:
    """Judge in several processes, where that pays; None leaves the run to pytest."""
    processes = _processes(session)
    units = _units(session) if processes > 1 else []
    if len(units) < 2:
        return None
    machines_of(session)  # every process knows which bundles there are
    _flush(session.config)
    _divide(session, units, processes)
    left = session.items[sum(map(len, units)) :]
    _divide(session, [left[at : at + _ROWS_AT_A_TIME] for at in range(0, len(left), _ROWS_AT_A_TIME)], processes)
    return True


def _divide(session: pytest.Session, units: Sequence[Sequence[pytest.Item]], processes: int) -> None:
    """Judge these rows in workers, and tell pytest of them in their order."""
    gc.collect()
    gc.freeze()  # what is there stays; looking through it again and again would copy its pages into each worker
    with contextlib.closing(divided(len(units), processes, _work(session, units))) as told:
        for items, handed_over in zip(units, told, strict=True):
            _take(session, items, handed_over)
            gc.freeze()  # and so does what pytest was told


def _processes(session: pytest.Session) -> int:
    """In how many processes the run is to be judged."""
    config = session.config
    selection = config.stash.get(SELECTION, None)
    asked: int | None = config.getoption("processes")
    if selection is None or BUNDLES not in config.stash or not are_many(selection) or session.testsfailed:
        return 1
    if config.option.collectonly or config.option.usepdb or hasattr(config, "workerinput"):
        return 1
    if threading.active_count() > 1:  # a fork would copy their locks in whatever state they are
        return 1
    return len(os.sched_getaffinity(0)) if asked is None else asked


def _units(session: pytest.Session) -> list[list[pytest.Item]]:
    """The rows of one machine after another, as far as they come machine by machine."""
    place = place_in(session.config.stash[SELECTION])
    units = []
    for number, items in groupby(session.items, place):
        if number is None:
            break
        units.append(list(items))
    return units


def _flush(config: pytest.Config) -> None:
    """What waits to be written must not be written by the workers as well."""
    config.get_terminal_writer().flush()
    sys.stdout.flush()
    sys.stderr.flush()


def _work(session: pytest.Session, units: Sequence[Sequence[pytest.Item]]) -> Work:
    """What a worker does."""

    def work(numbers: Sequence[int]) -> Generator[bytes, None, None]:
        judge = UnitJudge(session)
        _begin_in_worker(session, judge)
        after = [units[number][0] for number in numbers[1:]]
        for number, following in zip(numbers, [*after, None], strict=True):
            unit = judge.judge(units[number], following)
            yield unit.packed()
            if unit.ended:
                return

    return work


def _begin_in_worker(session: pytest.Session, judge: UnitJudge) -> None:
    """Hear what is reported, and write no file that the other process writes."""
    plugins = session.config.pluginmanager
    if (reporting := plugins.get_plugin(_QUIET)) is not None:
        plugins.unregister(reporting)
    plugins.register(judge, "vfproof-unit-judge")
    capture = plugins.get_plugin("capturemanager")
    if capture is not None:  # else all processes would write what checks print into one and the same file
        capture.stop_global_capturing()
    if _are_all_ours(session.items):
        for name in _FOR_PRINTS_AND_LOGS:
            if (plugin := plugins.get_plugin(name)) is not None:
                plugins.unregister(plugin)
    elif capture is not None:
        capture.start_global_capturing()
        capture.suspend_global_capture(in_=False)


def _are_all_ours(items: Iterable[pytest.Item]) -> bool:
    """Whether all rows are this project's, which print and log nothing; a site's may."""
    files = {item.parent for item in items}
    return all(file is not None and file.path.is_relative_to(_OURS) for file in files)


def _take(session: pytest.Session, items: Sequence[pytest.Item], told: bytes | Died) -> None:
    """Tell pytest what a worker found of a machine, or that nothing is known of it."""
    if isinstance(told, Died):
        for item in items:
            retell(item, lost(item, told.how))
            _stop_if_asked(session)
        return
    unit = Unit.unpacked(told)
    machines_of(session).learn(unit.lasting)
    for key, new in zip(BY_MACHINE, unit.by_machine, strict=True):
        session.config.stash.setdefault(key, {}).update(new)
    for warning in unit.warnings:
        session.config.hook.pytest_warning_recorded.call_historic(kwargs=warning)
    for item, tellings in zip(items, unit.reports, strict=False):
        retell(item, retold(item, tellings))
        _stop_if_asked(session)
    _forget_uneventful(session.config)
    unit.go_on()


def _forget_uneventful(config: pytest.Config) -> None:
    """Drop pytest's reports of set-ups and clean-ups that went well, unless their times are to be listed at the end."""
    terminal = config.pluginmanager.get_plugin("terminalreporter")
    if terminal is not None and config.option.durations is None:
        terminal.stats.pop("", None)


def _stop_if_asked(session: pytest.Session) -> None:
    """End the run after a row, as pytest does: `-x`, `--maxfail`, or a plugin's wish."""
    if session.shouldfail:
        raise session.Failed(session.shouldfail)
    if session.shouldstop:
        raise session.Interrupted(session.shouldstop)
