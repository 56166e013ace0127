"""What one grep or one ls said of many files: from its lines, and from its complaints, to a reading per file."""

from __future__ import annotations

from collections import Counter

from checks.contents import Contents, Reading, Status, as_text, matches
from checks.source import File, Source

_DENIED = (
    "permission denied",
    "operation not permitted",
    "must be root",
    "superuser",
    "authentication unavailable",
    "insufficient permissions",
)
_ABSENT = ("no such file or directory", "is a directory", "not a directory")
# What sysfs attributes answer while they have no value: `speed` of a NIC that is down, `phys_port_id` of a simple one.
_NO_VALUE = ("invalid argument", "not supported", "no such device", "no data available", "not connected")


def _errors(complaints: str) -> dict[str, str]:
    """What grep or ls said of which path: `grep: /path: Permission denied`."""
    found = {}
    for line in complaints.splitlines():
        subject, _, error = line.rpartition(": ")
        path = subject[subject.find("/") :].rstrip("'")
        found[path] = error
    return found


def keep_lines(
    contents: Contents, sources: tuple[Source, ...] | None, paths: list[bytes], body: bytes, complaints: str
) -> None:
    """The texts that one grep printed."""
    errors, unclear = _errors(complaints), _unclear(paths)
    lines = _lines_by_path(paths, body)
    least = min((s.limit_bytes for s in sources or () if isinstance(s, File)), default=0)
    if lines is None:
        lines, unclear = {}, set(paths)
    for path, times in Counter(paths).items():
        name, found = as_text(path), lines.get(path, [])
        if name in errors:
            status = status_of(errors[name])
            if status != "missing":
                contents.texts[name] = Reading(status, detail=errors[name])
        elif path in unclear:
            contents.texts[name] = Reading("failed", detail="its name cannot be told from its neighbour's")
        elif len(found) % times:
            contents.texts[name] = Reading("failed", detail="it changed while it was read")
        else:  # two sources may name one file, which grep then prints twice
            data = b"".join(found[: len(found) // times])
            small = len(data) <= least  # nearly all are, and which source has the say of a file takes a while to find
            contents.texts[name] = Reading("read", data) if small else within(data, limit_of(sources, name))


def _unclear(paths: list[bytes]) -> set[bytes]:
    """Paths whose lines grep prints just like those of another: `a` with text `b:c` against `a:b` with text `c`."""
    known = set(paths)
    found: set[bytes] = set()
    for path in known:
        at = path.find(b":")
        while at >= 0:
            if path[:at] in known:
                found |= {path, path[:at]}
            at = path.find(b":", at + 1)
    return found


def _lines_by_path(paths: list[bytes], body: bytes) -> dict[bytes, list[bytes]] | None:
    """Grep prints `path:line` in the order of its arguments; a path may hold colons and newlines, so match it whole.

    None when a line belongs to no path.
    """
    found: dict[bytes, list[bytes]] = {}
    order, start = iter(paths), 0
    path = next(order, None)
    while start < len(body) and path is not None:
        if not body.startswith(path + b":", start):
            path = next(order, None)
            continue
        text_at = start + len(path) + 1
        newline = body.find(b"\n", text_at)
        start = len(body) if newline < 0 else newline + 1
        found.setdefault(path, []).append(body[text_at:start])
    return found if start >= len(body) else None


def limit_of(sources: tuple[Source, ...] | None, path: str) -> int:
    """How many bytes of a file the sources allow."""
    limits = [s.limit_bytes for s in sources or () if isinstance(s, File) and matches(path, s.path)]
    return max(limits, default=1 << 30)


def within(data: bytes, limit: int) -> Reading:
    """The data as a reading, if it is no more than the limit."""
    return Reading("truncated", detail=f"more than {limit} bytes") if len(data) > limit else Reading("read", data)


def keep_links(contents: Contents, paths: list[bytes], body: bytes, complaints: str) -> None:
    """`lrwxrwxrwx 1 0 0 0 Jan  1 00:00 /path -> target`: before the path there is no slash, as ids are numeric."""
    known = set(paths)
    for line in body.splitlines():
        path, arrow, target = line[max(line.find(b" /"), 0) + 1 :].partition(b" -> ")
        if line.startswith(b"l") and arrow and path in known:
            contents.links[as_text(path)] = Reading("read", target)
    for name, error in _errors(complaints).items():
        if status_of(error) != "missing" and name.encode() in known:
            contents.links[name] = Reading(status_of(error), detail=error)


def status_of(complaint: str) -> Status:
    """What a complaint means: the kernel's words, and those of programs that want root."""
    text = complaint.lower()
    known: tuple[tuple[Status, tuple[str, ...]], ...] = (
        ("denied", _DENIED),
        ("missing", _ABSENT),
        ("no value", _NO_VALUE),
        ("timed out", ("timed out", "time limit")),
    )
    for status, words in known:
        if any(word in text for word in words):
            return status
    return "failed"


def first_line(text: str) -> str:
    """The first line that says something, bounded."""
    return next((line.strip() for line in text.splitlines() if line.strip()), "")[:300]
