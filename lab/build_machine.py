"""From a node of a topology to the machine that plays it, and to the images it must have beforehand."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

from lab import images, older_images
from lab.debian import DebianError
from lab.images import Image, ImageError
from lab.machine import Machine
from lab.nested_guest import NestedGuest
from lab.sriov_host import SriovHost
from lab.state import State
from lab.topology import Node, Topology
from lab.uml import PROGRAM, UmlError, UmlMachine, module_tree
from lab.uml_registers import fitted

DOMAINS = Path(__file__).parent / "domains"
Say = Callable[[str], None]
Prepared = dict[str, Path]
"""Folders by kind: `guest` (an image), `uml-modules`, `sriov-host` and `sriov-guest` (images)."""


_OTHER_IMAGES: dict[tuple[str, str | int], tuple[str, Callable[[Image, Say], Image]]] = {
    ("sriov-host", "older-kernel"): ("sriov-host", older_images.older_kernel),
    ("nested", "older-systemd"): ("sriov-guest", older_images.older_systemd),
}


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
            prepared |= _sriov_images(topology, say)
    except (ImageError, DebianError, UmlError) as error:
        raise CannotBuild(str(error)) from error
    return prepared


def _sriov_images(topology: Topology, say: Say) -> Prepared:
    """The images of the host and of its guest: the ordinary ones, or those that the nodes' settings name."""
    host, guest = images.sriov(say)
    chosen = {"sriov-host": host.folder, "sriov-guest": guest.folder}
    for name, node in topology.nodes.items():
        wanted = node.settings.get("image")
        if wanted is None:
            continue
        if (node.machine, wanted) not in _OTHER_IMAGES:
            raise CannotBuild(
                f"nodes.{name}.settings.image: there is no image '{wanted}' for a machine '{node.machine}'"
            )
        kind, make = _OTHER_IMAGES[node.machine, wanted]
        chosen[kind] = make(host, say).folder
    return chosen


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
        return NestedGuest(name, node.after, paths, state, domain=_domain_of(node))
    raise CannotBuild(f"{name}: there is no machine '{node.machine}'")


def _domain_of(node: Node) -> Path | None:
    """The libvirt XML of a nested guest, where that is not the one that its host has of itself."""
    name = node.settings.get("domain")
    return DOMAINS / f"{name}.xml" if name is not None else None
