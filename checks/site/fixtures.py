"""`host`: Testinfra's, for every machine of the inventory, live or out of its bundle."""

from __future__ import annotations

from typing import Any

import pytest

from checks.machines import BUNDLES, SELECTION, Machines, Role, parameters
from checks.site.machines import OpenHosts

_OPEN = pytest.StashKey[OpenHosts]()


def pytest_unconfigure(config: pytest.Config) -> None:
    """Hang up."""
    if _OPEN in config.stash:
        config.stash[_OPEN].close()


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Say which machine the row is about."""
    name = parameters(item).get("machine_name")
    if name is not None and SELECTION in item.config.stash:
        item.user_properties += [("machine", name), ("role", _role(item.config, name))]


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

        return host_in(machines.bundle((_role(request.config, machine_name), machine_name)))
    if _OPEN not in stash:
        stash[_OPEN] = OpenHosts(stash[SELECTION])
    return stash[_OPEN].host(machine_name)


def _role(config: pytest.Config, name: str) -> Role:
    return "host" if name in config.stash[SELECTION].inventory.hosts else "guest"
