"""The pytest plugin of the checks: options, one row per machine, and what a row says. Facts: `checks.fixtures`.

It wakes only when an inventory is given, so that a site's own tests and this project's are left alone.
"""

from __future__ import annotations

from collections.abc import Generator
from pathlib import Path

import pytest

from checks.machine_order import are_many, by_machine
from checks.machines import BUNDLES, SELECTION, parameters, whose
from checks.outcome import collected_advice
from checks.sentences import instead_of_traceback, put_into, sentence_of
from checks.site.machines import chosen_by_module
from inventory.loading import InventoryError, load, select
from reports.run_folder import MACHINE_BY_MACHINE

pytest_plugins = [
    "checks.fixtures",
    "checks.waivers",
    "checks.site.fixtures",
    "checks.divided_run",
    "checks.compare.plugin",
]
_UNANSWERED = pytest.StashKey[str]()
# Stands in for a machine where the selection has none of that role; such items are dropped after collection.
_NOBODY = "(no machine)"


def pytest_addoption(parser: pytest.Parser) -> None:
    """`--inventory`, `--only`, `--bundles` and `--advice-is-broken`."""
    group = parser.getgroup("vfproof")
    group.addoption("--inventory", metavar="FILE", help="what must be true: hosts, guests and observers (YAML)")
    group.addoption(
        "--only", action="append", default=[], metavar="NAME", help="check just this host or guest; may be repeated"
    )
    group.addoption(
        "--bundles", metavar="DIR", help="judge the bundles and sosreports in this folder; no machine is contacted"
    )
    group.addoption("--advice-is-broken", action="store_true", help="what deserves attention counts as broken")


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    """Load the inventory. A mistake in it ends the run before anything is collected."""
    if config.getoption("inventory") is None:
        if config.getoption("only"):
            raise pytest.UsageError("--only: needs --inventory FILE")
        if config.getoption("bundles"):
            raise pytest.UsageError("--bundles: needs --inventory FILE")
        return
    _take_bundles(config)
    path = config.invocation_params.dir / Path(config.getoption("inventory")).expanduser()
    try:
        config.stash[SELECTION] = select(load(path), config.getoption("only"))
    except InventoryError as error:
        raise pytest.UsageError(*str(error).splitlines()) from None


def _take_bundles(config: pytest.Config) -> None:
    """Where the run's bundles lie, when it is to contact nobody. Raises UsageError."""
    if (given := config.getoption("bundles")) is None:
        return
    folder = config.invocation_params.dir / Path(given).expanduser()
    if not folder.is_dir():
        raise pytest.UsageError(f"--bundles: there is no folder {given}; './vfproof gather -o {given}' makes one")
    config.stash[BUNDLES] = folder


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """One row per selected machine."""
    selection = metafunc.config.stash.get(SELECTION, None)
    hosts, guests = ((), ()) if selection is None else (selection.hosts, selection.guests)
    wanted = set(metafunc.fixturenames)
    if wanted & {"host_name", "guest_name"}:  # then `host` is that machine's
        wanted.discard("machine_name")
    for fixture, names in (
        ("host_name", hosts),
        ("guest_name", guests),
        ("machine_name", chosen_by_module(metafunc.module, (*hosts, *guests))),
    ):
        if fixture in wanted:
            if selection is None:  # raising here would print a traceback of the plugin
                metafunc.config.stash[_UNANSWERED] = metafunc.definition.nodeid
            chosen = names or (_NOBODY,)
            is_there = selection is not None and fixture != "machine_name"  # checks.fixtures has it
            metafunc.parametrize(fixture, chosen, ids=chosen, indirect=is_there)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Drop rows about nobody. Raises UsageError when there are checks and no inventory."""
    if _UNANSWERED in config.stash:
        raise pytest.UsageError(f"no inventory: {config.stash[_UNANSWERED]} and others need --inventory FILE")
    dropped = [item for item in items if _NOBODY in parameters(item).values()]
    if dropped:
        config.hook.pytest_deselected(items=dropped)
        items[:] = [item for item in items if _NOBODY not in parameters(item).values()]
    if SELECTION in config.stash:
        by_machine(items, config.stash[SELECTION])
        config.stash[MACHINE_BY_MACHINE] = are_many(config.stash[SELECTION])


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Say which machine the row is about."""
    item.user_properties += whose(item)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, object, object]:
    """Collect the advice of a check."""
    with collected_advice() as advice:
        try:
            result = yield
        finally:
            item.user_properties += [("advice", text) for text in advice]
    if advice and item.config.getoption("advice_is_broken"):
        raise AssertionError("\n".join(advice))
    return result


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Let the row say its sentence."""
    sentence = sentence_of(item, call) if SELECTION in item.config.stash else None
    if sentence is None:
        return (yield)
    with instead_of_traceback(item, sentence):
        report = yield
    put_into(report, call, sentence)
    return report
