"""One script per machine, one round trip, one bundle.

`script` joins the sources into POSIX sh around `remote/gather.sh`; `gather` runs it over a connection; `gather_all`
does that for many machines at once. What went wrong with one source is in the bundle; what went wrong with the machine
is raised.
"""

from __future__ import annotations

import secrets
import shlex
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

from checks import as_root
from checks.bundle import Bundle
from checks.outcome import CouldNotLook
from checks.source import Attributes, Command, File, Links, Names, Source
from checks.stream import Envelope
from checks.transport import Connection, DeadlinePassed, TransportTrouble
from checks.ways import Machine, reach

DEADLINE_S = 120.0
LIMIT_BYTES = 64 * 1024 * 1024
_GROUP_LIMIT = 16 * 1024 * 1024
_GROUP_SECONDS = 20
_FILE_SECONDS = 5
_FUNCTIONS = Path(__file__).parent / "remote" / "gather.sh"
_MASK = _FUNCTIONS.with_name("mask.sed")
_AT_ONCE = 32
# Programs whose answers can hold no secret; every other's goes through the mask, as configuration does.
OPEN = frozenset({"bridge", "devlink", "ethtool", "ip", "lspci", "modinfo", "udevadm", "uname"})


class Folder(Protocol):
    """Where bundles are kept: a run folder."""

    def add(self, relative: str, data: bytes) -> str:
        """Write one file, for its owner only."""


@dataclass(frozen=True, slots=True)
class Order:
    """One machine to gather from, and what to ask it for."""

    name: str
    machine: Machine
    sources: tuple[Source, ...]
    file: str = ""
    """Name of the bundle in the run folder."""


def script(sources: Sequence[Source], boundary: str, *, sudo: bool) -> bytes:
    """The whole script for these sources."""
    head = f"VFP_B={boundary} VFP_SUDO={int(sudo)} VFP_PASS=user VFP_ONLY=\n"
    # Root needs the text a second time; without sudo it goes over the wire just as it is.
    if not sudo:
        return (head + body(sources)).encode()
    text = as_root.plan(sources) + body(sources)
    return f'{head}VFP_BODY={shlex.quote(text)}\neval "$VFP_BODY"\n'.encode()


def body(sources: Sequence[Source]) -> str:
    """The functions and the plan. What stands before it in the script sets the variables that gather.sh names."""
    functions = "".join(
        line for line in _FUNCTIONS.read_text().splitlines(keepends=True) if not line.lstrip().startswith("#")
    )
    return f"vfp_mask={shlex.quote(mask())}\n{functions}" + "\n".join(["begin", *_plan(sources), "finish", ""])


def mask() -> str:
    """The program for sed -E that takes out what looks like a secret."""
    return "\n".join(line for line in _MASK.read_text().splitlines() if not line.startswith("#"))


def _plan(sources: Sequence[Source]) -> list[str]:
    """One line of shell per source, the small texts in groups, commands last: they are what hangs."""
    numbered = list(enumerate(sources))
    plan = [f"vfp_patience={_FILE_SECONDS}"]
    groups = _text_groups(numbered)
    # A file that two sources name, once filtered and once whole: whole comes last, and stays.
    for (masked, drop, keep), members in sorted(groups.items(), key=lambda group: group[0][1:] == ("", "")):
        limits = f"{_GROUP_SECONDS} {_GROUP_LIMIT} {masked}"
        plan += _grouped(members, f"read_lines {limits} {_quoted(drop)} {_quoted(keep)}")
    plan += _grouped([(n, s.path) for n, s in numbered if isinstance(s, Links)], f"read_links {_GROUP_SECONDS}")
    for number, source in numbered:
        if isinstance(source, Names):
            plan += [f"P={shlex.quote(source.path)}; want {number} && look {number} $P && read_names {number} $P"]
        elif isinstance(source, File) and source.binary:
            reader = f"read_binary {number} {_FILE_SECONDS} {source.limit_bytes + 1}"
            plan += [f'P={shlex.quote(source.path)}; want {number} && look {number} "$P" && {reader} $P']
        elif isinstance(source, Command):
            spared = f"spared {number} {shlex.quote(source.unless)} || " if source.unless else ""
            plan += [f"want {number} && {{ {spared}{_run(number, source)}; }}"]
        else:
            continue
        plan.append(f"finished {number}")
    return plan


def _text_groups(numbered: Sequence[tuple[int, Source]]) -> Mapping[tuple[str, str, str], list[tuple[int, str]]]:
    """Sources that one grep can read: the same lines wanted, and configuration apart from sysfs.

    sysfs may hang; what the kernel wrote there goes unmasked, and is most of what there is.
    """
    groups: dict[tuple[str, str, str], list[tuple[int, str]]] = {}
    for number, source in numbered:
        if isinstance(source, File) and not source.binary:
            groups.setdefault(("1", source.drop or "", source.keep or ""), []).append((number, source.path))
        elif isinstance(source, Attributes):
            groups.setdefault(("0", "", ""), []).append((number, source.path))
    return groups


def _grouped(members: Sequence[tuple[int, str]], reader: str) -> list[str]:
    if not members:
        return []
    globs = [
        f'P={shlex.quote(path)}; want {number} && look {number} "$P" && set -- $P "$@" && {{ there "$1" || shift; }}'
        for number, path in members
    ]
    return ["set --", *globs, f'{reader} "$@"', "finished " + " ".join(str(number) for number, _ in members)]


def _run(number: int, source: Command) -> str:
    masked = int(source.line.split()[0] not in OPEN)
    sieves = f"{masked} {_quoted(source.drop)} {_quoted(source.keep)}"
    limits = f"{number} {source.timeout_s} {source.limit_bytes + 1} {sieves}"
    if source.each_line_of is not None:
        return f"run_each {limits} {shlex.quote(source.line)} {shlex.quote(source.each_line_of)}"
    if source.each_match_of is not None:
        return f"run_matched {limits} {shlex.quote(source.line)} {shlex.quote(source.each_match_of)}"
    return f"run {limits} {shlex.quote(source.line)} {shlex.join(source.line.split())}"


def _quoted(expression: str | None) -> str:
    return shlex.quote(expression or "")


def gather(
    order: Order, deadline_s: float = DEADLINE_S, opened: Callable[[Connection], None] = lambda _: None
) -> Bundle:
    """Read everything from one machine. Raises the errors of transport, and NotABundle.

    When the deadline passes half way, the bundle holds what came until then, and says so of the rest. `opened` is told
    the connection, so that somebody else can close it.
    """
    envelope = Envelope(order.name, datetime.now(UTC), secrets.token_hex(16), order.sources)
    try:
        raw = _answer(order, envelope, deadline_s, opened)
    except TransportTrouble as error:
        if str(error).startswith(f"{order.name}:"):
            raise
        raise type(error)(f"{order.name}: {error}") from None
    return Bundle(envelope, raw)


def _answer(order: Order, envelope: Envelope, deadline_s: float, opened: Callable[[Connection], None]) -> bytes:
    text = script(order.sources, envelope.boundary, sudo=order.machine.sudo)
    with reach(order.machine) as connection:
        opened(connection)
        try:
            return connection.run(text, deadline_s, LIMIT_BYTES).stdout
        except DeadlinePassed as error:
            if envelope.boundary.encode() not in error.stdout:
                raise
            return error.stdout


class Gathers:
    """All gathers of a run, begun at once; ask for a machine's bundle when it is needed."""

    def __init__(self, orders: Sequence[Order], folder: Folder | None, deadline_s: float = DEADLINE_S) -> None:
        """Begin them. Bundles are saved into `folder` under the names in the orders."""
        self._connections: set[Connection] = set()
        self._given_up = False
        self._pool = ThreadPoolExecutor(max_workers=_AT_ONCE, thread_name_prefix="gather")
        self._folder, self._deadline_s = folder, deadline_s
        self._futures: dict[str, Future[Bundle]] = {}
        for order in orders:
            self.begin(order)

    def begin(self, order: Order) -> None:
        """Begin one gather, if it was not begun before."""
        if order.file not in self._futures:
            self._futures[order.file] = self._pool.submit(self._gather, order)

    def bundle(self, file: str) -> Bundle:
        """The bundle of the order with this file; waits for it. Raises what its gather raised, the same every time."""
        return self._futures[file].result()

    def each(self) -> Iterator[tuple[str, Bundle | CouldNotLook]]:
        """Every order's file with its bundle, or with why there is none, as they come in; nothing of it is kept."""
        files = {future: file for file, future in self._futures.items()}
        self._futures.clear()
        for future in as_completed(files):
            file = files.pop(future)
            try:
                yield file, future.result()
            except CouldNotLook as problem:
                yield file, problem

    def close(self) -> None:
        """Give up what has not begun, and hang up on what is under way."""
        self._given_up = True
        for connection in tuple(self._connections):
            connection.close()
        self._pool.shutdown(wait=True, cancel_futures=True)

    def _gather(self, order: Order) -> Bundle:
        mine: list[Connection] = []

        def opened(connection: Connection) -> None:
            mine.append(connection)
            self._connections.add(connection)
            if self._given_up:
                connection.close()

        try:
            bundle = gather(order, self._deadline_s, opened)
        finally:
            self._connections.difference_update(mine)
        if self._folder is not None:
            self._folder.add(order.file, bundle.packed())
        return bundle


def gather_all(orders: Sequence[Order], folder: Folder | None, deadline_s: float = DEADLINE_S) -> Gathers:
    """Begin all gathers at once, 32 at a time."""
    return Gathers(orders, folder, deadline_s)
