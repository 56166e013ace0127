"""What one process heard of rows, told to pytest in another one."""

from __future__ import annotations

import pickle
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal, NamedTuple

import pytest

from checks.machines import Lasting, whose
from checks.outcome import CouldNotLook

Ending = tuple[Literal["exit", "interrupt", "fault"], str, int | None]
"""What ended a worker early, in words, and the exit status that it asked for."""
# The row has these in every process; its id takes long to make.
_OF_THE_ROW = ("_id", "keywords", "user_properties")


class WorkerError(Exception):
    """A mistake in a plugin, met in a worker. The text is its traceback."""


class Told(NamedTuple):  # every row has some, and a plain tuple crosses over in half the time
    """One of pytest's reports, without what the row itself has. `added`: its properties beyond those."""

    kind: type[pytest.TestReport]
    state: Mapping[str, Any]
    added: Sequence[tuple[str, object]]


@dataclass(frozen=True, slots=True)
class Unit:
    """What a worker hands over of a machine: its rows' reports in order, what BY_MACHINE names, and the rest.

    `ended`: what ended the worker in the middle of it, where something did.
    """

    reports: Sequence[Sequence[Told]]
    warnings: Sequence[Mapping[str, Any]] = ()
    by_machine: Sequence[Mapping[str, Any]] = ()
    lasting: Lasting = field(default_factory=dict)
    ended: Ending | None = None

    def packed(self) -> bytes:
        """As bytes. What cannot be, such as a property of a site's own making, becomes its text."""
        try:
            return pickle.dumps(self, pickle.HIGHEST_PROTOCOL)
        except (pickle.PicklingError, TypeError, AttributeError):
            reports = [[_in_plain_words(told) for told in row] for row in self.reports]
            return pickle.dumps(replace(self, reports=reports), pickle.HIGHEST_PROTOCOL)

    @classmethod
    def unpacked(cls, data: bytes) -> Unit:
        """The unit that a worker packed."""
        found = pickle.loads(data)  # noqa: S301 - it comes from a process forked from this one, over a pipe of ours
        assert isinstance(found, cls)
        return found

    def go_on(self) -> None:
        """Raise what ended the worker."""
        if self.ended is None:
            return
        kind, words, status = self.ended
        if kind == "exit":
            raise pytest.exit.Exception(words, status)
        if kind == "interrupt":
            raise KeyboardInterrupt(words)
        raise WorkerError(words)


def told(report: pytest.TestReport, known: int) -> Told:
    """A report to be handed over. `known`: so many properties the row had before it was judged."""
    state = {name: value for name, value in vars(report).items() if name not in _OF_THE_ROW}
    return Told(type(report), state, report.user_properties[known:])


def retold(item: pytest.Item, tellings: Sequence[Told]) -> list[pytest.TestReport]:
    """The reports of a row, as if they had been made here."""
    own: dict[str, Any] = {"keywords": dict.fromkeys(item.keywords, 1)}
    if hasattr(item, "id"):  # since pytest 9.1; before, a report has its nodeid as text
        own["_id"] = item.id
    found: list[pytest.TestReport] = []
    for telling in tellings:
        report = telling.kind.__new__(telling.kind)
        before = found[-1].user_properties if found else []
        known = [*item.user_properties, *telling.added]
        # One by one, as a whole dictionary takes four times the memory, and pytest keeps all reports.
        for name, value in {**own, **telling.state}.items():
            setattr(report, name, value)
        report.user_properties = before if before == known else known
        found.append(report)
    return found


def retell(item: pytest.Item, reports: Sequence[pytest.TestReport]) -> None:
    """Tell pytest of a row."""
    hook, location = item.ihook, reports[0].location
    hook.pytest_runtest_logstart(nodeid=item.nodeid, location=location)
    for report in reports:
        hook.pytest_runtest_logreport(report=report)
    hook.pytest_runtest_logfinish(nodeid=item.nodeid, location=location)
    if hasattr(item, "_request"):  # what was got ready to run it goes, as when pytest has run a row
        item._request, item.funcargs = False, None  # type: ignore[attr-defined]


def lost(item: pytest.Item, how: str) -> list[pytest.TestReport]:
    """The reports of a row that was never judged, because its worker died."""
    item.user_properties += whose(item)
    machine = next((name for key, name in whose(item) if key == "machine"), item.name)

    def unknown() -> None:
        raise CouldNotLook(f"{machine}: not judged: the process that was at this machine {how}")

    calls = (pytest.CallInfo.from_call(unknown, "setup"), pytest.CallInfo.from_call(lambda: None, "teardown"))
    return [item.ihook.pytest_runtest_makereport(item=item, call=call) for call in calls]


def _in_plain_words(telling: Told) -> Told:
    """What can be handed over: texts in place of objects that cannot."""
    state = {name: value if _can_be(value) else str(value) for name, value in telling.state.items()}
    return telling._replace(state=state, added=[(key, str(value)) for key, value in telling.added])


def _can_be(value: object) -> bool:
    try:
        pickle.dumps(value)
    except (pickle.PicklingError, TypeError, AttributeError):
        return False
    return True
