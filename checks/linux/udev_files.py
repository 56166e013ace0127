"""Which of udev's rule files are read, in which order, and their lines as udevd puts them together.

Source: systemd 252 and 257 src/basic/conf-files.c (conf_files_list_strv), fileio.c (read_line_full) and
src/udev/udev-rules.c (udev_rules_parse_file).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

FOLDERS = (
    "/etc/udev/rules.d",
    "/run/udev/rules.d",
    "/usr/local/lib/udev/rules.d",
    "/usr/lib/udev/rules.d",
)
"""Where rules lie, the strongest first: of files with one name only the strongest is read."""

SPACE = " \t\n\r"
LINE_BYTES = 16384  # UDEV_LINE_SIZE
_WHOLE_FILE_SINCE = 254  # until then, the lines before one that is too long were kept
_TOO_LONG = f"the line is too long: udevd takes at most {LINE_BYTES - 1} bytes"
# read_line_full() ends a line at each of these, and counts each as one end.
_LINE_END = re.compile("\r\n\0?|\n\r\0?|[\r\n]\0?|\0")


@dataclass(frozen=True, slots=True)
class Unread:
    """A file that udevd does not read, and why. `remedy`: what to do so that it is read."""

    path: str
    why: str
    remedy: str = ""


@dataclass(frozen=True, slots=True)
class Line:
    """One rule as written, continuation lines joined. `number`: of its first line. `problem`: why it is dropped."""

    number: int
    text: str
    problem: str | None = None


def reading_order(
    texts: Mapping[str, str], empty_links: Iterable[str] = ()
) -> tuple[tuple[str, ...], tuple[Unread, ...]]:
    """Paths of the files that udevd reads, in its order, and the files that it does not read.

    `texts`: every file in FOLDERS by path. `empty_links`: links to /dev/null or to nothing there, which mask.
    """
    masks = set(empty_links)
    winner: dict[str, str] = {}
    unread = []
    for path in sorted({*texts, *masks}, key=_strength):
        folder, name = path.rsplit("/", 1)
        if folder not in FOLDERS:
            unread.append(Unread(path, f"udevd does not look into {folder}", f"move it to {FOLDERS[0]}"))
        elif not name.endswith(".rules"):
            remedy = f"rename it to {folder}/{name.split('.')[0]}.rules"
            unread.append(Unread(path, "its name does not end in .rules", remedy))
        elif name in winner:
            masked = winner[name] in masks or not texts[winner[name]]
            remedy = f"rename it, or take {winner[name]} away"
            unread.append(Unread(path, f"{winner[name]} {'masks' if masked else 'replaces'} it", remedy))
        else:
            winner[name] = path
    order = [winner[name] for name in sorted(winner, key=lambda name: name.encode("utf-8", "surrogateescape"))]
    return tuple(path for path in order if path not in masks), tuple(unread)


def lines_of(text: str, systemd: int | None = None) -> list[Line]:
    """The rules of one file before they are parsed. Any text is taken; nothing is raised."""
    lines: list[Line] = []
    collected: str | None = None
    start, too_long = 0, False
    for number, raw in enumerate(_physical(text), 1):
        if _bytes(raw) >= LINE_BYTES:
            return _given_up(lines, Line(number, raw[:200], f"{_TOO_LONG}, and reads no further"), systemd)
        line = raw.lstrip(SPACE)
        if line.startswith("#"):
            continue
        start = number if collected is None else start
        if collected is not None and not too_long:
            too_long = _bytes(collected) + _bytes(line) >= LINE_BYTES
            collected = line = collected + line
        if line.endswith("\\"):
            collected = line[:-1]
            continue
        if too_long:
            lines.append(Line(start, (collected or line)[:200], _TOO_LONG))
        elif line:
            lines.append(Line(start, line))
        collected, too_long = None, False
    if collected is not None:
        lines.append(Line(start, collected[:LINE_BYTES], "the file ends after a backslash"))
    return lines


def _physical(text: str) -> Iterator[str]:
    position = 0
    for end in _LINE_END.finditer(text):
        yield text[position : end.start()]
        position = end.end()
    if position < len(text):
        yield text[position:]


def _given_up(before: list[Line], last: Line, systemd: int | None) -> list[Line]:
    """What stays of a file when udevd stops reading it half way."""
    if systemd is not None and systemd < _WHOLE_FILE_SINCE:
        return [*before, last]
    why = f"udevd drops the whole file, for line {last.number} is too long"
    return [*(Line(line.number, line.text, line.problem or why) for line in before), last]


def _bytes(text: str) -> int:
    return len(text) if text.isascii() else len(text.encode("utf-8", "surrogateescape"))


def _strength(path: str) -> tuple[int, str]:
    folder = path.rsplit("/", 1)[0]
    return (FOLDERS.index(folder) if folder in FOLDERS else len(FOLDERS), path)
