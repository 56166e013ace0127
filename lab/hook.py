"""The lab as a site's switch hook (`switch_hook` in an inventory): a guest's NIC in, the fault on its wire out."""

from __future__ import annotations

from inventory.model import Inventory
from lab.topology import Topology

NOT_HERE = 3
"""Exit status of a hook for a fault that this site cannot do at all."""
FAULTS = ("port-down", "wire-cut")


class NoSuchWire(Exception):  # noqa: N818 - reads as what happened
    """The lab has no wire for this NIC, or cannot do that to it; the text says which."""


def target(topology: Topology, fault: str, guest: str, nic: str) -> str:
    """What `lab fault` calls the wire behind a guest's NIC: the port of the switch, or NODE/NIC.

    A nested guest's NIC is a VF, and its wire is that of the PF. Raises `NoSuchWire`.
    """
    node_name, node_nic = _owner(topology, guest, nic)
    node = topology.nodes.get(node_name)
    if node is None or node_nic not in node.nics:
        raise NoSuchWire(f"{guest}'s NIC {nic} has no wire of its own in this lab")
    if fault == "port-down":
        return node.nics[node_nic].tap
    if node.machine == "uml":
        raise NoSuchWire(f"{guest} is a User-mode Linux, whose NICs always have carrier: wire-cut is not possible")
    return f"{node_name}/{node_nic}"


def _owner(topology: Topology, guest: str, nic: str) -> tuple[str, str]:
    wanted = Inventory.model_validate(topology.inventory).guests.get(guest)
    found = None if wanted is None else wanted.nics.get(nic)
    if wanted is not None and wanted.host is not None and found is not None and found.pf is not None:
        return wanted.host, found.pf
    return guest, nic
