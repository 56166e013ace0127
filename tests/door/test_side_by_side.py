"""The project's own tests in two processes: what shares the emulated host stays together, and comes first."""

import ast
from pathlib import Path

import pytest

from door.runs import REPOSITORY
from door.side_by_side import HOST, place, together

pytest_plugins = ["pytester"]


def asks_for_the_host(file: Path) -> bool:
    functions = [node for node in ast.walk(ast.parse(file.read_text())) if isinstance(node, ast.FunctionDef)]
    asked = {argument.arg for function in functions for argument in function.args.args}
    return "sriov_lab" in asked


def test_whoever_asks_for_the_emulated_host_shares_it():
    files = sorted((REPOSITORY / "tests").rglob("test_*.py"))
    asking = {file for file in files if asks_for_the_host(file)}
    assert len(asking) > 5
    named = {file: together(str(file.relative_to(REPOSITORY)), REPOSITORY) for file in files}
    assert {name for file, name in named.items() if file in asking} == {HOST}
    others = [name for file, name in named.items() if name != HOST]
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
