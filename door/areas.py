"""A pytest plugin for the project's own tests: at the end, how long each area took."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field

import pytest


@dataclass
class Area:
    """One folder below tests/: the time of its tests, set-up and clean-up included, and how many ran."""

    seconds: float = 0.0
    tests: set[str] = field(default_factory=set)


def area_of(nodeid: str) -> str:
    """The folder below tests/ that a test is in; tests of the house as a whole lie in none."""
    parts = nodeid.partition("::")[0].split("/")
    return parts[1] if len(parts) > 2 and parts[0] == "tests" else "(house)"


def lines(areas: dict[str, Area]) -> list[str]:
    """A line per area, the slowest first."""
    slowest_first = sorted(areas.items(), key=lambda item: -item[1].seconds)
    return [f"{name:<12}{area.seconds:8.1f} s {len(area.tests):6} tests" for name, area in slowest_first]


class Times:
    """Adds up what pytest reports."""

    def __init__(self) -> None:
        self.areas: defaultdict[str, Area] = defaultdict(Area)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Set-up, call and clean-up each come as a report of their own."""
        area = self.areas[area_of(report.nodeid)]
        area.seconds += report.duration
        area.tests.add(report.nodeid)

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Before pytest's own closing line."""
        terminalreporter.section("time per area")
        for line in lines(self.areas):
            terminalreporter.write_line(line)


def pytest_configure(config: pytest.Config) -> None:
    """Listen in this run."""
    config.pluginmanager.register(Times(), "vfproof-areas")
