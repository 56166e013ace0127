"""Trees of Debian that can be upgraded with no network: packages of another release are in use, or lie ready, in them.

mmdebstrap has both releases for it; apt prefers the tree's own, and takes from the other only what is named `PACKAGE/
RELEASE` or is carried (apt_preferences(5), `APT::Default-Release`).
"""

from __future__ import annotations

import os
import shlex
import subprocess
from dataclasses import dataclass
from pathlib import Path

from lab.assemble import SCRIPTS
from lab.debian import DebianError, Entry, mmdebstrap_command, own_debian

CARRY_SCRIPT = SCRIPTS / "carry-upgrade"


@dataclass(frozen=True, slots=True)
class Mixed:
    """A tree of `release`, some of whose packages are `other`'s, and what is carried in it for the upgrade."""

    release: str
    other: str
    packages: tuple[str, ...]
    carried_from: str
    carried: tuple[str, ...]


def mixed_command(entry: Entry, tree: Mixed, archive: Path) -> list[str]:
    """mmdebstrap's argument list that writes a tar of such a tree to `archive`."""
    *options, _release, _archive, _line = mmdebstrap_command(entry, list(tree.packages), archive)
    carry = shlex.join([str(CARRY_SCRIPT)]) + ' "$1" ' + shlex.join([tree.carried_from, *tree.carried])
    return [
        *options,
        f'--aptopt=APT::Default-Release "{tree.release}"',
        f"--customize-hook={carry}",
        tree.release,
        str(archive),
        entry.one_line(tree.release),
        entry.one_line(tree.other),
    ]


def bootstrap(tree: Mixed, archive: Path, log: Path) -> None:
    """Write the tar; all that was said on the way goes to `log`. Raises `DebianError` with the first complaint."""
    command = mixed_command(own_debian(), tree, archive)
    environment = {**os.environ, "INITRD": "No", "LC_ALL": "C.UTF-8"}
    with log.open("w") as file:
        result = subprocess.run(
            command, stdin=subprocess.DEVNULL, stdout=file, stderr=file, env=environment, check=False
        )
    if result.returncode != 0:
        lines = log.read_text(errors="replace").splitlines()
        complaint = next((line for line in lines if line.startswith("E:")), lines[-1] if lines else "nothing was said")
        raise DebianError(f"mmdebstrap could not make a Debian {tree.release} tree: {complaint} (whole log: {log})")
