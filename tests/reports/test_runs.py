"""The folder of a run, and what the command line does to it."""

import pytest

import reports.plugin
from tests.reports.made_up import HOLDS, arguments, prepare

pytest_plugins = ["pytester"]


def test_junit_goes_where_the_user_wants_it_too(run, pytester):
    run(HOLDS, args=("--junit-xml", "ci/result.xml"))
    assert (pytester.path / "ci" / "result.xml").read_bytes() == (pytester.path / "out" / "junit.xml").read_bytes()


def test_the_folder_is_private_and_holds_everything(run, pytester):
    run(HOLDS)
    folder = pytester.path / "out"
    assert folder.stat().st_mode & 0o777 == 0o700
    files = [path for path in folder.rglob("*") if path.is_file()]
    names = {str(path.relative_to(folder)) for path in files}
    assert names == {
        "report.html",
        "results.json",
        "results.jsonl",
        "junit.xml",
        "metrics.prom",
        "inventory.yaml",
        "assets/style.css",
        "evidence/kvm-1.gz",
    }
    assert {path.stat().st_mode & 0o777 for path in files} == {0o600}


def test_the_default_folder_is_named_by_time(pytester):
    prepare(pytester, HOLDS)
    pytester.runpytest_inprocess("--inventory", "inventory.yaml", plugins=[reports.plugin])
    (folder,) = (pytester.path / "reports" / "runs").iterdir()
    assert (folder / "report.html").exists()


def test_who_when_and_what_is_told(run):
    _, results = run(HOLDS, args=("--metadata", "ticket", "CHG-1"))
    assert results.run.labels == {"ticket": "CHG-1"}
    assert results.run.versions["pytest"] == pytest.__version__
    assert "--inventory" in results.run.command_line
    assert results.run.inventory == "inventory.yaml"
    assert results.machines[0].facts == {"kernel": "6.12 <b>"}


def test_without_an_inventory_it_sleeps(pytester):
    prepare(pytester, HOLDS.replace(", evidence", ""))
    result = pytester.runpytest_inprocess(plugins=[reports.plugin])
    assert result.ret == 0
    assert not (pytester.path / "reports").exists()


@pytest.mark.parametrize("option", ["--collect-only", "--help", "--fixtures"])
def test_what_judges_nothing_leaves_no_folder(pytester, option):
    prepare(pytester, HOLDS)
    pytester.runpytest_inprocess(*arguments(option), plugins=[reports.plugin])
    assert not (pytester.path / "out").exists()


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["-p", "no:html"], "*leave that option out*"),
        (["--html", "x.html"], "*--html: the report goes into the run folder*"),
        (["--run-folder", "."], "*holds something already*"),
        (["--inventory", "missing.yaml"], "*missing.yaml*"),
    ],
)
def test_usage_errors_are_one_sentence_and_leave_no_folder(pytester, args, message):
    prepare(pytester, HOLDS)
    result = pytester.runpytest_inprocess(*arguments(*args), plugins=[reports.plugin])
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines([message])
    result.stderr.no_fnmatch_line("*Traceback*")
    assert not (pytester.path / "out").exists()
