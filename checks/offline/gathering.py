"""`./vfproof gather`: one bundle per machine, written into a folder, to be judged later or elsewhere."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from checks.bundle import Bundle
from checks.facts.catalogue import GUEST_SOURCES, HOST_SOURCES
from checks.gather import Order, gather_all
from checks.offline.script import standalone
from checks.offline.words import Unusable
from checks.outcome import CouldNotLook
from inventory.loading import Selection, load, select
from reports.run_folder import FOLDER_MODE, RunFolder

NOT_ALL = 6
_DEFAULT_INVENTORY = "inventory.yaml"


def gathering(wanted: argparse.Namespace) -> int:
    """Do it. 0: every machine's bundle is there and whole; 6: one is not. Raises Unusable, InventoryError."""
    if wanted.script is not None:
        if wanted.names:
            raise Unusable("--script goes without names: the script is the same for every machine of its kind")
        sys.stdout.write(standalone(HOST_SOURCES if wanted.script == "host" else GUEST_SOURCES, wanted.script))
        return 0
    orders = _orders(select(load(_inventory(wanted.inventory)), wanted.names))
    folder = _folder(Path(wanted.output))
    gathers = gather_all(orders, folder)
    names = {order.file: order.name for order in orders}
    whole = 0
    try:
        for file, found in gathers.each():
            whole += _told(names[file], found)
    finally:
        gathers.close()
    print(f"{whole} of {len(orders)} whole, in {folder.path}; next: ./vfproof check --bundles {wanted.output}")
    return 0 if whole == len(orders) else NOT_ALL


def _inventory(given: str | None) -> str:
    if given is None and not Path(_DEFAULT_INVENTORY).exists():
        raise Unusable(f"there is no {_DEFAULT_INVENTORY} here; name one with -i FILE")
    return given or _DEFAULT_INVENTORY


def _orders(selection: Selection) -> Sequence[Order]:
    known = selection.inventory
    return [
        *(Order(name, known.hosts[name], HOST_SOURCES, f"{name}.vfb.gz") for name in selection.hosts),
        *(Order(name, known.guests[name], GUEST_SOURCES, f"{name}.vfb.gz") for name in selection.guests),
    ]


def _folder(path: Path) -> RunFolder:
    try:
        path.mkdir(mode=FOLDER_MODE, parents=True, exist_ok=True)
    except OSError as error:
        raise Unusable(f"-o {path}: bundles cannot go there: {error.strerror}") from None
    return RunFolder(path)


def _told(name: str, found: Bundle | CouldNotLook) -> bool:
    """Say in one line how it went; whether the bundle is there and whole."""
    if isinstance(found, CouldNotLook):
        print(found, flush=True)
        return False
    late = [problem for problem in found.problems() if problem.status == "timed out"]
    if late:
        print(f"{name}: {len(late)} sources are not in its bundle, first: {late[0].sentence}", flush=True)
        return False
    denied = sum(problem.status == "denied" for problem in found.problems())
    print(f"{name}: gathered{f', {denied} sources denied' if denied else ''}", flush=True)
    return True
