"""What the terminal says while many machines are judged: a line for each, where pytest has a letter for each row."""

from __future__ import annotations

from collections import Counter
from collections.abc import Generator

import pytest

from reports import readiness, rows
from reports.recorder import Recorder
from reports.rows import OUTCOMES

TOGETHER = "hosts compared"


class Progress:
    """A plugin for as long as rows are judged, one machine's after another's. `-v` and `-q` stay pytest's."""

    def __init__(self, recorder: Recorder, terminal: pytest.TerminalReporter) -> None:
        self._recorder = recorder
        self._terminal = terminal
        self._told: set[str] = set()
        self._at = ""
        self._counts: Counter[str] = Counter()

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> Generator[None, object, object]:
        """Speak up in place of pytest's letters and file names, which are back for its summary."""
        self._terminal.showfspath = False
        try:
            return (yield)
        finally:
            self._tell()
            self._terminal.showfspath = None
            session.config.pluginmanager.unregister(self)

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_report_teststatus(
        self, report: pytest.CollectReport | pytest.TestReport
    ) -> Generator[None, tuple[str, str, object], tuple[str, str, object]]:
        """pytest counts the row, and prints nothing."""
        category, letter, word = yield
        return (category, "", "") if isinstance(report, pytest.TestReport) else (category, letter, word)

    def pytest_runtest_logfinish(self, nodeid: str) -> None:
        """Count the row, and tell of a machine when the next one's turn begins."""
        row = self._recorder.rows.get(rows.bounded_line(nodeid))
        if row is None:
            return
        machine = self._recorder.host_of.get(row.machine, row.machine)
        now = TOGETHER if machine in self._told else machine
        if now != self._at:
            self._tell()
            self._at = now
        self._counts[row.outcome] += 1

    def _tell(self) -> None:
        if not self._counts:
            return
        counts: dict[str, int] = {word: self._counts[word] for word in OUTCOMES}
        done = 100 * len(self._recorder.rows) // max(1, self._recorder.run.collected)
        colour = {"red": True} if counts["broken"] or counts["could not look"] else {}
        self._terminal.ensure_newline()
        self._terminal.write(f"{self._at or 'no machine'}: {readiness.in_words(counts)}", **colour)
        self._terminal.write(f" [{done:3}%]\n", cyan=True)
        self._told.add(self._at)
        self._counts.clear()
