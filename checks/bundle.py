"""What one gather brought back from one machine: the evidence, asked by path and command line.

Errors: see `checks.refusals`. "Missing" is no error: it was looked for, and it is not there (None).
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

from checks.contents import Contents, Reading, as_text, below, found_by
from checks.looked import Looked, looked
from checks.refusals import (
    CommandFailed,
    Denied,
    NotGathered,
    ReadFailed,
    TimedOut,
    Truncated,
    UnexpectedOutput,
    refuse,
    sentence,
)
from checks.source import Attributes, Command, File, Links, Names, Source
from checks.stream import Envelope, NotABundle, encode, is_packed, opened, parse, read_bytes, to_bytes, write_file

__all__ = [
    "Bundle",
    "CommandFailed",
    "Denied",
    "NotABundle",
    "NotGathered",
    "Problem",
    "ReadFailed",
    "TimedOut",
    "Truncated",
    "UnexpectedOutput",
]
T = TypeVar("T")
_ANEW = "gather it anew with this version of vfproof, and as what the inventory says it is, host or guest"


@dataclass(frozen=True, slots=True)
class Problem:
    """Something that was not read. `source` is the path or the command line."""

    source: str
    status: str
    sentence: str


class Bundle:
    """The readings of one gather; immutable. Texts keep their newlines (grep completes a last line that has none)."""

    def __init__(self, envelope: Envelope, raw: bytes) -> None:
        """Take apart what came back. Raises NotABundle when it is no answer of a gather."""
        self._envelope = envelope
        self._contents: Contents = parse(envelope, raw)
        self._looked: Looked | None = None if envelope.sources is None else looked(envelope.sources)
        self._ordered: dict[int, list[str]] = {}
        self._made: dict[Callable[[Bundle], Any], Any] = {}
        self._raw: bytes | None = raw
        self._packed = b""

    @property
    def machine(self) -> str:
        """Name of the machine in the inventory."""
        return self._envelope.machine

    @property
    def format_version(self) -> int:
        """Version of the bundle's format."""
        return self._envelope.format_version

    @property
    def taken_at(self) -> datetime:
        """When the gather began, by the controller's clock, UTC."""
        return self._envelope.taken_at

    @classmethod
    def of(
        cls,
        machine: str = "host",
        *,
        files: Mapping[str, str | bytes] = {},
        links: Mapping[str, str] = {},
        names: Mapping[str, Sequence[str]] = {},
        commands: Mapping[str, str | tuple[int, str]] = {},
        denied: Iterable[str] = (),
    ) -> Bundle:
        """Make a bundle for a test. Whatever is not mentioned was looked for and is missing.

        Bytes in `files` are binary files. `commands`: full line to stdout, or to (exit status, stderr).
        `denied`: paths (everything below them too) and command lines.
        """
        envelope = Envelope(machine, datetime.now(UTC), secrets.token_hex(16), sources=None)
        raw = encode(
            envelope.boundary,
            texts={path: text for path, text in files.items() if isinstance(text, str)},
            binaries={path: data for path, data in files.items() if isinstance(data, bytes)},
            links=links,
            names=names,
            commands=commands,
            denied=tuple(denied),
        )
        return cls(envelope, raw)

    def text(self, path: str) -> str | None:
        """The text of one file or attribute; None when it is not there, or has no value now (the kernel says EINVAL).

        Raises Denied, TimedOut, Truncated, ReadFailed, NotGathered.
        """
        data = self._reading(self._contents.texts, path, (File, Attributes))
        return None if data is None else as_text(data)

    def texts(self, pattern: str) -> dict[str, str]:
        """The texts of all files that the glob finds, by path. Raises as `text` does, if any of them cannot be had."""
        found = self._readings(self._contents.texts, pattern, (File, Attributes))
        return {path: as_text(data) for path, data in found.items()}

    def data(self, path: str) -> bytes | None:
        """The bytes of a file that was read as binary; None when it is not there. Raises as `text` does."""
        return self._reading(self._contents.binaries, path, (File,))

    def binaries(self, pattern: str) -> dict[str, bytes]:
        """The bytes of all binary files that the glob finds, by path. Raises as `text` does, if any cannot be had."""
        return self._readings(self._contents.binaries, pattern, (File,))

    def link(self, path: str) -> str | None:
        """The target of a symbolic link, as it is written; None when there is no such link. Raises as `text` does."""
        data = self._reading(self._contents.links, path, (Links,))
        return None if data is None else as_text(data)

    def links(self, pattern: str) -> dict[str, str]:
        """The targets of all links that the glob finds, by path. Raises as `text` does."""
        found = self._readings(self._contents.links, pattern, (Links,))
        return {path: as_text(data) for path, data in found.items()}

    def names(self, path: str) -> tuple[str, ...] | None:
        """The names in a directory, sorted; None when there is no such directory. Raises as `text` does."""
        found = self._contents.names.get(path.rstrip("/"))
        if found is None:
            self._raise_unless_looked(path.rstrip("/"), (Names,), glob=False)
        return found

    def output(self, line: str) -> str | None:
        """The standard output of a command; None when the program does not exist there.

        Raises CommandFailed, Denied, TimedOut, Truncated, NotGathered.
        """
        reading = self._contents.commands.get(line)
        if reading is None:
            self._raise_unless_ran(line)
            return None
        data = self._value(line, reading)
        return None if data is None else as_text(data)

    def outputs(self, line: str) -> dict[str, str]:
        """The standard output of an `each_line_of` command, by the argument. Raises as `output` does, if any failed."""
        self._raise_unless_ran(line)
        found = {}
        for full, reading in sorted(self._contents.commands.items()):
            argument = full.removeprefix(line + " ")
            # The gather refuses arguments that start with a dash: such a line is another source's longer command.
            if argument != full and not argument.startswith("-") and (data := self._value(full, reading)) is not None:
                found[argument] = as_text(data)
        return found

    def made(self, make: Callable[[Bundle], T]) -> T:
        """What `make` makes of this bundle: made once, and kept as long as the bundle is. Raises what `make` raises."""
        if make not in self._made:
            self._made[make] = make(self)
        return self._made[make]  # type: ignore[no-any-return]

    @property
    def sources(self) -> tuple[Source, ...] | None:
        """What the gather was asked for; None for a bundle that was made for a test."""
        return self._envelope.sources

    def paths(self) -> frozenset[str]:
        """Every path that is there."""
        tables = (self._contents.texts, self._contents.binaries, self._contents.links)
        there = {path for table in tables for path, reading in table.items() if reading.status != "missing"}
        return frozenset(there | self._contents.names.keys())

    def problems(self) -> tuple[Problem, ...]:
        """Everything that was not read, and notes on how the gather went."""
        found = [Problem("gather", "note", note) for note in self._contents.notes]
        for path, detail in self._contents.closed.items():
            found.append(Problem(path, "denied", sentence(self.machine, path, Reading("denied", detail=detail))))
        for number, reading in sorted(self._contents.unread.items()):
            if reading.status == "spared":
                continue
            name = _name(self._envelope.sources[number]) if self._envelope.sources else str(number)
            found.append(Problem(name, reading.status, sentence(self.machine, name, reading)))
        for table in self._contents.tables():
            found += [
                Problem(name, reading.status, sentence(self.machine, name, reading))
                for name, reading in sorted(table.items())
                if reading.status not in ("read", "missing", "no value")
            ]
        return tuple(found)

    def packed(self) -> bytes:
        """The bundle as it lies in a file: gzip."""
        if self._raw is not None:  # packed it takes a sixth: a run may hold a thousand bundles
            self._packed, self._raw = to_bytes(self._envelope, self._raw), None
        return self._packed

    def save(self, path: Path) -> None:
        """Write the bundle: gzip, mode 0600."""
        write_file(path, self.packed())

    @classmethod
    def load(cls, path: Path, machine: str | None = None) -> Bundle:
        """Read a bundle; `machine` is whose it has to be, or, where the bundle names nobody, whose it is taken for.

        Raises NotABundle for a file that is none, whatever is in it, and for the bundle of another machine.
        """
        packed = read_bytes(path)
        envelope, raw = opened(path, packed)
        if machine and envelope.machine not in ("", machine):
            raise NotABundle(f"{path}: this is the bundle of {envelope.machine}, and not of {machine}")
        named = envelope.machine or machine or path.name.partition(".vfb")[0]
        try:
            found = cls(replace(envelope, machine=named), raw)
        except NotABundle as error:
            raise NotABundle(f"{path}: {error}") from None
        if envelope.machine and is_packed(packed):
            found._packed, found._raw = packed, None
        return found

    def _reading(self, table: Mapping[str, Reading], path: str, kinds: tuple[type[Source], ...]) -> bytes | None:
        if (reading := table.get(path)) is not None and reading.status != "missing":
            return self._value(path, reading)
        self._raise_unless_looked(path, kinds, glob=False)
        return None

    def _readings(
        self, table: Mapping[str, Reading], pattern: str, kinds: tuple[type[Source], ...]
    ) -> dict[str, bytes]:
        self._raise_unless_looked(pattern, kinds, glob=True)
        ordered = self._ordered.get(id(table))
        if ordered is None:
            ordered = self._ordered[id(table)] = list(table)
        found = {path: self._value(path, table[path]) for path in found_by(table, ordered, pattern)}
        return {path: data for path, data in found.items() if data is not None}

    def _raise_unless_looked(self, pattern: str, kinds: tuple[type[Source], ...], *, glob: bool) -> None:
        """Tell "not there" from "nobody looked" and from "could not look"."""
        for directory, detail in self._contents.closed.items():
            if below(pattern, directory):
                refuse(self.machine, directory, Reading("denied", detail=detail))
        if self._looked is None:
            return
        covering = self._looked.at(pattern, kinds, glob=glob)
        if not covering:
            raise NotGathered(f"{self.machine}: this bundle's gather did not look for {pattern}; {_ANEW}")
        for number, path in covering if self._contents.unread else ():
            if number in self._contents.unread:
                refuse(self.machine, path, self._contents.unread[number])

    def _raise_unless_ran(self, line: str) -> None:
        for denied, detail in self._contents.closed.items():
            if line == denied or line.startswith(denied + " "):
                refuse(self.machine, line, Reading("denied", detail=detail))
        if self._looked is None:
            return
        number = self._looked.commands.get(line)
        if number is None:
            raise NotGathered(f"{self.machine}: this bundle's gather did not run '{line}'; {_ANEW}")
        if number in self._contents.unread:
            refuse(self.machine, line, self._contents.unread[number])

    def _value(self, name: str, reading: Reading) -> bytes | None:
        if reading.status == "read":
            return reading.data
        if reading.status not in ("missing", "no value"):
            refuse(self.machine, name, reading)
        return None


def _name(source: Source) -> str:
    return source.line if isinstance(source, Command) else source.path
