"""systemd's configuration files: which of several folders' files are read, and their sections and keys.

Source: systemd 257 src/shared/conf-parser.c (config_parse), src/basic/conf-files.c.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable, Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Setting:
    """One assignment. `section_at`: path and line of its section's header, which tells sections of one name apart."""

    section: str
    key: str
    value: str
    path: str
    line: int
    section_at: tuple[str, int]

    @property
    def where(self) -> str:
        """File and line."""
        return f"{self.path}:{self.line}"

    def __str__(self) -> str:
        return f"{self.key}={self.value}"


@dataclass(frozen=True, slots=True)
class Hidden:
    """A file that is not read, and why."""

    path: str
    why: str


@functools.lru_cache(maxsize=512)  # the hosts of a run have the same files, most of them from one distribution
def settings(path: str, text: str) -> tuple[Setting, ...]:
    """Every assignment of a file, in order. Anything else is skipped, as systemd skips it."""
    found: list[Setting] = []
    section, section_at = "", (path, 0)
    for number, line in _joined(text):
        if line.startswith("[") and line.endswith("]"):
            section, section_at = line[1:-1], (path, number)
            continue
        key, equals, value = line.partition("=")
        if equals and section:
            found.append(Setting(section, key.strip(), value.strip(), path, number, section_at))
    return tuple(found)


def _joined(text: str) -> Iterable[tuple[int, str]]:
    """Lines with their numbers; continued ones in one piece, comments (between continued lines too) left out."""
    kept: list[str] = []
    start = 0
    for number, raw in enumerate(text.removeprefix("\ufeff").split("\n"), 1):
        line = raw.strip()
        if line.startswith(("#", ";")):
            continue
        start = start if kept else number
        if line.endswith("\\"):
            kept.append(line[:-1])
            continue
        whole = " ".join([*kept, line]).strip()
        kept = []
        if whole:
            yield start, whole
    if whole := " ".join(kept).strip():
        yield start, whole


def reading_order(
    texts: Mapping[str, str], links: Mapping[str, str], folders: Iterable[str]
) -> tuple[tuple[str, ...], tuple[Hidden, ...]]:
    """The files that are read, by base name, and those that are not. `folders`: the one that goes first, first."""
    winners: dict[str, str] = {}
    hidden: list[Hidden] = []
    inside: dict[str, list[tuple[str, str]]] = {}
    for path in sorted({*texts, *links}):
        head, _, name = path.rpartition("/")
        inside.setdefault(head, []).append((path, name))
    for folder in folders:
        for path, name in inside.get(folder, ()):
            if name in winners:
                hidden.append(Hidden(path, f"{winners[name]} of the same name replaces it"))
            else:
                winners[name] = path
    read = []
    for _, path in sorted(winners.items()):
        if links.get(path) == "/dev/null" or not texts.get(path):
            hidden.append(Hidden(path, "it is empty or a link to /dev/null, which masks the name"))
        else:
            read.append(path)
    return tuple(read), tuple(hidden)
