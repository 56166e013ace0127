"""Whole runs, in process, with a folder of made-up checks."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from xml.etree import ElementTree

import pytest

import reports.plugin
from reports.results import Results

pytest_plugins = ["pytester"]
ROOT = Path(reports.plugin.__file__).resolve().parents[1]  # imported here, once: a run in process forgets its imports

INVENTORY = """
hosts:
  kvm-1: {connect: "ssh://root@kvm-1"}
  kvm-2: {connect: "ssh://root@kvm-2"}
guests:
  guest-1: {connect: "ssh://root@guest-1", host: kvm-1}
"""

CONFTEST = """
import pytest
from reports.run_folder import MACHINE_FACTS, RUN_FOLDER

class CouldNotLook(Exception): pass

def pytest_addoption(parser):
    parser.addoption("--inventory")

def pytest_configure(config):
    config.stash.setdefault(MACHINE_FACTS, {})["kvm-1"] = {"kernel": "6.12 <b>"}

@pytest.fixture
def tell(request):
    def tell(key, value):
        request.node.user_properties.append((key, value))
    return tell

@pytest.fixture
def kvm_1(tell): tell("machine", "kvm-1")

@pytest.fixture
def guest_1(tell): tell("machine", "guest-1")

@pytest.fixture
def evidence(request, tell):
    tell("evidence", "bundle\\t" + request.config.stash[RUN_FOLDER].add("evidence/kvm-1.gz", b"bytes"))

@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    report = yield
    if call.when == "call" and call.excinfo is not None and call.excinfo.errisinstance(CouldNotLook):
        report.when = "setup"
    return report
"""

HOLDS = '''
def test_vfs_are_there(kvm_1, evidence, tell):
    """Every VF is there.

    Why: no VF, no guest.
    Fix: make VFs.
    """
    tell("note", "8 VFs")
'''
ADVICE = '''
def test_rule(kvm_1, tell):
    """The rule is sound."""
    tell("advice", "racy rule")
'''
BROKEN = '''
def test_bond(guest_1, evidence, tell):
    """The bond has two slaves.

    Why: one is no bond.
    Fix: add a slave.
    """
    tell("figure", "timeline\\tdrills/a.svg")
    slaves = ["ens1"]
    assert len(slaves) == 2, f"guest-1: one slave, ens1, wanted two <script>alert(1)</script>\\x1b[31m\\u202e"
'''
COULD_NOT_LOOK_IN_SETUP = '''
import pytest
from conftest import CouldNotLook

@pytest.fixture
def bundle(kvm_1, evidence):
    raise CouldNotLook("kvm-1: no answer on port 22")

def test_iommu(bundle):
    """The IOMMU is on."""
'''
COULD_NOT_LOOK_IN_CALL = '''
from conftest import CouldNotLook

def test_driver(kvm_1, evidence):
    """The driver is known."""
    raise CouldNotLook("kvm-1: permission denied")
'''
DOES_NOT_APPLY = '''
import pytest

def test_bonds_of_a_host(kvm_1):
    """The host has no bond of its own."""
    pytest.skip("no bond here")
'''
NOT_RUN = '''
import pytest

def test_drill(guest_1, tell):
    """Neighbours follow."""
    tell("wanted-but-not-run", "drill.permitted is false")
    pytest.skip("not permitted")
'''
HANGS = """
import pathlib, threading

def test_z(kvm_1):
    pathlib.Path('hangs').touch()
    threading.Event().wait(60)
"""
RESTORE_FAILS = '''
import pytest

@pytest.fixture
def drill(guest_1):
    yield
    raise RuntimeError("guest-1: bond not given back")

def test_drill(drill):
    """Neighbours follow."""
'''


@pytest.fixture
def run(pytester):
    """Run these checks; gives pytest's result, and results.json."""

    def run(*sources, args=()):
        prepare(pytester, *sources)
        result = pytester.runpytest_inprocess(*arguments(*args), no_reraise_ctrlc=True, plugins=[reports.plugin])
        return result, results_of(pytester)

    return run


def prepare(pytester, *sources):
    pytester.makeconftest(CONFTEST)
    pytester.makeini(
        "[pytest]\nfilterwarnings = error\naddopts = -p no:testinfra -p no:pytest11.testinfra -p no:hypothesispytest"
    )
    pytester.makefile(".yaml", inventory=INVENTORY)
    for number, source in enumerate(sources):
        pytester.makepyfile(**{f"test_area{number}": source})


def arguments(*more):
    return ("--inventory", "inventory.yaml", "--run-folder", "out", *more)


def results_of(pytester):
    return Results.model_validate_json((pytester.path / "out" / "results.json").read_text())


def page_of(pytester):
    return (pytester.path / "out" / "report.html").read_text()


def rows_of_page(pytester):
    """What pytest-html's script will draw: per node id the rows, each a list of cells."""
    root = page_of(pytester).partition('data-jsonblob="')[2].partition('"')[0]
    import html

    return {
        node: [test["resultsTableRow"] for test in tests]
        for node, tests in json.loads(html.unescape(root))["tests"].items()
    }


@pytest.mark.parametrize(
    ("sources", "status", "outcomes"),
    [
        ([HOLDS], 0, ["holds"]),
        ([HOLDS, ADVICE, DOES_NOT_APPLY], 0, ["holds", "advice", "does not apply"]),
        ([HOLDS, BROKEN, COULD_NOT_LOOK_IN_SETUP], 1, ["holds", "broken", "could not look"]),
        ([HOLDS, COULD_NOT_LOOK_IN_SETUP], 6, ["holds", "could not look"]),
        ([HOLDS, COULD_NOT_LOOK_IN_CALL], 6, ["holds", "could not look"]),
        ([HOLDS, NOT_RUN], 6, ["holds", "does not apply"]),
        ([HOLDS, RESTORE_FAILS], 6, ["holds", "could not look"]),
        ([DOES_NOT_APPLY], 5, ["does not apply"]),
        ([], 5, []),
    ],
    ids=["holds", "advice", "broken", "no-answer", "denied", "not-run", "not-restored", "all-skipped", "nothing"],
)
def test_outcomes_and_exit_statuses(run, sources, status, outcomes):
    result, results = run(*sources)
    assert result.ret == status
    assert results.run.exit_status == status
    assert results.state == "finished"
    assert [row.outcome for row in results.rows] == outcomes


def test_a_row_has_the_words_of_its_check(run):
    _, results = run(HOLDS, BROKEN)
    holds, broken = results.rows
    assert (holds.machine, holds.statement, holds.notes) == ("kvm-1", "Every VF is there.", ("8 VFs",))
    assert broken.message == "guest-1: one slave, ens1, wanted two <script>alert(1)</script>\\x1b[31m\\u202e"
    assert (broken.why, broken.fix) == ("one is no bond.", "add a slave.")
    assert broken.evidence[0].path == "evidence/kvm-1.gz"


def test_pytests_closing_line_stays_pytests(run):
    result, _ = run(HOLDS, ADVICE, BROKEN, COULD_NOT_LOOK_IN_CALL, DOES_NOT_APPLY)
    result.assert_outcomes(passed=2, failed=1, errors=1, skipped=1)


def test_the_terminal_speaks_our_words(run, pytester):
    result, _ = run(HOLDS, ADVICE, BROKEN, COULD_NOT_LOOK_IN_SETUP, DOES_NOT_APPLY, args=("-v",))
    for word in ("HOLDS", "ADVICE", "BROKEN", "COULD NOT LOOK", "DOES NOT APPLY"):
        result.stdout.fnmatch_lines([f"*::test_* {word} *"])
    result.stdout.fnmatch_lines(
        [
            "NOT READY  kvm-1 (with guest-1): 1 broken, 1 could not look, 1 advice, 1 holds, 1 does not apply",
            "    broken: guest-1: one slave*",
            f"Report: {pytester.path}/out/report.html",
        ]
    )


def test_every_statement_is_one_row_of_the_page(run, pytester):
    _, results = run(HOLDS, BROKEN, COULD_NOT_LOOK_IN_SETUP, COULD_NOT_LOOK_IN_CALL, DOES_NOT_APPLY, RESTORE_FAILS)
    drawn = rows_of_page(pytester)
    assert {node: len(tests) for node, tests in drawn.items()} == {row.id: 1 for row in results.rows}
    assert "broken" in next(iter(drawn.values()))[0][2], "the worst comes first"


def test_evidence_of_a_setup_that_failed_is_linked(run, pytester):
    run(COULD_NOT_LOOK_IN_SETUP)
    ((cells,),) = rows_of_page(pytester).values()
    assert '<a href="evidence/kvm-1.gz">bundle</a>' in cells[5]
    assert (pytester.path / "out" / "evidence" / "kvm-1.gz").read_bytes() == b"bytes"


def test_why_fix_and_figure_are_shown_where_it_is_broken(run, pytester):
    run(HOLDS, BROKEN)
    broken, holds = (tests[0] for tests in rows_of_page(pytester).values())
    assert "add a slave." in broken[4]
    assert '<a href="#figure-drills-a-svg">timeline</a>' in broken[5]
    assert page_of(pytester).count('<img src="drills/a.svg"') == 1
    assert "make VFs" not in holds[4]


def test_text_from_hosts_is_escaped(run, pytester):
    run(BROKEN)
    ((cells,),) = rows_of_page(pytester).values()
    everything = page_of(pytester) + "".join(cells)
    assert "<script>alert" not in everything
    assert "6.12 <b>" not in everything
    assert "\x1b" not in everything
    assert "\u202e" not in everything
    assert "&lt;script&gt;alert(1)&lt;/script&gt;\\x1b[31m\\u202e" in cells[4]


def test_hostile_names_and_paths_stay_in_their_place(run, pytester):
    run("""
import pytest

@pytest.mark.parametrize("x", ["<img src=x onerror=alert(1)>"])
def test_x(x, tell):
    tell("machine", "<b>kvm</b>")
    tell("evidence", "<i>label</i>\\tjavascript:alert(1)")
    tell("figure", "fig\\t//other.host/x.svg")
    tell("advice", "x" * 1_000_000)
""")
    ((cells,),) = rows_of_page(pytester).values()
    everything = page_of(pytester) + "".join(cells)
    assert "<img src=x" not in everything
    assert "<b>kvm" not in everything
    assert "<i>label" not in everything
    assert 'href="javascript%3Aalert%281%29"' in cells[5]
    assert 'src="other.host/x.svg"' in page_of(pytester)
    assert len(everything) < 200_000


def test_junit_has_every_row_once_with_its_properties(run, pytester):
    run(HOLDS, BROKEN, COULD_NOT_LOOK_IN_CALL, COULD_NOT_LOOK_IN_SETUP, DOES_NOT_APPLY)
    suite = ElementTree.parse(pytester.path / "out" / "junit.xml").getroot()[0]
    assert {key: suite.get(key) for key in ("tests", "failures", "errors", "skipped")} == {
        "tests": "5",
        "failures": "1",
        "errors": "2",
        "skipped": "1",
    }
    cases = suite.findall("testcase")
    assert len(cases) == 5
    properties = {entry.get("name"): entry.get("value") for entry in cases[0].iter("property")}
    assert properties["statement"] == "Every VF is there."
    assert properties["machine"] == "kvm-1"


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


def test_what_the_command_line_leaves_out_is_said(run, pytester):
    _, results = run(HOLDS, BROKEN, args=("-k", "vfs"))
    assert (results.run.collected, results.run.deselected) == (1, 1)
    assert "A part only" in page_of(pytester)


def test_rows_about_nobody_leave_nothing_out(run, pytester):
    about_nobody = """
import pytest

@pytest.mark.parametrize("machine", ["kvm-1", "(no machine)"])
def test_x(machine): pass
"""
    _, results = run(about_nobody, args=("-k", "kvm"))
    assert results.run.deselected == 0
    assert "A part only" not in page_of(pytester)


def test_a_run_that_stops_at_the_first_is_not_taken_for_whole(run, pytester):
    _, results = run(COULD_NOT_LOOK_IN_SETUP, HOLDS, args=("-x",))
    assert results.state == "interrupted"
    assert results.run.ended_by == "stopping after 1 failures"
    assert "This run did not come to its end" in page_of(pytester)


def test_a_file_of_checks_that_cannot_be_loaded_is_a_row(run):
    result, results = run(HOLDS, "import no_such_module_anywhere")
    assert result.ret == pytest.ExitCode.INTERRUPTED
    assert results.state == "interrupted"
    assert [row.outcome for row in results.rows] == ["could not look"]
    assert "no_such_module_anywhere" in results.rows[0].message


def test_ctrl_c_leaves_a_report_that_says_so(run, pytester):
    result, results = run(HOLDS, "def test_z(kvm_1):\n    raise KeyboardInterrupt")
    assert result.ret == pytest.ExitCode.INTERRUPTED
    assert results.state == "interrupted"
    assert results.machines[0].readiness == "not proven"
    assert "interrupted by Ctrl-C while judging test_area1.py::test_z" in page_of(pytester)


@pytest.fixture
def hanging(pytester):
    """A run that hangs in its second check, as a process of its own; ended if the test does not."""
    prepare(pytester, HOLDS, HANGS)
    pytester.makeconftest(CONFTEST + '\npytest_plugins = ["reports.plugin"]')  # as the project's own conftest.py has it
    command = [sys.executable, "-m", "pytest", *arguments()]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(command, cwd=pytester.path, env=environment, stdout=subprocess.DEVNULL) as process:
        deadline = time.monotonic() + 30
        while not (pytester.path / "hangs").exists():
            assert process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.02)
        yield process
        process.kill()


def test_sigterm_leaves_a_report_that_says_so(hanging, pytester):
    hanging.send_signal(signal.SIGTERM)
    assert hanging.wait(20) == pytest.ExitCode.INTERRUPTED
    results = results_of(pytester)
    assert results.state == "interrupted"
    assert "SIGTERM" in results.run.ended_by
    assert [row.outcome for row in results.rows] == ["holds"]


def test_kill_leaves_a_folder_that_says_so(hanging, pytester):
    hanging.kill()
    hanging.wait(20)
    assert results_of(pytester).state == "running"
    assert "was cut off" in page_of(pytester)
    lines = (pytester.path / "out" / "results.jsonl").read_text().splitlines()
    assert [json.loads(line)["outcome"] for line in lines] == ["holds"]


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


def test_many_rows_are_counted_and_only_the_telling_ones_listed(run, pytester):
    many = '''
import pytest

@pytest.mark.parametrize("number", range(600))
def test_many(kvm_1, number):
    """Many hold."""
'''
    _, results = run(many, BROKEN, ADVICE)
    assert len(results.rows) == 602
    assert len(rows_of_page(pytester)) == 2
    assert "602 statements were judged" in page_of(pytester)
