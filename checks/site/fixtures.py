"""`host`: Testinfra's, for every machine of the inventory, live or out of its bundle."""

from __future__ import annotations

from typing import Any

import pytest

from checks.machines import BUNDLES, SELECTION, Machines, parameters, role_of
from checks.site.machines import OpenHosts

_OPEN = pytest.StashKey[OpenHosts]()


def pytest_unconfigure(config: pytest.Config) -> None:
    """Hang up."""
    if _OPEN in config.stash:
        config.stash[_OPEN].close()


@pytest.fixture
def machine_name(request: pytest.FixtureRequest) -> str:
    """The machine that a row is about: the inventory's, one after the other; or the row's host or guest."""
    values = parameters(request.node)
    name: str = values.get("host_name") or values["guest_name"]
    return name


@pytest.fixture
def host(request: pytest.FixtureRequest, machine_name: str, machines: Machines) -> Any:
    """Testinfra's host for the row's machine."""
    stash = request.config.stash
    if BUNDLES in stash:
        from checks.site.bundle_host import host_in

        return host_in(machines.bundle((role_of(request.config, machine_name), machine_name)))
    if _OPEN not in stash:
        stash[_OPEN] = OpenHosts(stash[SELECTION])
    return stash[_OPEN].host(machine_name)
