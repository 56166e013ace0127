from __future__ import annotations

from collections.abc import Iterator

import pytest

from lab import session
from lab.session import Lab


@pytest.fixture(scope="session")
def bond_lab() -> Iterator[Lab]:
    """One bond lab for all tests that leave it as they found it."""
    with session.running("bond") as lab:
        yield lab


@pytest.fixture(scope="session")
def sriov_lab() -> Iterator[Lab]:
    """One SR-IOV host for all tests that leave it as they found it."""
    with session.running("sriov") as lab:
        yield lab


@pytest.fixture
def own_folders(tmp_path_factory, monkeypatch):
    """A runtime directory and a cache of the test's own; short, since sockets live in there."""
    base = tmp_path_factory.mktemp("r")
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(base))
    monkeypatch.setenv("VFPROOF_CACHE", str(base / "cache"))
    return base
