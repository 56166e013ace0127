"""What lies in a bundle once its bytes are taken apart: every reading, and how each of them went."""

from __future__ import annotations

import functools
import re
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from fnmatch import fnmatchcase
from typing import Any, Literal, NamedTuple

from checks.source import Attributes, Command, File, Links, Names, Source

Status = Literal["read", "missing", "denied", "timed out", "truncated", "no value", "failed", "spared"]
_LONGEST_NAME = 4096  # PATH_MAX
_KINDS: dict[str, type[Source]] = {kind.__name__: kind for kind in (File, Attributes, Links, Names, Command)}


class Reading(NamedTuple):  # of a thousand bundles there are two million
    """One attempt to read one thing. `detail` is for a person; `rc` is a command's exit status."""

    status: Status
    data: bytes = b""
    detail: str = ""
    rc: int = 0


@dataclass(slots=True)
class Contents:
    """All readings of one gather. Commands are keyed by their full line, an `each_line_of` one with its argument."""

    texts: dict[str, Reading] = field(default_factory=dict)
    binaries: dict[str, Reading] = field(default_factory=dict)
    links: dict[str, Reading] = field(default_factory=dict)
    names: dict[str, tuple[str, ...]] = field(default_factory=dict)
    commands: dict[str, Reading] = field(default_factory=dict)
    # Directories that this user may not search or list: whatever would lie below them is unknown, not missing.
    closed: dict[str, str] = field(default_factory=dict)
    # Sources that gave nothing at all, by their number: the gather was cut short, or their list could not be had.
    unread: dict[int, Reading] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def sort(self) -> None:
        """Put the paths in order."""
        self.texts, self.binaries, self.links = (
            dict(sorted(table.items())) for table in (self.texts, self.binaries, self.links)
        )

    def tables(self) -> Iterator[dict[str, Reading]]:
        """Every table of readings."""
        yield from (self.texts, self.binaries, self.links, self.commands)


def as_text(data: bytes) -> str:
    """Text of bytes from a host. What is not UTF-8 shows as `\\xNN`, so that nothing is lost and all can be printed."""
    return data.decode("utf-8", "backslashreplace")


_WILD = re.compile(r"[*?[]")
_ANY = re.compile(r"[*?[\]]")


def matches(path: str, pattern: str) -> bool:
    """Whether a shell glob would find the path: wildcards do not cross a slash."""
    wild = _WILD.search(pattern)
    if wild is None:
        return path == pattern
    # Most paths end here: a gather has hundreds of them, and is asked for hundreds of globs.
    return path.startswith(pattern[: wild.start()]) and bool(_finder(pattern)(path))


@functools.lru_cache(maxsize=4096)
def _finder(pattern: str) -> Callable[[str], object]:
    """Tells whether the glob finds a path."""
    if "[" not in pattern and max(map(_stars, pattern.split("/"))) <= _FEW_STARS:
        quoted = re.escape(pattern).replace(r"\*", "[^/]*").replace(r"\?", "[^/]")
        return re.compile(quoted).fullmatch
    parts = pattern.split("/")

    def finds(path: str) -> bool:
        found = path.split("/")
        return len(found) == len(parts) and all(map(fnmatchcase, found, parts))

    return finds


_FEW_STARS = 2  # a regular expression goes back to each of them, and a hostile bundle may have a glob of stars


def _stars(part: str) -> int:
    return part.count("*")


def found_by(paths: Mapping[str, Any], ordered: Sequence[str], pattern: str) -> list[str]:
    """Those of the paths that a shell glob would find. `ordered`: the same paths in order."""
    wild = _WILD.search(pattern)
    if wild is None:
        return [pattern] if pattern in paths else []
    start, finds = pattern[: wild.start()], _finder(pattern)
    first = bisect_left(ordered, start)
    last = bisect_right(ordered, start, lo=first, key=lambda path: path[: len(start)])
    tail = _ANY.split(pattern)[-1]  # most names that a directory's devices have are others
    return [path for path in ordered[first:last] if path.endswith(tail) and finds(path)]


@functools.lru_cache(maxsize=65536)
def overlap(one: str, other: str) -> bool:
    """Whether two globs can find the same path."""
    if one.count("/") != other.count("/"):
        return False
    pairs = zip(one.split("/"), other.split("/"), strict=True)
    return all(a == b or fnmatchcase(a, b) or fnmatchcase(b, a) for a, b in pairs)


def below(pattern: str, directory: str) -> bool:
    """Whether a path, or what a glob finds, can be the directory itself or lie in it."""
    parts, wanted = directory.rstrip("/").split("/"), pattern.split("/")
    return len(parts) <= len(wanted) and all(map(fnmatchcase, parts, wanted))


def source_to_json(source: Source) -> dict[str, Any]:
    """The source as a JSON object."""
    return {"kind": type(source).__name__, **asdict(source)}


def source_from_json(value: Any) -> Source:
    """The source of a JSON object. Raises ValueError for anything else."""
    if not isinstance(value, dict) or not isinstance(value.get("kind"), str) or value["kind"] not in _KINDS:
        raise ValueError("a source of unknown kind")
    fields = {key: item for key, item in value.items() if key != "kind"}
    kind = _KINDS[value["kind"]]
    if not isinstance(fields.get("line" if kind is Command else "path"), str):
        raise ValueError("a source without a path")  # noqa: TRY004 - one type for every kind of bad document
    for name, item in fields.items():
        if not _fits(name, item):
            raise ValueError(f"a source whose {name[:40]!r} cannot be that")
    try:
        return kind(**fields)
    except TypeError as error:
        raise ValueError(f"a source with unknown fields: {error}") from None


def _fits(name: str, item: object) -> bool:
    """Whether a field of a source may have this value; which fields there are, the source's own type knows."""
    match name:
        case "limit_bytes" | "timeout_s":
            return type(item) is int and 0 < item < 1 << 40
        case "binary" | "head":
            return isinstance(item, bool)
        case "path" | "line":
            return isinstance(item, str) and len(item) < _LONGEST_NAME and _is_text(item)
        case _:
            return item is None or (isinstance(item, str) and _is_text(item))


def _is_text(item: str) -> bool:
    """JSON can hold half a character (a lone surrogate), which nothing can print."""
    return not any("\ud800" <= letter <= "\udfff" for letter in item)
