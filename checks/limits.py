"""How many bytes of a file the sources of a gather allow."""

from __future__ import annotations

import functools

from checks.contents import Reading, matches
from checks.source import File, Source

_NONE = 1 << 30
_MOST = 4096  # large files are few


class Limits:
    """The limits of one gather's files. A file that several sources find may have as much as any of them allows."""

    def __init__(self, sources: tuple[Source, ...]) -> None:
        self._files = [(source.path, source.limit_bytes) for source in sources if isinstance(source, File)]
        self._least = min((limit for _, limit in self._files), default=_NONE)
        self._known: dict[str, int] = {}

    def of(self, path: str) -> int:
        """How many bytes the file may have."""
        if path not in self._known:
            if len(self._known) >= _MOST:
                self._known.clear()
            allowed = (limit for pattern, limit in self._files if matches(path, pattern))
            self._known[path] = max(allowed, default=_NONE)
        return self._known[path]

    def allow(self, path: str, data: bytes) -> bool:
        """Whether the file may have these bytes."""
        # Nearly all may by any source, and which of them have the say of a file takes a while to find.
        return len(data) <= self._least or len(data) <= self.of(path)

    def within(self, path: str, data: bytes) -> Reading:
        """The file's data as a reading, if it is no more than the limit."""
        if self.allow(path, data):
            return Reading("read", data)
        return Reading("truncated", detail=f"more than {self.of(path)} bytes")


@functools.lru_cache(maxsize=32)
def limits_of(sources: tuple[Source, ...]) -> Limits:
    """The limits for these sources, worked out once for all bundles of one catalogue."""
    return Limits(sources)
