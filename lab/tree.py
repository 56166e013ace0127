"""Programs of a Debian tree, run where they lie: with the tree's own loader and libraries, no chroot, no root."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

LOADER = "usr/lib64/ld-linux-x86-64.so.2"
LIBRARIES = "usr/lib/x86_64-linux-gnu"


class ProgramError(Exception):
    """A program of the tree ended with an error."""


def tree_command(tree: Path, program: str, *arguments: str) -> list[str]:
    """The argument list that runs `program` (a path inside `tree`) with the tree's own loader and libraries."""
    return [str(tree / LOADER), "--library-path", str(tree / LIBRARIES), str(tree / program), *arguments]


def tree_environment(tree: Path) -> dict[str, str]:
    """The environment for such a program: QEMU looks for its loadable modules at the path it was built with."""
    return {**os.environ, "QEMU_MODULE_DIR": str(tree / LIBRARIES / "qemu"), "LC_ALL": "C.UTF-8"}


def run_in_tree(tree: Path, program: str, *arguments: str) -> str:
    """Run it and give what it printed. Raises `ProgramError` with what it complained about."""
    command = tree_command(tree, program, *arguments)
    result = subprocess.run(command, env=tree_environment(tree), capture_output=True, text=True, check=False)
    if result.returncode != 0:
        raise ProgramError(f"{program} ended with {result.returncode}: {result.stderr.strip()[-500:]}")
    return result.stdout
