"""The runs of pytest behind `check`, `drill` and `test`: which command line each of them is."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from door import packages
from door.children import run
from door.words import UsageError, Words, machines_and_paths
from inventory.loading import InventoryError, load, select

REPOSITORY = Path(__file__).resolve().parent.parent
# Hypothesis is here for the project's own tests. In a run its plugin would look through every report at the end.
PLUGINS = ("checks.plugin", "failover.plugin", "reports.plugin", "no:hypothesispytest")
DEFAULT_INVENTORY = "inventory.yaml"
SIDE_BY_SIDE = ("-n", "2", "--no-loadscope-reorder")
_ALONE = frozenset({"--pdb", "--trace", "-s", "--capture=no", "--collect-only", "--co"})


def python(module: str, *arguments: str) -> list[str]:
    """The command line that runs one of our modules, or pytest, with this Python."""
    # -P as in the door itself: folders of the place where the user stands are not ours
    return [sys.executable, "-P", "-m", module, *arguments]


def pytest_command(
    options: Sequence[str], paths: Sequence[str | Path], *, plugins: Sequence[str] = PLUGINS
) -> list[str]:
    """pytest with our configuration wherever the user stands. The plugins make our options known for any path."""
    house = ["-c", str(REPOSITORY / "pyproject.toml"), "--rootdir", str(REPOSITORY)]
    loaded = [word for plugin in plugins for word in ("-p", plugin)]
    return python("pytest", *house, *loaded, *options, *map(str, paths))


def check(words: Words) -> int:
    """The read-only checks of the machines that are named, or of all."""
    return run(inventory_run(words, REPOSITORY / "checks"))


def drill(words: Words) -> int:
    """The drills of the guests that are named, or of all that permit it; with `--reboot` those of the host alone."""
    return run(drill_command(words))


def drill_command(words: Words) -> list[str]:
    """pytest's command line for drills. A reboot comes with no other drill than those of guests that are named, too."""
    rows, hosts = REPOSITORY / "failover", words.values_of("--reboot")
    if hosts and not words.others:
        rows /= "test_reboot.py"
    return inventory_run(replace(words, others=[*words.others, *hosts]), rows, "--drill")


def inventory_run(words: Words, rows: Path, *more: str) -> list[str]:
    """pytest's command line for these rows. Raises `InventoryError` where there is none, and for an unknown name.

    Without names the inventory is left to pytest, which reads it first of all: a thousand machines take seconds.
    """
    file = words.inventory or DEFAULT_INVENTORY
    if words.inventory is None and not Path(file).exists():
        raise InventoryError(
            [
                f"there is no {file} here; name one with -i FILE, or make one: "
                f"./vfproof discover ssh://root@HOST > {file}, and edit it"
            ]
        )
    names, paths = _named(words.others, file) if words.others else ([], [])
    only = [word for name in dict.fromkeys(names) for word in ("--only", name)]
    return pytest_command(["--inventory", file, *more, *only, *words.options], paths or [rows])


def everything_in_the_lab(command: str, options: Sequence[str]) -> list[str]:
    """pytest's command line for checks and drills of the lab that is up. Raises `UsageError` when none started us."""
    inventory = os.environ.get("VFPROOF_LAB_INVENTORY")
    if inventory is None:
        raise UsageError(f"{command} is the door's own; it runs in a lab that is up")
    rows = [REPOSITORY / "checks", REPOSITORY / "failover"]
    return pytest_command(["--inventory", inventory, "--drill", *options], rows)


def _named(others: Sequence[str], file: str) -> tuple[list[str], list[str]]:
    """Machines and paths among the words. Raises `InventoryError`."""
    inventory = load(file)
    names, paths = machines_and_paths(others, {*inventory.hosts, *inventory.guests}, REPOSITORY)
    select(inventory, names)
    return names, paths


def test(words: Words) -> int:
    """The project's own tests, with the time that each area takes."""
    marks = words.value_of("-m")
    if not words.others and "not lab" not in (marks or ""):
        packages.provide(packages.TESTS, "the project's tests, in an embedded lab,")
    return run(own_tests(words))


def own_tests(words: Words) -> list[str]:
    """pytest's command line for the project's own tests: what takes minutes only when `-m` asks for it.

    All of them take two processes, where there are as many processors and a debugger needs no terminal.
    """
    _, paths = machines_and_paths(words.others, (), REPOSITORY)
    marks = [] if words.value_of("-m") is not None else ["-m", "not long"]
    alone = paths or not marks or len(os.sched_getaffinity(0)) < 2 or _ALONE.intersection(words.options)
    plugins, divided = (["door.areas"], ()) if alone else (["door.areas", "door.side_by_side"], SIDE_BY_SIDE)
    return pytest_command([*marks, *divided, *words.options], paths or [REPOSITORY / "tests"], plugins=plugins)
