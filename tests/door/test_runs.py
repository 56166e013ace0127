"""Which pytest command line stands behind each command."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from door import demo, packages, runs
from door.packages import Missing, installed, missing, provide
from door.words import UsageError, sort
from inventory.loading import InventoryError
from lab import preflight

HOUSE = ["-c", str(runs.REPOSITORY / "pyproject.toml"), "--rootdir", str(runs.REPOSITORY)]
PYTEST = [sys.executable, "-P", "-m", "pytest", *HOUSE]
PLUGINS = ["-p", "checks.plugin", "-p", "failover.plugin", "-p", "reports.plugin", "-p", "no:hypothesispytest"]
CHECKS = runs.REPOSITORY / "checks"


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "site.yaml").write_text(
        "hosts: {kvm-01: {connect: 'local://'}, kvm-02: {connect: 'local://'}}\n"
        "guests: {guest-1: {connect: 'local://'}}\n"
    )
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_check_takes_everything_by_default(site: Path) -> None:
    command = runs.inventory_run(sort(["-i", "site.yaml"]), CHECKS)
    assert command == [*PYTEST, *PLUGINS, "--inventory", "site.yaml", str(CHECKS)]


def test_names_options_and_files_reach_pytest(site: Path) -> None:
    words = sort(
        ["-i", "site.yaml", "guest-1", "-k", "kvm-02", "kvm-01", "--tb=short", "checks/test_iommu.py", "kvm-01"]
    )
    command = runs.inventory_run(words, CHECKS, "--drill")
    ours = ["--inventory", "site.yaml", "--drill", "--only", "guest-1", "--only", "kvm-01"]
    assert command == [*PYTEST, *PLUGINS, *ours, "-k", "kvm-02", "--tb=short", str(CHECKS / "test_iommu.py")]


def test_a_reboot_is_a_run_of_its_own_unless_guests_are_named_too(site: Path) -> None:
    drills = CHECKS.parent / "failover"
    ours = ["--inventory", "site.yaml", "--drill", "--only", "kvm-01"]
    command = runs.drill_command(sort(["-i", "site.yaml", "--reboot", "kvm-01"]))
    assert command == [*PYTEST, *PLUGINS, *ours, "--reboot", "kvm-01", str(drills / "test_reboot.py")]
    command = runs.drill_command(sort(["-i", "site.yaml", "--reboot=kvm-01", "guest-1"]))
    both = ["--inventory", "site.yaml", "--drill", "--only", "guest-1", "--only", "kvm-01"]
    assert command == [*PYTEST, *PLUGINS, *both, "--reboot=kvm-01", str(drills)]
    command = runs.drill_command(sort(["-i", "site.yaml", "guest-1"]))
    assert command == [*PYTEST, *PLUGINS, "--inventory", "site.yaml", "--drill", "--only", "guest-1", str(drills)]
    with pytest.raises(InventoryError, match="kvm-03: the inventory has no such host or guest; did you mean"):
        runs.drill_command(sort(["-i", "site.yaml", "--reboot", "kvm-03"]))


def test_the_inventory_is_the_one_here_or_a_sentence_says_how_to_make_one(site: Path) -> None:
    with pytest.raises(
        InventoryError, match=r"no inventory\.yaml here; name one with -i FILE, or make one: ./vfproof discover"
    ):
        runs.inventory_run(sort([]), CHECKS)
    (site / "site.yaml").rename(site / "inventory.yaml")
    assert "inventory.yaml" in runs.inventory_run(sort([]), CHECKS)


def test_an_unknown_name_and_a_bad_inventory_end_before_pytest_begins(site: Path) -> None:
    with pytest.raises(InventoryError, match="kvm-03: the inventory has no such host or guest; did you mean"):
        runs.inventory_run(sort(["-i", "site.yaml", "kvm-03"]), CHECKS)
    (site / "site.yaml").write_text("hosts: 5\n")
    with pytest.raises(InventoryError, match=r"site\.yaml:1: hosts: must be a mapping"):
        runs.inventory_run(sort(["-i", "site.yaml", "kvm-01"]), CHECKS)


def test_without_names_pytest_tells_of_a_bad_inventory_before_it_collects(site: Path) -> None:
    (site / "site.yaml").write_text("hosts: 5\n")
    command = runs.inventory_run(sort(["-i", "site.yaml"]), CHECKS)
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 4
    assert "site.yaml:1: hosts: must be a mapping" in done.stderr and "collected" not in done.stdout


def test_our_own_tests_leave_out_what_is_long_unless_asked() -> None:
    tests, areas = str(runs.REPOSITORY / "tests"), ["-p", "door.areas"]
    assert runs.own_tests(sort(["-m", "long"])) == [*PYTEST, *areas, "-m", "long", tests]
    one = str(Path(__file__))
    assert runs.own_tests(sort([one])) == [*PYTEST, *areas, "-m", "not long", one]


def test_all_of_our_own_tests_take_two_processes_where_there_are_two_processors(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    alone = [*PYTEST, "-p", "door.areas", "-m", "not long"]
    tests = str(runs.REPOSITORY / "tests")
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1})
    two = ["-n", "2", "--no-loadscope-reorder"]
    side_by_side = [*PYTEST, "-p", "door.areas", "-p", "door.side_by_side", "-m", "not long", *two]
    assert runs.own_tests(sort(["-x"])) == [*side_by_side, "-x", tests]
    assert runs.own_tests(sort(["--pdb"])) == [*alone, "--pdb", tests]
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0})
    assert runs.own_tests(sort(["-x"])) == [*alone, "-x", tests]


@pytest.mark.parametrize(
    ("line", "provided"), [("", True), ("-m long", True), ("-m not_lab", True), ("tests/door", False), ("-x", True)]
)
def test_packages_for_the_lab_are_seen_to_when_the_lab_is_tested(
    line: str, provided: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []
    monkeypatch.setattr(packages, "provide", lambda wanted, purpose: asked.append(wanted))
    monkeypatch.setattr(runs, "run", lambda command: 0)
    assert runs.test(sort(line.split())) == 0
    assert asked == ([packages.TESTS] if provided else [])
    asked.clear()
    runs.test(sort(["-m", "not lab"]))
    assert asked == []


def recording(commands: list[list[str]], status: int):
    """In place of `run`: notes the command line."""

    def record(command: list[str], **_: object) -> int:
        commands.append(command)
        return status

    return record


def test_the_demo_is_one_run_of_checks_and_drills(monkeypatch: pytest.MonkeyPatch) -> None:
    commands: list[list[str]] = []
    monkeypatch.setattr(demo, "run", recording(commands, 6))
    monkeypatch.setenv("VFPROOF_LAB_INVENTORY", "/lab/inventory.yaml")
    assert demo.inside(sort(["--run-folder=/out", "-v"])) == 6
    rows = [str(runs.REPOSITORY / room) for room in ("checks", "failover")]
    ours = ["--inventory", "/lab/inventory.yaml", "--drill", "--run-folder=/out", "-v"]
    assert commands == [[*PYTEST, *PLUGINS, *ours, *rows]]


def test_the_demo_runs_in_a_lab_that_dies_with_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys) -> None:
    commands: list[list[str]] = []
    monkeypatch.setattr(packages, "provide", lambda wanted, purpose: None)
    monkeypatch.setattr(demo, "run", recording(commands, 0))
    folder = tmp_path / "run"
    folder.mkdir()
    (folder / "report.html").touch()
    assert demo.demo(sort(["bond", "-v", "--run-folder", str(folder)])) == 0
    lab = [sys.executable, "-P", "-m", "lab", "run", "bond", "--"]
    own = [
        sys.executable,
        "-P",
        "-m",
        "door",
        "_demo-inside",
        "-v",
        "--run-folder",
        str(folder),
        f"--run-folder={folder}",
    ]
    assert commands == [[*lab, *own]]
    said = capsys.readouterr().err
    assert "GiB of memory" in said
    assert f"the report: {folder}/report.html" in said


def test_a_demo_of_nothing_known_is_one_sentence() -> None:
    with pytest.raises(UsageError, match="there is no topology 'bnod'; did you mean 'bond'"):
        demo.demo(sort(["bnod"]))
    with pytest.raises(UsageError, match="one topology"):
        demo.demo(sort(["bond", "bond"]))


def test_everything_that_the_lab_asks_for_is_provided() -> None:
    asked = dict(preflight.EVERY_LAB)
    for programs in preflight.BY_MACHINE.values():
        asked |= programs
    assert set(asked.values()) - {package.name for package in packages.LAB} == set()


def test_dpkg_s_answer_is_understood() -> None:
    assert installed("socat ii \nuidmap un \nkmod hi \nnftables rc \n") == {"socat", "kmod"}


def test_a_package_that_does_not_exist_is_missing() -> None:
    there = packages.Package("dpkg", "dpkg")
    assert missing([there, packages.Package("no-such-package-here", "x")]) == ["no-such-package-here"]


def test_without_root_the_exact_command_is_given(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    with pytest.raises(Missing) as caught:
        provide([packages.Package("no-such-package-here", "x")], "the lab")
    wanted = "run: sudo apt-get install --no-install-recommends no-such-package-here"
    assert str(caught.value) == f"the lab needs Debian packages that are not installed; {wanted}"


def test_another_system_is_told_which_programs_are_missing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(Missing, match=r"^the lab needs no-such-program, which this system does not have"):
        provide([packages.Package("x", "no-such-program"), packages.Package("y", "sh")], "the lab")


@pytest.mark.parametrize(
    ("fails", "calls"), [(0, ["install"]), (1, ["install", "update", "install"]), (9, ["install", "update", "install"])]
)
def test_as_root_apt_s_lists_are_renewed_only_when_needed(
    fails: int, calls: list[str], tmp_path: Path, monkeypatch
) -> None:
    log = tmp_path / "log"
    for name, body in {
        "dpkg-query": "",
        "apt-get": f'echo "$1" >>{log}; [ "$1" = update ] && exit; [ "$(grep -c install {log})" -gt {fails} ] || '
        '{ echo "E: no such package" >&2; exit 100; }',
    }.items():
        (tmp_path / name).write_text(f"#!/bin/sh\n{body}\n")
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    monkeypatch.setattr("os.geteuid", lambda: 0)
    wanted = [packages.Package("some-package", "x")]
    if fails > 1:
        with pytest.raises(Missing, match="apt-get could not install some-package: E: no such package"):
            provide(wanted, "the lab")
    else:
        provide(wanted, "the lab")
    assert log.read_text().split() == calls
