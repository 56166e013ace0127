"""One folder per run: everything that was seen, said and judged, readable by nobody but its owner.

RunFolderProblem          the folder cannot be used; the text is one sentence for a person
  NotAnEmptyFolder        the wanted folder holds something already: no run overwrites another
  OutsideRunFolder        a name that would leave the folder
"""

from __future__ import annotations

import os
import tempfile
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO

import pytest

FOLDER_MODE = 0o700
FILE_MODE = 0o600


class RunFolderProblem(Exception):  # noqa: N818 - the root of a small tree, named for what it is
    """The run folder cannot be used; the text is one sentence for a person."""


class NotAnEmptyFolder(RunFolderProblem):
    """The wanted folder exists and is not an empty directory."""


class OutsideRunFolder(RunFolderProblem):
    """A relative name that is absolute, empty, or climbs out of the folder."""


@dataclass(frozen=True, slots=True)
class RunFolder:
    """Where one run keeps its report, results and evidence."""

    path: Path

    @classmethod
    def create(cls, base: Path, started: datetime) -> RunFolder:
        """A new folder below `base`, named by its start in UTC; another run in the same second gets a number."""
        stem = started.astimezone(UTC).strftime("%Y-%m-%dT%H-%M-%SZ")
        base.mkdir(parents=True, exist_ok=True)
        number = 1
        while True:
            path = base / (stem if number == 1 else f"{stem}-{number}")
            try:
                path.mkdir(mode=FOLDER_MODE)
            except FileExistsError:
                number += 1
            else:
                return cls(path)

    @classmethod
    def at(cls, path: Path) -> RunFolder:
        """Exactly this folder, made when it is not there. Raises `NotAnEmptyFolder` when it holds something."""
        try:
            path.mkdir(mode=FOLDER_MODE, parents=True, exist_ok=True)
            occupied = any(path.iterdir())
        except OSError as error:
            raise NotAnEmptyFolder(f"{path}: cannot be the run folder: {error.strerror}") from error
        if occupied:
            raise NotAnEmptyFolder(f"{path}: holds something already; name a new or an empty folder for this run")
        path.chmod(FOLDER_MODE)
        return cls(path)

    def add(self, relative: str, data: bytes) -> str:
        """Write one file whole (or not at all), mode 0600, and give its name back as a link from the report.

        A file of that name is replaced. Raises `OutsideRunFolder`.
        """
        target = self._target(relative)
        descriptor, unfinished = tempfile.mkstemp(dir=target.parent, prefix=".unfinished-")  # mkstemp: 0600
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(data)
            Path(unfinished).replace(target)
        except BaseException:
            Path(unfinished).unlink(missing_ok=True)
            raise
        return relative

    def open(self, relative: str) -> BinaryIO:
        """A file to append to as things happen (a capture, a log), mode 0600, unbuffered. Raises `OutsideRunFolder`."""
        descriptor = os.open(self._target(relative), os.O_WRONLY | os.O_CREAT | os.O_APPEND, FILE_MODE)
        return os.fdopen(descriptor, "ab", buffering=0)

    def remove(self, relative: str) -> None:
        """Take away one file that turned out not to be needed, and its folder when that is empty then."""
        target = self._target(relative)
        target.unlink(missing_ok=True)
        if not any(target.parent.iterdir()):
            target.parent.rmdir()

    def seal(self) -> None:
        """Close to everybody else what other programs wrote into the folder by their own rules."""
        for path in self.path.rglob("*"):
            if not path.is_symlink():
                path.chmod(FOLDER_MODE if path.is_dir() else FILE_MODE)

    def _target(self, relative: str) -> Path:
        parts = PurePosixPath(relative).parts
        if not parts or relative.startswith("/") or ".." in parts or "\0" in relative:
            raise OutsideRunFolder(f"{relative!r} does not name a file inside the run folder")
        target = self.path.joinpath(*parts)
        for parent in reversed(target.relative_to(self.path).parents):
            (self.path / parent).mkdir(mode=FOLDER_MODE, exist_ok=True)
        return target


RUN_FOLDER = pytest.StashKey[RunFolder]()
MACHINE_FACTS = pytest.StashKey[dict[str, dict[str, str]]]()
"""Machine's name → label → text, for the top of the report (kernel, OS, NIC, …)."""
READINGS = pytest.StashKey[dict[str, str]]()
"""Machine's name → the file of the run folder in which a person reads everything that was read of it."""
NOTED = pytest.StashKey[dict[str, str]]()
"""A bundle's name in the run folder → whose it is, once all is written down that is made of it."""
BY_MACHINE: tuple[pytest.StashKey[dict[str, Any]], ...] = (MACHINE_FACTS, READINGS, NOTED)
"""What is filled machine by machine: where processes share a run, each hands over what it filled."""
REMARKS = pytest.StashKey[list[str]]()
"""What is odd about the run itself, for a person to read. Filled before the collection ends."""
SECTIONS = pytest.StashKey[list[tuple[str, str]]]()
"""More of the page, each a plain title and HTML that its maker has escaped, such as a comparison with another run.

The page shows each under a heading (h2) of its own, and so an HTML section begins with h3 at most. A maker that needs
this run's results.json adds its section in `pytest_sessionfinish`: that file is whole then, the page not yet written.
"""
MACHINE_BY_MACHINE = pytest.StashKey[bool]()
"""Whether the rows of one machine come after those of another: so it is in a run over many."""
