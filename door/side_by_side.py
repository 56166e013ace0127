"""A pytest plugin for the project's own tests, in two processes: what needs emulated machines goes to one of them.

They take minutes to come up, and then a processor each: two at once would starve a guest in a guest. Other files go
whole to whichever process has time, for what a file sets up can be dear, too.
"""

from __future__ import annotations

import re
from functools import lru_cache
from pathlib import Path

import pytest
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling

EMULATED = "emulated machines"
# The host that many files share, and machines that a file boots by itself.
_NEEDS_ONE = re.compile(r"\b(?:sriov_lab|udev_machine|name_matrix)\b")
# In this order: labs of their own first, and the shared one of tests/lab/ after them. It stays up to the end.
_FOLDERS = ("tests/failover/", "tests/lab/")


@lru_cache(maxsize=1024)
def together(file: str, root: Path) -> str:
    """What a file's tests are told apart by: the file, or that they need emulated machines."""
    return EMULATED if _NEEDS_ONE.search((root / file).read_text(encoding="utf-8")) else file


def place(file: str, root: Path) -> int:
    """When a file's turn is."""
    if together(file, root) == EMULATED:
        return 0
    return next((number for number, folder in enumerate(_FOLDERS, 1) if file.startswith(folder)), len(_FOLDERS) + 1)


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
