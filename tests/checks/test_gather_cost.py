"""What a gather costs the host: processes started, counted by strace. On an emulated host each takes 5 ms."""

from __future__ import annotations

import re
import shutil
import subprocess
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from checks.bundle import Bundle, ReadFailed
from checks.facts.catalogue import HOST_SOURCES
from checks.gather import script
from checks.source import Attributes, Command, File, Links, Names, Source
from checks.stream import Envelope

B = "0123456789abcdef" * 2
_STARTS = re.compile(rb"^\d+ +(?:clone|clone3|fork|vfork)\(", re.MULTILINE)

pytestmark = pytest.mark.skipif(not shutil.which("strace") or not shutil.which("dash"), reason="needs strace and dash")


def gathered(tmp_path: Path, *sources: Source) -> tuple[int, Bundle]:
    """How many processes the gather of these sources starts, and what it brings back."""
    log = tmp_path / "strace"
    traced = ["strace", "-f", "-qq", "-e", "signal=none", "-e", "trace=?clone,?clone3,?fork,?vfork", "-o", str(log)]
    done = subprocess.run(
        [*traced, "dash", "-c", 'eval "$(cat)"'],
        input=script(sources, B, sudo=False),
        stdout=subprocess.PIPE,
        check=True,
    )
    return len(_STARTS.findall(log.read_bytes())), Bundle(Envelope("h", datetime.now(UTC), B, sources), done.stdout)


@pytest.fixture
def base(tmp_path: Path) -> int:
    """What the shell starts for itself."""
    return gathered(tmp_path)[0]


def test_what_finds_nothing_starts_nothing(tmp_path, base):
    nowhere = [
        replace(source, path=f"/nowhere{source.path}") for source in HOST_SOURCES if not isinstance(source, Command)
    ]
    started, found = gathered(tmp_path, *nowhere)
    assert started == base
    assert found.problems() == ()
    assert found.texts("/nowhere/etc/udev/rules.d/*") == {}


def test_files_cost_the_same_however_many_they_are(tmp_path, base):
    for number in range(900):
        (tmp_path / f"a{number}").write_text("x\n")
    started, found = gathered(tmp_path, File(f"{tmp_path}/a*"))
    assert started - base <= 6
    assert len(found.texts(f"{tmp_path}/a*")) == 900
    unmasked, _ = gathered(tmp_path, Attributes(f"{tmp_path}/a*"))
    assert unmasked - base <= 5


def test_more_files_than_one_command_line_takes(tmp_path, base):
    for number in range(1500):
        (tmp_path / f"a{number}").write_text("x\n")
        (tmp_path / f"l{number}").symlink_to("a")
    started, found = gathered(tmp_path, File(f"{tmp_path}/a*"), Links(f"{tmp_path}/l*"))
    assert started - base < 20
    assert (len(found.texts(f"{tmp_path}/a*")), len(found.links(f"{tmp_path}/l*"))) == (1500, 1500)


def test_one_command(tmp_path, base):
    started, found = gathered(tmp_path, Command("uname -m"), Command("uname -s", keep="L"))
    assert started - base <= 5 + 7
    assert found.output("uname -s") == "Linux\n"


def test_a_list_is_made_once(tmp_path, base):
    for name in ("a", "b"):
        (tmp_path / name).write_text(f"text of {name}\n")
    lines = f"ls -d {tmp_path}/a {tmp_path}/b"
    one = Command("cat", each_line_of=lines)
    started, _ = gathered(tmp_path, one)
    twice, found = gathered(tmp_path, one, Command("cat -u", each_line_of=lines))
    assert found.outputs("cat -u") == {f"{tmp_path}/{name}": f"text of {name}\n" for name in ("a", "b")}
    assert twice - started == started - base - 3


def test_once_per_match_of_a_glob(tmp_path):
    for name in ("eth0", "two words", "-x", "eth1"):
        (tmp_path / name / "device").mkdir(parents=True)
    for name in ("eth0", "two words", "-x"):
        (tmp_path / name / "device" / "sriov").touch()
    _, found = gathered(tmp_path, Command("echo", each_match_of=f"{tmp_path}/*/device/sriov"))
    assert found.outputs("echo") == {"eth0": "eth0\n", "two words": "two words\n"}
    assert "would take for an option" in found.problems()[0].sentence
    _, none = gathered(tmp_path, Command("echo", each_match_of=f"{tmp_path}/*/absent"))
    assert none.outputs("echo") == {}


def test_a_command_that_root_need_not_run(tmp_path, base):
    sources = (Command("echo a", unless=str(tmp_path)), Command("echo", each_line_of="echo b", unless=str(tmp_path)))
    started, found = gathered(tmp_path, *sources)
    assert started == base
    assert found.problems() == ()
    for ask in (lambda: found.output("echo a"), lambda: found.outputs("echo")):
        with pytest.raises(ReadFailed, match=f"^h: 'echo.*' was not run, as root read what is in {tmp_path}$"):
            ask()


def test_a_command_runs_where_there_is_nothing_in_its_place(tmp_path):
    _, found = gathered(tmp_path, Command("echo a", unless=f"{tmp_path}/absent"))
    assert found.output("echo a") == "a\n"


def test_the_whole_catalogue(tmp_path):
    """209 on the lab's kvm-1, of them some 20 for its PFs and NICs: this machine has fewer programs, and no PF."""
    started, _ = gathered(tmp_path, *HOST_SOURCES)
    assert started < 250


def test_a_user_without_rights_is_asked_for_the_way_round(tmp_path):
    """Only root is spared a command: for anybody else the directory may be there, and closed."""
    text = script((Command("echo a", unless=str(tmp_path)), Names(str(tmp_path))), B, sudo=False)
    done = subprocess.run(["dash", "-c", 'eval "$(cat)"'], input=text, stdout=subprocess.PIPE, user=65534, check=True)
    found = Bundle(Envelope("h", datetime.now(UTC), B, (Command("echo a"), Names(str(tmp_path)))), done.stdout)
    assert found.output("echo a") == "a\n"
