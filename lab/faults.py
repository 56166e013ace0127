"""Faults on the wires of a running lab, each with its way back. They live in the cell, and so does their timer."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from lab import wires
from lab.machine import Machine
from lab.topology import Topology

KINDS = ("garp-na-drop", "port-down", "wire-cut", "blackhole")


class FaultError(Exception):
    """There is no such fault here; the text says what there is."""


@dataclass(frozen=True, slots=True)
class Fault:
    """What is broken: one of `KINDS`, and which port or NIC (empty for the whole switch)."""

    kind: str
    target: str = ""

    def __str__(self) -> str:
        return f"{self.kind} {self.target}".strip()


class Faults:
    """The faults that are on. Every change is made at once; turning on what is on changes nothing."""

    def __init__(self, topology: Topology, machines: Mapping[str, Machine]) -> None:
        self._topology = topology
        self._machines = machines
        self._on: set[Fault] = set()
        self.swallowed: Mapping[str, int] = {}
        """What the last black hole took, by kind of frame, once it is gone."""

    @property
    def on(self) -> tuple[Fault, ...]:
        """What is broken now, in a stable order."""
        return tuple(sorted(self._on, key=str))

    def resolve(self, kind: str, target: str) -> Fault:
        """The fault that a user's words mean. Raises `FaultError`."""
        if kind == "garp-na-drop":
            if target:
                raise FaultError("garp-na-drop is a fault of the whole switch and takes no port")
            return Fault(kind)
        if kind == "port-down":
            ports = wires.taps(self._topology)
            if target not in ports:
                raise FaultError(f"there is no port '{target}'; there is {', '.join(ports)}")
            return Fault(kind, target)
        if kind == "wire-cut":
            return Fault(kind, self._nic(target))
        if kind == "blackhole":
            if not self._ports(target):
                nodes = [name for name in self._topology.nodes if self._ports(name)]
                known = ", ".join([*nodes, *wires.taps(self._topology)])
                raise FaultError(f"there is no node or port '{target}' on the switch; there is {known}")
            if any(each.kind == kind and each.target != target for each in self._on):
                raise FaultError("there is a black hole already, and one is all that can be counted")
            return Fault(kind, target)
        raise FaultError(f"there is no fault '{kind}'; there is {', '.join(KINDS)}")

    def set(self, fault: Fault, *, on: bool, for_s: float | None = None) -> None:
        """Break it or mend it. Raises `WireError` or `MachineError`.

        `for_s`: whoever asks will mend it after that time; a black hole ends then by itself, to the millisecond.
        """
        if (fault in self._on) == on:
            return
        if fault.kind == "blackhole" and on:
            wires.swallow(self._ports(fault.target), for_s)
        else:
            self._change(fault)(on)
        if on:
            self._on.add(fault)
        else:
            self._on.remove(fault)

    def _change(self, fault: Fault) -> Callable[[bool], None]:
        if fault.kind == "garp-na-drop":
            return self._drop_announcements
        if fault.kind == "port-down":
            return lambda on: wires.set_port(fault.target, up=not on)
        if fault.kind == "blackhole":
            return lambda _on: self._count_swallowed()
        node, nic = fault.target.split("/")
        return lambda on: self._machines[node].set_wire(nic, connected=not on)

    def _drop_announcements(self, on: bool) -> None:  # noqa: FBT001 - one shape for all changes
        if on:
            wires.drop_announcements(self._topology.lans)
        else:
            wires.forward_announcements()

    def _count_swallowed(self) -> None:
        self.swallowed = wires.swallow_no_more()

    def _ports(self, target: str) -> tuple[str, ...]:
        """The switch's ports of a node, or the one port of that name."""
        if target in wires.taps(self._topology):
            return (target,)
        node = self._topology.nodes.get(target)
        return () if node is None else tuple(port.tap for port in node.nics.values() if port.bridge == "sw")

    def _nic(self, target: str) -> str:
        """`NODE/NIC` for `NODE/NIC`, or for a NIC that only one node has."""
        known = [f"{name}/{nic}" for name, node in self._topology.nodes.items() for nic in node.nics]
        meant = [nic for nic in known if nic == target or nic.split("/")[1] == target]
        if len(meant) != 1:
            problem = "is on several nodes" if meant else "does not exist"
            raise FaultError(f"NIC '{target}' {problem}; there is {', '.join(known)}")
        return meant[0]
