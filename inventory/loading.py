"""An inventory file, loaded and checked; and the part of it that a command line names."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TypeVar

from pydantic import ValidationError

from inventory.complaints import complaints
from inventory.document import InventoryError, parsed, text_of
from inventory.model import Guest, Host, Inventory, Observer
from inventory.wording import did_you_mean, shown

__all__ = ["InventoryError", "Selection", "load", "select"]

Machine = TypeVar("Machine", Host, Guest, Observer)


@dataclass(frozen=True, slots=True)
class Selection:
    """What one run looks at: names of hosts and guests in the inventory's order, out of the whole inventory."""

    inventory: Inventory
    hosts: tuple[str, ...]
    guests: tuple[str, ...]


def load(path: Path | str) -> Inventory:
    """The inventory in a file. A relative `ssh_config` or `switch_hook` in it is taken from the file's own folder.

    Raises `InventoryError`: every mistake at once, one per line, each with file and line and what to write.
    """
    return _loaded(Path(path), text_of(Path(path)))


@lru_cache(maxsize=4)  # several rooms ask for the inventory of a run, and a thousand machines take a while
def _loaded(path: Path, text: str) -> Inventory:
    document = parsed(str(path), text)
    if not isinstance(document.value, dict):
        raise InventoryError([document.complaint((), "an inventory is a mapping; start with 'hosts:' or 'guests:'")])
    try:
        inventory = Inventory.model_validate(document.value)
    except ValidationError as error:
        raise InventoryError(complaints(document, error, Inventory)) from None
    if not inventory.hosts and not inventory.guests:
        raise InventoryError([document.complaint((), "no hosts and no guests in it, so there is nothing to check")])
    return _with_paths_beside(inventory, path.parent)


def select(inventory: Inventory, names: Sequence[str]) -> Selection:
    """The hosts and guests of these names; all of them when there are no names.

    Raises `InventoryError` for a name that is neither.
    """
    known = [*inventory.hosts, *inventory.guests]
    problems = []
    for name in dict.fromkeys(names):
        if name in inventory.observers:
            problems.append(f"{shown(name)} is an observer, of which nothing is checked; name a host or a guest")
        elif name not in known:
            near = did_you_mean(name, known)
            there = f" The inventory has {', '.join(known[:30])}." if "did you mean" in near else ""
            problems.append(f"{shown(name)}: the inventory has no such host or guest{near}{there}")
    if problems:
        raise InventoryError(problems)
    wanted = set(names) or set(known)
    return Selection(
        inventory,
        hosts=tuple(name for name in inventory.hosts if name in wanted),
        guests=tuple(name for name in inventory.guests if name in wanted),
    )


def _with_paths_beside(inventory: Inventory, folder: Path) -> Inventory:
    hook = inventory.switch_hook
    return inventory.model_copy(
        update={
            "switch_hook": (str(folder / _home(hook[0])), *hook[1:]) if hook and "/" in hook[0] else hook,
            "hosts": _resolved(inventory.hosts, folder),
            "guests": _resolved(inventory.guests, folder),
            "observers": _resolved(inventory.observers, folder),
        }
    )


def _resolved(machines: dict[str, Machine], folder: Path) -> dict[str, Machine]:
    return {
        name: machine
        if machine.ssh_config is None
        else machine.model_copy(update={"ssh_config": str(folder / _home(machine.ssh_config))})
        for name, machine in machines.items()
    }


def _home(path: str) -> Path:
    try:
        return Path(path).expanduser()
    except RuntimeError:  # ~nobody-here: left as written, and the transport says that the file is not there
        return Path(path)
