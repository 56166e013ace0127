"""Debian's Chromium, to look at pages as people do: from disk, and with no network."""

import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest

PROGRAM = shutil.which("chromium")
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--host-resolver-rules=MAP * ~NOTFOUND",
    "--no-pdf-header-footer",
)
needed = pytest.mark.skipif(
    PROGRAM is None, reason="there is no chromium here (Debian package chromium; `./vfproof test` installs it as root)"
)


def run(*arguments: str) -> str:
    """Let it do one thing in a profile of its own; what it prints."""
    assert PROGRAM is not None
    with tempfile.TemporaryDirectory() as profile:
        command = [PROGRAM, *FLAGS, f"--user-data-dir={profile}", *arguments]
        return subprocess.run(command, capture_output=True, text=True, timeout=300, check=True).stdout


def dom(page: Path, place: str = "") -> str:
    """The document after its scripts have run. `place`: a query and a fragment."""
    return run("--virtual-time-budget=5000", "--dump-dom", page.as_uri() + place)


def dom_at_load(page: Path) -> str:
    """The document when it is loaded, by the real clock: scripts that measure time need that."""
    return run("--dump-dom", page.as_uri())


def printed(page: Path, target: Path, place: str = "") -> str:
    """The text of the page on paper."""
    run("--virtual-time-budget=5000", f"--print-to-pdf={target}", page.as_uri() + place)
    command = ["pdftotext", "-layout", str(target), "-"]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=True).stdout
