"""A sosreport as a bundle: its files in the places of our sources, as far as it reaches.

What is not in it says nothing about the host: it is "not in the sosreport", never "missing". Only of folders that sos
copies whole (its plugins boot, grub2, kernel, libvirt and udev), and of which something is there, is the rest missing.
Secrets that sos left in are left out here by the sources' own filters. Source: sos/report/plugins/*.py of sos 4.
"""

from __future__ import annotations

import os
import secrets
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from checks.bundle import Bundle
from checks.contents import matches
from checks.gather import mask
from checks.offline.sos_archive import Files, NotASosreport, read
from checks.source import Attributes, File, Names, Source
from checks.stream import Envelope

_WHOLE = (
    "/boot/loader/entries",
    "/etc/libvirt/qemu",
    "/etc/libvirt/qemu/networks",
    "/etc/modprobe.d",
    "/etc/udev/rules.d",
    "/usr/lib/udev/rules.d",
)
_WANTED = ("/boot/", "/etc/", "/lib/", "/proc/", "/run/", "/sys/", "/usr/lib/", "/sos_commands/", "/sos_reports/")
_ABSENT = "not in the sosreport"
_BYTES = {"LC_ALL": "C"}


def bundle_of(path: Path, machine: str, sources: tuple[Source, ...]) -> Bundle:
    """What an archive or folder of sos holds of the sources. Raises NotASosreport."""
    files = _merged(read(path, _WANTED))
    boundary = secrets.token_hex(16)
    sections = [(tag, number, payload) for number, one in enumerate(sources) for tag, payload in _answer(one, files)]
    rows = [("hello", 0, b""), *sections, ("bye", 0, b"")]
    raw = b"".join(
        f"\n{boundary} {tag} {0 if tag == 'err' else number}\n".encode()  # an err's number says that it was masked
        + (str(number).encode() if tag == "done" else payload)
        for tag, number, payload in rows
    )
    try:
        taken_at = datetime.fromtimestamp(path.stat().st_mtime, UTC)
    except (OSError, OverflowError, ValueError):
        raise NotASosreport(f"{path}: it has no time that makes sense") from None
    return Bundle(Envelope(machine, taken_at, boundary, sources), raw)


def _merged(files: Files) -> Files:
    """Since /usr was merged, /lib is a part of it; sos writes down either."""
    files.texts = {_usr(path): data for path, data in files.texts.items()}
    files.folders = {_usr(path) for path in files.folders}
    return files


def _usr(path: str) -> str:
    return f"/usr{path}" if path.startswith("/lib/") else path


def _answer(source: Source, files: Files) -> Iterator[tuple[str, bytes]]:
    """The sections of one source."""
    if isinstance(source, Names) and _known(f"{source.path}/x", files):
        names = sorted({path[len(source.path) + 1 :].partition("/")[0] for path in _below(source.path, files)})
        yield "dirs", b"".join(record.encode() + b"\0" for record in (f"D{source.path}", *(f"N{n}" for n in names)))
        yield "done", b""
    elif isinstance(source, File | Attributes) and not (isinstance(source, File) and source.binary):
        found = sorted(path for path in files.texts if matches(path, source.path))
        for path in found:
            yield "item", path.encode("utf-8", "surrogateescape")
            yield "out", _kept(source, files.texts[path])
            yield "err", b"\nrc 0"
        if source.path in found or _known(source.path, files):
            yield "done", b""
        else:
            yield "unread", _ABSENT.encode()
    else:
        yield "unread", _ABSENT.encode()


def _below(folder: str, files: Files) -> list[str]:
    return [path for path in files.texts if path.startswith(f"{folder}/")]


def _known(pattern: str, files: Files) -> bool:
    """Whether what is not there was not there on the host either: sos copies the folder, and did."""
    folder = pattern.rpartition("/")[0]
    return folder in _WHOLE and (folder in files.folders or bool(_below(folder, files)))


def _kept(source: File | Attributes, data: bytes) -> bytes:
    """The lines that the source lets leave a host, masked: by the programs that do it there."""
    if isinstance(source, Attributes):
        return data
    steps = [["sed", "-E", mask()]]
    if source.keep:
        steps.insert(0, ["grep", "-aE", "-e", source.keep])
    if source.drop:
        steps.insert(0, ["grep", "-avE", "-e", source.drop])
    for step in steps:
        done = subprocess.run(
            step, input=data, capture_output=True, check=False, timeout=30, env={**os.environ, **_BYTES}
        )
        data = done.stdout
    return data
