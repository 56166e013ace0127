"""The plugin, run by pytest itself on checks of the test's own, against this machine."""

from __future__ import annotations

import time
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
pytest_plugins = ["pytester"]

INVENTORY = """
hosts:
  kvm-1: {connect: "local://kvm-1"}
  kvm-2: {connect: "local://kvm-2"}
guests:
  guest-1: {connect: "local://guest-1", host: kvm-1}
  guest-2: {connect: "local://guest-2"}
"""

CHECKS = '''
import pytest
from checks.outcome import CouldNotLook, advise

def test_holds(host_name, wanted_host, host_bundle):
    """It holds."""
    assert wanted_host.connect == f"local://{host_name}"
    assert host_bundle.machine == host_name

def test_broken(host_name):
    assert 1 == 2, f"{host_name}: one is not two"

def test_advice(host_name):
    advise(f"{host_name}: mind the gap")

def test_no_look(host_name):
    raise CouldNotLook(f"{host_name}: behind a curtain")
'''

SETUP_FAILS = """
import pytest
from checks.outcome import CouldNotLook

@pytest.fixture
def fact(host_bundle):
    raise CouldNotLook("the fact is unreadable")

def test_needs_it(host_name, fact):
    pass
"""


@pytest.fixture
def site(pytester: pytest.Pytester, monkeypatch):
    """A folder of checks that uses the plugins as the root conftest does."""
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    pytester.makeini("[pytest]\naddopts = -p no:testinfra -p no:pytest11.testinfra -p no:cacheprovider -W error\n")
    pytester.makefile(".yaml", inventory=INVENTORY)

    def run(body: str, *options: str, inventory: bool = True) -> pytest.RunResult:
        pytester.makepyfile(test_site=body)
        wanted = ["--inventory", "inventory.yaml"] if inventory else []
        plugins = ["-p", "checks.plugin", "-p", "reports.plugin"]
        folder = ["--run-folder", f"run{len(list(pytester.path.glob('run*')))}"]
        return pytester.runpytest_inprocess(*plugins, *wanted, *folder, *options)

    return run


def text(result: pytest.RunResult) -> str:
    return result.stdout.str() + "\n" + result.stderr.str()


def test_every_machine_is_a_row_and_every_outcome_a_word(site, pytester):
    result = site(CHECKS, "-v")
    result.assert_outcomes(passed=4, failed=2, errors=2)
    for line in ("*test_holds?kvm-1?*HOLDS*", "*test_no_look?kvm-2?*COULD NOT LOOK*", "*test_advice?kvm-1?*ADVICE*"):
        result.stdout.fnmatch_lines([line])
    said = text(result)
    assert "kvm-1: one is not two" in said and "kvm-1: behind a curtain" in said
    assert "Traceback" not in said and "assert 1 == 2" not in said and "raise CouldNotLook" not in said
    assert result.ret == 1
    run = pytester.path / "run0"
    _junit_calls_it_an_error_with_its_sentence(run / "junit.xml")
    page = (run / "report.html").read_text()
    assert "behind a curtain" in page and "Traceback" not in page
    assert (run / "bundles/kvm-1.vfb.gz").stat().st_mode & 0o777 == 0o600
    assert (run / "bundles/kvm-1.html").stat().st_mode & 0o777 == 0o600
    assert not (run / "bundles/guest-1.vfb.gz").exists()


def _junit_calls_it_an_error_with_its_sentence(path: Path) -> None:
    cases = {case.get("name"): case for case in ET.parse(path).iter("testcase")}
    error = cases["test_no_look[kvm-1]"].find("error")
    assert error is not None and "kvm-1: behind a curtain" in (error.get("message") or "")
    assert cases["test_no_look[kvm-1]"].find("failure") is None
    failure = cases["test_broken[kvm-2]"].find("failure")
    assert failure is not None and failure.get("message") == "kvm-2: one is not two"
    properties = {p.get("name"): p.get("value") for p in cases["test_holds[kvm-1]"].iter("property")}
    assert (properties["machine"], properties["role"]) == ("kvm-1", "host")
    assert properties["evidence"] == "kvm-1: all that was read\tbundles/kvm-1.html"


def test_a_failed_setup_says_its_sentence(site):
    result = site(SETUP_FAILS)
    result.assert_outcomes(errors=2)
    assert "the fact is unreadable" in text(result) and "def fact" not in text(result)


def test_only_a_traceback_wish_shows_one(site):
    assert "assert 1 == 2" in text(site(CHECKS, "--tb=short"))


def test_advice_can_count_as_broken(site):
    result = site(CHECKS, "--advice-is-broken", "-k", "advice")
    result.assert_outcomes(failed=2)
    assert "kvm-1: mind the gap" in text(result)


def test_only_names_the_machines(site):
    body = "def test_host(host_name): pass\n\ndef test_guest(guest_name): pass\n"
    site(body, "--only", "kvm-2").assert_outcomes(passed=1, deselected=1)
    site(body).assert_outcomes(passed=4)


def test_an_unreachable_machine_is_one_error_per_row_and_one_attempt(site, pytester):
    silent = "ProxyCommand sh -c 'echo tried >>attempts; exit 1'"
    (pytester.path / "config").write_text(f"Host *\n  {silent}\n")
    dead = 'hosts:\n  kvm-1: {connect: "ssh://kvm-1", ssh_config: config}\n'
    pytester.makefile(".yaml", dead=dead)
    body = "def test_a(host_name, pfs): pass\n\ndef test_b(host_name, iommu): pass\n"
    result = site(body, "--inventory", "dead.yaml", inventory=False)
    result.assert_outcomes(errors=2)
    assert text(result).count("kvm-1: no SSH server answers") >= 2
    assert (pytester.path / "attempts").read_text() == "tried\n"
    assert result.ret == 6


def test_gathers_of_all_machines_run_at_once(site, pytester):
    slow = "ProxyCommand sh -c 'sleep 1.5; exit 1'"
    (pytester.path / "config").write_text(f"Host *\n  {slow}\n")
    hosts = "".join(f'  h{n}: {{connect: "ssh://h{n}", ssh_config: config}}\n' for n in range(6))
    pytester.makefile(".yaml", slow=f"hosts:\n{hosts}")
    begun = time.monotonic()
    site("def test_a(host_name, host_bundle): pass\n", "--inventory", "slow.yaml", inventory=False)
    assert time.monotonic() - begun < 8


def test_collecting_touches_no_host(site, pytester):
    (pytester.path / "config").write_text("Host *\n  ProxyCommand touch touched\n")
    pytester.makefile(".yaml", dead='hosts:\n  kvm-1: {connect: "ssh://kvm-1", ssh_config: config}\n')
    result = site(CHECKS, "--collect-only", "-q", "--inventory", "dead.yaml", inventory=False)
    assert "test_holds[kvm-1]" in text(result)
    assert not (pytester.path / "touched").exists()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ([], "no inventory"),
        (["--inventory", "nowhere.yaml"], "nowhere.yaml"),
        (["--inventory", "inventory.yaml", "--only", "kvm-9"], "kvm-9"),
        (["--only", "kvm-1"], "--inventory"),
    ],
)
def test_usage_errors_are_a_sentence_and_exit_4(site, options, said):
    result = site(CHECKS, *options, inventory=False)
    assert result.ret == 4
    errors = [line for line in text(result).splitlines() if line.startswith("ERROR")]
    assert len(errors) == 1 and said in errors[0]
    assert "Traceback" not in text(result)


def test_facts_of_this_machine(site):
    body = """
def test_facts(host_name, iommu, boot_parameters, pfs, udev_rules, system, domains):
    assert system.kernel and isinstance(pfs, tuple) and isinstance(domains, tuple)

def test_guest(guest_name, guest_nics, guest_bonds, guest_system):
    assert any(nic.name == "lo" for nic in guest_nics) or guest_nics

def test_guests_host(guest_name, guest_pfs, guest_domain):
    assert guest_name == "guest-1" and guest_domain is None
"""
    result = site(body, "-rs")
    assert "guests.guest-2.host" in text(result)
    outcomes = result.parseoutcomes()
    assert outcomes.get("failed", 0) == 0 and outcomes["skipped"] == 1


def test_a_sites_own_checks_are_left_alone(site):
    result = site("def test_mine():\n    assert 1 == 2\n", inventory=False)
    result.assert_outcomes(failed=1)
    assert "assert 1 == 2" in text(result)
