"""A run that ends early leaves a folder that says so."""

import json
import os
import signal
import subprocess
import sys
import time

import pytest

from tests.reports.made_up import (
    CONFTEST,
    COULD_NOT_LOOK_IN_SETUP,
    HANGS,
    HOLDS,
    ROOT,
    arguments,
    page_of,
    prepare,
    results_of,
)

pytest_plugins = ["pytester"]


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
