"""Names that more than one NIC of a guest wants, now or with a newer systemd."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from checks.facts.nic_naming import Naming
from checks.facts.nics import Nic
from checks.linux.naming_scheme import Scheme, scheme_of

NEWEST_SCHEME = "v257"
"""The newest one that changes names of NICs on a PCI bus: there the slot's number in ACPI counts on every bus."""


@dataclass(frozen=True, slots=True)
class Wish:
    """A NIC, and the name that udev will try to give it."""

    nic: Nic
    name: str

    def __str__(self) -> str:
        return f"{self.nic.permanent_mac} at {self.nic.pci_address} (now {self.nic.name})"


def wishes(nics: Iterable[Nic], naming: Naming, scheme: Scheme) -> tuple[Wish, ...]:
    """What udev will try to call these NICs; one that keeps the kernel's name has none."""
    found = ((nic, naming.wanted_name(nic, scheme)) for nic in nics)
    return tuple(Wish(nic, name) for nic, name in found if name is not None)


def shared(wanted: Iterable[Wish]) -> dict[str, tuple[Wish, ...]]:
    """The names that several want. Only one NIC gets it; the others keep the kernel's, not their next best."""
    by_name: dict[str, tuple[Wish, ...]] = {}
    for wish in wanted:
        by_name[wish.name] = (*by_name.get(wish.name, ()), wish)
    return {name: those for name, those in by_name.items() if len(those) > 1}


def after_an_upgrade(nics: Iterable[Nic], naming: Naming, scheme: Scheme) -> Iterator[str]:
    """What changes with the newest scheme, a sentence each; nothing where the scheme is pinned, or as new."""
    newest = scheme_of(NEWEST_SCHEME)
    if newest is None or scheme.number >= newest.number or naming.pinned not in (None, "latest"):
        return
    nics = tuple(nics)
    before, after = wishes(nics, naming, scheme), wishes(nics, naming, newest)
    known = {wish.nic.permanent_mac: wish.name for wish in before}
    clashes = shared(after)
    for wish in after:
        if wish.name not in clashes and known.get(wish.nic.permanent_mac) not in (None, wish.name):
            yield f"{wish.nic.name} ({wish.nic.permanent_mac}) will be called {wish.name} with systemd 257 (Debian 13)"
    for name, those in clashes.items():
        if name not in shared(before):
            wanting = " and ".join(map(str, those))
            yield f"{name} will be wanted by {wanting} with systemd 257 (Debian 13), and only one gets it"
