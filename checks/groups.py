"""What one grep or one ls said of many files: from its lines, and from its complaints, to a reading per file."""

from __future__ import annotations

import functools
from collections import Counter

from checks.contents import Contents, Reading, Status, as_text
from checks.limits import Limits

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


def keep_lines(contents: Contents, limits: Limits, paths: list[bytes], body: bytes, complaints: str) -> None:
    """The texts that one grep printed."""
    errors, unclear = _errors(complaints), _unclear(paths)
    lines = _lines_by_path(paths, body)
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
            contents.texts[name] = limits.within(name, b"".join(found[: len(found) // times]))


def _unclear(paths: list[bytes]) -> set[bytes]:
    """Paths whose lines grep prints just like those of another: `a` with text `b:c` against `a:b` with text `c`."""
    known = set(paths)
    shortest = min(map(len, known), default=0)  # no path ends before: PCI addresses are full of colons
    found: set[bytes] = set()
    for path in known:
        at = path.find(b":", shortest)
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
    start, end = 0, len(body)
    for path in paths:
        lead = path + b":"
        if not body.startswith(lead, start):
            continue
        lines, length = found.setdefault(path, []), len(lead)
        while body.startswith(lead, start):
            text_at = start + length
            start = body.find(b"\n", text_at) + 1 or end
            lines.append(body[text_at:start])
    return found if start >= end else None


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


@functools.lru_cache(maxsize=1024)  # many files, and few ways to fail
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
