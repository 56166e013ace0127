"""Bundles that lie in a folder, in place of live gathers: no machine is contacted.

A machine's answer is a file of its name in the folder: `NAME.vfb.gz` or `NAME.vfb` (a bundle), or a sosreport
(`NAME.tar.xz`, .gz, .bz2, or a folder).
Whatever is wrong with it is one sentence, and the machine could not be looked at.
"""

from __future__ import annotations

from collections import OrderedDict
from pathlib import Path

from checks.bundle import Bundle
from checks.gather import Folder, Order
from checks.offline.sosreport import bundle_of
from checks.outcome import CouldNotLook

BUNDLE_ENDS = (".vfb.gz", ".vfb")
SOS_ENDS = (".tar.xz", ".tar.gz", ".tar.bz2", ".tar", "")


class NoBundle(CouldNotLook):
    """Nothing of this machine lies in the folder, or more than one thing does."""


class StoredBundles:
    """Answers as `checks.gather.Gathers` does. A bundle is read when it is asked for, and the last ones are kept."""

    def __init__(self, directory: Path, folder: Folder | None, at_hand: int = 64) -> None:
        """`folder` is where copies go, as evidence of the run. `at_hand`: so many bundles are kept in memory."""
        self._directory = directory
        self._folder = folder
        self._orders: dict[str, Order] = {}
        self._at_hand = at_hand
        self._found: OrderedDict[str, Bundle | CouldNotLook] = OrderedDict()
        self._copied: set[str] = set()

    def begin(self, order: Order) -> None:
        """Remember which machine the file is about."""
        self._orders.setdefault(order.file, order)

    def bundle(self, file: str) -> Bundle:
        """The machine's bundle. Raises CouldNotLook, the same every time."""
        if file not in self._found:
            try:
                self._found[file] = self._load(self._orders[file])
            except CouldNotLook as problem:
                self._found[file] = problem
        found = self._found[file]
        self._found.move_to_end(file)
        if len(self._found) > self._at_hand:
            self._found.popitem(last=False)
        if isinstance(found, CouldNotLook):
            raise found
        return found

    def let_go(self) -> None:
        """Keep no bundle in memory."""
        self._found.clear()

    def close(self) -> None:
        """Nothing is open."""

    def _load(self, order: Order) -> Bundle:
        bundle = read_one(self._directory, order)
        if self._folder is not None and order.file not in self._copied:
            self._folder.add(order.file, bundle.packed())
            self._copied.add(order.file)
        return bundle


def read_one(directory: Path, order: Order) -> Bundle:
    """What the folder holds of one machine. Raises NoBundle, NotABundle."""
    ends = (*BUNDLE_ENDS, *SOS_ENDS)
    there = [path for end in ends if (path := directory / f"{order.name}{end}").exists()]
    if len(there) > 1:
        names = " and ".join(path.name for path in there)
        raise NoBundle(f"{order.name}: {directory} holds {names}; keep the one that counts")
    if there:
        try:
            if not there[0].name.endswith(BUNDLE_ENDS):
                return bundle_of(there[0], order.name, order.sources)
            return Bundle.load(there[0], order.name)
        except CouldNotLook as problem:
            raise type(problem)(f"{order.name}: {problem}") from None
    raise NoBundle(
        f"{order.name}: no bundle of it in {directory}; './vfproof gather {order.name} -o {directory}' makes "
        f"{order.name}.vfb.gz, and './vfproof gather --script host' the script for a host that nobody may log into"
    )
