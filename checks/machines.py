"""The machines of a run: their bundles, gathered all at once when the first one is asked for, and their facts."""

from __future__ import annotations

import contextlib
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, Literal, TypeVar

import pytest

from checks.bundle import Bundle
from checks.facts import firmware, libvirt, pci, system
from checks.facts.catalogue import GUEST_SOURCES, HOST_SOURCES
from checks.facts.known import attempt
from checks.gather import Gathers, Order, gather_all
from checks.offline.stored import StoredBundles
from checks.outcome import CouldNotLook
from checks.ways import way_to
from inventory.loading import Selection
from inventory.model import Inventory
from reports.run_folder import RunFolder

SELECTION = pytest.StashKey[Selection]()
"""What this run looks at; there only when an inventory was given."""
BUNDLES = pytest.StashKey[Path]()
"""The folder whose bundles are judged; there only when no machine may be contacted."""

AT_HAND = 64
"""So many machines' bundles and facts are kept at hand when bundles are judged; others are read again when needed."""
# What hosts are compared by (checks/hosts_together.py): kept of all of them.
_LASTING = frozenset(module.__name__ for module in (firmware, libvirt, pci, system))

COMPARED_BY = (pci.parse, system.parse, libvirt.parse, firmware.parse)

Role = Literal["host", "guest"]
Who = tuple[Role, str]
Fact = TypeVar("Fact")
Lasting = dict[Who, tuple[CouldNotLook | None, dict[str, Any]]]
"""Why a machine's bundle could not be had, or None; and the facts that are kept of it, or why they are not known."""


def parameters(item: pytest.Item) -> dict[str, Any]:
    """The values that a row was parametrised with."""
    callspec = getattr(item, "callspec", None)
    return {} if callspec is None else callspec.params


def whose(item: pytest.Item) -> list[tuple[str, object]]:
    """The properties that say which machine a row is about."""
    if SELECTION not in item.config.stash:
        return []
    values, found = parameters(item), list[tuple[str, object]]()
    for role in ("host", "guest"):
        if (name := values.get(f"{role}_name")) is not None:
            found += [("machine", name), ("role", role)]
    if (name := values.get("machine_name")) is not None:
        found += [("machine", name), ("role", role_of(item.config, name))]
    return found


def role_of(config: pytest.Config, name: str) -> Role:
    """Whether the inventory has a machine of that name as a host or as a guest."""
    return "host" if name in config.stash[SELECTION].inventory.hosts else "guest"


class Facts:
    """Facts of a machine for a row, whose evidence they are."""

    def __init__(self, machines: Machines, who: Who) -> None:
        self._machines = machines
        self._who = who

    def __call__(self, parse: Callable[[Bundle], Fact]) -> Fact:
        """What a parser makes of the machine's bundle. Raises CouldNotLook."""
        return self._machines.fact(self._who, parse)


class Machines:
    """Bundles and facts by machine. A read that failed is raised again for everyone who needs it."""

    def __init__(
        self,
        inventory: Inventory,
        needed: Iterable[Who],
        folder: RunFolder | None,
        bundles: Path | None = None,
        *,
        compared: Iterable[str] = (),
        write_down: Callable[[Machines, Who], None] = lambda *_: None,
    ) -> None:
        """Begin all gathers; where a folder of bundles is given, none. `compared`: hosts that will be compared.

        `write_down`: called of every machine that a row looks at; may raise CouldNotLook.
        """
        self._write_down = write_down
        self._inventory = inventory
        self.asked: list[tuple[Who, str]] = []
        """Which fact modules of which machines were asked for, until somebody takes note and empties it."""
        self._compared = frozenset(compared)
        self._lasting: dict[Who, dict[str, Any]] = {}
        self._looked: dict[Who, CouldNotLook | None] = {}
        self._news: list[Who] = []
        self._recent: OrderedDict[Who, dict[str, Any]] = OrderedDict()
        orders = [self._order(who) for who in dict.fromkeys(needed)]
        self._gathers: Gathers | StoredBundles = (
            gather_all(orders, folder) if bundles is None else StoredBundles(bundles, folder, AT_HAND)
        )

    def _order(self, who: Who) -> Order:
        role, name = who
        if role == "host":
            return Order(name, self._inventory.hosts[name], HOST_SOURCES, self.bundle_file(who))
        return Order(name, way_to(self._inventory, name), GUEST_SOURCES, self.bundle_file(who))

    def bundle_file(self, who: Who) -> str:
        """The bundle's name in the run folder. A host and a guest of one name get two files."""
        role, name = who
        shared = name in self._inventory.hosts and name in self._inventory.guests
        return f"bundles/{name}-{role}.vfb.gz" if shared else f"bundles/{name}.vfb.gz"

    def readable_file(self, who: Who) -> str:
        """The name of the page, beside the bundle, on which a person reads what is in it."""
        return self.bundle_file(who).removesuffix(".vfb.gz") + ".html"

    @contextlib.contextmanager
    def aside(self) -> Iterator[None]:
        """Facts that are asked for here are nobody's evidence."""
        before = list(self.asked)
        yield
        self.asked[:] = before

    def look(self, who: Who) -> Bundle:
        """The machine's bundle for a row, whose evidence it is from now on. Raises CouldNotLook."""
        found = self.bundle(who)
        self.note(who)
        return found

    def facts(self, who: Who) -> Facts:
        """The machine's facts for a row. Raises CouldNotLook where its bundle cannot be had."""
        self.look(who)
        return Facts(self, who)

    def note(self, who: Who) -> None:
        """Count the machine as a row's evidence, and write down what a run keeps of it. Raises CouldNotLook."""
        self.asked.append((who, ""))
        self._write_down(self, who)

    def bundle(self, who: Who) -> Bundle:
        """The machine's bundle; waits for it. Raises CouldNotLook."""
        self._gathers.begin(self._order(who))  # a fixture may ask for a machine that its row did not name beforehand
        try:
            found = self._gathers.bundle(self.bundle_file(who))
        except CouldNotLook as problem:
            self._keep_how_it_went(who, problem)
            raise
        self._keep_how_it_went(who, None)
        return found

    def looked(self, who: Who) -> None:
        """Raise why the machine's bundle could not be had. One that was read and let go is not read again."""
        if who not in self._looked:
            self.bundle(who)
        elif (problem := self._looked[who]) is not None:
            raise problem

    def _keep_how_it_went(self, who: Who, problem: CouldNotLook | None) -> None:
        """Keep how a look went and, of a host that will be compared, what by, as long as its bundle is at hand."""
        if who in self._looked:
            return
        self._looked[who] = problem
        self._news.append(who)
        if problem is None and who[0] == "host" and who[1] in self._compared:
            with self.aside():
                for parse in COMPARED_BY:
                    attempt(partial(self.fact, who, parse))

    def let_go(self) -> None:
        """Keep no bundle at hand, and of the facts none but those that last."""
        self._recent.clear()
        if isinstance(self._gathers, StoredBundles):
            self._gathers.let_go()

    def hand_over(self) -> Lasting:
        """What is kept of the machines that were looked at since the last time."""
        news, self._news = self._news, []
        return {who: (self._looked[who], self._lasting.get(who, {})) for who in news}

    def learn(self, lasting: Lasting) -> None:
        """Take what another process kept."""
        for who, (problem, facts) in lasting.items():
            self._looked[who] = problem
            self._lasting.setdefault(who, {}).update(facts)

    def fact(self, who: Who, parse: Callable[[Bundle], Fact]) -> Fact:
        """What a parser makes of the machine's bundle, made once. Raises CouldNotLook."""
        key = parse.__module__
        self.asked.append((who, key))
        known = self._lasting.setdefault(who, {}) if key in _LASTING else self._recently(who)
        if key not in known:
            bundle = self.bundle(who)
            try:
                known[key] = parse(bundle)
            except CouldNotLook as problem:
                known[key] = problem
        found = known[key]
        if isinstance(found, CouldNotLook):
            raise found
        return found  # type: ignore[no-any-return]

    def _recently(self, who: Who) -> dict[str, Any]:
        """The facts of a machine by now; those of the one that was not asked for the longest are let go."""
        known = self._recent.setdefault(who, {})
        self._recent.move_to_end(who)
        if len(self._recent) > AT_HAND:
            self._recent.popitem(last=False)
        return known

    def close(self) -> None:
        """Give up gathers that nobody waits for any more."""
        self._gathers.close()
