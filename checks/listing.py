"""`python -m checks.listing`: docs/checks.md, the list of all statements, written from their own docstrings.

    python -m checks.listing >docs/checks.md

A test compares the two, so that the list cannot drift from what the statements say.
"""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
_ROOMS = ("checks", "failover")
_FIXTURES = ("checks/fixtures.py", "failover/**/plugin.py")
# What is wanted, who is looked at, and how something is said: nothing that is read on a machine.
_NOT_READ = frozenset(
    {"inventory", "wanted_host", "wanted_guest", "host_name", "guest_name", "note", "machines", "request", "budgets"}
)
_PARTS = re.compile(r"\n\s*\n|\n(?=Why:|Fix:)")

HEAD = """# Statements

Every statement that `./vfproof check` and `./vfproof drill` make, by area: what must be true, why that matters, and
what is read to tell. Each is judged once for every host or guest of the inventory. In the report a broken one says what
was found, what was wanted, where it was read, and what to do.

Written by `python -m checks.listing` from the statements' own docstrings; do not edit. What a word such as *advice* or
*does not apply* means stands in the [README](../README.md#what-it-says); one statement alone runs with `-k NAME`.
"""


@dataclass(frozen=True, slots=True)
class Statement:
    """One `test_*` function: its name, its text, why it matters, and what it reads, in words."""

    name: str
    text: str
    why: str
    reads: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Area:
    """One file of statements: its path, what it is about, and more about that."""

    path: str
    title: str
    more: str
    statements: tuple[Statement, ...]


def areas(root: Path = ROOT) -> tuple[Area, ...]:
    """All statements of the project, file by file."""
    words = _fixtures(root)
    files = (file for room in _ROOMS for file in sorted((root / room).glob("test_*.py")))
    return tuple(_area(root, file, words) for file in files)


def written(found: tuple[Area, ...]) -> str:
    """The page."""
    return "\n".join([HEAD, *(line for area in found for line in _lines(area))])


def _area(root: Path, file: Path, words: dict[str, str]) -> Area:
    module = ast.parse(file.read_text())
    title, *more = _paragraphs(module)
    own = {**words, **_docstrings(module)}
    statements = tuple(_statement(node, own) for node in _functions(module) if node.name.startswith("test_"))
    return Area(str(file.relative_to(root)), title.rstrip("."), " ".join(more), statements)


def _functions(module: ast.Module) -> list[ast.FunctionDef]:
    return [node for node in module.body if isinstance(node, ast.FunctionDef)]


def _statement(node: ast.FunctionDef, words: dict[str, str]) -> Statement:
    text, *rest = _paragraphs(node)
    why = next((part.removeprefix("Why: ") for part in rest if part.startswith("Why:")), "")
    fixtures = (argument.arg for argument in node.args.args)
    reads = tuple(words[name] for name in fixtures if name in words and name not in _NOT_READ)
    return Statement(node.name, text, why, reads)


def _fixtures(root: Path) -> dict[str, str]:
    """The first sentence of every fixture."""
    found: dict[str, str] = {}
    for name in _FIXTURES:
        for file in sorted(root.glob(name)):
            found |= _docstrings(ast.parse(file.read_text()))
    return found


def _docstrings(module: ast.Module) -> dict[str, str]:
    """First sentences of a module's functions, by the names that tests ask for."""
    return {_asked_as(node): _sentence(node) for node in _functions(module) if ast.get_docstring(node)}


def _sentence(node: ast.FunctionDef) -> str:
    return re.split(r"[.;] ", _paragraphs(node)[0])[0].rstrip(".")


def _asked_as(node: ast.FunctionDef) -> str:
    """A fixture's name: that of its function, or the one that its decorator gives it."""
    given = (word.value for one in node.decorator_list if isinstance(one, ast.Call) for word in one.keywords)
    names = [one.value for one in given if isinstance(one, ast.Constant) and isinstance(one.value, str)]
    return names[0] if names else node.name


def _paragraphs(node: ast.Module | ast.FunctionDef) -> list[str]:
    text = ast.get_docstring(node) or ""
    return [" ".join(part.split()) for part in _PARTS.split(text)]


def _lines(area: Area) -> Iterator[str]:
    yield f"## {_cell(area.title)}\n"
    yield f"`{area.path}`{f'. {_cell(area.more)}' if area.more else ''}\n"
    yield "| statement | why | reads |\n|---|---|---|"
    for one in area.statements:
        cells = (f"{one.text} `{one.name}`", one.why, "; ".join(one.reads))
        yield f"| {' | '.join(map(_cell, cells))} |"
    yield ""


def _cell(text: str) -> str:
    """Text in a Markdown table: a bar would end the cell, and <mac> would be taken for HTML."""
    parts = re.split(r"(`[^`]*`)", text.replace("|", "\\|"))
    return "".join(one if one.startswith("`") else one.replace("<", "&lt;") for one in parts)


if __name__ == "__main__":
    sys.stdout.write(written(areas()))
