"""A run over many bundles in several processes: row for row what one process finds, also when something goes wrong."""

from __future__ import annotations

import json
import pickle
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

import checks.offline.sos_archive  # noqa: F401 - it has errors of its own, as
import failover.places  # noqa: F401 - this has
from checks.bundle import Bundle, CommandFailed
from checks.outcome import CouldNotLook
from checks.retold import Unit, told
from tests.checks.test_vfs import host_files, host_links, vf_info

ROOT = Path(__file__).parents[2]
pytest_plugins = ["pytester"]
HOSTS = [f"kvm-{number}" for number in range(6)]
PLUGINS = ["-p", "checks.plugin", "-p", "reports.plugin"]
# As if three machines were many already.
CONFTEST = """
import pytest
import checks.machine_order
checks.machine_order.AT_HAND = 3

@pytest.fixture(scope="session", autouse=True)
def once():
    with open("set-ups", "a") as file:
        file.write("x")
    yield
    with open("clean-ups", "a") as file:
        file.write("x")
"""
ROWS = '''
import os, warnings
import pytest
from pathlib import Path
from checks.outcome import CouldNotLook, advise

@pytest.fixture(autouse=True)
def who_judges():
    with open("pids", "a") as file:
        file.write(f"{os.getpid()}\\n")

def test_holds(host_name, system, note):
    """It holds.

    Why: it must.
    """
    note(f"seen on {host_name}")

def test_broken(host_name, host_bundle):
    print("printed by", host_name)
    assert host_name not in ("kvm-1", "kvm-4"), f"{host_name}: it is broken"

def test_no_look(host_name):
    if host_name == "kvm-2":
        raise CouldNotLook(f"{host_name}: behind a curtain")
    if host_name == "kvm-3":
        pytest.skip("not here")
    if host_name == "kvm-5":
        advise(f"{host_name}: mind the gap")

def test_warns(host_name):
    if host_name == "kvm-0":
        warnings.warn("an old way", DeprecationWarning)

def test_mistake(host_name):
    if host_name == "kvm-0":
        {}["no such key"]

@pytest.mark.xfail(reason="known")
def test_known(host_name):
    assert host_name == "kvm-0"

def test_guest(guest_name, wanted_guest, guest_host_name):
    pass

def test_nobody():
    pass
'''


@pytest.fixture
def fleet(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Six hosts of one group with a guest each, as bundles. One answered nothing; one has another kernel."""
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    pytester.makeini("[pytest]\naddopts = -p no:testinfra -p no:pytest11.testinfra -p no:cacheprovider\n")
    pytester.makeconftest(CONFTEST)
    hosts = "".join(f'  {n}: {{connect: "ssh://{n}", group: g, pfs: {{enp1s0: {{vfs: 2}}}}}}\n' for n in HOSTS)
    guests = "".join(f'  vm-{n}: {{connect: "ssh://vm-{n}", host: {n}}}\n' for n in HOSTS[:3])
    waiver = "{on: kvm-4, statement: test_broken, reason: known, by: me, until: 2999-01-01}"
    pytester.makefile(".yaml", inventory=f"hosts:\n{hosts}guests:\n{guests}waivers: [{waiver}]\n")
    (pytester.path / "b").mkdir()
    infos = json.dumps([{"ifname": "enp1s0", "vfinfo_list": [vf_info(0), vf_info(1)]}])
    for name in HOSTS[:-1]:
        kernel = "6.1.0" if name == "kvm-2" else "6.12.117"
        files = host_files() | {"/proc/sys/kernel/osrelease": f"{kernel}\n"}
        bundle = Bundle.of(name, files=files, links=host_links(), commands={"ip -d -j link show": infos})
        bundle.save(pytester.path / f"b/{name}.vfb.gz")
    return pytester.path


@pytest.fixture
def run(pytester: pytest.Pytester, fleet: Path):
    """Run rows in so many processes, as a process of its own: this one may have threads."""

    def go(body: str, processes: int, *options: str) -> tuple[pytest.RunResult, dict[str, Any]]:
        pytester.makepyfile(test_site=body)
        for left in ("pids", "set-ups", "clean-ups"):
            (fleet / left).unlink(missing_ok=True)
        command = [*PLUGINS, *where(), "--run-folder", f"run-{processes}", "--processes", str(processes), *options]
        result = pytester.runpytest_subprocess(*command)
        results = fleet / f"run-{processes}/results.json"
        return result, json.loads(results.read_text()) if results.exists() else {}

    return go


def where() -> list[str]:
    return ["--inventory", "inventory.yaml", "--bundles", "b"]


def rows(results: dict[str, Any]) -> list[dict[str, Any]]:
    return [{key: value for key, value in row.items() if key != "duration_s"} for row in results["rows"]]


def printed(result: pytest.RunResult) -> str:
    text = re.sub(r"in \d+\.\d+s", "", result.stdout.str())
    return re.sub(r"=+|-{3,}", "=", re.sub(r"run-\d|--processes \d", "", text))


def judges(fleet: Path) -> set[str]:
    return set((fleet / "pids").read_text().split())


SELECTIONS = {
    "all": (),
    "by name, with reasons": ("-k", "broken or guest or across", "-rA", "-v"),
    "by machine": ("--only", "kvm-0", "--only", "kvm-1", "--only", "kvm-4", "--only", "vm-kvm-1"),
    "the first that fails": ("-x",),
}


@pytest.mark.parametrize("options", SELECTIONS.values(), ids=SELECTIONS)
def test_row_for_row_it_is_what_one_process_finds(run, fleet, options):
    paths = ("test_site.py", str(ROOT / "checks/test_across_hosts.py"))
    alone, expected = run(ROWS, 1, *options, *paths)
    assert len(judges(fleet)) == 1
    shared, found = run(ROWS, 3, *options, *paths)
    assert len(judges(fleet)) >= 3
    assert rows(found) == rows(expected)
    assert found["machines"] == expected["machines"] and found["state"] == expected["state"]
    for key in ("collected", "deselected", "ended_by", "exit_status", "remarks"):
        assert found["run"][key] == expected["run"][key]
    assert shared.ret == alone.ret
    assert printed(shared) == printed(alone)
    assert timeless(fleet / "run-3/junit.xml") == timeless(fleet / "run-1/junit.xml")
    assert timeless(fleet / "run-3/report.html") == timeless(fleet / "run-1/report.html")
    one, three = bundles(fleet / "run-1"), bundles(fleet / "run-3")
    assert one == three or "-x" in options
    assert one.items() <= three.items()  # a process that was ahead of the stop has read more, and leaves what it read


def timeless(file: Path) -> str:
    of_the_run = (
        r'(time|timestamp)="[^"]*"|\d+ ms|took [\d:]+( ms)?|run(pytest)?-\d|--processes \d|on \d+-\w+-\d+ at [\d:]+'
    )
    # the digest is that of results.json, which says when and how long
    return re.sub(rf"{of_the_run}|[0-9a-f]{{64}}|\d{{4}}-\d\d-\d\d \d\d:\d\d:\d\d", "", file.read_text())


def bundles(folder: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in (folder / "bundles").iterdir()}


def test_each_process_sets_up_once_for_all_its_machines(run, fleet):
    run(ROWS, 2, "-k", "holds")
    assert len(judges(fleet)) == 2
    assert (fleet / "set-ups").read_text() == (fleet / "clean-ups").read_text() == "xx"


def test_few_machines_are_judged_by_one_process(run, fleet):
    run(ROWS, 2, "-k", "holds", "--only", "kvm-0", "--only", "kvm-1", "--only", "kvm-2")
    assert len(judges(fleet)) == 1


DIES = """
import os, signal
def test_a(host_name, host_bundle): pass
def test_b(host_name):
    if host_name == "kvm-1": os.kill(os.getpid(), signal.SIGKILL)
def test_c(host_name): pass
"""


def test_a_worker_that_dies_leaves_its_machine_unknown_and_no_other(run):
    result, found = run(DIES, 2, "--only", "kvm-0", "--only", "kvm-1", "--only", "kvm-2", "--only", "kvm-3")
    assert result.ret == 6 and found["state"] == "finished"
    unknown = [row for row in found["rows"] if row["outcome"] == "could not look"]
    assert [row["machine"] for row in unknown] == ["kvm-1"] * 3
    assert {row["message"] for row in unknown} == {
        "kvm-1: not judged: the process that was at this machine was ended by SIGKILL"
    }
    assert {row["outcome"] for row in found["rows"] if row["machine"] != "kvm-1"} == {"holds"}
    assert {m["name"]: m["readiness"] for m in found["machines"]} == {
        "kvm-0": "ready", "kvm-1": "not proven", "kvm-2": "ready", "kvm-3": "ready",
    }  # fmt: skip


ENDS = {
    "exit": ("pytest.exit('enough', returncode=7)", 7, "enough"),
    "interrupt": ("raise KeyboardInterrupt('by hand')", 2, "by hand"),
    "fault": ("request.config.pluginmanager.register(Faulty())", 3, "an internal error"),
}


@pytest.mark.parametrize("what", ENDS)
def test_what_ends_a_run_in_one_process_ends_it_in_several(run, what):
    statement, status, said = ENDS[what]
    body = (
        "class Faulty:\n def pytest_runtest_makereport(self, item, call): raise ValueError('a mistake')\n"
        f"import pytest\ndef test_a(host_name, request):\n  if host_name == 'kvm-2': {statement}\n"
    )
    alone, expected = run(body, 1)
    shared, found = run(body, 2)
    assert shared.ret == alone.ret == status
    assert said in found["run"]["ended_by"] and found["state"] == expected["state"] == "interrupted"
    assert rows(found) == rows(expected) and len(rows(found)) == 2


HANGS = """
import os, time
from pathlib import Path
def test_hangs(host_name):
    Path(f"at-{os.getpid()}").touch()
    time.sleep(600)
"""


@pytest.mark.parametrize("ending, status", [(signal.SIGTERM, 2), (signal.SIGINT, 2), (signal.SIGKILL, -9)])
def test_whatever_ends_the_run_ends_its_workers(pytester, fleet, ending, status):
    pytester.makepyfile(test_site=HANGS)
    command = [sys.executable, "-m", "pytest", *PLUGINS, *where(), "--run-folder", "run", "--processes", "2"]
    # What a shell starts in the background ignores Ctrl-C, and hands that on.
    heeding = ["env", "--default-signal=INT", *command]
    with subprocess.Popen(heeding, cwd=fleet, stdout=subprocess.DEVNULL, start_new_session=True) as process:
        try:
            workers = wait_for(lambda: len(found := list(fleet.glob("at-*"))) == 2 and found)
            pids = [int(file.name.removeprefix("at-")) for file in workers]
            assert process.pid not in pids
            process.send_signal(ending)
            assert process.wait(30) == status
        finally:
            process.kill()
    wait_for(lambda: not any(is_alive(pid) for pid in pids))
    state = json.loads((fleet / "run/results.json").read_text())["state"]
    assert state == ("running" if ending == signal.SIGKILL else "interrupted")
    if ending != signal.SIGKILL:
        assert len((fleet / "clean-ups").read_text()) == 2


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2][0] not in "ZX"
    except OSError:
        return False


def wait_for(condition):
    until = time.monotonic() + 60
    while not (found := condition()):
        assert time.monotonic() < until
        time.sleep(0.05)
    return found


def test_what_cannot_be_handed_over_becomes_its_text():
    report = pytest.TestReport("test_x.py::test_x", ("test_x.py", 1, "test_x"), {}, "passed", None, "call")
    report.user_properties = [("known", 1), ("lock", (value := lambda: None))]
    report.odd = value  # type: ignore[attr-defined]
    unit = Unit.unpacked(Unit([[told(report, 1)]]).packed())
    ((telling,),) = unit.reports
    assert telling.added == [("lock", str(value))] and telling.state["odd"] == str(value)
    assert telling.state["outcome"] == "passed" and telling.kind is pytest.TestReport


def every(kind: type[CouldNotLook]) -> list[type[CouldNotLook]]:
    return [kind, *(below for child in kind.__subclasses__() for below in every(child))]


def test_reasons_why_nothing_is_known_can_be_handed_over():
    kinds = every(CouldNotLook)
    assert len(kinds) > 8
    for kind in kinds:
        made = kind("why", 3, "stderr", b"out") if issubclass(kind, CommandFailed) else kind("why")
        again = pickle.loads(pickle.dumps(made))
        assert (type(again), str(again), vars(again)) == (kind, "why", vars(made))


def test_a_run_over_many_machines_has_a_line_for_each_and_not_a_letter_for_each_row(run):
    result, _ = run(ROWS, 2, "-k", "not mistake", "test_site.py", str(ROOT / "checks/test_across_hosts.py"))
    said = result.stdout.str().partition("items")[2].partition("= ")[0]
    lines = [line for line in said.splitlines() if line.startswith(("kvm-", "vm-", "no machine", "hosts compared"))]
    assert lines[1].startswith("kvm-1: 1 broken, 1 advice, ") and lines[1].endswith("%]")
    assert [line.partition(":")[0] for line in lines] == [*HOSTS, "no machine", "hosts compared"]
    assert lines[-1].endswith("[100%]")
    assert "test_site.py" not in said
    result.stdout.fnmatch_lines(["*BROKEN test_site.py::test_broken?kvm-1?*"])


def test_rows_of_the_catalogue_alone_are_judged_alike(run):
    """Workers then do without what captures prints and logs."""
    paths = [str(ROOT / f"checks/test_{area}.py") for area in ("pfs", "iommu", "across_hosts")]
    alone, expected = run("", 1, *paths)
    shared, found = run("", 3, *paths)
    assert rows(found) == rows(expected) and len(rows(found)) > 60
    assert printed(shared) == printed(alone)


SLOW_SET_UP = """
import time, pytest
@pytest.fixture
def slow():
    time.sleep(0.3)
def test_a(host_name, slow): pass
"""


@pytest.mark.parametrize("options", [(), ("--durations=5",)], ids=["summed up", "listed"])
def test_the_time_of_a_set_up_is_in_its_rows_time(run, options):
    result, found = run(SLOW_SET_UP, 2, *options)
    assert [row["duration_s"] >= 0.3 for row in found["rows"]] == [True] * len(HOSTS)
    assert ("s setup" in result.stdout.str()) == bool(options)
