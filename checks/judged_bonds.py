"""Which bonds of a guest a statement judges, and what it says when there is none."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from checks.facts.bonds import Bond
from checks.outcome import CouldNotLook
from inventory import model


def judged(guest_name: str, wanted_guest: model.Guest, bonds: tuple[Bond, ...]) -> tuple[Bond, ...]:
    """Every bond of the guest, whether the inventory names it or not."""
    if not bonds and wanted_guest.bonds:
        raise CouldNotLook(f"{guest_name}: there is no bond to look at; wanted {', '.join(wanted_guest.bonds)}")
    if not bonds:
        pytest.skip("the guest has no bond, and the inventory wants none")
    return bonds


def as_wanted(guest_name: str, wanted_guest: model.Guest, bonds: tuple[Bond, ...]) -> Iterator[tuple[Bond, model.Bond]]:
    """Every bond that is there and in the inventory, with what the inventory wants of it."""
    if not wanted_guest.bonds:
        pytest.skip("the inventory wants no bond on this guest")
    found = {bond.name: bond for bond in bonds}
    if not wanted_guest.bonds.keys() & found.keys():
        raise CouldNotLook(f"{guest_name}: none of {', '.join(wanted_guest.bonds)} is there to look at")
    return ((found[name], wanted) for name, wanted in wanted_guest.bonds.items() if name in found)
