"""Waivers of the inventory: a broken statement that somebody answers for, until a day.

pytest has an outcome for "known to be broken, and accepted": xfailed. A waived row is one, so neither pytest's exit
status nor JUnit XML calls it a failure or a pass. Only what is broken can be waived; what nobody could look at is not.
"""

from __future__ import annotations

import re
from collections.abc import Generator
from datetime import date, datetime
from pathlib import Path

import pytest

from checks.machines import SELECTION, parameters
from inventory.waiver import Waiver
from inventory.wording import did_you_mean
from reports import rows
from reports.run_folder import REMARKS

_ROOT = Path(__file__).resolve().parents[1]
_STATEMENT = re.compile(r"^def (test_\w+)\(", re.MULTILINE)
_SEEN = pytest.StashKey[bool]()


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Say which waivers name a statement that is neither ours nor of this run."""
    if SELECTION not in config.stash or not (waivers := config.stash[SELECTION].inventory.waivers):
        return
    known = {_statement(item) for item in items} | _ours()
    remarks = config.stash.setdefault(REMARKS, [])
    for waiver in waivers:
        if waiver.statement not in known:
            near = did_you_mean(waiver.statement, sorted(known)).partition("; there are")[0]
            remarks.append(
                f"a waiver of {waiver.on} by {waiver.by} names {waiver.statement}, and there is no such statement{near}"
            )


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Let a broken row that is waived be one that pytest expected to fail; and tell of every waiver what it is worth.

    It comes after the row was called broken or an error (`checks.plugin`).
    """
    report = yield
    waiver = _waiver_of(item)
    if waiver is None or (word := rows.outcome(report)) is None or _SEEN in item.stash:
        return report
    state = _worth(waiver, word, _today())
    if report.when != "teardown":
        item.stash[_SEEN] = True
        told = [("waiver", state), ("waiver-by", waiver.by), ("waiver-until", waiver.until.isoformat())]
        told.append(("waiver-reason", waiver.reason))
        item.user_properties += told
        report.user_properties += told
    if state == "counts" and call.excinfo is not None:
        setattr(report, rows.MESSAGE, rows.message_of(call.excinfo.value))
        report.outcome = "skipped"
        report.wasxfail = f"waived by {waiver.by} until {waiver.until.isoformat()}: {waiver.reason}"
    return report


def _worth(waiver: Waiver, word: rows.Outcome, today: date) -> rows.WaiverState:
    """What the waiver does for a row that came out like this."""
    if word == "could not look":
        return "no help"
    if word != "broken":
        return "not needed"
    return "counts" if today <= waiver.until else "expired"


def _waiver_of(item: pytest.Item) -> Waiver | None:
    if SELECTION not in item.config.stash:
        return None
    waivers = item.config.stash[SELECTION].inventory.waivers
    if not waivers:
        return None
    values = parameters(item)
    machines = {values.get(f"{role}_name") for role in ("host", "guest", "machine")}
    return next((one for one in waivers if one.on in machines and one.statement == _statement(item)), None)


def _statement(item: pytest.Item) -> str:
    return getattr(item, "originalname", None) or item.name.partition("[")[0]


def _ours() -> set[str]:
    """The names of all statements of this project: a run may have collected only some of them."""
    files = (file for room in ("checks", "failover") for file in (_ROOT / room).rglob("test_*.py"))
    return {name for file in files for name in _STATEMENT.findall(file.read_text(encoding="utf-8"))}


def _today() -> date:
    """The day where the run was started; a waiver counts on its last day."""
    return datetime.now().astimezone().date()
