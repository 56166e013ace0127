"""From the sections of an answer to readings. Every byte comes from a host and is data, whatever it looks like."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from checks.contents import Contents, Reading, as_text, matches
from checks.groups import first_line, keep_lines, keep_links, status_of
from checks.limits import Limits, limits_of
from checks.source import Command, File, Source

# A group's exit status when every file was tried: grep 0-2, xargs 123 when a grep among several found nothing.
GROUP_WENT_WELL = (0, 1, 2, 123)
_KILLED = (124, 137, 143)
_NO_MASK = 99  # there is no sed, or it gave up


class Malformed(Exception):  # noqa: N818 - the bytes are malformed, nothing went wrong here
    """These bytes are not what a gather answers."""


class Section(NamedTuple):
    """One section of the answer: its tag, the number of its source, and its bytes."""

    tag: str
    number: int
    payload: bytes


@dataclass(slots=True)
class _Reader:
    sources: tuple[Source, ...] | None
    limits: Limits
    contents: Contents = field(default_factory=Contents)
    closed: list[tuple[int, str]] = field(default_factory=list)
    done: set[int] = field(default_factory=set)
    whole: bool = False
    again: set[int] = field(default_factory=set)


def read_sections(sections: Iterable[Section], sources: tuple[Source, ...] | None) -> Contents:
    """All readings in the answer. Raises Malformed."""
    reader = _Reader(sources, limits_of(sources or ()))
    stream = iter(sections)
    for section in stream:
        match section.tag:
            case "hello":
                pass
            case "list":
                _read_group(reader, section, stream)
            case "item":
                _read_item(reader, section, stream)
            case "dirs":
                _read_names(reader, section)
            case _:
                _read_remark(reader, section)
    _find_unread(reader)
    reader.contents.closed = {path: "" for _, path in reader.closed}
    _blame_sudo(reader.contents)
    return reader.contents


def _blame_sudo(contents: Contents) -> None:
    """Where sudo was allowed and refused, that is why something is denied."""
    refusal = next((note for note in contents.notes if note.startswith("sudo")), None)
    if refusal is None:
        return
    contents.closed = dict.fromkeys(contents.closed, refusal)
    for table in contents.tables():
        table |= {name: one._replace(detail=refusal) for name, one in table.items() if one.status == "denied"}


def _read_remark(reader: _Reader, section: Section) -> None:
    text = as_text(section.payload).strip("\n")
    match section.tag:
        case "closed":
            reader.closed.append((section.number, text.rstrip("/") or "/"))
        case "unread":
            reader.contents.unread[section.number] = Reading(status_of(text), detail=first_line(text))
        case "spared":
            reader.contents.unread[section.number] = Reading("spared", detail=text)
        case "again":
            _forget_refusals(reader, section.number)
        case "note":
            reader.contents.notes.append(text)
        case "done":
            reader.done.update(int(word) for word in text.split() if word.isdecimal() and len(word) < 9)
        case "bye":
            reader.whole = True
        case _:
            raise Malformed(f"an unknown section {section.tag[:40]!r}")


def _forget_refusals(reader: _Reader, number: int) -> None:
    """Root reads a source once more: what was denied the first time says nothing now."""
    if number in reader.again:  # the gather says it once; a thousand times would take its time
        return
    reader.again.add(number)
    reader.closed = [item for item in reader.closed if item[0] != number]
    reader.contents.unread.pop(number, None)
    source = _source(reader, number)
    if source is None or isinstance(source, Command):
        return
    for table in (reader.contents.texts, reader.contents.binaries, reader.contents.links):
        denied = [path for path, reading in table.items() if reading.status == "denied" and matches(path, source.path)]
        for path in denied:
            del table[path]


def _find_unread(reader: _Reader) -> None:
    """A source without a `done` was never reached, or hung so hard that not even its own limit helped."""
    for number in range(len(reader.sources or ())):
        if number not in reader.done and number not in reader.contents.unread:
            why = "the gather passed it over" if reader.whole else "the gather was cut short before it was through"
            reader.contents.unread[number] = Reading("timed out", detail=why)
    for number in reader.contents.unread:
        if reader.sources is None or number >= len(reader.sources):
            raise Malformed(f"a source number {number} that was never asked for")


def _next(stream: Iterator[Section], *tags: str) -> Section | None:
    section = next(stream, None)
    if section is not None and section.tag not in tags:
        raise Malformed(f"a section {section.tag[:40]!r} where one of {', '.join(tags)} belongs")
    return section


def _body(stream: Iterator[Section], *tags: str) -> tuple[Section | None, Section | None, bool]:
    """A body, what its reader complained, and whether it was cut off: one that was masked says where it ends."""
    body, after = _next(stream, *tags), _next(stream, "whole", "err")
    whole = after is not None and after.tag == "whole"
    err = _next(stream, "err") if whole else after
    return body, err, err is not None and err.number == 1 and not whole


def _read_group(reader: _Reader, listed: Section, stream: Iterator[Section]) -> None:
    body, err, cut = _body(stream, "lines", "ls")
    if body is None or err is None:  # cut short: its sources have no `done` either
        return
    complaints, rc = _complaints(err.payload)
    paths = [path for path in listed.payload.split(b"\0") if path]
    if (
        cut or rc not in GROUP_WENT_WELL
    ):  # the gather then reads each file of it alone; what it does not reach is unknown
        table = reader.contents.links if body.tag == "ls" else reader.contents.texts
        table |= {
            as_text(path): Reading("timed out", detail="reading it together with others failed") for path in paths
        }
    elif body.tag == "ls":
        keep_links(reader.contents, paths, body.payload, complaints)
    else:
        keep_lines(reader.contents, reader.limits, paths, body.payload, complaints)


def _complaints(payload: bytes) -> tuple[str, int]:
    """What a reader wrote to stderr, and its exit status, which the gather adds as a last line."""
    text, _, rc = as_text(payload).rpartition("\nrc ")
    if not rc.strip().isdecimal() or len(rc) > 9:
        raise Malformed("an exit status that is no number")
    return text, int(rc.strip())  # int() itself leaves a separator such as \x1f where it is


def _read_names(reader: _Reader, section: Section) -> None:
    names: list[str] | None = None
    found: dict[str, list[str]] = {}
    for record in section.payload.split(b"\0"):
        kind, value = record[:1], as_text(record[1:])
        if kind == b"D":
            names = found.setdefault(value.rstrip("/"), [])
        elif kind == b"N" and names is not None:
            names.append(value)
        elif kind == b"X":
            reader.closed.append((section.number, value.rstrip("/")))
        elif kind:
            raise Malformed("a directory listing without a directory")
    reader.contents.names |= {directory: tuple(sorted(entries)) for directory, entries in found.items()}


def _read_item(reader: _Reader, item: Section, stream: Iterator[Section]) -> None:
    body, err, cut = _body(stream, "out", "hex", "cmd")
    if body is None or err is None:
        return
    name, (complaints, rc) = as_text(item.payload), _complaints(err.payload)
    tables = {"out": reader.contents.texts, "hex": reader.contents.binaries, "cmd": reader.contents.commands}
    data = _bytes_of(body)
    if data is None:
        reading = Reading("failed", detail="its od text is damaged")
    elif cut and rc == _NO_MASK:
        reading = Reading("failed", detail=first_line(complaints))
    elif not cut and _may_have(reader, item.number, name, data):
        reading = _reading(data, complaints, rc, is_command=body.tag == "cmd")
    else:
        limit = _limit(reader, item.number, name)
        head = not cut and _head_is_enough(reader, item.number)
        reading = Reading("read", data[:limit]) if head else Reading("truncated", detail=f"more than {limit} bytes")
    tables[body.tag][name] = reading


def _source(reader: _Reader, number: int) -> Source | None:
    return reader.sources[number] if reader.sources and number < len(reader.sources) else None


def _limit(reader: _Reader, number: int, name: str) -> int:
    source = _source(reader, number)
    return source.limit_bytes if isinstance(source, Command) else reader.limits.of(name)


def _may_have(reader: _Reader, number: int, name: str, data: bytes) -> bool:
    source = _source(reader, number)
    return len(data) <= source.limit_bytes if isinstance(source, Command) else reader.limits.allow(name, data)


def _head_is_enough(reader: _Reader, number: int) -> bool:
    source = _source(reader, number)
    return isinstance(source, File) and source.head


def _bytes_of(section: Section) -> bytes | None:
    if section.tag != "hex":
        return section.payload
    try:
        return bytes.fromhex(as_text(section.payload))
    except ValueError:
        return None


def _reading(data: bytes, complaints: str, rc: int, *, is_command: bool) -> Reading:
    first = first_line(complaints)
    if rc == 0:
        return Reading("read", data)
    if rc in _KILLED:
        return Reading("timed out", detail="the host's own time limit ended it")
    if not is_command:
        return Reading(status_of(complaints), detail=first.rpartition(": ")[2])
    if rc == 127:
        return Reading("missing")
    status = status_of(complaints)
    return Reading(status if status == "denied" else "failed", data, detail=first, rc=rc)
