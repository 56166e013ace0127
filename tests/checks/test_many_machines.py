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
from checks.machines import AT_HAND, COMPARED_BY, Machines, Who
from checks.offline.stored import NoBundle, StoredBundles
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


def test_what_one_process_keeps_another_learns(folder):
    parsed: list[str] = []

    def parse(bundle: Bundle) -> str:
        parsed.append(bundle.machine)
        return bundle.machine

    parse.__module__ = pci.__name__
    who: list[Who] = [("host", name) for name in (*HOSTS, "gone")]
    inventory = Inventory(hosts=HOSTS | {"gone": Host(connect="ssh://gone")})
    worker, first = (Machines(inventory, who, None, folder) for _ in range(2))
    for one in who[:-1]:
        worker.fact(one, parse)
    with pytest.raises(NoBundle, match="gone"):
        worker.bundle(who[-1])
    worker.let_go()
    first.learn(worker.hand_over())
    assert worker.hand_over() == {}
    for file in folder.iterdir():
        file.unlink()
    for one in who[:-1]:
        first.looked(one)
        assert first.fact(one, parse) == one[1]
    with pytest.raises(NoBundle, match="gone"):
        first.looked(who[-1])
    assert parsed == list("abc")


def test_what_hosts_are_compared_by_is_taken_while_their_bundle_is_at_hand(folder):
    found = Machines(Inventory(hosts=HOSTS), [], None, folder, compared=["a"])
    for name in ("a", "b"):
        found.bundle(("host", name))
    kept = found.hand_over()
    assert {parse.__module__ for parse in COMPARED_BY} == kept["host", "a"][1].keys() and kept["host", "b"][1] == {}


def rows(*names: tuple[str, str]) -> list[pytest.Item]:
    items = [
        SimpleNamespace(callspec=SimpleNamespace(params={role: name}), nodeid=(role, name), fixturenames=())
        for role, name in names
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


def test_what_compares_hosts_comes_when_all_have_been_read():
    known = {f"h{number}": Host(connect="ssh://h") for number in range(AT_HAND + 1)}
    items = rows(("host_name", "h1"), ("host_name", "h0"), ("host_name", "h1"), ("host_name", "h0"))
    for item in items[:2]:
        item.fixturenames = ("all_hosts", "host_name")  # type: ignore[attr-defined]
    comparing = items[:2]
    by_machine(items, Selection(Inventory(hosts=known), tuple(known), ()))
    assert items[2:] == comparing and [item.nodeid[1] for item in items[:2]] == ["h0", "h1"]
