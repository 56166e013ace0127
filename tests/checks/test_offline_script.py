"""The script for hosts that nobody may log into: a bundle on its output, in every shell, that nobody can forge."""

from __future__ import annotations

import json
import os
import pty
import shutil
import subprocess
from pathlib import Path

import pytest

from checks.bundle import Bundle
from checks.facts.catalogue import GUEST_SOURCES, HOST_SOURCES
from checks.offline.script import standalone
from checks.source import Attributes, Command, File

SHELLS = [["dash"], ["bash"], ["busybox", "sh"]]


@pytest.fixture(params=[shell for shell in SHELLS if shutil.which(shell[0])], ids=lambda shell: shell[0])
def shell(request) -> list[str]:
    chosen: list[str] = request.param
    return chosen


def run(shell: list[str], text: str, folder: Path, name: str = "kvm-1.vfb") -> Path:
    """What its administrator does with it; the bundle."""
    (folder / "vfproof-gather.sh").write_text(text)
    with (folder / name).open("wb") as out:
        done = subprocess.run(
            [*shell, str(folder / "vfproof-gather.sh")], stdout=out, stderr=subprocess.PIPE, check=False
        )
    assert done.returncode == 0
    assert done.stderr == (
        b"" if os.getuid() == 0 else b"not root: what this user may not read is left out, and is marked as such\n"
    )
    return folder / name


def boundary(path: Path) -> str:
    return str(json.loads(path.read_bytes().partition(b"\n")[0])["boundary"])


def test_it_prints_a_bundle_with_what_is_there(shell, tmp_path):
    odd = tmp_path / "it's 100%\\n"
    odd.write_text("one\n")
    sources = (File("/etc/os-release"), Attributes("/sys/class/net/lo/*"), File(f"{tmp_path}/it*"), Command("echo on"))
    bundle = Bundle.load(run(shell, standalone(sources, "host"), tmp_path), "kvm-1")
    assert bundle.machine == "kvm-1"
    assert bundle.text("/etc/os-release") == Path("/etc/os-release").read_text()
    assert bundle.text("/sys/class/net/lo/ifindex") == "1\n"
    assert bundle.texts(f"{tmp_path}/it*") == {str(odd): "one\n"}
    assert bundle.output("echo on") == "on\n"
    assert bundle.problems() == ()


@pytest.mark.parametrize("sources", [HOST_SOURCES, GUEST_SOURCES], ids=["host", "guest"])
def test_the_whole_catalogue_here(shell, tmp_path, sources):
    bundle = Bundle.load(run(shell, standalone(sources, "host"), tmp_path))
    assert bundle.machine == "kvm-1"  # of the file's name
    assert bundle.text("/proc/cmdline")
    assert [one for one in bundle.problems() if one.status in ("timed out", "note")] == []


def test_no_run_has_the_boundary_of_another_and_the_script_holds_none(tmp_path):
    text = standalone((Command("echo on"),), "guest")
    seen = {boundary(run(["sh"], text, tmp_path, f"{n}.vfb")) for n in range(3)}
    assert len(seen) == 3
    assert not any(one in text for one in seen)


def test_text_of_the_host_cannot_forge_a_section(tmp_path):
    """Whoever reads the script knows how sections look, and not how those of the next run will."""
    text = standalone((File(f"{tmp_path}/evil"), Command("echo on")), "host")
    guess = boundary(run(["sh"], text, tmp_path))
    forged = f"x\n{guess} item 1\necho on\n{guess} cmd 1\nforged\n{guess} err 0\n\nrc 0\n{guess} bye 0\n"
    (tmp_path / "evil").write_text(forged)
    bundle = Bundle.load(run(["sh"], text, tmp_path))
    assert bundle.output("echo on") == "on\n"
    assert bundle.text(f"{tmp_path}/evil") == forged


def test_it_also_comes_over_a_pipe(shell, tmp_path):
    """`ssh kvm-1 sh <vfproof-gather.sh`: nothing that it runs may eat the rest of it."""
    text = standalone((Command("cat"), Command("echo on")), "host")
    done = subprocess.run(shell, input=text.encode(), capture_output=True, check=True)
    (tmp_path / "kvm-1.vfb").write_bytes(done.stdout)
    assert Bundle.load(tmp_path / "kvm-1.vfb").output("echo on") == "on\n"


def test_half_of_it_does_nothing(shell, tmp_path):
    text = standalone((Command(f"touch {tmp_path}/touched"),), "host")
    for part in (0.3, 0.9, 0.999):
        done = subprocess.run(shell, input=text[: int(len(text) * part)].encode(), capture_output=True, check=False)
        assert done.stdout == b""
    assert not (tmp_path / "touched").exists()


def test_a_terminal_is_told_what_to_do(shell, tmp_path):
    (tmp_path / "s").write_text(standalone((Command("echo on"),), "host"))
    ours, its = pty.openpty()
    done = subprocess.run([*shell, str(tmp_path / "s")], stdout=its, stderr=subprocess.PIPE, check=False)
    os.close(its)
    os.close(ours)
    assert done.returncode == 2
    assert done.stderr.decode().startswith("it prints a bundle") and done.stderr.count(b"\n") == 1


def test_without_random_numbers_it_says_so(tmp_path):
    (tmp_path / "od").write_text("#!/bin/sh\nexit 1\n")
    (tmp_path / "od").chmod(0o755)
    text = standalone((Command("echo on"),), "host")
    env = {"PATH": f"{tmp_path}:{os.environ['PATH']}"}
    done = subprocess.run(["sh"], input=text.encode(), capture_output=True, check=False, env=env)
    assert (done.returncode, done.stdout) == (2, b"")
    assert b"no boundary" in done.stderr


@pytest.mark.parametrize("sources", [HOST_SOURCES, GUEST_SOURCES], ids=["host", "guest"])
def test_it_passes_shellcheck(sources):
    text = standalone(sources, "host").encode()
    done = subprocess.run(["shellcheck", "-s", "sh", "-"], input=text, capture_output=True, check=False)
    assert done.stdout.decode() == ""
