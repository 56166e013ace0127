"""What a check does, and what is told of it: rows, words, exit status."""

from xml.etree import ElementTree

import pytest

from tests.reports.made_up import (
    ADVICE,
    BROKEN,
    COULD_NOT_LOOK_IN_CALL,
    COULD_NOT_LOOK_IN_SETUP,
    DOES_NOT_APPLY,
    HOLDS,
    NOT_RUN,
    RESTORE_FAILS,
)

pytest_plugins = ["pytester"]


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


def test_a_mistake_in_the_checks_is_named_in_words(run):
    result, results = run("def test_x(no_such_fact): pass")
    assert result.ret == 6
    assert results.rows[0].message == "a mistake in the checks: there is no fixture 'no_such_fact'"
