"""Waivers, run by pytest itself on statements of the test's own."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from pathlib import Path
from xml.etree import ElementTree

import pytest

ROOT = Path(__file__).parents[2]
pytest_plugins = ["pytester"]

STATEMENTS = '''
import pytest
from checks.outcome import CouldNotLook, advise

def test_broken(host_name):
    """All is well.

    Fix: make it well.
    """
    assert 1 == 2, f"{host_name}: one is not two"

def test_holds(host_name):
    pass

def test_no_look(host_name):
    raise CouldNotLook(f"{host_name}: behind a curtain")

@pytest.fixture
def unreadable():
    raise CouldNotLook("denied")

def test_no_fact(host_name, unreadable):
    pass

def test_not_here(host_name):
    pytest.skip("no such thing")

def test_advised(host_name):
    advise("mind the gap")
'''
TODAY = datetime.now().astimezone().date()


def waiver(statement: str, on: str = "kvm-1", days: int = 0) -> str:
    until = (TODAY + timedelta(days=days)).isoformat()
    return f"  - {{statement: {statement}, on: {on}, reason: cabled in March, by: J. Doe, until: {until}}}\n"


@pytest.fixture
def run(pytester: pytest.Pytester, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    pytester.makeini("[pytest]\naddopts = -p no:testinfra -p no:pytest11.testinfra -p no:cacheprovider -W error\n")
    pytester.makepyfile(test_site=STATEMENTS)

    def run(waivers: str, *options: str, hosts: tuple[str, ...] = ("kvm-1",)):
        machines = "".join(f"  {name}: {{connect: 'local://{name}'}}\n" for name in hosts)
        body = f"hosts:\n{machines}" + (f"waivers:\n{waivers}" if waivers else "")
        pytester.path.joinpath("inventory.yaml").write_text(body)
        plugins = ["-p", "checks.plugin", "-p", "reports.plugin"]
        given = ["--inventory", "inventory.yaml", "--run-folder", "run"]
        result = pytester.runpytest_inprocess(*plugins, *given, *options)
        return result, json.loads((pytester.path / "run" / "results.json").read_text())

    return run


def row(results, statement: str, machine: str = "kvm-1"):
    return next(row for row in results["rows"] if row["id"].endswith(f"::{statement}[{machine}]"))


def test_a_waived_row_does_not_break_the_run_and_says_all(run, pytester) -> None:
    result, results = run(waiver("test_broken"), "-k", "broken or holds")
    assert result.ret == 0
    result.assert_outcomes(passed=1, xfailed=1)
    one = row(results, "test_broken")
    assert (one["outcome"], one["message"], one["fix"]) == ("waived", "kvm-1: one is not two", "make it well.")
    assert one["waiver"] == {
        "state": "counts",
        "by": "J. Doe",
        "until": TODAY.isoformat(),
        "reason": "cabled in March",
    }
    machine = results["machines"][0]
    assert (machine["readiness"], machine["counts"]["waived"]) == ("ready", 1)
    assert [finding["outcome"] for finding in machine["findings"]] == ["waived"]
    shown = result.stdout.str()
    assert "READY, 1 WAIVED kvm-1" in shown
    assert f"waived: waived by J. Doe, until {TODAY}: cabled in March kvm-1: one is not two" in shown
    page = (pytester.path / "run" / "report.html").read_text()
    for text in ("ready, 1 waived", "kvm-1 is ready, 1 waived", "J. Doe", "cabled in March", "XFailed"):
        assert text in page, text
    junit = ElementTree.parse(pytester.path / "run" / "junit.xml")
    case = next(case for case in junit.iter("testcase") if "test_broken" in case.get("name", ""))
    assert case.find("failure") is None
    assert "waived by J. Doe" in (case.find("skipped").get("message") or "")  # type: ignore[union-attr]


def test_each_waiver_is_for_one_machine_alone(run) -> None:
    result, results = run(waiver("test_broken"), "-k", "broken", hosts=("kvm-1", "kvm-2"))
    assert result.ret == 1
    assert row(results, "test_broken")["outcome"] == "waived"
    assert row(results, "test_broken", "kvm-2")["outcome"] == "broken"
    assert [one["readiness"] for one in results["machines"]] == ["ready", "not ready"]


def test_a_waiver_that_ran_out_yesterday_does_not_count_and_says_so(run) -> None:
    result, results = run(waiver("test_broken", days=-1), "-k", "broken")
    assert result.ret == 1
    one = row(results, "test_broken")
    assert (one["outcome"], one["waiver"]["state"]) == ("broken", "expired")
    assert "broken: kvm-1: one is not two (the waiver ran out (by J. Doe" in result.stdout.str()


@pytest.mark.parametrize("statement", ["test_holds", "test_advised", "test_not_here"])
def test_a_waiver_of_what_is_not_broken_is_said_and_changes_nothing(run, statement: str) -> None:
    result, results = run(waiver(statement, days=9), "-k", "holds or advised or not_here")
    assert result.ret == 0
    one = row(results, statement)
    assert (one["outcome"] in ("holds", "advice", "does not apply"), one["waiver"]["state"]) == (True, "not needed")
    assert "a waiver is not needed: nothing is broken here" in result.stdout.str()
    assert results["machines"][0]["readiness"] == "ready"


@pytest.mark.parametrize("statement", ["test_no_look", "test_no_fact"])
def test_what_could_not_be_looked_at_is_not_waived(run, statement: str) -> None:
    result, results = run(waiver(statement), "-k", statement)
    assert result.ret == 6
    one = row(results, statement)
    assert (one["outcome"], one["waiver"]["state"]) == ("could not look", "no help")


def test_a_waiver_of_no_statement_is_noted_with_what_was_meant(run, pytester) -> None:
    result, results = run(waiver("test_every_pf_is_upp"), "-k", "holds")
    assert result.ret == 0
    (remark,) = results["run"]["remarks"]
    assert "test_every_pf_is_upp, and there is no such statement; did you mean 'test_every_pf_is_up'?" in remark
    assert remark in result.stdout.str()
    assert "there is no such statement" in (pytester.path / "run" / "report.html").read_text()


def test_advice_that_counts_as_broken_can_be_waived(run) -> None:
    result, results = run(waiver("test_advised"), "-k", "advised", "--advice-is-broken")
    assert (result.ret, row(results, "test_advised")["outcome"]) == (0, "waived")


def test_workers_of_xdist_waive_too(run) -> None:
    result, results = run(waiver("test_broken"), "-k", "broken or holds", "-n", "1", "-p", "xdist")
    assert (result.ret, row(results, "test_broken")["outcome"]) == (0, "waived")
    assert results["run"]["collected"] == len(results["rows"]) > 1
