"""The cell: process 1 of a lab's own pid, mount and network namespaces, and the only thing that starts its parts.

`lab.session` starts it under unshare(1). When it dies, for whatever reason, the kernel ends every process in it and
frees its namespaces and mounts, so nothing can stay behind. It speaks to its controller over two pipes: it reads the
leash (`detach` lets it outlive the controller, end of file before that ends it) and writes news, a JSON object a line.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NoReturn

from pydantic import ValidationError

from lab import build_machine, wires, write_inventory
from lab.control import DETACH, LINE_LIMIT, AskedWrongly
from lab.faults import Fault, FaultError, Faults
from lab.machine import DidNotComeUp, Machine, MachineError
from lab.mounts import prepare_mounts
from lab.ssh import forward_command
from lab.ssh_config import write_ssh_files
from lab.state import State, StateError
from lab.topology import Node, Topology, load
from lab.wires import WireError

_STOP_WITHIN_S = 2
_FAILURES = (DidNotComeUp, WireError, StateError, OSError, ValidationError, build_machine.CannotBuild)


class Cell:
    """One running lab."""

    def __init__(self, state: State, topology: Topology, *, news: int, pid: int, user_namespace: bool) -> None:
        self._state = state
        self._topology = topology
        self._news: int | None = news
        self._pid = pid
        self._user_namespace = user_namespace
        self._machines: dict[str, Machine] = {}
        self._node_state = dict.fromkeys(topology.nodes, "waiting")
        self._since = dict.fromkeys(topology.nodes, time.time())
        self._up = {name: asyncio.Event() for name in topology.nodes}
        self._faults = Faults(topology, self._machines)
        self._undo: dict[Fault, asyncio.TimerHandle] = {}
        self._changing = asyncio.Lock()
        self._started = time.time()
        self._end: asyncio.Future[int] = asyncio.get_running_loop().create_future()

    async def run(self, leash: int) -> int:
        """Bring the lab up and serve it until it is told to stop. Gives the exit status."""
        asyncio.get_running_loop().add_reader(leash, self._leash_moved, leash)
        server = await asyncio.start_unix_server(self._serve, self._state.control_socket, limit=LINE_LIMIT)
        rising = asyncio.create_task(self._rise())
        status = await self._end
        rising.cancel()
        server.close()
        await self._stop_machines()
        return status

    def _finish(self, status: int) -> None:
        if not self._end.done():
            self._end.set_result(status)

    def _leash_moved(self, leash: int) -> None:
        if os.read(leash, 64) == DETACH:
            asyncio.get_running_loop().remove_reader(leash)
            self._news = None
        else:
            self._finish(0)

    def _tell(self, **news: str) -> None:
        if self._news is None:
            return
        try:
            os.write(self._news, json.dumps(news).encode() + b"\n")
        except BrokenPipeError:  # the controller is gone: the leash says so as well, and decides
            self._news = None

    async def _rise(self) -> None:
        try:
            await asyncio.to_thread(self._lay_wires)
            async with asyncio.TaskGroup() as group:
                for name, node in self._topology.nodes.items():
                    group.create_task(self._raise_node(name, node))
            write_inventory.write(self._topology, self._state, cell_pid=self._pid, user_namespace=self._user_namespace)
        except* _FAILURES as failures:
            first = failures.exceptions[0]
            if not isinstance(first, DidNotComeUp):
                self._tell(failed=str(first))
            self._finish(1)
        else:
            self._tell(ready=str(self._state.inventory))

    def _lay_wires(self) -> None:
        wires.build(self._topology)
        write_ssh_files(self._state, self._topology)
        self._machines.update(
            {name: build_machine.build(name, self._topology, self._state) for name in self._topology.nodes}
        )
        for name, path in self._topology.ssh.items():
            if path.jump is None:
                subprocess.Popen(forward_command(self._state, name, path), stdin=subprocess.DEVNULL)

    async def _raise_node(self, name: str, node: Node) -> None:
        if node.after is not None:
            await self._up[node.after].wait()
        self._is_now(name, "booting", runs_on=self._machines[name].runs_on)
        try:
            await asyncio.to_thread(self._machines[name].start)
            await asyncio.to_thread(self._machines[name].ready, time.monotonic() + node.come_up_within_s)
        except DidNotComeUp as reason:
            self._is_now(name, "failed")
            self._tell(node=name, failed=str(reason), console=str(self._machines[name].console_log))
            raise
        self._is_now(name, "up")
        self._up[name].set()

    def _is_now(self, name: str, state: str, **more: str) -> None:
        self._node_state[name] = state
        self._since[name] = time.time()
        if state != "failed":
            self._tell(node=name, state=state, **more)

    async def _stop_machines(self) -> None:
        stops = [asyncio.to_thread(machine.stop) for machine in self._machines.values()]
        # The death of this process ends them all anyway.
        await asyncio.wait([asyncio.ensure_future(stop) for stop in stops] or [self._end], timeout=_STOP_WITHIN_S)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            answer = await self._answer(await reader.readline())
        except (AskedWrongly, FaultError) as error:
            answer = {"error": str(error), "wrongly": True}
        except (WireError, MachineError) as error:
            answer = {"error": str(error)}
        writer.write(json.dumps(answer).encode() + b"\n")
        await writer.drain()
        writer.close()
        if answer.get("stopping"):
            self._finish(0)

    async def _answer(self, line: bytes) -> Mapping[str, Any]:
        try:
            request = json.loads(line)
            wanted = request["do"]
        except (ValueError, KeyError, TypeError) as error:
            raise AskedWrongly("not a request: one JSON object with 'do' on one line") from error
        if wanted == "status":
            return self._status()
        if wanted == "stop":
            return {"stopping": True}
        if wanted == "fault":
            return await self._set_fault(request)
        raise AskedWrongly(f"there is nothing to do called '{wanted}'")

    def _status(self) -> dict[str, Any]:
        nodes = []
        for name, state in self._node_state.items():
            machine = self._machines.get(name)
            ended = self._why_gone(name) if state == "up" else None
            nodes.append(
                {
                    "name": name,
                    "state": f"gone: {ended}" if ended else state,
                    "since": self._since[name],
                    "runs_on": machine.runs_on if machine is not None else "",
                    "ssh": [path for path, way in self._topology.ssh.items() if way.node == name],
                }
            )
        return {
            "topology": self._topology.name,
            "pid": self._pid,
            "since": self._started,
            "nodes": nodes,
            "faults": [str(fault) for fault in self._faults.on],
            "swallowed": dict(self._faults.swallowed),
            "inventory": str(self._state.inventory),
        }

    def _why_gone(self, name: str) -> str | None:
        """Why a machine answers no more; one that is nested in another goes with it."""
        below = self._topology.nodes[name].after
        if below is not None and (why := self._why_gone(below)):
            return f"{below} is gone: {why}"
        return self._machines[name].ended()

    async def _set_fault(self, request: Mapping[str, Any]) -> dict[str, Any]:
        fault = self._faults.resolve(str(request.get("kind", "")), str(request.get("target") or ""))
        turn_on = bool(request.get("on", True))
        seconds = _seconds(request.get("for_s"))
        async with self._changing:
            await asyncio.to_thread(self._faults.set, fault, on=turn_on, for_s=seconds)
        timer = self._undo.pop(fault, None)
        if timer is not None:
            timer.cancel()
        if turn_on and seconds is not None:
            loop = asyncio.get_running_loop()
            self._undo[fault] = loop.call_later(seconds, self._mend, fault)
        return {"faults": [str(on) for on in self._faults.on]}

    def _mend(self, fault: Fault) -> None:
        self._undo.pop(fault, None)
        self._faults.set(fault, on=False)


def _seconds(value: object) -> float | None:
    if value is None or isinstance(value, (int, float)):
        return value
    raise AskedWrongly(f"'for_s' is a number of seconds, not {value!r}")


def _pid_outside() -> int:
    """This process's id where it was started, read before the new /proc hides it (proc_pid_status(5), NSpid)."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("NSpid:"):
            return int(line.split()[1])
    return os.getpid()


def _reap_until(child: int) -> int:
    """What process 1 is for: collect every orphan, and end when the one that matters ends."""
    while True:
        pid, status = os.wait()
        if pid == child:
            return os.waitstatus_to_exitcode(status)


async def _live(given: argparse.Namespace, pid: int) -> NoReturn:
    cell = Cell(State(given.state), load(given.topology), news=given.news, pid=pid, user_namespace=given.user_namespace)
    status = await cell.run(given.leash)
    # Threads may still wait for a machine: there is no use in waiting for them.
    os._exit(status)


def main(arguments: list[str] | None = None) -> int:
    """Entry of `python -m lab.cell`, to be started by `lab.session` only."""
    parser = argparse.ArgumentParser(prog="lab.cell")
    parser.add_argument("--state", type=Path, required=True)
    parser.add_argument("--topology", required=True)
    parser.add_argument("--leash", type=int, required=True)
    parser.add_argument("--news", type=int, required=True)
    parser.add_argument("--lock", type=int, required=True)
    parser.add_argument("--user-namespace", action="store_true")
    given = parser.parse_args(arguments)
    for inherited in (given.leash, given.news, given.lock):
        os.set_inheritable(inherited, False)  # noqa: FBT003 - os takes it by position
    # A crashed node is a crashed process: no core file of its whole memory.
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    pid = _pid_outside()
    State(given.state).cell_pid.write_text(f"{pid}\n")
    prepare_mounts()
    child = os.fork()
    if child == 0:
        asyncio.run(_live(given, pid))
    signal.signal(signal.SIGTERM, lambda *_signal: os._exit(0))
    # The child alone holds leash and news, so that their ends are seen when it dies.
    os.close(given.leash)
    os.close(given.news)
    return abs(_reap_until(child))


if __name__ == "__main__":
    sys.exit(main())
