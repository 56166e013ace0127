"""Which machines a site's own file of checks is about, and the Testinfra host of each."""

from __future__ import annotations

from types import ModuleType
from typing import Any

from checks.connection import Connection
from checks.outcome import CouldNotLook
from checks.ways import Machine, reach, way_to
from inventory.loading import Selection


def chosen_by_module(module: ModuleType | None, names: tuple[str, ...]) -> tuple[str, ...]:
    """The machines that a file names in `testinfra_hosts`, as Testinfra's own plugin takes it; all without it."""
    wanted = getattr(module, "testinfra_hosts", None)
    if wanted is None:
        return names
    return tuple(name for name in names if name in tuple(wanted))


def machine_of(selection: Selection, name: str) -> Machine:
    """The way to the inventory's host or guest of that name."""
    return selection.inventory.hosts.get(name) or way_to(selection.inventory, name)


class OpenHosts:
    """One connection per machine for the whole run. One that could not be opened is not tried again."""

    def __init__(self, selection: Selection) -> None:
        self._selection = selection
        self._open: dict[str, Connection | CouldNotLook] = {}

    def host(self, name: str) -> Any:
        """The machine's Testinfra host. Raises CouldNotLook."""
        if name not in self._open:
            machine = machine_of(self._selection, name)
            try:
                self._open[name] = reach(machine)
            except CouldNotLook as problem:
                self._open[name] = type(problem)(f"{name}: {problem}")
        found = self._open[name]
        if isinstance(found, CouldNotLook):
            raise found
        return found.host

    def close(self) -> None:
        """Hang up."""
        for connection in self._open.values():
            if isinstance(connection, Connection):
                connection.close()
