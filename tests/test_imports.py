"""The arrows between the rooms: who may import whom. Read from the source, so that no import is missed or run."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[1]
MAY_IMPORT = {
    "inventory": set(),
    "reports": {"inventory"},
    "checks": {"inventory", "reports"},
    "failover": {"inventory", "reports", "checks"},
    "lab": {"inventory"},
    "door": {"inventory"},
}
FOR_TESTING = {"tests", "benchmarks", "hypothesis"}


def imported(source: str, package: str) -> Iterator[str]:
    """Full names of all modules that a source imports, wherever in it; `package` is where relative ones begin."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            start = package.split(".")[: len(package.split(".")) - node.level + 1] if node.level else []
            yield ".".join([*start, *([node.module] if node.module else [])])
        elif isinstance(node, ast.Call) and _is_import_call(node.func) and node.args:
            name = node.args[0]
            yield str(name.value) if isinstance(name, ast.Constant) else "(a name worked out while running)"


def _is_import_call(function: ast.expr) -> bool:
    name = function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")
    return name in {"import_module", "__import__"}


def wrong(room: str, source: str, package: str) -> list[str]:
    """What a source of this room imports and may not."""
    forbidden = (MAY_IMPORT.keys() | FOR_TESTING | {"conftest"}) - MAY_IMPORT[room] - {room}
    return sorted({name for name in imported(source, package) if name.split(".")[0] in forbidden or "(" in name})


def sources(room: str) -> list[Path]:
    return sorted((REPOSITORY / room).rglob("*.py"))


@pytest.mark.parametrize("room", MAY_IMPORT)
def test_a_room_imports_only_what_it_may(room: str) -> None:
    files = sources(room)
    assert files, f"there is no room {room}"
    offenders = {}
    for file in files:
        package = ".".join(file.relative_to(REPOSITORY).parent.parts)
        names = wrong(room, file.read_text(encoding="utf-8"), package)
        if names:
            offenders[str(file.relative_to(REPOSITORY))] = names
    assert offenders == {}


def test_every_folder_with_python_is_a_known_room() -> None:
    folders = {path.name for path in REPOSITORY.iterdir() if path.is_dir() and any(path.glob("*.py"))}
    assert folders - MAY_IMPORT.keys() - FOR_TESTING == set()


@pytest.mark.parametrize(
    ("room", "source", "offences"),
    [
        ("inventory", "import checks.outcome", ["checks.outcome"]),
        ("reports", "from inventory.model import Host\nfrom checks import outcome", ["checks"]),
        ("checks", "def f():\n    from failover.capture import x", ["failover.capture"]),
        ("checks", "if TYPE_CHECKING:\n    import lab", ["lab"]),
        ("failover", "import checks, reports, inventory, failover.frames", []),
        ("failover", "from door import runs", ["door"]),
        ("lab", "from checks.source import File", ["checks.source"]),
        ("door", "import lab.__main__", ["lab.__main__"]),
        ("checks", "from ..failover import frames", ["failover"]),
        ("checks", "from . import bundle\nfrom .facts import pci", []),
        ("reports", "import tests.checks, hypothesis", ["hypothesis", "tests.checks"]),
        ("reports", "importlib.import_module('checks.plugin')", ["checks.plugin"]),
        ("reports", "__import__(name)", ["(a name worked out while running)"]),
        ("checks", "import checksum, labels.lab", []),
    ],
)
def test_a_wrong_import_is_seen(room: str, source: str, offences: list[str]) -> None:
    # as if one level down: `..` is then the repository itself
    assert wrong(room, source, room) == offences
