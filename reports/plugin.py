"""The pytest plugin that turns a run into a folder: page, JUnit XML, JSON and evidence. It knows no check.

It wakes only in a vfproof run (`--inventory` is given), so the project's own tests leave no run folders.
"""

from __future__ import annotations

from collections.abc import Generator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from reports import metrics, rows
from reports.recorder import Recorder, project_version, started_run
from reports.run_folder import RUN_FOLDER, RunFolder, RunFolderProblem
from reports.session import ASSETS, Reporting

ROOT = Path(__file__).resolve().parent.parent
NOT_RUNS = ("collectonly", "help", "version", "showfixtures", "show_fixtures_per_test", "markers", "setupplan")
WORDS = {
    "holds": "green",
    "advice": "yellow",
    "waived": "yellow",
    "broken": "red",
    "could not look": "red",
    "does not apply": "yellow",
}
LETTERS = {"holds": ".", "advice": "a", "waived": "w", "broken": "F", "could not look": "E", "does not apply": "s"}


def pytest_addoption(parser: pytest.Parser) -> None:
    """`--run-folder`, `--prometheus` and `--self-contained`."""
    group = parser.getgroup("vfproof")
    group.addoption(
        "--run-folder",
        metavar="DIR",
        help="where report, results and evidence go: a new or empty folder (default: reports/runs/<time>/)",
    )
    group.addoption(
        "--prometheus",
        metavar="FILE",
        help="put metrics.prom there too, for node_exporter's textfile collector; the name must end in .prom",
    )
    group.addoption(
        "--self-contained",
        action="store_true",
        help="put figures and evidence into report.html, so that it can be mailed",
    )


@pytest.hookimpl(tryfirst=True)  # pytest-html and JUnit XML read their paths in this same hook
def pytest_configure(config: pytest.Config) -> None:
    """Make the run folder and point pytest's own reports into it."""
    if not _is_a_run(config):
        return
    if hasattr(
        config, "workerinput"
    ):  # one of pytest-xdist's: the controller has made the folder and writes the report
        config.stash[RUN_FOLDER] = RunFolder(Path(config.workerinput["vfproof_run_folder"]))
        return
    if not config.pluginmanager.hasplugin("html"):
        raise pytest.UsageError("-p no:html: the report is made by pytest-html; leave that option out")
    if config.getoption("htmlpath"):
        raise pytest.UsageError(
            "--html: the report goes into the run folder, beside its evidence; use --run-folder DIR"
        )
    collected_from = config.getoption("prometheus")
    if collected_from and not collected_from.endswith(metrics.END):
        raise pytest.UsageError(f"--prometheus {collected_from}: the collector reads only files that end in .prom")
    folder = _folder(config)
    config.stash[RUN_FOLDER] = folder
    config.option.self_contained_html = config.option.self_contained = _one_file(config)
    config.option.htmlpath = str(folder.path / "report.html")
    config.option.css = [*config.getoption("css"), str(ASSETS / "report.css")]
    wanted_junit = config.option.xmlpath
    config.option.xmlpath = str(folder.path / "junit.xml")
    labels = {str(key): str(value) for key, value in config.getoption("metadata")}
    run = started_run(("pytest", *config.invocation_params.args), project_version(ROOT / "pyproject.toml"), labels)
    reporting = Reporting(config, Recorder(folder, run), copy_junit_to=Path(wanted_junit) if wanted_junit else None)
    config.pluginmanager.register(reporting, "vfproof-reporting")


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: object) -> None:
    """Tell one of pytest-xdist's workers where the run folder is."""
    config: pytest.Config = node.config  # type: ignore[attr-defined]
    if RUN_FOLDER in config.stash:
        node.workerinput["vfproof_run_folder"] = str(config.stash[RUN_FOLDER].path)  # type: ignore[attr-defined]


def pytest_itemcollected(item: pytest.Item) -> None:
    """Give every row its words, in its properties: so they reach JUnit XML and cross to an xdist controller."""
    if RUN_FOLDER in item.config.stash:
        docstring = getattr(getattr(item, "obj", None), "__doc__", None)
        item.user_properties += rows.statement_properties(docstring, getattr(item, "originalname", None) or item.name)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Keep the sentence of what went wrong, which a report otherwise has only amid a traceback."""
    report = yield
    if RUN_FOLDER in item.config.stash and call.excinfo is not None and report.failed:
        setattr(report, rows.MESSAGE, rows.message_of(call.excinfo.value))
    return report


@pytest.hookimpl(tryfirst=True)
def pytest_report_teststatus(
    report: pytest.CollectReport | pytest.TestReport, config: pytest.Config
) -> tuple[str, str, tuple[str, dict[str, bool]]] | None:
    """Our words in `-v` and in the short summary; pytest's categories, so its closing line stays what tools parse."""
    if RUN_FOLDER not in config.stash or not isinstance(report, pytest.TestReport):
        return None
    word = rows.outcome(report)
    if word is None or report.when == "teardown" or (hasattr(report, "wasxfail") and word != "waived"):
        return None
    category = {"could not look": "error", "waived": "xfailed"}.get(word, report.outcome)
    return category, LETTERS[word], (word.upper(), {WORDS[word]: True})


def pytest_unconfigure(config: pytest.Config) -> None:
    """Take a folder away again in which no run ever began."""
    reporting = config.pluginmanager.get_plugin("vfproof-reporting")
    if isinstance(reporting, Reporting):
        reporting.close()


def _is_a_run(config: pytest.Config) -> bool:
    return bool(config.getoption("inventory", None)) and not any(
        getattr(config.option, name, None) for name in NOT_RUNS
    )


def _one_file(config: pytest.Config) -> bool:
    """pytest-html's own option means the same here."""
    return bool(config.getoption("self_contained") or config.getoption("self_contained_html"))


def _folder(config: pytest.Config) -> RunFolder:
    wanted = config.getoption("run_folder")
    try:
        if wanted:
            return RunFolder.at(config.invocation_params.dir / wanted)
        return RunFolder.create(config.rootpath / "reports" / "runs", datetime.now(UTC))
    except (RunFolderProblem, OSError) as error:
        raise pytest.UsageError(f"--run-folder: {error}") from error
