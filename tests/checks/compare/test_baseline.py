"""`check --baseline RUN`: the comparison is printed, on the page, in a file, and in the exit status; the whole way."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from checks.bundle import Bundle
from checks.compare import kept
from checks.compare.runs import Comparison, compare
from checks.compare.stored_run import StoredRun
from tests.checks.compare.made_runs import FORMAT_1, GUEST, HOST, SAMPLES, sample

pytest_plugins = ["pytester"]
SITE = """
import pytest

def test_kernel_is_known(guest_name, guest_bundle):
    \"\"\"The guest's kernel is known.\"\"\"
    assert guest_bundle.text("/proc/sys/kernel/osrelease")

def test_no_lab(host_name, host_bundle):
    \"\"\"The host has no such file.\"\"\"
    assert not host_bundle.text("/proc/cmdline").count("is_broken")
"""
Run = Callable[..., pytest.RunResult]


@pytest.fixture
def site(pytester: pytest.Pytester) -> Run:
    """Runs a site's own two checks on the samples, with these words besides."""
    pytester.makeini("[pytest]\naddopts = -p no:testinfra -p no:pytest11.testinfra -p no:cacheprovider -W error\n")
    pytester.makepyfile(test_site=SITE)
    shutil.copytree(SAMPLES, pytester.path / "b")

    def run(name: str, *words: str) -> pytest.RunResult:
        plugins = ("-p", "checks.plugin", "-p", "reports.plugin")
        given = ("--inventory", "b/inventory.yaml", "--bundles", "b", "--run-folder", name)
        return pytester.runpytest_inprocess(*plugins, *given, *words)

    return run


def put(folder: Path, name: str, *changed: tuple[str, str]) -> None:
    (folder / f"b/{name}.vfb.gz").write_bytes(sample(name, *changed))


def test_nothing_changed_is_exit_status_0_and_said(site: Run, pytester: pytest.Pytester) -> None:
    assert site("first").ret == 0
    result = site("second", "--baseline", "first")
    assert result.ret == 0
    result.stdout.fnmatch_lines(["*compared with the baseline*", "THE SAME: *"])
    found = Comparison.model_validate_json((pytester.path / "second/comparison.json").read_text())
    assert (found.shifts, found.changes, found.remarks) == ((), (), ())


def test_a_fact_that_breaks_something_is_exit_status_1_though_every_statement_holds(
    site: Run, pytester: pytest.Pytester
) -> None:
    site("first")
    put(pytester.path, GUEST, ("enp1s0", "ens1<b>"))
    result = site("second", "--baseline", "first")
    assert result.ret == 1
    result.stdout.fnmatch_lines(["*NIC 52:54:00:29:95:26: name: enp1s0 → ens1<b>*"])
    page = (pytester.path / "second/report.html").read_text()
    assert "Compared with" in page
    assert "ens1&lt;b&gt;" in page
    assert "ens1<b>" not in page
    assert 'href="comparison.json"' in page
    assert json.loads((pytester.path / "second/results.json").read_text())["run"]["exit_status"] == 1


def test_what_is_broken_stays_1_and_what_got_worse_makes_6_a_1(site: Run, pytester: pytest.Pytester) -> None:
    site("first")
    put(pytester.path, HOST, ("intel_iommu=on", "is_broken=1  "))
    assert site("second", "--baseline", "first").ret == 1
    assert site("third", "--baseline", "second").ret == 1, "it was broken before, too: nothing worse, and still broken"
    (pytester.path / f"b/{GUEST}.vfb.gz").write_bytes(b"")
    put(pytester.path, HOST)
    alone = site("fourth")
    assert alone.ret == 6
    assert site("fifth", "--baseline", "first").ret == 1, "a statement that held could not be looked at any more"
    assert site("sixth", "--baseline", "fourth").ret == 6


def test_what_a_run_keeps_is_what_its_bundles_hold(site: Run, pytester: pytest.Pytester, monkeypatch) -> None:
    site("first")
    stored = StoredRun.at(pytester.path / "first")
    for name in (HOST, GUEST):
        with monkeypatch.context() as patch:
            patch.setattr(Bundle, "load", lambda *_: pytest.fail("the bundle was read"))
            found = stored.features(name)
        (pytester.path / "first" / kept.file_of(f"bundles/{name}.vfb.gz")).unlink()
        assert found == stored.features(name)
    assert compare(FORMAT_1, pytester.path / "first").changes == ()


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (("--baseline", "nowhere"), "--baseline: *nowhere: no results.json in it; *"),
        (("--baseline", "b"), "--baseline: *b: no results.json in it; *"),
    ],
)
def test_a_baseline_that_is_none_ends_the_run_before_it_begins(
    site: Run, pytester: pytest.Pytester, words: tuple[str, ...], why: str
) -> None:
    result = site("first", *words)
    assert result.ret == 4
    result.stderr.fnmatch_lines([f"ERROR: {why}"])
    assert not (pytester.path / "first").exists()


def test_a_baseline_of_other_machines_is_told_and_not_proven(site: Run, pytester: pytest.Pytester) -> None:
    site("first")
    file = pytester.path / "first/results.json"
    file.write_text(file.read_text().replace(HOST, "kvm-77").replace(GUEST, "web-77"))
    shutil.rmtree(pytester.path / "first/bundles")
    result = site("second", "--baseline", "first")
    assert result.ret == 6
    result.stdout.fnmatch_lines(["not compared: the two runs have no machine in common: *"])


def test_a_baseline_needs_an_inventory(pytester: pytest.Pytester) -> None:
    pytester.makepyfile("def test_it(): pass")
    result = pytester.runpytest_inprocess("-p", "checks.plugin", "-p", "reports.plugin", "--baseline", str(FORMAT_1))
    assert result.ret == 4
    result.stderr.fnmatch_lines(["*--baseline: needs --inventory FILE"])
