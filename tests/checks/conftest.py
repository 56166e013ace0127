"""A real SSH server for the tests of transport and gather."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.checks import sshd


@pytest.fixture(scope="session")
def ssh_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[sshd.Sshd]:
    """A running sshd on loopback."""
    server = sshd.start(tmp_path_factory.mktemp("sshd"))
    yield server
    sshd.stop(server)
