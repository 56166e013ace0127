"""junit.xml as GitLab and Jenkins read it.

Sources: GitLab, doc/ci/testing/unit_test_reports.md and lib/gitlab/ci/parsers/test/junit.rb (classname, name, time,
file, failure, error, skipped, system-out); Jenkins, junit plugin, CaseResult.java (classname, name, time, stdout).
"""

import xml.etree.ElementTree as ET

import pytest

from tests.reports.made_up import (
    ADVICE,
    BROKEN,
    COULD_NOT_LOOK_IN_CALL,
    COULD_NOT_LOOK_IN_SETUP,
    DOES_NOT_APPLY,
    HOLDS,
)

pytest_plugins = ["pytester"]


@pytest.fixture
def suite(run, pytester):
    _, results = run(HOLDS, ADVICE, BROKEN, COULD_NOT_LOOK_IN_SETUP, COULD_NOT_LOOK_IN_CALL, DOES_NOT_APPLY)
    root = ET.parse(pytester.path / "out" / "junit.xml").getroot()
    assert root.tag == "testsuites"
    (suite,) = root
    return suite, results


def test_the_suite_counts_what_the_rows_say(suite):
    suite, results = suite
    outcomes = [row.outcome for row in results.rows]
    assert int(suite.get("tests")) == len(outcomes) == len(suite.findall("testcase"))
    assert int(suite.get("failures")) == outcomes.count("broken")
    assert int(suite.get("errors")) == outcomes.count("could not look")
    assert int(suite.get("skipped")) == outcomes.count("does not apply")
    assert float(suite.get("time")) >= 0
    assert suite.get("timestamp") and suite.get("hostname")


def test_every_case_has_what_they_show(suite):
    suite, results = suite
    cases = suite.findall("testcase")
    for case, row in zip(cases, results.rows, strict=True):
        assert row.id.endswith(f"::{case.get('name')}")
        assert case.get("classname") == row.id.partition(".py::")[0].replace("/", ".")
        assert float(case.get("time")) >= 0
        properties = {one.get("name"): one.get("value") for one in case.iter("property")}
        assert (properties["statement"], properties["machine"]) == (row.statement, row.machine)
        assert len(case.findall("failure") + case.findall("error") + case.findall("skipped")) <= 1


def test_names_tell_cases_apart(suite):
    names = [(case.get("classname"), case.get("name")) for case in suite[0].findall("testcase")]
    assert len(set(names)) == len(names)


def test_a_failure_and_an_error_say_their_sentence(suite):
    found = {case.get("name"): case for case in suite[0].findall("testcase")}
    assert "guest-1: one slave, ens1, wanted two" in found["test_bond"].find("failure").get("message")
    assert "permission denied" in found["test_driver"].find("error").get("message")
    assert "no answer on port 22" in found["test_iommu"].find("error").get("message")


def test_control_characters_of_a_host_leave_it_well_formed(run, pytester):
    says = "a\\x00\\x1b\\ufffe"
    run(f"def test_x(kvm_1, tell):\n    tell('note', '{says}')\n    print('{says}')\n    assert 0, '{says}'\n")
    ET.parse(pytester.path / "out" / "junit.xml")


MANY = '''
import pytest

@pytest.mark.parametrize("number", range(600))
def test_many(number, tell):
    """Many hold.

    Why: a host has many VFs.
    """
    tell("machine", f"kvm-{number % 2}")
    tell("note", f"number {number}")
'''


def test_of_many_rows_each_has_its_properties_though_they_are_shared(run, pytester):
    run(MANY)
    (suite,) = ET.parse(pytester.path / "out" / "junit.xml").getroot()
    cases = suite.findall("testcase")
    assert len(cases) == 600
    for number, case in enumerate(cases):
        told = [(one.get("name"), one.get("value")) for one in case.iter("property")]
        assert told == [
            ("statement", "Many hold."),
            ("why", "a host has many VFs."),
            ("machine", f"kvm-{number % 2}"),
            ("note", f"number {number}"),
        ]
