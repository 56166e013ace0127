"""Where a gather looked: which of its sources cover a path or a glob, found once for all bundles of one catalogue."""

from __future__ import annotations

import functools

from checks.contents import matches, overlap
from checks.source import Command, Source

Kinds = tuple[type[Source], ...]


class Looked:
    """The sources of a gather. A run that judges a thousand bundles asks the same of each."""

    def __init__(self, sources: tuple[Source, ...]) -> None:
        """Note which command stands where."""
        self._paths = [(n, s, s.path) for n, s in enumerate(sources) if not isinstance(s, Command)]
        self.commands: dict[str, int] = {}
        """Number of the first source that runs a command line."""
        for number, source in enumerate(sources):
            if isinstance(source, Command):
                self.commands.setdefault(source.line, number)
        self._found: dict[tuple[str, Kinds, bool], tuple[tuple[int, str], ...]] = {}

    def at(self, pattern: str, kinds: Kinds, *, glob: bool) -> tuple[tuple[int, str], ...]:
        """Number and path of each source of these kinds that may find the path, or what the glob finds."""
        key = (pattern, kinds, glob)
        if key not in self._found:
            if len(self._found) > _MOST:
                self._found.clear()
            covers = overlap if glob else matches
            self._found[key] = tuple(
                (number, path)
                for number, source, path in self._paths
                if isinstance(source, kinds) and covers(pattern, path)
            )
        return self._found[key]


_MOST = 20_000  # paths of devices, of which each host has its own


@functools.lru_cache(maxsize=32)
def looked(sources: tuple[Source, ...]) -> Looked:
    """The one for these sources."""
    return Looked(sources)
