"""A worker's side of a divided run: judge the rows of one machine, and gather what is to be handed over."""

from __future__ import annotations

import contextlib
import traceback
import warnings
from collections.abc import Iterator, Sequence
from typing import Any

import pytest
from _pytest.runner import runtestprotocol

from checks.fixtures import machines_of
from checks.retold import Ending, Told, Unit, told
from reports.run_folder import BY_MACHINE


class UnitJudge:
    """A pytest plugin. Rows are judged by pytest's own protocol; what it reports is kept in place of being logged."""

    def __init__(self, session: pytest.Session) -> None:
        self._session = session
        self._reports: list[list[Told]] = []
        self._within: list[pytest.TestReport] = []
        self._warnings: list[dict[str, Any]] = []
        config = session.config
        self._sums_up = config.option.durations is None and config.getini("junit_duration_report") == "total"
        self._places: dict[tuple[object, str], tuple[str, tuple[str, int | None, str]]] = {}
        self._known: list[set[str]] = [set() for _ in BY_MACHINE]
        list(self._new_by_machine())  # what is there by now is none of a worker's news

    def judge(self, items: Sequence[pytest.Item], following: pytest.Item | None) -> Unit:
        """Judge these rows. `following`: the row that this worker judges next, for which set-ups are kept."""
        self._reports, self._warnings = [], []
        ended = self._run(items, following)
        machines = machines_of(self._session)
        machines.let_go()  # the next rows are about other machines, and every worker would hold some of its own
        lasting = machines.hand_over()
        return Unit(self._reports, self._warnings, [*self._new_by_machine()], lasting, ended)

    def _new_by_machine(self) -> Iterator[dict[str, Any]]:
        """What was filled since the last time."""
        for key, known in zip(BY_MACHINE, self._known, strict=True):
            filled = self._session.config.stash.get(key, {})
            yield {name: value for name, value in filled.items() if name not in known}
            known.update(filled)

    def _run(self, items: Sequence[pytest.Item], following: pytest.Item | None) -> Ending | None:
        try:
            for item, after in zip(items, [*items[1:], following], strict=True):
                item.config.hook.pytest_runtest_protocol(item=item, nextitem=after)
        except BaseException as error:  # noqa: BLE001 - the process that tells pytest raises it again
            with contextlib.suppress(Exception):
                self._session._setupstate.teardown_exact(None)  # as pytest does when a session ends
            if isinstance(error, pytest.exit.Exception):
                return "exit", str(error.msg), error.returncode
            if isinstance(error, KeyboardInterrupt):
                return "interrupt", str(error), None
            return "fault", "".join(traceback.format_exception(error)), None
        return None

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_protocol(self, item: pytest.Item, nextitem: pytest.Item | None) -> bool:
        """What pytest does with a row, except that nobody is told here."""
        known, self._within = len(item.user_properties), []
        self._place(item)
        setup, *others = runtestprotocol(item, log=False, nextitem=nextitem)
        reports = (setup, *self._within, *others)
        if self._is_for_nothing(setup):
            others[0].duration += setup.duration
            reports = reports[1:]
        self._reports.append([told(report, known) for report in reports])
        return True

    def _is_for_nothing(self, setup: pytest.TestReport) -> bool:
        """Whether all there is to say of a set-up is how long it took: that counts as the check's own time, then."""
        return self._sums_up and setup.passed and not setup.sections

    def _place(self, item: pytest.Item) -> None:
        """Where the row's function is: the same for its rows of all machines, and pytest looks anew for each."""
        function = getattr(item, "originalname", None)
        if function is None:
            return
        key = item.parent, function
        if key not in self._places:
            self._places[key] = item.name, item.location
        first, (file, line, name) = self._places[key]
        vars(item)["location"] = file, line, name.removesuffix(first) + item.name

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """What a row reports of its parts, such as pytest's subtests."""
        self._within.append(report)

    def pytest_warning_recorded(
        self, warning_message: warnings.WarningMessage, when: str, nodeid: str, location: tuple[str, int, str] | None
    ) -> None:
        """A warning, without the object that it may hold on to."""
        plain = warnings.WarningMessage(
            str(warning_message.message), warning_message.category, warning_message.filename, warning_message.lineno
        )
        self._warnings.append({"warning_message": plain, "when": when, "nodeid": nodeid, "location": location})
