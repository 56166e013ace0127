"""What a machine can hold of our style: lint, format, types, shell scripts."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parent.parent


def _run(*argv: str) -> None:
    done = subprocess.run(argv, cwd=REPOSITORY, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{' '.join(argv[:4])}:\n{done.stdout}{done.stderr}"


def _shell_scripts() -> list[str]:
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=True,
    )
    scripts = []
    for name in listed.stdout.splitlines():
        path = REPOSITORY / name
        if not path.is_file():
            continue
        with path.open("rb") as file:
            first = file.readline(80)
        if (first.startswith(b"#!") and first.rstrip().endswith((b"/sh", b"bash", b" sh"))) or first.startswith(
            b"# shellcheck shell="
        ):
            scripts.append(name)
    return scripts


def test_ruff_finds_nothing():
    _run(sys.executable, "-m", "ruff", "check", ".")


def test_ruff_would_format_nothing():
    _run(sys.executable, "-m", "ruff", "format", "--check", ".")


def test_mypy_finds_nothing():
    _run(sys.executable, "-m", "mypy")


def test_shellcheck_finds_nothing():
    scripts = _shell_scripts()
    assert "vfproof" in scripts, "the door itself is a shell script"
    if shutil.which("shellcheck") is None:
        pytest.fail("shellcheck is not installed: apt-get install shellcheck")
    _run("shellcheck", *scripts)
