"""The script `vfproof`, with a stand-in for Python: what is made when, and what is believed."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
TOOLS = "sh cat rm mv cp mkdir sleep dirname basename readlink sha256sum flock env"


@dataclass
class Checkout:
    """A checkout with nothing but what the script reads."""

    root: Path
    environment: dict[str, str]
    log: Path
    running: list[subprocess.Popen[str]] = field(default_factory=list)

    def start(self, *words: str, cwd: Path | None = None, script: Path | None = None, **more: str):
        process = subprocess.Popen(
            # a runner in the background ignores SIGINT, and a shell cannot undo that for itself
            ["env", "--default-signal=INT", str(script or self.root / "vfproof"), *words],
            cwd=cwd or self.root,
            env=self.environment | more,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        self.running.append(process)
        return process

    def run(self, *words: str, cwd: Path | None = None, script: Path | None = None, **more: str):
        process = self.start(*words, cwd=cwd, script=script, **more)
        out, err = process.communicate(timeout=20)
        return subprocess.CompletedProcess(process.args, process.returncode, out, err)

    def times_made(self) -> int:
        return self.log.read_text().count("-m venv") if self.log.exists() else 0


@pytest.fixture
def checkout(tmp_path: Path):
    root = tmp_path / "checkout"
    (root / "door").mkdir(parents=True)
    for name in ("vfproof", "constraints.txt", "pyproject.toml"):
        shutil.copy(REPOSITORY / name, root / name)
    tools = tmp_path / "bin"
    tools.mkdir()
    for tool in TOOLS.split():
        found = shutil.which(tool)
        assert found, tool
        (tools / tool).symlink_to(found)
    shutil.copy(Path(__file__).with_name("stub-python"), tools / "python3")
    log = tmp_path / "log"
    made = Checkout(root, {"PATH": str(tools), "STUB_LOG": str(log), "STUB_LACKS": "nothing", "LANG": "C"}, log)
    yield made
    for process in made.running:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate()


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.01)


def tool(checkout: Checkout, name: str, body: str) -> None:
    path = Path(checkout.environment["PATH"], name)
    path.write_text(f"#!/bin/sh\n{body}\n")
    path.chmod(0o755)


def test_the_first_use_makes_the_environment_and_the_second_is_quiet(checkout: Checkout) -> None:
    first = checkout.run("check", "-i", "my file")
    assert first.returncode == 0
    assert first.stdout == f"door: -P -m door check -i my file path={checkout.root} pwd={checkout.root}\n"
    assert "making the Python environment" in first.stderr
    second = checkout.run("check")
    assert (second.returncode, second.stderr, checkout.times_made()) == (0, "", 1)


def test_it_is_found_from_elsewhere_and_through_symbolic_links(checkout: Checkout, tmp_path: Path) -> None:
    (tmp_path / "a").symlink_to("checkout/vfproof")
    (tmp_path / "b").symlink_to(tmp_path / "a")
    result = checkout.run("check", cwd=tmp_path, script=tmp_path / "b", PYTHONPATH="/other")
    assert result.stdout == f"door: -P -m door check path={checkout.root}:/other pwd={tmp_path}\n"


@pytest.mark.parametrize("name", ["constraints.txt", "pyproject.toml"])
def test_other_pins_make_it_anew(checkout: Checkout, name: str) -> None:
    checkout.run("check")
    with (checkout.root / name).open("a") as file:
        file.write("# changed\n")
    assert "making the Python environment" in checkout.run("check").stderr
    assert checkout.times_made() == 2


def test_another_interpreter_behind_the_same_name_makes_it_anew(checkout: Checkout, tmp_path: Path) -> None:
    checkout.run("check")
    python = checkout.root / ".venv/bin/python"
    python.rename(tmp_path / "python3.99")
    python.symlink_to(tmp_path / "python3.99")
    checkout.run("check")
    assert checkout.times_made() == 2


def test_the_tests_need_more_and_then_all_commands_share_it(checkout: Checkout) -> None:
    for words, made in ((["check"], 1), (["test"], 2), (["check"], 2), (["test"], 2)):
        checkout.run(*words)
        assert checkout.times_made() == made
    asked = [line.split("/")[-1] for line in checkout.log.read_text().splitlines() if "requirements.py" in line]
    assert asked == ["pyproject.toml", "pyproject.toml test"]


def test_a_failed_installation_is_one_sentence_and_is_not_believed(checkout: Checkout) -> None:
    failed = checkout.run("check", STUB_PIP_FAILS="yes")
    assert failed.returncode == 4
    assert "pip could not install the libraries" in failed.stderr
    assert checkout.run("check").returncode == 0
    assert checkout.times_made() == 2


def test_an_environment_that_cannot_be_made_is_one_sentence(checkout: Checkout) -> None:
    failed = checkout.run("check", STUB_VENV_FAILS="yes")
    assert failed.returncode == 4
    assert f"python3 could not make {checkout.root}/.venv" in failed.stderr


def test_an_interrupted_installation_is_not_believed(checkout: Checkout, tmp_path: Path) -> None:
    process = checkout.start("check", STUB_WAITS_FOR=str(tmp_path / "never"))
    wait_until(lambda: checkout.log.exists() and "-m pip" in checkout.log.read_text())
    os.killpg(process.pid, signal.SIGINT)
    out, _ = process.communicate(timeout=10)
    assert (process.returncode in {-signal.SIGINT, 130}, out) == (True, "")
    assert checkout.run("check").returncode == 0
    assert checkout.times_made() == 2


def test_two_at_once_make_it_once(checkout: Checkout, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    first = checkout.start("check", STUB_WAITS_FOR=str(gate))
    wait_until(lambda: checkout.log.exists() and "-m pip" in checkout.log.read_text())
    second = checkout.start("drill", STUB_WAITS_FOR=str(gate))
    assert second.stderr is not None
    assert "another vfproof is making" in second.stderr.readline()
    gate.touch()
    assert "door: -P -m door check" in first.communicate(timeout=10)[0]
    assert "door: -P -m door drill" in second.communicate(timeout=10)[0]
    assert checkout.times_made() == 1


def test_no_python_is_one_sentence_where_there_is_no_apt(checkout: Checkout) -> None:
    result = checkout.run("check", VFPROOF_PYTHON="python3", STUB_LACKS="version_info")
    assert result.returncode == 4
    assert result.stderr == (
        "vfproof: needs Python 3.11 or newer with its venv and ensurepip modules; "
        "install that with your system's package manager\n"
    )


def test_without_root_the_command_is_printed(checkout: Checkout) -> None:
    tool(checkout, "apt-get", "exit 1")
    tool(checkout, "id", "echo 1000")
    result = checkout.run("check", VFPROOF_PYTHON="python3", STUB_LACKS="ensurepip")
    assert result.returncode == 4
    assert "run: sudo apt-get install --no-install-recommends python3-venv\n" in result.stderr


def test_as_root_apt_installs_what_is_missing_with_new_lists_only_when_needed(checkout: Checkout) -> None:
    tool(checkout, "id", "echo 0")
    python = f"{checkout.environment['PATH']}/python3"
    tool(
        checkout,
        "apt-get",
        f'echo "apt-get $*" >>"$STUB_LOG"\n'
        f"[ -e {checkout.root}/lists ] || {{ [ $1 = update ] && : >{checkout.root}/lists; exit; }}\n"
        f"sed s/STUB_LACKS/STUB_LACKED/ {python} >{python}.new && chmod +x {python}.new && mv {python}.new {python}",
    )
    for name in ("sed", "chmod"):
        Path(checkout.environment["PATH"], name).symlink_to(str(shutil.which(name)))
    result = checkout.run("check", VFPROOF_PYTHON="python3", STUB_LACKS="ensurepip", STUB_LACKED="nothing")
    assert result.returncode == 0, result.stderr
    apt = [line for line in checkout.log.read_text().splitlines() if line.startswith("apt-get")]
    install = "apt-get install -y -qq --no-install-recommends python3-venv"
    assert apt == [install, "apt-get update -qq", install]


def test_there_is_little_to_do_once_it_is_made(checkout: Checkout) -> None:
    checkout.run("check")
    took_s = []
    for _ in range(10):
        begun = time.monotonic()
        checkout.run("check")
        took_s.append(time.monotonic() - begun)
    assert min(took_s) < 0.05  # the best of ten: the machine may be busy with other things


@pytest.mark.long
def test_a_clean_checkout_makes_itself_ready_and_runs_its_tests(tmp_path: Path) -> None:
    root = tmp_path / "clone"
    subprocess.run(["git", "clone", "-q", str(REPOSITORY), str(root)], check=True)
    before = subprocess.run([root / "vfproof", "chekc"], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert before.returncode == 4
    assert "did you mean 'check'?" in before.stderr
    assert not (root / ".venv/bin/mypy").exists()
    words = ["test", "tests/inventory", "-q"]
    result = subprocess.run([root / "vfproof", *words], cwd=root, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout + result.stderr
    assert "passed" in result.stdout.splitlines()[-1]
    assert "time per area" in result.stdout
