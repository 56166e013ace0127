"""Made-up checks and machines, and what a run of them leaves."""

import html
import json
from pathlib import Path

import reports.plugin
from reports.results import Results

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
    data = page_of(pytester).partition('data-jsonblob="')[2].partition('"')[0]
    tests_of = json.loads(html.unescape(data))["tests"]
    return {node: [test["resultsTableRow"] for test in tests] for node, tests in tests_of.items()}
