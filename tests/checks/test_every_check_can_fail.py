"""A check never seen to fail is not a check: every statement has its texts, and tests in which it breaks and holds."""

from __future__ import annotations

import ast
import functools
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ROOMS = ("checks", "failover")


@dataclass(frozen=True)
class Statement:
    """One `test_*` function of a file of checks or drills."""

    file: str
    name: str
    docstring: str


def statements() -> list[Statement]:
    return [
        Statement(str(file.relative_to(ROOT)), node.name, ast.get_docstring(node) or "")
        for room in ROOMS
        for file in sorted((ROOT / room).glob("test_*.py"))
        for node in ast.parse(file.read_text()).body
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")
    ]


def names_in(node: ast.AST) -> set[str]:
    """Every name that a piece of code mentions, its parameters (fixtures) too."""
    found = {inner.id for inner in ast.walk(node) if isinstance(inner, ast.Name)}
    found |= {inner.attr for inner in ast.walk(node) if isinstance(inner, ast.Attribute)}
    return found | {inner.arg for inner in ast.walk(node) if isinstance(inner, ast.arg)}


@functools.cache
def own_tests(room: str) -> dict[str, set[str]]:
    """The tests of a room, each with every name that it or what it calls in the tests mentions."""
    files = [ast.parse(file.read_text()) for file in sorted((ROOT / "tests" / room).glob("*.py"))]
    mentioned: dict[str, set[str]] = {}
    for node in (inner for file in files for inner in ast.walk(file)):
        if isinstance(node, ast.FunctionDef):
            mentioned.setdefault(node.name, set()).update(names_in(node))
        elif isinstance(node, ast.Assign):
            for target in node.targets:
                for name in names_in(target):
                    mentioned.setdefault(name, set()).update(names_in(node.value))
    return {name: reached(name, mentioned) for name in mentioned if name.startswith("test_")}


def reached(name: str, mentioned: dict[str, set[str]]) -> set[str]:
    found: set[str] = set()
    waiting = [name]
    while waiting:
        for other in mentioned.get(waiting.pop(), set()) - found:
            found.add(other)
            waiting.append(other)
    return found


ALL = statements()
each_statement = pytest.mark.parametrize("statement", ALL, ids=[f"{one.file}::{one.name}" for one in ALL])


def seen(statement: Statement, kind: str) -> dict[str, set[str]]:
    """The tests named for the statement and an outcome, with all that they mention."""
    room = own_tests(statement.file.partition("/")[0])
    return {name: names for name, names in room.items() if name.startswith(f"{statement.name}__{kind}")}


def test_there_are_statements():
    assert {one.file.partition("/")[0] for one in ALL} == set(ROOMS)
    assert len({one.name for one in ALL}) == len(ALL)


@each_statement
def test_it_has_a_row_text_a_why_and_a_fix(statement: Statement):
    first, *rest = [line.strip() for line in statement.docstring.splitlines()]
    assert first.endswith(".") and not first.startswith(("Why:", "Fix:"))
    for key in ("Why:", "Fix:"):
        texts = [line for line in rest if line.startswith(key)]
        assert len(texts) == 1 and len(texts[0]) > len(key) + 10, f"{statement.name} has no {key}"


@each_statement
@pytest.mark.parametrize("kind", ["broken", "holds"])
def test_it_has_been_seen_both_ways(statement: Statement, kind: str):
    found = seen(statement, kind)
    assert found, f"there is no test {statement.name}__{kind}… in tests/{statement.file.partition('/')[0]}/"
    assert any(statement.name in names for names in found.values()), f"none of {sorted(found)} calls {statement.name}"
    if kind == "broken":
        assert any("AssertionError" in names for names in found.values()), f"{sorted(found)} expect no AssertionError"
