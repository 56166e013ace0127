"""What a fact module may ask a machine for. All of it is read in one round trip and lands in one bundle."""

from __future__ import annotations

import re
from dataclasses import dataclass

_COMMAND = re.compile(r"^[A-Za-z0-9_./=:,@%+ -]+$")


@dataclass(frozen=True, slots=True)
class File:
    """The text of a file, or of every file that a shell glob finds (`*`, `?`, `[...]`).

    `keep`: extended regular expression (grep -E); only matching lines leave the host. For files with secrets in them.
    `drop`: extended regular expression (grep -vE), applied before `keep`; matching lines do not leave the host.
    `binary`: the bytes travel as od text, for tables that are not text.
    `head`: of a larger binary file its first `limit_bytes` are enough.
    """

    path: str
    keep: str | None = None
    drop: str | None = None
    limit_bytes: int = 262_144
    binary: bool = False
    head: bool = False


@dataclass(frozen=True, slots=True)
class Attributes:
    """Many small one- or few-line text files found by a glob, such as sysfs attributes: read by one process."""

    path: str


@dataclass(frozen=True, slots=True)
class Links:
    """The targets of the symbolic links that a glob finds, as `readlink` prints them."""

    path: str


@dataclass(frozen=True, slots=True)
class Names:
    """The names in every directory that a glob finds, as `ls -A` prints them."""

    path: str


@dataclass(frozen=True, slots=True)
class Command:
    """The standard output of a command that only reads. A plain command line: no shell syntax, no quotes.

    `each_line_of`: run it once per line of another plain command's output, appended as last argument
    (`Command("virsh dumpxml", each_line_of="virsh list --all --name")`).
    `each_match_of`: run it once per match of a glob, the name that stands where the glob has its first wildcard
    appended (`Command("ethtool -i", each_match_of="/sys/class/net/*/device/sriov_totalvfs")`).
    `unless`: a directory; a gather as root that finds it does not run the command: other sources read the same there.
    """

    line: str
    each_line_of: str | None = None
    keep: str | None = None
    drop: str | None = None
    timeout_s: int = 10
    limit_bytes: int = 1_048_576
    each_match_of: str | None = None
    unless: str | None = None

    def __post_init__(self) -> None:
        """Refuse anything that a shell would take for more than words."""
        for text in (self.line, self.each_line_of or "true"):
            if not _COMMAND.match(text):
                raise ValueError(f"not a plain command line: {text!r}")


Source = File | Attributes | Links | Names | Command
