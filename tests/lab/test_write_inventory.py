from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import ValidationError

from inventory.loading import load
from lab import topology, write_inventory
from lab.state import State

BOND = topology.load("bond")


def test_the_written_file_is_an_inventory_as_any_other(tmp_path):
    place = State(tmp_path)
    write_inventory.write(BOND, place, cell_pid=4711, user_namespace=False)
    inventory = load(place.inventory)
    guest = inventory.guests["guest"]
    assert guest.host is None
    assert guest.drill.permitted
    assert guest.drill.observer == "observer"
    assert guest.ssh_config == inventory.observers["observer"].ssh_config == str(tmp_path / "ssh_config")
    assert guest.bonds["bond0"].peer_notif_delay == 200


@pytest.mark.parametrize("rootless", [False, True])
def test_an_observer_in_a_namespace_gets_the_path_into_the_cell(tmp_path, rootless):
    space = topology.Namespace(mac="52:54:00:77:00:09", tap="obs")
    data = {"observers": {"watcher": {"interface": "eth0", "namespace": "watch"}}}
    own = BOND.model_copy(update={"namespaces": {"watch": space}, "inventory": data})
    written = write_inventory.inventory_of(own, State(tmp_path), cell_pid=4711, user_namespace=rootless)
    observer = written["observers"]["watcher"]
    assert observer["namespace"] == "/proc/4711/root/run/netns/watch"
    assert observer.get("user_namespace") == ("/proc/4711/ns/user" if rootless else None)
    assert "ssh_config" not in observer


def test_a_topology_with_a_wrong_inventory_is_refused(tmp_path):
    own = BOND.model_copy(update={"inventory": {"guest": {}}})
    with pytest.raises(ValidationError):
        write_inventory.inventory_of(own, State(tmp_path), cell_pid=1, user_namespace=False)


def test_the_topology_itself_is_left_as_it_was(tmp_path):
    write_inventory.inventory_of(BOND, State(tmp_path), cell_pid=1, user_namespace=False)
    assert "ssh_config" not in BOND.inventory["guests"]["guest"]
    assert Path(tmp_path / "inventory.yaml").exists() is False
