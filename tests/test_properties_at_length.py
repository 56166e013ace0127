"""Every property test again, with many more examples and other seeds: parsers on arbitrary bytes above all."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


@pytest.mark.long
@pytest.mark.parametrize("seed", [1, 2])
def test_every_property_holds_for_thousands_of_examples(seed: int) -> None:
    command = [sys.executable, "-m", "pytest", "tests", "-m", "hypothesis and not lab", "-q", "-p", "no:cacheprovider"]
    command += ["--hypothesis-profile", "long", "--hypothesis-seed", str(seed)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=3600, check=False)
    assert done.returncode == 0, done.stdout[-4000:]
    assert " passed" in done.stdout
