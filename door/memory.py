"""The memory of a process and of everything below it, from /proc."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

PROC = Path("/proc")
_PSS = re.compile(rb"^Pss:\s+(\d+) kB", re.MULTILINE)


class Peak:
    """The most that a tree of processes was seen to hold. Sampled: a shorter peak is missed."""

    def __init__(self, proc: Path = PROC) -> None:
        self.bytes = 0
        self._proc = proc

    def look(self, pid: int) -> None:
        """Take a sample of this process and its descendants."""
        self.bytes = max(self.bytes, sum(_held(self._proc / str(member)) for member in tree(pid, self._proc)))


def tree(pid: int, proc: Path = PROC) -> Iterator[int]:
    """A process and all its descendants, as far as they are there now."""
    children: dict[int, list[int]] = {}
    for folder in proc.iterdir():
        if folder.name.isdecimal():
            children.setdefault(_parent(folder), []).append(int(folder.name))
    waiting = [pid]
    while waiting:
        member = waiting.pop()
        yield member
        waiting.extend(children.get(member, ()))


def _parent(folder: Path) -> int:
    """Its parent's pid, 0 when it has ended meanwhile. The name before it may hold spaces and brackets (proc(5))."""
    stat = _read(folder / "stat")
    return int(stat.rpartition(b")")[2].split()[1]) if stat else 0


def _held(folder: Path) -> int:
    """Bytes: its share of what is shared (Pss) where the kernel tells us, else all that is resident."""
    pss = _PSS.search(_read(folder / "smaps_rollup"))
    if pss:
        return int(pss[1]) * 1024
    resident = _read(folder / "statm").split()
    return int(resident[1]) * os.sysconf("SC_PAGE_SIZE") if resident else 0


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:  # it has ended, or belongs to someone else
        return b""
