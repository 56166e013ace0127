"""A sosreport as a bundle: its files and its commands' outputs in the places of our sources, as far as it reaches.

What is not in it says nothing about the host: it is "not in the sosreport", never "missing". Only where sos copies a
place whole (`checks.offline.sos_coverage`) is the rest missing. Secrets that sos left in are left out here by the
sources' own filters. Source: sos/report/plugins/*.py of sos 4.
"""

from __future__ import annotations

import os
import secrets
import subprocess
from collections.abc import Generator, Iterator
from datetime import UTC, datetime
from pathlib import Path

from checks.bundle import Bundle
from checks.contents import found_by
from checks.gather import mask
from checks.offline.sos_archive import NotASosreport, read
from checks.offline.sos_contents import WANTED, Host, host_of
from checks.offline.sos_outputs import answers
from checks.source import Attributes, Command, File, Links, Names, Source
from checks.stream import Envelope

_ABSENT = "not in the sosreport"
_BYTES = {"LC_ALL": "C"}
Section = tuple[str, bytes]
Answer = Generator[Section, None, bool]
"""The sections of a source; then whether they are all that the host would have answered."""


def bundle_of(path: Path, machine: str, sources: tuple[Source, ...]) -> Bundle:
    """What an archive or folder of sos holds of the sources. Raises NotASosreport."""
    host = host_of(read(path, WANTED))
    if host.manifest.disguised:
        raise NotASosreport(f"{path}: 'sos clean' put other names and addresses into it, so it tells of no real host")
    boundary = secrets.token_hex(16)
    sections = [(tag, number, payload) for number, one in enumerate(sources) for tag, payload in _answer(one, host)]
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


def _answer(source: Source, host: Host) -> Iterator[Section]:
    """The sections of one source."""
    match source:
        case Command():
            known = yield from _command(source, host)
        case Names():
            known = yield from _names(source, host)
        case Links():
            known = yield from _links(source, host)
        case File() | Attributes():
            known = yield from _texts(source, host)
    yield ("done", b"") if known else ("unread", _ABSENT.encode())


def _command(source: Command, host: Host) -> Answer:
    found = answers(source, host.manifest, host.texts)
    if source.line in host.outputs:
        yield from _item(source.line, "cmd", _kept(source, host.outputs[source.line]), b"", 0)
        return True
    for line, answer in (found or {}).items():
        went_well = answer.rc == 0
        said = b"" if went_well else _kept(Command(source.line), answer.data)[:2000]
        yield from _item(line, "cmd", _kept(source, answer.data) if went_well else b"", said, answer.rc)
    return found is not None


def _names(source: Names, host: Host) -> Answer:
    names = host.names_in(source.path)
    if names is not None:
        yield "dirs", b"".join(record.encode() + b"\0" for record in (f"D{source.path}", *(f"N{n}" for n in names)))
    return names is not None or host.lacks(source.path)


def _links(source: Links, host: Host) -> Answer:
    found = {path: host.links[path] for path in found_by(host.links, list(host.links), source.path)}
    if found:
        rows = "".join(f"lrwxrwxrwx 1 0 0 0 Jan  1 00:00 {path} -> {to}\n" for path, to in found.items())
        yield "list", b"".join(_bytes(path) + b"\0" for path in found)
        yield "ls", _bytes(rows)
        yield "err", b"\nrc 0"
    return source.path in found or host.covers(source.path)


def _texts(source: File | Attributes, host: Host) -> Answer:
    binary = isinstance(source, File) and source.binary
    found = found_by(host.texts, list(host.texts), source.path)
    for path in found:
        if binary:
            yield from _item(path, "hex", host.texts[path].hex(" ").encode(), b"", 0)
        else:
            yield from _item(path, "out", _kept(source, host.texts[path]), b"", 0)
    return source.path in found or host.covers(source.path)


def _item(name: str, tag: str, out: bytes, err: bytes, rc: int) -> Iterator[Section]:
    yield "item", _bytes(name)
    yield tag, out
    yield "err", err + f"\nrc {rc}".encode()


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")


def _kept(source: Source, data: bytes) -> bytes:
    """The lines that the source lets leave a host, masked: by the programs that do it there."""
    if isinstance(source, Attributes):
        return data
    steps = [["sed", "-E", mask()]]
    if isinstance(source, File | Command) and source.keep:
        steps.insert(0, ["grep", "-aE", "-e", source.keep])
    if isinstance(source, File | Command) and source.drop:
        steps.insert(0, ["grep", "-avE", "-e", source.drop])
    for step in steps:
        done = subprocess.run(
            step, input=data, capture_output=True, check=False, timeout=30, env={**os.environ, **_BYTES}
        )
        data = done.stdout
    return data
