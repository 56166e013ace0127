"""The project's own tests in two processes: what needs emulated machines stays together, and comes first."""

import ast
from pathlib import Path

import pytest

from door.runs import REPOSITORY
from door.side_by_side import EMULATED, place, together

pytest_plugins = ["pytester"]


def needs_one(file: Path) -> bool:
    nodes = list(ast.walk(ast.parse(file.read_text())))
    asked = {argument.arg for node in nodes if isinstance(node, ast.FunctionDef) for argument in node.args.args}
    imported = {node.module for node in nodes if isinstance(node, ast.ImportFrom)}
    return "sriov_lab" in asked or bool(imported & {"lab.udev_machine", "tests.lab.name_matrix"})


def test_whoever_needs_an_emulated_machine_shares_a_process():
    files = sorted((REPOSITORY / "tests").rglob("test_*.py"))
    asking = {file for file in files if needs_one(file)}
    assert len(asking) > 9
    named = {file: together(str(file.relative_to(REPOSITORY)), REPOSITORY) for file in files}
    assert {name for file, name in named.items() if file in asking} == {EMULATED}
    others = [name for file, name in named.items() if name != EMULATED]
    assert len(set(others)) == len(others) > 50


A = "def test_host(sriov_lab): pass\ndef test_other(): pass"
B = "def test_b(sriov_lab): pass"
CONFTEST = """
import os, pytest

@pytest.fixture(scope="session")
def sriov_lab():
    with open("ups", "a") as file:
        file.write(f"{os.getpid()}\\n")
"""


def test_two_processes_set_the_host_up_once_and_before_all_else(pytester: pytest.Pytester, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(REPOSITORY))
    pytester.makeini("[pytest]\naddopts = -p no:testinfra -p no:pytest11.testinfra -p no:cacheprovider\n")
    pytester.makeconftest(CONFTEST)
    names = {f"test_{letter}": f"import time\ndef test_{letter}(): time.sleep(0.01)" for letter in "cdefgh"}
    pytester.makepyfile(test_x=A, test_y=B, **names)
    result = pytester.runpytest_subprocess("-p", "door.side_by_side", "-n", "2", "--no-loadscope-reorder", "-v")
    result.assert_outcomes(passed=9)
    assert len((pytester.path / "ups").read_text().splitlines()) == 1
    assert place("test_x.py", pytester.path) == 0 < place("test_c.py", pytester.path)
