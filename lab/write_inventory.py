"""The ordinary inventory of a running lab: what its topology says, with the paths that exist only now filled in."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

from inventory.model import Inventory
from inventory.writing import written
from lab.state import State
from lab.topology import Topology

DOOR = Path(__file__).resolve().parent.parent / "vfproof"
_HEADER = """\
# Written by the lab '{name}' (topology {topology}); it is valid as long as that lab is up.
"""


def inventory_of(topology: Topology, state: State, *, cell_pid: int, user_namespace: bool) -> dict[str, Any]:
    """The inventory as plain data, proven valid. Raises pydantic's `ValidationError` when the topology is wrong.

    Every machine with a connection gets the generated ssh configuration; every observer that the topology puts into a
    namespace of the cell gets the path by which that namespace is entered from outside.
    """
    data = copy.deepcopy(topology.inventory)
    for section in ("hosts", "guests", "observers"):
        for machine in data.get(section, {}).values():
            if "connect" in machine:
                machine["ssh_config"] = str(state.ssh_config)
            if machine.get("namespace") in topology.namespaces:
                machine["namespace"] = str(namespace_path(cell_pid, machine["namespace"]))
                if user_namespace:
                    machine["user_namespace"] = f"/proc/{cell_pid}/ns/user"
    data["switch_hook"] = [str(DOOR), "lab", "hook", "--name", state.name]
    Inventory.model_validate(data)
    return data


def namespace_path(cell_pid: int, name: str) -> Path:
    """Where a network namespace of the cell is found from outside: through the root of the cell's process 1."""
    return Path(f"/proc/{cell_pid}/root/run/netns/{name}")


def write(topology: Topology, state: State, *, cell_pid: int, user_namespace: bool) -> None:
    """Write `state.inventory`."""
    data = inventory_of(topology, state, cell_pid=cell_pid, user_namespace=user_namespace)
    header = _HEADER.format(name=state.name, topology=topology.name)
    state.inventory.write_text(header + written(data, in_order=True), encoding="utf-8")
