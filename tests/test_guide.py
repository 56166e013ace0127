"""The guide is followed word for word, on the lab: each command is typed, and prints what the page says."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import pytest

ROOT = Path(__file__).resolve().parents[1]
GUIDE = ROOT / "docs/guide.md"
DONE = "@@ that was it @@"
_BLOCK = re.compile(r"^```console\n(.*?)^```", re.MULTILINE | re.DOTALL)


def steps(text: str) -> Iterator[tuple[str, list[str], int]]:
    """Every command, what it prints (`…` stands for anything), and its exit status, which `[N]` tells."""
    for block in _BLOCK.findall(text):
        for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
            command, *printed = part.rstrip("\n").split("\n")
            status = 0
            if printed and (told := re.fullmatch(r"\[(\d+)\]", printed[-1])):
                printed, status = printed[:-1], int(told[1])
            yield command, printed, status


def is_printed(wanted: list[str], printed: str) -> bool:
    """Whether the lines are there, in their order; a line that is only `…` is any number of lines."""
    lines = [r"(?:.*\n)*" if line == "…" else re.escape(line).replace("…", ".*") + r" *\n" for line in wanted]
    return (
        re.fullmatch("".join(lines), printed if printed.endswith("\n") or not printed else printed + "\n") is not None
    )


def until_done(output: IO[str]) -> tuple[str, int]:
    """What one command printed, and its exit status."""
    lines: list[str] = []
    for line in iter(output.readline, ""):
        if line.startswith(DONE):
            return "".join(lines)[:-1], int(line.split()[-1])  # without the line feed before the mark
        lines.append(line)
    raise AssertionError(f"the shell ended: {''.join(lines)}")


def test_the_steps_of_a_page() -> None:
    text = "```console\n$ one --word\nprints …\n[1]\n$ two\n```\n\n```yaml\n$ three\n```\n"
    assert list(steps(text)) == [("one --word", ["prints …"], 1), ("two", [], 0)]
    assert len(list(steps(GUIDE.read_text()))) > 15


@pytest.mark.parametrize(
    ("wanted", "printed", "is_so"),
    [
        ([], "", True),
        ([], "something\n", False),
        (["…"], "", True),
        (["…", "READY  …", "…"], "a\nb\nREADY  kvm-1: 5 hold\nc\n", True),
        (["…", "READY  …", "…"], "a\nNOT READY  kvm-1\n", False),
        (["a", "b"], "a\nb\n", True),
        (["a", "b"], "b\na\n", False),
    ],
)
def test_what_is_printed_is_what_the_page_says(wanted: list[str], printed: str, is_so: bool) -> None:
    assert is_printed(wanted, printed) is is_so


@pytest.mark.long
@pytest.mark.lab
def test_the_guide_word_for_word(tmp_path: Path) -> None:
    (tmp_path / "vfproof").write_text(f'#!/bin/sh\nexec "{ROOT}/vfproof" "$@"\n')
    (tmp_path / "vfproof").chmod(0o755)
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
    with (
        (tmp_path / "told").open("w") as told,
        subprocess.Popen(["bash"], cwd=tmp_path, text=True, **pipes) as shell,  # type: ignore[call-overload]
    ):
        assert shell.stdin is not None
        assert shell.stdout is not None
        try:
            for command, wanted, status in steps(GUIDE.read_text()):
                shell.stdin.write(f"{command}\nprintf '\\n{DONE} %s\\n' $?\n")
                shell.stdin.flush()
                printed, ended_with = until_done(shell.stdout)
                told.write(f"$ {command}\n{printed}[{ended_with}]\n")
                told.flush()
                assert ended_with == status, f"$ {command}\n{printed}"
                assert is_printed(wanted, printed), f"$ {command}\n{printed}"
        finally:
            subprocess.run([str(ROOT / "vfproof"), "lab", "down", "--name", "guide"], check=False, capture_output=True)
