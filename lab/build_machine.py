"""From a node of a topology to the machine that plays it, and to the images it must have beforehand."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

from lab import images
from lab.debian import DebianError
from lab.images import Image, ImageError
from lab.machine import Machine
from lab.nested_guest import NestedGuest
from lab.sriov_host import SriovHost
from lab.state import State
from lab.topology import Topology
from lab.uml import PROGRAM, UmlError, UmlMachine, module_tree
from lab.uml_registers import fitted

Say = Callable[[str], None]
Prepared = dict[str, Path]
"""Folders by kind: `guest` (an image), `uml-modules`, `sriov-host` and `sriov-guest` (images)."""


class CannotBuild(Exception):  # noqa: N818 - reads as what happened
    """A machine, or the image it starts from, cannot be made; the text is the reason."""


def prepare(topology: Topology, say: Say) -> Prepared:
    """Make what the topology's machines start from: outside the cell, which has no network. Minutes at first.

    Raises `CannotBuild`.
    """
    kinds = {node.machine for node in topology.nodes.values()}
    prepared: Prepared = {}
    try:
        if "uml" in kinds:
            prepared["uml-modules"] = module_tree()
            fitted([PROGRAM])  # tried out here once, where there is time for it
            prepared["guest"] = images.guest(say).folder
        if "sriov-host" in kinds:
            host, guest = images.sriov(say)
            prepared |= {"sriov-host": host.folder, "sriov-guest": guest.folder}
    except (ImageError, DebianError, UmlError) as error:
        raise CannotBuild(str(error)) from error
    return prepared


def write_prepared(state: State, prepared: Prepared) -> None:
    """Leave a note for the cell: asked again, a recipe that was edited meanwhile would name other images."""
    state.prepared.write_text(json.dumps({kind: str(folder) for kind, folder in prepared.items()}))


def build(name: str, topology: Topology, state: State) -> Machine:
    """The machine of one node, from what was prepared. Raises `CannotBuild`."""
    node = topology.nodes[name]
    prepared = {kind: Path(folder) for kind, folder in json.loads(state.prepared.read_text()).items()}
    if node.machine == "uml":
        disk = Image(prepared["guest"]).disk
        return UmlMachine(name, node, topology.ssh[name], state, disk=disk, modules=prepared["uml-modules"])
    if node.machine == "sriov-host":
        pair = Image(prepared["sriov-host"]), Image(prepared["sriov-guest"])
        return SriovHost(name, node, topology.ssh[name], state, pair)
    if node.machine == "nested" and node.after is not None:
        paths = tuple(path for path, leads in topology.ssh.items() if leads.node == name)
        return NestedGuest(name, node.after, paths, state)
    raise CannotBuild(f"{name}: there is no machine '{node.machine}'")
