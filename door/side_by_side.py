"""A pytest plugin for the project's own tests, in two processes: all that share the emulated host go to one of them.

It takes minutes to come up, and then one processor. Other files go whole to whichever process has time, for what a file
sets up can be dear, too; those that take long come first, so that nobody waits for them in the end.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import pytest
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling

HOST = "the emulated host"
_FIXTURE = "sriov_lab"
_LONG = ("tests/lab/", "tests/failover/", "tests/reports/", "tests/checks/")


@lru_cache(maxsize=1024)
def together(file: str, root: Path) -> str:
    """What a file's tests are told apart by: the file, or the host that they share with those of other files."""
    return HOST if _FIXTURE in (root / file).read_text(encoding="utf-8") else file


def place(file: str, root: Path) -> int:
    """When a file's turn is: the host's come first."""
    if together(file, root) == HOST:
        return 0
    return next((number for number, folder in enumerate(_LONG, 1) if file.startswith(folder)), len(_LONG) + 1)


class Scheduling(LoadScopeScheduling):  # type: ignore[misc] # pytest-xdist has no types
    """pytest-xdist's by file, for files that stay together."""

    def _split_scope(self, nodeid: str) -> str:
        root: Path = self.config.rootpath
        return together(nodeid.partition("::")[0], root)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Put the tests in order."""
    items.sort(key=lambda item: place(item.nodeid.partition("::")[0], config.rootpath))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> Scheduling:
    """Hand tests out so."""
    return Scheduling(config, log)
