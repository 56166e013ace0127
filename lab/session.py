"""A lab from the outside: starting its cell, waiting until it is up, using and ending it. For tests and the door."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lab import build_machine, state, topology
from lab.coming_up import LabError, News, Report, await_ready
from lab.control import DETACH, ControlError, ask
from lab.preflight import check_machine
from lab.ssh import ssh
from lab.state import NotUp, State
from lab.write_inventory import namespace_path

REPOSITORY = Path(__file__).parent.parent
_END_WITHIN_S = 10


@dataclass(slots=True)
class Lab:
    """A running lab. Made by `up`, `running` or `attach`."""

    state: State
    _process: subprocess.Popen[bytes] | None = field(default=None, repr=False)
    _leash: int | None = field(default=None, repr=False)

    @property
    def name(self) -> str:
        """The lab's name."""
        return self.state.name

    @property
    def inventory(self) -> Path:
        """The ordinary inventory of this lab."""
        return self.state.inventory

    @property
    def ssh_config(self) -> Path:
        """OpenSSH client configuration that reaches every node by name."""
        return self.state.ssh_config

    def ssh(
        self, path: str, *command: str, timeout_s: float = 30, stdin: str | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run a command on a node. Exit status 255 means that ssh itself failed."""
        return ssh(self.state, path, *command, timeout_s=timeout_s, stdin=stdin)

    def output(self, path: str, command: str, timeout_s: float = 30) -> str:
        """What a shell command on a node prints. Raises `LabError` when it fails."""
        result = self.ssh(path, command, timeout_s=timeout_s)
        if result.returncode != 0:
            raise LabError(f"{path}: {command}: exit status {result.returncode}: {result.stderr.strip()}")
        return result.stdout

    def status(self) -> dict[str, Any]:
        """The cell's own account: topology, pid, since, nodes, faults, inventory. Raises `NotUp`, `ControlError`."""
        return ask(self.state, do="status")

    def fault(self, kind: str, target: str = "", *, for_s: float | None = None) -> None:
        """Break something on the wires, for so many seconds or until `mend`. Raises `ControlError`."""
        ask(self.state, do="fault", kind=kind, target=target, on=True, for_s=for_s)

    def mend(self, kind: str, target: str = "") -> None:
        """Undo a fault. Raises `ControlError`."""
        ask(self.state, do="fault", kind=kind, target=target, on=False)

    def swallowed(self) -> dict[str, int]:
        """What the last black hole took, by kind of frame; empty before it is gone. Raises `ControlError`."""
        return dict(self.status()["swallowed"])

    def namespace_command(self, name: str) -> list[str]:
        """What to put before a command to run it in one of the lab's own network namespaces."""
        pid = int(self.state.cell_pid.read_text())
        as_user = ["--user=" + f"/proc/{pid}/ns/user", "--preserve-credentials"] if os.getuid() else []
        return ["nsenter", *as_user, f"--net={namespace_path(pid, name)}", "--"]

    def environment(self) -> dict[str, str]:
        """What `lab run` tells its command."""
        return {
            "VFPROOF_LAB": self.name,
            "VFPROOF_LAB_STATE": str(self.state.folder),
            "VFPROOF_LAB_INVENTORY": str(self.inventory),
            "VFPROOF_LAB_SSH_CONFIG": str(self.ssh_config),
        }

    def detach(self) -> None:
        """Let the lab outlive this process."""
        if self._leash is not None:
            os.write(self._leash, DETACH)
            os.close(self._leash)
            self._leash = None

    def end(self) -> None:
        """End the lab, and wait until nothing of it runs; its files stay. Raises `LabError`."""
        if self._leash is not None:
            os.close(self._leash)
            self._leash = None
        else:
            with contextlib.suppress(NotUp):
                _ask_to_stop(self.state)
        if not _until_ended(self.state, _END_WITHIN_S):
            _kill(self.state)
        if self._process is not None:
            self._process.wait()


def _ignore(_news: News) -> None:
    """For callers that want no news."""


def up(topology_name: str, name: str | None = None, report: Report = _ignore) -> Lab:
    """Bring a lab up; it dies with this process unless `detach` is called.

    Raises `LabError`, `lab.build_machine.CannotBuild`, `lab.state.StateError`, `lab.topology.TopologyError` and
    `lab.preflight.NotFit`. The state directory of a lab that did not come up stays, for its logs.
    """
    wanted = topology.load(topology_name)
    check_machine(wanted)
    begun = time.monotonic()
    prepared = build_machine.prepare(wanted, lambda text: report(News("", text, time.monotonic() - begun)))
    place = State.of(name or wanted.name)
    lock = state.claim(place)
    try:
        build_machine.write_prepared(place, prepared)
        lab, news = _start_cell(place, topology.locate(topology_name), lock)
    finally:
        os.close(lock)
    try:
        with os.fdopen(news, encoding="utf-8") as lines:
            await_ready(place, lines, report, begun)
    except LabError:
        lab.end()
        raise
    except BaseException:  # interrupted: nobody asked for its logs
        lab.end()
        state.remove(place)
        raise
    return lab


def _start_cell(place: State, topology_file: Path, lock: int) -> tuple[Lab, int]:
    leash_read, leash = os.pipe()
    news, news_write = os.pipe()
    inherited = (leash_read, news_write, lock)
    rootless = os.getuid() != 0
    command = ["unshare", "--pid", "--fork", "--kill-child", "--mount", "--net"]
    command += ["--user", "--map-root-user"] if rootless else []
    command += [sys.executable, "-m", "lab.cell", "--state", str(place.folder), "--topology", str(topology_file)]
    command += ["--leash", str(leash_read), "--news", str(news_write), "--lock", str(lock)]
    command += ["--user-namespace"] if rootless else []
    with place.cell_log.open("ab") as log:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            pass_fds=inherited,
            start_new_session=True,
            cwd=REPOSITORY,
        )
    os.close(leash_read)
    os.close(news_write)
    return Lab(place, process, leash), news


@contextlib.contextmanager
def running(topology_name: str, name: str | None = None, report: Report = _ignore) -> Iterator[Lab]:
    """A lab for the length of a `with` block; it dies with this process, however that ends, and leaves nothing.

    The name defaults to one of its own, so that it meets no other lab, of this process or another.
    """
    lab = up(topology_name, name or _own_name(topology.load(topology_name).name), report)
    try:
        yield lab
    finally:
        lab.end()
        state.remove(lab.state)


def _own_name(topology_name: str) -> str:
    name, number = f"{topology_name}-{os.getpid()}", 1
    while state.is_up(State.of(name)):
        number += 1
        name = f"{topology_name}-{os.getpid()}-{number}"
    return name


def attach(name: str) -> Lab:
    """A lab that is up already. Raises `NotUp`."""
    place = State.of(name)
    if not state.is_up(place):
        raise NotUp(f"no lab '{name}' is up")
    return Lab(place)


def down(name: str) -> bool:
    """End a lab and remove its files, and those that a killed one left. Gives whether it was running."""
    place = State.of(name)
    was_up = state.is_up(place)
    if was_up:
        Lab(place).end()
    state.remove(place)
    return was_up


def names() -> tuple[str, ...]:
    """Every lab of this user that is up, sorted."""
    base = state.base_folder()
    folders = sorted(base.iterdir()) if base.is_dir() else []
    return tuple(folder.name for folder in folders if state.is_up(State(folder)))


def _ask_to_stop(place: State) -> None:
    with contextlib.suppress(ControlError):  # it hangs, or is just ending: then the lock decides
        ask(place, timeout_s=3, do="stop")


def _until_ended(place: State, seconds: float) -> bool:
    """Whether the cell let go of its lock in time."""
    deadline = time.monotonic() + seconds
    while state.is_up(place):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def _kill(place: State) -> None:
    """End a cell that does not listen. The pid is its own as long as the lock is held."""
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        os.kill(int(place.cell_pid.read_text()), signal.SIGKILL)
    if not _until_ended(place, _END_WITHIN_S):
        raise LabError(f"lab '{place.name}' (process {place.cell_pid.read_text().strip()}) cannot be ended")
