"""A thousand machines in one run: what is kept of them at a time, and in which order they come."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from checks import machines
from checks.bundle import Bundle, CommandFailed
from checks.facts import pci, udev
from checks.gather import Order
from checks.machine_order import by_machine
from checks.machines import AT_HAND, Machines
from checks.offline.stored import StoredBundles
from inventory.loading import Selection
from inventory.model import Guest, Host, Inventory

HOSTS = {name: Host(connect=f"ssh://{name}") for name in ("a", "b", "c")}


class Copies:
    def __init__(self) -> None:
        self.added: list[str] = []

    def add(self, relative: str, data: bytes) -> str:
        self.added.append(relative)
        return relative


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in HOSTS:
        Bundle.of(name, commands={"hostname": name}).save(tmp_path / f"{name}.vfb.gz")
    return tmp_path


def test_bundles_that_were_let_go_are_read_again_and_copied_once(folder):
    copies = Copies()
    stored = StoredBundles(folder, copies, at_hand=2)
    for name, host in HOSTS.items():
        stored.begin(Order(name, host, (), f"{name}.vfb.gz"))
    first = stored.bundle("a.vfb.gz")
    assert stored.bundle("a.vfb.gz") is first
    assert [stored.bundle(f"{name}.vfb.gz").output("hostname") for name in "bcab"] == list("bcab")
    assert stored.bundle("a.vfb.gz") is not first
    assert sorted(copies.added) == [f"{name}.vfb.gz" for name in HOSTS]


def test_facts_that_hosts_are_compared_by_are_kept_of_all(folder, monkeypatch):
    monkeypatch.setattr(machines, "AT_HAND", 2)
    parsed: list[str] = []

    def parse(bundle: Bundle) -> str:
        parsed.append(bundle.machine)
        if bundle.machine == "b":
            raise CommandFailed("b: no", 1, "")
        return bundle.machine

    found = Machines(Inventory(hosts=HOSTS), [("host", name) for name in HOSTS], None, folder)
    for module, times in ((pci.__name__, 1), (udev.__name__, 2)):
        parsed.clear()
        parse.__module__ = module
        for name in "abcabc":
            if name == "b":
                with pytest.raises(CommandFailed):
                    found.fact(("host", name), parse)
            else:
                assert found.fact(("host", name), parse) == name
        assert parsed == list("abc") * times


def rows(*names: tuple[str, str]) -> list[pytest.Item]:
    items = [
        SimpleNamespace(callspec=SimpleNamespace(params={role: name}), nodeid=(role, name)) for role, name in names
    ]
    return cast("list[pytest.Item]", items)


def ordered(hosts: int) -> list[Any]:
    known = {f"h{number}": Host(connect="ssh://h") for number in range(hosts)}
    guests = {"g": Guest(connect="ssh://g", host="h1"), "alone": Guest(connect="ssh://g")}
    items = rows(
        ("host_name", "h0"), ("host_name", "h1"), ("guest_name", "g"), ("guest_name", "alone"),
        ("host_name", "h0"), ("host_name", "h1"), ("guest_name", "g"), ("guest_name", "alone"),
    )  # fmt: skip
    by_machine(items, Selection(Inventory(hosts=known, guests=guests), tuple(known), tuple(guests)))
    return [item.nodeid[1] for item in items]


def test_of_many_machines_one_comes_after_another():
    assert ordered(AT_HAND) == ["h0", "h0", "h1", "g", "h1", "g", "alone", "alone"]


def test_of_few_machines_one_statement_comes_after_another():
    assert ordered(3) == ["h0", "h1", "g", "alone", "h0", "h1", "g", "alone"]
