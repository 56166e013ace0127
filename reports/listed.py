"""pytest-html, told of the rows that its page lists and of no others.

It writes cells for every report that it hears of, each setup and teardown, before it asks whether anybody wants them;
of a thousand hosts it would be for nothing forty-nine times in fifty.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest
from pytest_html.basereport import BaseReport


class ListedOnly:
    """Takes the place of pytest-html's plugin, and hands on what that is to hear."""

    def __init__(self, page: BaseReport, is_listed: Callable[[str], bool]) -> None:
        self._page = page
        self._is_listed = is_listed
        self._waiting: dict[str, list[pytest.TestReport]] = {}

    @classmethod
    def put_before_the_page(cls, plugins: pytest.PytestPluginManager, is_listed: Callable[[str], bool]) -> None:
        """Stand in for pytest-html from now on. `is_listed` is asked, by node id, when a row is judged."""
        page = next(plugin for plugin in plugins.get_plugins() if isinstance(plugin, BaseReport))
        plugins.unregister(page)
        plugins.register(cls(page, is_listed), "vfproof-listed-only")

    @pytest.hookimpl(trylast=True)
    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Keep what is told of a row until it is judged."""
        self._waiting.setdefault(report.nodeid, []).append(report)
        if report.when != "teardown":
            return
        reports = self._waiting.pop(report.nodeid)
        for one in reports if self._is_listed(report.nodeid) else ():
            self._page.pytest_runtest_logreport(one)

    @pytest.hookimpl(trylast=True)
    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """Hand on."""
        self._page.pytest_collectreport(report)

    @pytest.hookimpl(trylast=True)
    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """Hand on."""
        self._page.pytest_collection_finish(session)

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Hand on."""
        self._page.pytest_sessionfinish(session)

    @pytest.hookimpl(trylast=True)
    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Hand on."""
        self._page.pytest_terminal_summary(terminalreporter)
