"""The bundle's format: an envelope that the controller wrote, and the bytes that a host answered.

A file is one line of JSON (the envelope) followed by the answer, in gzip or plain. The answer is a row of sections

    \\n<boundary> <tag> <number>\\n<payload>

with a boundary of 128 random bits that the controller chose for this run, so that no text of the host can forge a
section. The script for hosts that nobody may log into (checks/offline/script.py) makes envelope and boundary itself,
when it runs; such an envelope names no machine (null), as the name of the file does.

Tags, with the number of their source (0 where there is none):

    hello             the answer begins; what stands before it is noise of a login shell
    list lines err    NUL-separated paths; `grep -aH` over them; what grep complained, and its exit status
    list ls err       NUL-separated paths; `ls -ldn` of them; the same
    dirs              NUL-separated records: D path, N name in it, X path that may not be listed
    item out err      one file: its path, its bytes, what the reader complained and its exit status
    item hex err      one binary file, as `od -An -v -tx1` prints it
    item cmd err      one command
    whole             before an err that is numbered 1: the text went through the mask (checks/remote/mask.sed), and
                      came to its end; without it, the text was cut off
    closed            a directory that may not be searched (or, made by `Bundle.of`, anything denied)
    unread            a source that could not be begun: why
    spared            a command that was not run, as root read the same in this directory
    again             this source is read once more, by root: forget what was denied the first time
    note              a remark on the gather itself
    done              numbers of the sources that are through
    bye               the answer is whole
"""

from __future__ import annotations

import functools
import gzip
import json
import marshal
import os
import re
import stat
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from checks.contents import Contents, as_text, source_from_json, source_to_json
from checks.outcome import CouldNotLook
from checks.sections import Malformed, Section, read_sections
from checks.source import Source

FORMAT_VERSION = 1
MAX_BYTES = 128 * 1024 * 1024
_MAX_ENVELOPE = 1024 * 1024
_MAX_SECTIONS = 100_000  # a host with 500 VFs has a few thousand
_MAX_SOURCES = 5_000
_LONGEST_NAME = 255
_CHUNK = 1024 * 1024
_BOUNDARY = re.compile(r"[0-9a-f]{32}")
_GZIP = b"\x1f\x8b"
MAGIC = "vfproof-bundle"


class NotABundle(CouldNotLook):
    """A file that is no bundle, a damaged one, or one of a version that this program does not know."""


@dataclass(frozen=True, slots=True)
class Envelope:
    """What the controller knows of a gather. `sources` None means that everything was looked for (bundles of tests).

    `machine` is empty when nobody named it: the script that an administrator runs does not know the inventory.
    """

    machine: str
    taken_at: datetime
    boundary: str
    sources: tuple[Source, ...] | None
    format_version: int = FORMAT_VERSION


def parse(envelope: Envelope, raw: bytes) -> Contents:
    """Take an answer apart. Raises NotABundle when it is none."""
    try:
        found = read_sections(_split(envelope.boundary.encode(), raw), envelope.sources)
    except Malformed as error:
        raise NotABundle(f"{envelope.machine}: the answer is not that of a gather: {error}") from None
    found.sort()
    return found


def _split(boundary: bytes, raw: bytes) -> Iterator[Section]:
    noise, *chunks = raw.split(b"\n" + boundary + b" ", _MAX_SECTIONS + 1)
    if len(chunks) > _MAX_SECTIONS:
        raise Malformed(f"it has more than {_MAX_SECTIONS} sections")
    if not chunks or not chunks[0].startswith(b"hello"):
        start = as_text((noise.strip() or raw.strip())[:200]) or "nothing at all"
        raise Malformed(f"it begins with {start!r}")
    for chunk in chunks:
        head, newline, payload = chunk.partition(b"\n")
        tag, _, number = head.partition(b" ")
        if not newline or not number.isdigit() or len(number) > 9:
            raise Malformed(f"a section headed {as_text(head[:80])!r}")
        yield Section(as_text(tag), int(number), payload)


def sections(boundary: str, raw: bytes) -> Iterator[Section]:
    """The sections of an answer, one after another. Raises Malformed."""
    return _split(boundary.encode(), raw)


def encode(
    boundary: str,
    *,
    texts: Mapping[str, str],
    binaries: Mapping[str, bytes],
    links: Mapping[str, str],
    names: Mapping[str, Sequence[str]],
    commands: Mapping[str, str | tuple[int, str]],
    denied: Sequence[str],
) -> bytes:
    """An answer as a host with just these things would give it."""
    sections: list[tuple[str, bytes]] = [("hello", b"")]
    for path, text in texts.items():
        sections += _item(path, "out", text.encode(), b"", 0)
    for path, data in binaries.items():
        sections += _item(path, "hex", data.hex(" ").encode(), b"", 0)
    for line, answer in commands.items():
        rc, said = (0, answer) if isinstance(answer, str) else answer
        sections += _item(line, "cmd", said.encode() if rc == 0 else b"", said.encode() if rc else b"", rc)
    if links:
        listed = "".join(f"lrwxrwxrwx 1 0 0 0 Jan  1 00:00 {path} -> {to}\n" for path, to in links.items())
        sections += [("list", b"".join(path.encode() + b"\0" for path in links))]
        sections += [("ls", listed.encode()), ("err", b"\nrc 0")]
    for path, entries in names.items():
        records = [f"D{path}", *(f"N{entry}" for entry in entries)]
        sections.append(("dirs", b"".join(record.encode() + b"\0" for record in records)))
    sections += [("closed", path.encode()) for path in denied]
    sections.append(("bye", b""))
    return b"".join(f"\n{boundary} {tag} 0\n".encode() + payload for tag, payload in sections)


def _item(name: str, tag: str, out: bytes, err: bytes, rc: int) -> list[tuple[str, bytes]]:
    return [("item", name.encode()), (tag, out), ("err", err + f"\nrc {rc}".encode())]


def write_file(path: Path, packed: bytes) -> None:
    """Write a bundle, mode 0600."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(packed)


def to_bytes(envelope: Envelope, raw: bytes) -> bytes:
    """The bundle as it lies in a file."""
    head = {
        MAGIC: envelope.format_version,
        "machine": envelope.machine or None,
        "taken_at": envelope.taken_at.isoformat(),
        "boundary": envelope.boundary,
        "sources": None if envelope.sources is None else [source_to_json(source) for source in envelope.sources],
    }
    return gzip.compress(json.dumps(head).encode() + b"\n" + raw, compresslevel=6, mtime=0)


def read_file(path: Path) -> tuple[Envelope, bytes]:
    """Read a bundle. Raises NotABundle, whatever the file holds."""
    return opened(path, read_bytes(path))


def read_bytes(path: Path) -> bytes:
    """A bundle's file as it is; empty when it is no ordinary file. Raises NotABundle when it cannot be read."""
    try:
        # A named pipe would let this program wait for ever.
        with os.fdopen(os.open(path, os.O_RDONLY | os.O_NONBLOCK), "rb") as file:
            ordinary = stat.S_ISREG(os.fstat(file.fileno()).st_mode)
            return file.read(MAX_BYTES + 1) if ordinary else b""
    except OSError as error:
        raise NotABundle(f"{path}: cannot be read: {error.strerror}") from None


def opened(path: Path, packed: bytes) -> tuple[Envelope, bytes]:
    """The envelope and the answer of a bundle's file. Raises NotABundle, whatever it holds."""
    try:
        return from_bytes(packed)
    except Malformed as error:
        raise NotABundle(f"{path}: not a bundle: {error}") from None


def from_bytes(packed: bytes) -> tuple[Envelope, bytes]:
    """Take a bundle's file apart, gzip or plain. Raises Malformed."""
    if not packed:
        raise Malformed("it is empty, or no ordinary file")
    plain = _unpacked(packed) if packed.startswith(_GZIP) else packed
    if len(plain) > MAX_BYTES:
        raise Malformed("larger than any bundle")
    if not plain.lstrip()[:1] == b"{":
        raise Malformed("neither gzip nor an envelope in plain text")
    head, newline, raw = plain.partition(b"\n")
    if not newline or len(head) > _MAX_ENVELOPE:
        raise Malformed("it has no envelope")
    return _envelope(head), raw


def is_packed(packed: bytes) -> bool:
    """Whether a bundle's file is gzip, and not plain text."""
    return packed.startswith(_GZIP)


def _unpacked(packed: bytes) -> bytes:
    """The plain bytes, piece by piece and bounded: a few kilobytes of gzip can claim terabytes."""
    unpacker = zlib.decompressobj(wbits=zlib.MAX_WBITS | 16)
    plain = bytearray()
    try:
        while not unpacker.eof and len(plain) <= MAX_BYTES:
            piece = unpacker.decompress(packed, _CHUNK)
            packed = unpacker.unconsumed_tail
            plain += piece
            if not piece and not packed:
                break
    except zlib.error as error:
        raise Malformed(f"its gzip is damaged ({str(error).rpartition(': ')[2]})") from None
    if len(plain) > MAX_BYTES:
        raise Malformed("larger than any bundle")
    if not unpacker.eof:
        raise Malformed("cut short")
    if unpacker.unused_data:
        raise Malformed("something stands behind its end")
    return bytes(plain)


def _envelope(head: bytes) -> Envelope:
    try:
        value: Any = json.loads(head)
    except (ValueError, RecursionError):
        raise Malformed("its envelope is not JSON") from None
    if not isinstance(value, dict) or MAGIC not in value:
        raise Malformed("its envelope is another program's")
    if value[MAGIC] != FORMAT_VERSION:
        version = f"{value[MAGIC]!r}"[:40]
        raise Malformed(f"its format is {version}, and this program knows format {FORMAT_VERSION}")
    try:
        machine, sources = value["machine"], value["sources"]
        return Envelope(
            machine="" if machine is None else _name(machine),
            taken_at=_moment(value["taken_at"]),
            boundary=_boundary(value["boundary"]),
            sources=None if sources is None else _sources(sources),
        )
    except (KeyError, ValueError, TypeError, OverflowError) as error:
        raise Malformed(f"its envelope is damaged ({str(error)[:200]})") from None


def _name(value: object) -> str:
    if not isinstance(value, str) or not 0 < len(value) <= _LONGEST_NAME or not value.isprintable():
        raise ValueError("a machine's name is wanted")
    return value


def _moment(value: object) -> datetime:
    if not isinstance(value, str):
        raise TypeError("a time is wanted")
    moment = datetime.fromisoformat(value)
    if moment.tzinfo is None:
        raise ValueError("its time has no zone")
    return moment


def _boundary(value: object) -> str:
    if not isinstance(value, str) or not _BOUNDARY.fullmatch(value):
        raise ValueError("a boundary of 32 hex digits is wanted")
    return value


def _sources(value: object) -> tuple[Source, ...]:
    if not isinstance(value, list) or len(value) > _MAX_SOURCES:
        raise ValueError("a list of sources is wanted")
    return _known(marshal.dumps(value, _PLAIN))


_PLAIN = 2  # a version of marshal's in which equal lists give equal bytes


@functools.lru_cache(maxsize=16)
def _known(marshalled: bytes) -> tuple[Source, ...]:
    """Sources, made once for all bundles that name them: those of one version name the same."""
    return tuple(map(source_from_json, marshal.loads(marshalled)))  # noqa: S302 - they were packed here
