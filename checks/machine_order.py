"""In which order the rows of a run come.

Of many machines, one comes after another: no more than some of their bundles are then held in memory. What compares all
hosts comes last, when every host has been read once. Rows of a run over few machines keep pytest's order.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest

from checks.machines import AT_HAND, parameters
from inventory.loading import Selection

COMPARES = "all_hosts"
"""The fixture that every row about all hosts asks for."""


def are_many(selection: Selection) -> bool:
    """Whether a run looks at so many machines that one is taken after another."""
    return len(selection.hosts) + len(selection.guests) > AT_HAND


def place_in(selection: Selection) -> Callable[[pytest.Item], int | None]:
    """Tells which machine's turn a row belongs to; None for one about all hosts, or about no machine."""
    places = {name: number for number, name in enumerate((*selection.hosts, *selection.guests))}
    guests = selection.inventory.guests

    def place(item: pytest.Item) -> int | None:
        if COMPARES in getattr(item, "fixturenames", ()):
            return None
        names = parameters(item)
        if (guest := names.get("guest_name")) is not None:
            host = guests[guest].host or ""
            return places.get(host, places[guest])  # a guest comes with its host, whose bundle its rows need
        return places.get(str(names.get("host_name") or names.get("machine_name")))

    return place


def by_machine(items: list[pytest.Item], selection: Selection) -> None:
    """Put the rows of many machines in order."""
    if not are_many(selection):
        return
    place, last = place_in(selection), len(selection.hosts) + len(selection.guests)
    items.sort(key=lambda item: last if (number := place(item)) is None else number)
