"""What recursive listings of a sosreport (`ls -lR` of /boot and of the firmware's folders) say is there, and is not.

Source: sos/report/plugins/boot.py (`add_dir_listing`, before 4.7 `ls -lanR`); GNU coreutils' ls.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field

from checks.contents import matches

COMMAND = re.compile(r"ls -(?P<options>\w*R\w*) (?P<root>/boot|/sys/firmware)/?")
_KINDS = ("-", "d", "l")


@dataclass(frozen=True, slots=True)
class Listings:
    """Names by folder, of everything below the roots."""

    names: dict[str, tuple[str, ...]] = field(default_factory=dict)
    roots: tuple[str, ...] = ()

    def within(self, pattern: str) -> bool:
        """Whether a glob looks below a root."""
        return any(pattern.startswith(f"{root}/") for root in self.roots)

    def files(self, pattern: str) -> list[str]:
        """The files that a glob finds there, folders aside."""
        paths = (f"{folder}/{name}" for folder, names in self.names.items() for name in names)
        return [path for path in paths if path not in self.names and matches(path, pattern)]


def listings(outputs: Iterable[tuple[re.Match[str], bytes]]) -> Listings:
    """Of the commands' lines and outputs; one that lists nothing is left out."""
    names: dict[str, tuple[str, ...]] = {}
    roots = []
    for line, text in outputs:
        # With -Z a column more stands before the name: the SELinux context.
        columns = 9 if "Z" in line["options"] else 8
        found = _folders(text.decode("utf-8", "replace"), line["root"], columns)
        if line["root"] in found:
            names |= found
            roots.append(line["root"])
    return Listings(names, tuple(roots))


def _folders(text: str, root: str, columns: int) -> dict[str, tuple[str, ...]]:
    found = {}
    for block in text.split("\n\n"):
        head, *rows = block.strip("\n").splitlines() or [""]
        folder = head.removesuffix(":").rstrip("/")
        if head.endswith(":") and f"{folder}/".startswith(f"{root}/"):
            found[folder] = tuple(sorted(name for row in rows if (name := _name(row, columns)) not in ("", ".", "..")))
    return found


def _name(row: str, columns: int) -> str:
    words = row.split(None, columns)
    if not row.startswith(_KINDS) or len(words) <= columns:
        return ""
    return words[columns].partition(" -> ")[0] if row.startswith("l") else words[columns]
