"""Keeps what a run found, as it is found, so that a run that is cut off leaves a folder worth reading."""

from __future__ import annotations

import getpass
import os
import platform
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Literal

import pytest

from reports import readiness, rows
from reports.readiness import Machine
from reports.results import Results, Run
from reports.rows import Row
from reports.run_folder import RunFolder
from reports.text import printable

SYNC_EVERY_S = 1.0
REFRESH_EVERY_S = 0.5
PACKAGES = (
    "pytest",
    "pytest-html",
    "pytest-testinfra",
    "paramiko",
    "cryptography",
    "scapy",
    "pydantic",
    "PyYAML",
    "defusedxml",
    "matplotlib",
)


@dataclass
class Recorder:
    """The rows of one run, in `results.jsonl` at once, in `results.json` from time to time and at the end."""

    folder: RunFolder
    run: Run
    host_of: Mapping[str, str] = field(default_factory=dict)
    facts: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    rows: dict[str, Row] = field(default_factory=dict)
    judging: str = ""
    _reports: dict[str, list[pytest.TestReport]] = field(default_factory=dict)
    _refreshed: float = 0.0
    _synced: float = 0.0
    _rest_s: float = REFRESH_EVERY_S

    def __post_init__(self) -> None:
        self._lines = self.folder.open("results.jsonl")

    def hear(self, report: pytest.TestReport) -> None:
        """Take one of pytest's reports; the last of an item makes its row."""
        self._reports.setdefault(report.nodeid, []).append(report)
        if report.when == "teardown":
            self._close(report.nodeid)

    def add(self, row: Row) -> None:
        """Take a row, and put it where it outlives this process."""
        self.rows[row.id] = row
        self._lines.write(row.model_dump_json().encode() + b"\n")
        if time.monotonic() - self._synced > SYNC_EVERY_S:
            os.fsync(self._lines.fileno())
            self._synced = time.monotonic()

    def update_run(self, **changes: object) -> None:
        """Note something about the run as a whole."""
        self.run = self.run.model_copy(update=changes)

    def is_time_to_refresh(self) -> bool:
        """Whether the folder's files are old enough to be written again; that takes a fiftieth of a run at most."""
        return time.monotonic() - self._refreshed > self._rest_s

    def refreshed(self, took_s: float) -> None:
        """Note that the folder's files were just written, and what that cost."""
        self._refreshed = time.monotonic()
        self._rest_s = max(REFRESH_EVERY_S, took_s * 50)

    def finish(self) -> None:
        """Close the books: items cut off between their judgement and their teardown are rows too."""
        for nodeid, reports in list(self._reports.items()):
            if any(rows.outcome(report) is not None for report in reports):
                self._close(nodeid)
        self._lines.close()
        self.update_run(finished=datetime.now(UTC))

    def machines(self) -> tuple[Machine, ...]:
        """Readiness per machine for the rows so far."""
        incomplete = ""
        if self.run.finished is None or self.run.ended_by:
            incomplete = "the run did not come to its end, so not everything was judged"
        return readiness.machines(list(self.rows.values()), self.host_of, self.facts, incomplete=incomplete)

    def results(self) -> Results:
        """All of it, for results.json and for the page."""
        state: Literal["running", "finished", "interrupted"] = "running"
        if self.run.finished is not None:
            state = "interrupted" if self.run.ended_by else "finished"
        return Results(state=state, run=self.run, machines=self.machines(), rows=tuple(self.rows.values()))

    def save(self) -> None:
        """Write results.json."""
        self.folder.add("results.json", self.results().model_dump_json(indent=1).encode())

    def _close(self, nodeid: str) -> None:
        self.add(rows.row(nodeid, self._reports.pop(nodeid)))


def started_run(command_line: Sequence[str], project_version: str, labels: Mapping[str, str]) -> Run:
    """A run that starts now, on this machine, by this user."""
    versions = {"vfproof": project_version, "python": platform.python_version(), "kernel": platform.release()}
    for package in PACKAGES:
        try:
            versions[package] = version(package)
        except PackageNotFoundError:
            versions[package] = "not installed"
    return Run(
        started=datetime.now(UTC),
        command_line=tuple(printable(argument, 1000) for argument in command_line),
        user=_user(),
        controller=platform.node(),
        versions=versions,
        labels={printable(key, 100): printable(value, 500) for key, value in labels.items()},
    )


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a uid with no name, as in a container
        return f"uid {os.getuid()}"


def project_version(pyproject: Path) -> str:
    """The version that pyproject.toml gives."""
    import tomllib

    return str(tomllib.loads(pyproject.read_text(encoding="utf-8"))["project"]["version"])
