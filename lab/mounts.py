"""The mounts of a cell: its own /proc, a /run/netns that can be written, and shared memory that can be executed."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

NETNS = Path("/run/netns")


class MountError(Exception):
    """The cell cannot mount what it needs; the text is what mount said."""


def prepare_mounts() -> None:
    """Make the mounts. Only for a process in mount and pid namespaces of its own. Raises `MountError`."""
    _mount("-t", "proc", "proc", "/proc")
    # User-mode kernels map their memory executable from a file in here; elsewhere it may be mounted noexec.
    _mount("-t", "tmpfs", "-o", "mode=1777", "tmpfs", "/dev/shm")  # noqa: S108 - its own, new
    if not NETNS.is_dir():
        _own_run()
    _mount("-t", "tmpfs", "-o", "mode=755", "tmpfs", str(NETNS))


def _own_run() -> None:
    """A /run of our own, with the users' runtime directories kept: without root the real one takes no new folder."""
    users = Path("/run/user")
    kept = os.open(users, os.O_PATH | os.O_DIRECTORY) if users.is_dir() else None
    _mount("-t", "tmpfs", "-o", "mode=755", "tmpfs", "/run")
    NETNS.mkdir()
    if kept is not None:
        users.mkdir()
        os.set_inheritable(kept, True)  # noqa: FBT003 - os takes it by position
        _mount("--rbind", f"/proc/self/fd/{kept}", str(users), pass_fds=(kept,))
        os.close(kept)


def _mount(*arguments: str, pass_fds: tuple[int, ...] = ()) -> None:
    result = subprocess.run(["mount", *arguments], capture_output=True, text=True, check=False, pass_fds=pass_fds)
    if result.returncode != 0:
        raise MountError(f"mount {' '.join(arguments)}: {result.stderr.strip()}")
