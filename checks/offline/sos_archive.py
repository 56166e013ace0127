"""A sosreport's files: a folder, or a tar archive read by a reader that trusts nothing in it.

Nothing is unpacked onto disk. Members that are neither files, folders nor symbolic links are passed over; names that
climb out are refused; sizes, numbers and the time of unpacking are bounded. What does not fit is one sentence.
"""

from __future__ import annotations

import os
import stat
import struct
import tarfile
import time
import zlib
from dataclasses import dataclass, field
from lzma import LZMAError
from pathlib import Path, PurePosixPath

from checks.outcome import CouldNotLook

MAX_MEMBERS = 300_000
MAX_FILE = 4 * 1024 * 1024
MAX_KEPT = 96 * 1024 * 1024
MAX_UNPACKED = 4 * 1024 * 1024 * 1024
MAX_SECONDS = 60.0
# What tarfile lets out of a broken archive: besides its own errors those of the packers, and of its own parsing.
_BROKEN = (
    tarfile.TarError,
    LZMAError,
    zlib.error,
    EOFError,
    OSError,
    ValueError,
    TypeError,
    LookupError,
    OverflowError,
    RecursionError,
    struct.error,
)


class NotASosreport(CouldNotLook):
    """The archive cannot be read, is none of sos, or is larger than any."""


@dataclass(slots=True)
class Files:
    """What was found, by path on the host (`/etc/os-release`) or below the archive (`/sos_commands/...`)."""

    texts: dict[str, bytes] = field(default_factory=dict)
    links: dict[str, str] = field(default_factory=dict)
    folders: set[str] = field(default_factory=set)
    too_large: set[str] = field(default_factory=set)
    kept: int = 0

    def keep(self, name: str, path: str, data: bytes) -> None:
        """Take a file. Raises NotASosreport when there is too much."""
        self.kept += len(data)
        if self.kept > MAX_KEPT:
            raise NotASosreport(f"{name}: more than {MAX_KEPT >> 20} MiB of files that matter")
        self.texts[path] = data


def read(path: Path, wanted: tuple[str, ...]) -> Files:
    """The files below the wanted folders (`/etc/`), of an archive or a folder. Raises NotASosreport."""
    return _folder(path, wanted) if path.is_dir() else _archive(path, wanted)


def _archive(path: Path, wanted: tuple[str, ...]) -> Files:
    found, until, unpacked = Files(), time.monotonic() + MAX_SECONDS, 0
    try:
        with tarfile.open(path, "r|*") as archive:
            for number, member in enumerate(archive):
                unpacked += max(member.size, 0)
                if number >= MAX_MEMBERS or unpacked > MAX_UNPACKED or time.monotonic() > until:
                    raise NotASosreport(f"{path}: larger than any sosreport, or it takes too long to unpack")
                place = _place(path, member.name)
                if place is None or not place.startswith(wanted):
                    continue
                if member.isdir():
                    found.folders.add(place)
                elif member.issym():
                    found.links[place] = member.linkname
                elif member.isreg() and member.size > MAX_FILE:
                    found.too_large.add(place)
                elif member.isreg() and (content := archive.extractfile(member)) is not None:
                    found.keep(str(path), place, content.read(MAX_FILE))
                archive.members = []  # type: ignore[attr-defined] # tarfile remembers all that it has seen
    except _BROKEN as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error) or type(error).__name__
        raise NotASosreport(f"{path}: not a tar archive that can be read to its end ({reason[:200]})") from None
    return _sos(path, found)


def _place(path: Path, name: str) -> str | None:
    """Where a member belongs: its name without sos's own first folder; None for that folder. Raises NotASosreport."""
    parts = PurePosixPath(name).parts
    if name.startswith("/") or ".." in parts or "\0" in name or len(name) > 4096:
        raise NotASosreport(f"{path}: it names a place outside itself ({name[:80]!r})")
    return "/" + "/".join(parts[1:]) if len(parts) > 1 else None


def _folder(path: Path, wanted: tuple[str, ...]) -> Files:
    found, until = Files(), time.monotonic() + MAX_SECONDS
    seen = 0
    try:
        for top, folders, files in os.walk(path, followlinks=False):
            place = "/" + os.path.relpath(top, path).removeprefix(".").lstrip("/")
            found.folders.add(place.rstrip("/") or "/")
            for name in (*folders, *files):
                seen += 1
                if seen > MAX_MEMBERS or time.monotonic() > until:
                    raise NotASosreport(f"{path}: larger than any sosreport, or it takes too long to read")
                _one(path, Path(top) / name, f"{place.rstrip('/')}/{name}", found, wanted)
    except OSError as error:
        raise NotASosreport(f"{path}: cannot be read: {error.strerror}") from None
    return _sos(path, found)


def _one(path: Path, file: Path, place: str, found: Files, wanted: tuple[str, ...]) -> None:
    if not place.startswith(wanted):
        return
    status = file.lstat()
    if stat.S_ISLNK(status.st_mode):
        found.links[place] = os.readlink(file)  # noqa: PTH115 - as it is written
    elif stat.S_ISREG(status.st_mode) and status.st_size > MAX_FILE:
        found.too_large.add(place)
    elif stat.S_ISREG(status.st_mode):
        with file.open("rb") as content:
            found.keep(str(path), place, content.read(MAX_FILE))


def _sos(path: Path, found: Files) -> Files:
    own = ("/sos_commands/", "/sos_logs/", "/sos_reports/")
    if not any(f"{name}/".startswith(own) for name in {*found.texts, *found.folders}):
        raise NotASosreport(f"{path}: an archive without sos_commands is no sosreport")
    return found
