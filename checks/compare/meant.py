"""Which changes were meant: those that the inventory or better outcomes ask for break nothing."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from checks.compare.causes import IDENTITY
from checks.compare.changes import Change
from checks.compare.concerns import concern
from checks.compare.inventories import Wish
from checks.compare.outcomes import Shift

_WISHES: Mapping[str, tuple[str, ...]] = {
    "PFs and VFs": ("pfs",),
    "IOMMU": ("iommu", "interrupt_remapping"),
    "next boot": ("pfs", "kernel_parameters", "iommu"),
    "bonds": ("bonds",),
    "failovers": ("bonds",),
    "next start": ("nics",),
    IDENTITY: ("pfs", "nics"),
}
"""By section of features, the inventory's keys that such a change can follow."""


def as_meant(
    found: Iterable[Change], shifted: Sequence[Shift], wishes: Mapping[str, Sequence[Wish]]
) -> Iterator[Change]:
    """The changes; one that breaks something only deserves a look where it was meant.

    It was when the inventory about it changed, too, or when statements about it came out better.
    """
    better = {
        (name, one.check.partition("::")[0]) for one in shifted if one.verdict == "better" for name in one.machines
    }
    for change in found:
        areas = [file for name, file in better if name == change.machine and _concerns(_area(file), change)]
        wanted = any(_concerns_wish(change, one) for one in wishes.get(change.machine, ()))
        meant = change.effect == "breaks" and (areas or wanted)
        yield change.model_copy(update={"effect": "look"}) if meant else change


def _area(file: str) -> str:
    return file.rpartition("/")[2].removesuffix(".py").removeprefix("test_")


def _concerns(area: str, change: Change) -> bool:
    known = concern(area)
    return known is not None and change.section in known.sections


def _concerns_wish(change: Change, wish: Wish) -> bool:
    return wish.key.partition(".")[0] in _WISHES.get(change.section, ())
