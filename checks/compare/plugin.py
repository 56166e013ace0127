"""The pytest plugin of comparisons: a run keeps what it is compared by, and `--baseline` compares it at its end.

With a baseline the exit status is that of the run, but for two things: 0 or 6 becomes 1 when something got worse, and
0 becomes 6 when the two could not be compared.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from checks.compare import inventories
from checks.compare.page import section, title
from checks.compare.runs import Comparison, side_by_side
from checks.compare.stored_run import NotARun, StoredRun
from checks.compare.told import lines
from checks.machines import SELECTION
from reports.run_folder import RUN_FOLDER, SECTIONS, RunFolder

FILE = "comparison.json"
HOLDS, WORSE, NOT_KNOWN = 0, 1, 6
_BASELINE = pytest.StashKey[StoredRun]()
_FOUND = pytest.StashKey[Comparison | NotARun]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """`--baseline`."""
    parser.getgroup("vfproof").addoption(
        "--baseline",
        metavar="RUN",
        help="compare this run with an earlier one, by its folder; what got worse is exit status 1, too",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Read the baseline at once: a run that ends in "there is no such folder" has wasted everybody's time."""
    given = config.getoption("baseline")
    if given is None:
        return
    if config.getoption("inventory", None) is None:
        raise pytest.UsageError("--baseline: needs --inventory FILE")
    try:
        config.stash[_BASELINE] = StoredRun.at(config.invocation_params.dir / Path(given).expanduser())
    except NotARun as problem:
        raise pytest.UsageError(f"--baseline: {problem}") from None


@pytest.hookimpl(tryfirst=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """Keep what the inventory wants; compare. The run's results.json is whole by now, and its page not yet written."""
    config = session.config
    folder = config.stash.get(RUN_FOLDER, None)
    if folder is None or hasattr(config, "workerinput"):  # a worker of pytest-xdist: its controller does it
        return
    _keep_wishes(config, folder)
    if _BASELINE not in config.stash:
        return
    try:
        found = side_by_side(config.stash[_BASELINE], StoredRun.at(folder.path))
    except NotARun as problem:
        config.stash[_FOUND] = problem
        session.exitstatus = NOT_KNOWN if session.exitstatus == HOLDS else session.exitstatus
        return
    config.stash[_FOUND] = found
    folder.add(FILE, (found.model_dump_json(indent=1) + "\n").encode())
    link = f'<p>For programs: <a href="{FILE}">{FILE}</a></p>'
    config.stash.setdefault(SECTIONS, []).append((title(found), section(found) + link))
    if found.worse and session.exitstatus in (HOLDS, NOT_KNOWN):
        session.exitstatus = WORSE


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """The comparison in words."""
    found = terminalreporter.config.stash.get(_FOUND, None)
    if found is None:
        return
    terminalreporter.section("compared with the baseline")
    if isinstance(found, NotARun):
        terminalreporter.write_line(f"not compared: {found}")
        return
    for line in lines(found):
        terminalreporter.write_line(line)


def _keep_wishes(config: pytest.Config, folder: RunFolder) -> None:
    copy = folder.path / "inventory.yaml"
    if SELECTION in config.stash and copy.exists():
        found = inventories.wishes(config.stash[SELECTION].inventory, copy.read_bytes())
        folder.add(inventories.FILE, found.model_dump_json().encode())
