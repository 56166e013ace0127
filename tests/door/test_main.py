"""The commands, their help, and one sentence for each wrong use."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from door import help as texts
from door.__main__ import OTHERS, RUNS, main
from door.areas import Area, area_of, lines
from door.progress import step

REPOSITORY = Path(__file__).resolve().parents[2]


def test_every_command_has_help_and_every_help_a_command() -> None:
    assert set(texts.COMMANDS) == ({*RUNS, *OTHERS, "lab"} - {"_demo-inside", "_upgrade-inside"})


@pytest.mark.parametrize("command", sorted(texts.COMMANDS.keys() - {"lab"}))
def test_help_says_how_to_call_it(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([command, "--help"]) == 0
    out = capsys.readouterr().out
    assert out.startswith(f"./vfproof {command}")
    assert max(map(len, out.splitlines())) <= 120


@pytest.mark.parametrize("words", [[], ["--help"], ["-h"], ["help"], ["help", "nothing"]])
def test_the_overview_names_every_command_and_status(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(words) == 0
    out = capsys.readouterr().out
    assert [command for command in texts.COMMANDS if f"./vfproof {command}" not in out] == []
    assert [status for status in ("  0  ", "  1  ", "  4  ", "  5  ", "  6  ", "  130  ") if status not in out] == []


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["chekc"], "there is no command 'chekc'; did you mean 'check'? the commands are demo, check"),
        (["check", "-i", "/no/such.yaml", "kvm-1"], "/no/such.yaml: there is no such file"),
        (["drill", "-i"], "-i needs the name of an inventory file after it"),
        (["demo", "a", "b"], "demo takes one topology at most"),
        (["_upgrade-inside"], "_upgrade-inside is the door's own; it runs in a lab that is up"),
        (["_demo-inside"], "_demo-inside is the door's own; it runs in a lab that is up"),
    ],
)
def test_wrong_use_is_one_sentence_and_status_4(
    words: list[str], sentence: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("VFPROOF_LAB_INVENTORY", raising=False)
    assert main(words) == 4
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith(f"vfproof: {sentence}")
    assert said.err.count("\n") == 1


@pytest.mark.parametrize(("named", "by"), [(["a"], "vfproof"), ([], "ERROR")])
def test_an_inventory_s_mistakes_come_one_per_line(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], named: list[str], by: str
) -> None:
    """Where machines are named the door itself reads the inventory; else only pytest does, and says it its own way."""
    path = tmp_path / "site.yaml"
    path.write_text("hosts:\n  a: {connect: 5}\n  b: {}\n")
    assert main(["check", "-i", str(path), *named]) == 4
    said = [line for line in capfd.readouterr().err.splitlines() if line]
    assert [line.startswith(f"{by}: {path}:") for line in said] == [True, True]


def test_folders_where_the_user_stands_are_not_taken_for_ours(tmp_path: Path) -> None:
    (tmp_path / "door").mkdir()
    (tmp_path / "door/__main__.py").write_text("print('not ours')\n")
    result = subprocess.run(
        [sys.executable, "-P", "-m", "door", "--help"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert result.stdout == texts.OVERVIEW


def test_steps_are_plain_lines_without_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    with step("doing [it]"):
        pass
    assert capsys.readouterr().err == "vfproof: doing [it] ...\nvfproof: doing [it]: done (0 s)\n"


@pytest.mark.parametrize(
    ("nodeid", "area"),
    [
        ("tests/checks/test_a.py::test_b[x/y]", "checks"),
        ("tests/lab/deep/test_a.py::test_b", "lab"),
        ("tests/test_imports.py::test_b", "(house)"),
    ],
)
def test_an_area_is_a_folder_below_tests(nodeid: str, area: str) -> None:
    assert area_of(nodeid) == area


def test_areas_are_listed_with_the_slowest_first() -> None:
    areas = {"door": Area(0.26, {"a"}), "lab": Area(100.0, {"b", "c"})}
    assert lines(areas) == ["lab            100.0 s      2 tests", "door             0.3 s      1 tests"]


def test_pytest_prints_the_areas_before_its_closing_line(tmp_path: Path) -> None:
    (tmp_path / "tests/one").mkdir(parents=True)
    (tmp_path / "tests/one/test_a.py").write_text("def test_a(): pass\n")
    result = subprocess.run(
        [
            sys.executable,
            "-m",
            "pytest",
            "-q",
            "-p",
            "door.areas",
            "-c",
            os.devnull,
            "--rootdir",
            str(tmp_path),
            "tests",
        ],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
        capture_output=True,
        text=True,
        check=False,
    )
    out = result.stdout.splitlines()
    assert "time per area" in out[-3]
    assert out[-2].startswith("one ")
    assert out[-1].startswith("1 passed")
