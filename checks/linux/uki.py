"""The small sections of a unified kernel image: its command line, its release, its operating system.

An image is a PE file of a hundred megabytes, and these sections lie near its start (ukify and dracut write them first).
So only the head of it is looked at; a section that is not within it is unknown, and that is said.
Sources: the UAPI group's UKI specification; Microsoft's PE format; systemd 257 src/fundamental/uki.h.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass

from checks.bundle import UnexpectedOutput

_PE_OFFSET_AT = 0x3C
_HEADER = struct.Struct("<4sHHIIIHH")
_SECTION = struct.Struct("<8sIIIIIIHHI")
_MAX_SECTIONS = 96
_MAX_TEXT = 65_536
_WANTED = (".cmdline", ".uname", ".osrel")


@dataclass(frozen=True, slots=True)
class Uki:
    """What an image says of itself. None is a section that it does not have."""

    command_line: str | None
    release: str | None
    os_release: str | None


def read(head: bytes, where: str) -> Uki:
    """The sections, from the first bytes of the file. Of several profiles the first one counts, as it boots by itself.

    Raises UnexpectedOutput for what is no PE file, and for one whose small sections lie too far behind.
    """
    found: dict[str, str] = {}
    profiles = 0
    for name, offset, size in _sections(head, where):
        profiles += name == ".profile"
        if profiles > 1:
            break
        if name in _WANTED:
            if size > _MAX_TEXT:
                raise UnexpectedOutput(f"{where}: its section {name} claims {size} bytes")
            if offset + size > len(head):
                raise UnexpectedOutput(f"{where}: its section {name} lies behind the {len(head)} bytes that were read")
            found[name] = head[offset : offset + size].decode("utf-8", "replace").rstrip("\0").strip()
    return Uki(found.get(".cmdline"), found.get(".uname"), found.get(".osrel"))


def _sections(head: bytes, where: str) -> Iterator[tuple[str, int, int]]:
    """Name, offset in the file and size of every section."""
    try:
        (start,) = struct.unpack_from("<I", head, _PE_OFFSET_AT)
        magic, _, count, _, _, _, optional, _ = _HEADER.unpack_from(head, start)
    except struct.error:
        raise UnexpectedOutput(f"{where}: too short for an EFI program") from None
    if head[:2] != b"MZ" or magic != b"PE\0\0":
        raise UnexpectedOutput(f"{where}: not an EFI program")
    if count > _MAX_SECTIONS:
        raise UnexpectedOutput(f"{where}: claims {count} sections")
    table = start + _HEADER.size + optional
    for number in range(count):
        try:
            raw_name, virtual, _, raw, offset, *_ = _SECTION.unpack_from(head, table + number * _SECTION.size)
        except struct.error:
            raise UnexpectedOutput(f"{where}: its table of sections is cut short") from None
        # The size in the file is rounded up; the true one is the virtual one, unless that is the larger.
        yield raw_name.rstrip(b"\0").decode("ascii", "replace"), offset, min(virtual, raw) if virtual else raw
