"""What an inventory wants of each machine, flat, so that a difference between two can be named."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import ValidationError

from checks.outcome import CouldNotLook
from inventory.loading import InventoryError, load
from inventory.model import Inventory
from reports.rows import Shape

FORMAT: Literal[1] = 1
FILE = "facts/inventory.json"
# How a machine is reached is no statement about it.
_NO_WISH = frozenset({"connect", "sudo"})


class Wishes(Shape):
    """What an inventory wants, by machine: key (`pfs.ens1f0.vfs`) and value, as far as it says so itself."""

    format: Literal[1] = FORMAT
    inventory: str
    """SHA-256 of the inventory's file."""
    machines: dict[str, dict[str, str]]


class Wish(Shape):
    """Something that the inventory wants otherwise than it did."""

    machine: str
    key: str
    before: str | None
    after: str | None

    def __str__(self) -> str:
        """For a person."""
        return f"{self.key}: {self.before or 'not said'} → {self.after or 'not said'}"


def wishes(inventory: Inventory, text: bytes) -> Wishes:
    """What this inventory, whose file holds these bytes, wants of each machine."""
    told = inventory.model_dump(mode="json", exclude_unset=True)
    found: dict[str, dict[str, str]] = {}
    for role in ("hosts", "guests"):
        for name, wanted in told.get(role, {}).items():
            flat = dict(_flat(wanted))
            found.setdefault(name, {}).update(flat)
    for waiver in told.get("waivers", ()):
        said = f"{waiver.get('reason', '')}, by {waiver.get('by', '')} until {waiver.get('until', '')}"
        found.setdefault(str(waiver["on"]), {})[f"waivers.{waiver['statement']}"] = said
    return Wishes(inventory=hashlib.sha256(text).hexdigest(), machines=found)


def read(folder: Path, relative: str) -> Wishes:
    """What the inventory of a run wants. Raises CouldNotLook when this vfproof cannot read it."""
    path = folder / relative
    try:
        text = path.read_bytes()
    except OSError as error:
        raise CouldNotLook(f"{path}: {error.strerror}") from None
    try:
        found = Wishes.model_validate_json((folder / FILE).read_bytes())
        if found.inventory == hashlib.sha256(text).hexdigest():
            return found
    except (OSError, ValidationError):
        pass  # derived data: the inventory has it
    try:
        return wishes(load(path), text)
    except InventoryError as problem:
        raise CouldNotLook(str(problem).partition("\n")[0]) from None


def differences(before: Wishes, after: Wishes) -> Iterator[Wish]:
    """Every wish about a machine of both that is another one."""
    for machine in before.machines.keys() & after.machines.keys():
        old, new = before.machines[machine], after.machines[machine]
        for key in dict.fromkeys([*old, *new]):
            if old.get(key) != new.get(key):
                yield Wish(machine=machine, key=key, before=old.get(key), after=new.get(key))


def _flat(value: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[str, str]]:
    if isinstance(value, Mapping):
        for key, part in value.items():
            if path or str(key) not in _NO_WISH:
                yield from _flat(part, (*path, str(key)))
    else:
        yield ".".join(path), ", ".join(map(str, value)) if isinstance(value, list) else str(value)
