"""Where a running lab keeps its files, the lock that says it lives, and the labs' keys."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import re
import shutil
import subprocess
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

_OF_A_PROCESS = re.compile(r"-[0-9]+$")
_ASKING_S = 0.3  # `is_up` holds the lock for a moment, too
PATH_LIMIT = 107
"""Bytes of a UNIX socket's path: unix(7), sun_path[108] with its final zero."""


class StateError(Exception):
    """The state directory cannot be used; the text says why."""


class AlreadyUp(StateError):  # noqa: N818 - reads as what happened
    """A lab of that name is running."""


class NotUp(StateError):  # noqa: N818
    """No lab of that name is running."""


def cache_folder() -> Path:
    """Where images and keys are kept between labs: VFPROOF_CACHE, else the XDG cache."""
    chosen = os.environ.get("VFPROOF_CACHE")
    if chosen:
        return Path(chosen)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "vfproof"


def base_folder() -> Path:
    """The folder that holds one state directory per lab of this user."""
    return Path(os.environ.get("XDG_RUNTIME_DIR") or "/tmp") / f"vfproof-lab-{os.getuid()}"  # noqa: S108 - made 0700


@dataclass(frozen=True, slots=True)
class State:
    """The files of one lab, by name. Nothing is made by asking for a path."""

    folder: Path

    @classmethod
    def of(cls, name: str) -> State:
        """The state of the lab called `name`, running or not. Raises `StateError` when sockets would not fit."""
        state = cls(base_folder() / name)
        longest = len(os.fsencode(state.folder)) + 1 + 24 + len(".console.sock")
        if longest > PATH_LIMIT:
            raise StateError(f"{state.folder}: too long for UNIX sockets; set XDG_RUNTIME_DIR to a shorter path")
        return state

    @property
    def name(self) -> str:
        """The lab's name."""
        return self.folder.name

    @property
    def lock(self) -> Path:
        """Locked (flock) as long as the lab lives."""
        return self.folder / "lock"

    @property
    def control_socket(self) -> Path:
        """JSON lines: see `lab.control`."""
        return self.folder / "control.sock"

    @property
    def prepared(self) -> Path:
        """Which images this lab runs from; see `lab.build_machine`."""
        return self.folder / "prepared.json"

    @property
    def cell_pid(self) -> Path:
        """The cell's process id as this machine sees it; true only while the lock is held."""
        return self.folder / "cell.pid"

    @property
    def cell_log(self) -> Path:
        """What the cell itself and its helpers printed."""
        return self.folder / "cell.log"

    @property
    def keys(self) -> Path:
        """`client_ed25519`, and `host_ed25519` that every node of the lab has; each with its `.pub`."""
        return self.folder / "keys"

    @property
    def known_hosts(self) -> Path:
        """Host keys of all nodes, by node name."""
        return self.folder / "known_hosts"

    @property
    def ssh_config(self) -> Path:
        """OpenSSH client configuration that reaches every node."""
        return self.folder / "ssh_config"

    @property
    def inventory(self) -> Path:
        """The ordinary inventory of this lab."""
        return self.folder / "inventory.yaml"

    @property
    def scratch(self) -> Path:
        """For overlays and other big files: a link to the disk of the cache, since a runtime directory is memory."""
        return self.folder / "scratch"

    def console_log(self, node: str) -> Path:
        """Everything that the node's console printed."""
        return self.folder / f"{node}.console"

    def console_socket(self, node: str) -> Path:
        """The node's console for a person."""
        return self.folder / f"{node}.console.sock"

    def ssh_socket(self, path: str) -> Path:
        """Leads to the sshd behind that path's address."""
        return self.folder / f"{path}.sock"


def _private_folder(folder: Path) -> None:
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    found = folder.stat()
    if found.st_uid != os.getuid() or found.st_mode & 0o077:
        raise StateError(
            f"{folder}: belongs to uid {found.st_uid} with mode {found.st_mode & 0o777:o}; it must be private"
        )


def _try_lock(path: Path) -> int | None:
    """An open descriptor that holds the lock, or None when another process keeps it."""
    deadline = time.monotonic() + _ASKING_S
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            if time.monotonic() > deadline:
                return None
            time.sleep(0.01)
            continue
        # Whoever removed a stale state took the lock file with it: then ours is a lock on nothing.
        if path.exists() and os.fstat(descriptor).st_ino == path.stat().st_ino:
            return descriptor
        os.close(descriptor)


def is_up(state: State) -> bool:
    """Whether a lab holds this state's lock."""
    if not state.lock.exists():
        return False
    descriptor = os.open(state.lock, os.O_RDWR | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False


def claim(state: State) -> int:
    """An empty state directory and the descriptor of its lock, for the cell to inherit.

    What a dead lab left is removed. Raises `AlreadyUp` or `StateError`.
    """
    _private_folder(state.folder.parent)
    sweep()
    descriptor = _lock_anew(state)
    if descriptor is None:
        raise AlreadyUp(f"lab '{state.name}' is up already; `lab down --name {state.name}` ends it")
    _remove_files(state)
    _make_scratch(state)
    return descriptor


def _lock_anew(state: State) -> int | None:
    while True:
        _private_folder(state.folder)
        try:
            return _try_lock(state.lock)
        except FileNotFoundError:  # somebody else's sweep took the folder for a dead lab's just before
            continue


def sweep() -> None:
    """Remove what killed processes left of labs that had a process id for a name: no later `up` takes that name."""
    for folder in base_folder().iterdir():
        if _OF_A_PROCESS.search(folder.name) and not is_up(State(folder)):
            with contextlib.suppress(AlreadyUp, FileNotFoundError):  # another sweep, or a lab just being made
                remove(State(folder))


def _make_scratch(state: State) -> None:
    marker = hashlib.sha256(os.fsencode(state.folder)).hexdigest()[:8]
    target = cache_folder() / "scratch" / f"{state.name}-{marker}"
    # The link comes first: whoever clears up, with whatever cache, finds what it leads to.
    state.scratch.symlink_to(target)
    target.mkdir(mode=0o700, parents=True)


def _remove_files(state: State) -> None:
    """Everything but the lock."""
    if state.scratch.is_dir():
        shutil.rmtree(state.scratch.readlink())
    for entry in state.folder.iterdir():
        if entry == state.lock:
            continue
        if entry.is_dir() and not entry.is_symlink():
            shutil.rmtree(entry)
        else:
            entry.unlink()


def remove(state: State) -> None:
    """Remove the state of a lab that has ended. Raises `AlreadyUp` when it still runs."""
    if not state.folder.exists():
        return
    descriptor = _try_lock(state.lock)
    if descriptor is None:
        raise AlreadyUp(f"lab '{state.name}' still runs")
    try:
        _remove_files(state)
        state.lock.unlink()
        state.folder.rmdir()
    finally:
        os.close(descriptor)


KEY_NAMES = ("client_ed25519", "host_ed25519")


def keys() -> Path:
    """The folder of the labs' keys in the cache, made when missing: images carry them, so they outlive a lab.

    One client key and one host key, for every node of every lab of this user. Raises `StateError`.
    """
    wanted = cache_folder() / "keys"
    wanted.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor = os.open(wanted, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        for name in KEY_NAMES:
            if not (wanted / name).exists():
                _generate_key(wanted / name)
    finally:
        os.close(descriptor)
    return wanted


def _generate_key(path: Path) -> None:
    """The private half is put in place last: it alone says that both are there."""
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=".making-") as folder:
        made = Path(folder) / path.name
        command = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", f"vfproof lab {path.name}", "-f", str(made)]
        result = subprocess.run(command, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
        if result.returncode != 0:
            raise StateError(f"ssh-keygen cannot make {path}: {result.stderr.strip()}")
        made.with_suffix(".pub").rename(path.with_suffix(".pub"))
        made.rename(path)
