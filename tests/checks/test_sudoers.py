"""The sudoers file: what it lists is what the gather runs, and it is enough. By a real sudo, in a namespace."""

from __future__ import annotations

import os
import secrets
import shutil
import subprocess
from datetime import UTC, datetime
from pathlib import Path

import pytest

from checks import sudoers as command
from checks.as_root import texts_of
from checks.bundle import Bundle
from checks.facts.catalogue import GUEST_SOURCES, HOST_SOURCES
from checks.gather import script
from checks.refusals import Denied
from checks.source import Command, File, Names, Source
from checks.stream import Envelope
from checks.sudoers import escaped, sudoers

ROOMS = "/var/opt"  # made anew in the test's own mount namespace
TREE = """
mount -t tmpfs -o mode=755 none /var/opt
mount -t tmpfs -o mode=755 none /etc/sudoers.d
mkdir -m 700 /var/opt/closed
printf 'one=1\\npassword: hush\\n' >/var/opt/closed/a.conf
printf "it's two=2\\n" >/var/opt/closed/b.conf
printf 'kept=yes it is\\nwifi-psk=12345678\\n' >/var/opt/closed/secret
printf 'bin' >/var/opt/table && chmod 600 /var/opt/table
printf 'open\\n' >/var/opt/open
cat >/etc/sudoers.d/vfproof && chmod 440 /etc/sudoers.d/vfproof
visudo -cqf /etc/sudoers.d/vfproof
"""
SOURCES: tuple[Source, ...] = (
    File(f"{ROOMS}/closed/*.conf"),
    File(f"{ROOMS}/closed/secret", keep="^kept=(yes it|'no')"),
    File(f"{ROOMS}/closed/none"),
    File(f"{ROOMS}/table", binary=True),
    File(f"{ROOMS}/open"),
    Names(f"{ROOMS}/closed"),
    Command(f"find {ROOMS}/closed -name a.conf"),
    Command("id -u"),
)


def in_a_namespace(listed: str, run: str, stdin: bytes) -> subprocess.CompletedProcess[bytes]:
    """Something done by the user nobody, on a machine that has the tree above and this sudoers file."""
    inside = f"set -e\ncat >/dev/shm/$$.in <<'END'\n{listed}END\n"
    prepared = f"{inside}({TREE}) </dev/shm/$$.in\nrm /dev/shm/$$.in\n"
    as_nobody = f"exec setpriv --reuid nobody --regid nogroup --clear-groups {run}"
    argv = ["unshare", "--mount", "--propagation", "private", "sh", "-c", prepared + as_nobody]
    return subprocess.run(argv, input=stdin, capture_output=True, check=False, timeout=120)


def gathered(listed: str) -> Bundle:
    boundary = secrets.token_hex(16)
    done = in_a_namespace(listed, "sh -c 'eval \"$(cat)\"'", script(SOURCES, boundary, sudo=True))
    assert done.returncode == 0, done.stderr
    return Bundle(Envelope("h", datetime.now(UTC), boundary, SOURCES), done.stdout)


@pytest.fixture(scope="module")
def real_sudo() -> None:
    if os.geteuid() != 0:
        pytest.skip("needs root, to become somebody else")
    if shutil.which("visudo", path=f"{os.environ['PATH']}:/usr/sbin") is None:
        pytest.fail("sudo is not installed: apt-get install sudo")


def test_what_is_listed_is_enough_and_read_whole(real_sudo) -> None:
    found = gathered(sudoers("nobody", SOURCES))
    assert found.texts(f"{ROOMS}/closed/*.conf").keys() == {f"{ROOMS}/closed/a.conf", f"{ROOMS}/closed/b.conf"}
    assert found.text(f"{ROOMS}/closed/b.conf") == "it's two=2\n"
    assert found.text(f"{ROOMS}/closed/secret") == "kept=yes it is\n"
    assert found.text(f"{ROOMS}/closed/none") is None
    assert found.data(f"{ROOMS}/table") == b"bin"
    assert found.names(f"{ROOMS}/closed") == ("a.conf", "b.conf", "secret")
    assert found.output(f"find {ROOMS}/closed -name a.conf") == f"{ROOMS}/closed/a.conf\n"
    assert found.output("id -u") == "65534\n"
    assert found.problems() == ()


def test_secrets_are_masked_there_too(real_sudo) -> None:
    assert "hush" not in (gathered(sudoers("nobody", SOURCES)).text(f"{ROOMS}/closed/a.conf") or "")


def test_what_is_not_listed_stays_denied_and_the_rest_is_read(real_sudo) -> None:
    found = gathered(sudoers("nobody", SOURCES[3:]))
    assert found.data(f"{ROOMS}/table") == b"bin"
    with pytest.raises(Denied):
        found.text(f"{ROOMS}/closed/secret")
    with pytest.raises(Denied):
        found.texts(f"{ROOMS}/closed/*.conf")


def test_with_no_rights_at_all_each_denied_source_says_so(real_sudo) -> None:
    found = gathered("")
    with pytest.raises(Denied, match=r"sudo.*'./vfproof sudoers USER' lists"):
        found.text(f"{ROOMS}/closed/secret")
    assert found.text(f"{ROOMS}/open") == "open\n"


@pytest.mark.parametrize(
    "other",
    [
        "id",
        "cat\t/etc/shadow",
        *(text.replace("\t", " ") for text in texts_of(SOURCES[1])),
        *(text + ";id" for text in texts_of(SOURCES[1])),
        *(text.partition("\t")[0] for text in texts_of(SOURCES[1])),
    ],
)
def test_nothing_else_may_be_run(real_sudo, other: str) -> None:
    done = in_a_namespace(sudoers("nobody", SOURCES), "sh -c 'sudo -n /bin/sh -c \"$(cat)\"'", other.encode())
    assert (done.returncode, done.stdout) == (1, b"")


def test_the_beginning_of_a_text_is_no_text_of_its_own() -> None:
    """sudo joins words by spaces: with none in it, a text cannot be cut into several words."""
    texts = [text for source in (*HOST_SOURCES, *GUEST_SOURCES, *SOURCES) for text in texts_of(source)]
    assert len(texts) > 50
    assert [text for text in texts if " " in text or "\n" in text] == []


@pytest.mark.parametrize("sources", [HOST_SOURCES, GUEST_SOURCES], ids=["host", "guest"])
def test_the_file_for_all_sources_is_valid(real_sudo, sources, tmp_path: Path) -> None:
    file = tmp_path / "vfproof"
    file.write_text(sudoers("watcher", sources))
    file.chmod(0o440)
    path = f"{os.environ['PATH']}:/usr/sbin"
    done = subprocess.run(["visudo", "-cf", str(file)], capture_output=True, text=True, check=False, env={"PATH": path})
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_text_is_one_that_a_shell_takes() -> None:
    for text in {text for source in (*HOST_SOURCES, *GUEST_SOURCES) for text in texts_of(source)}:
        done = subprocess.run(["sh", "-n", "-c", text], capture_output=True, text=True, check=False)
        assert (done.returncode, done.stderr) == (0, ""), text


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("a\tb", "a\\\tb"),
        ("[*?]", "\\[\\*\\?\\]"),
        ("a:b,c=d#e", "a\\:b\\,c\\=d\\#e"),
        ("\\", "\\\\\\\\"),
        ("!^", "\\!\\^"),
    ],
)
def test_characters_that_mean_something_to_sudo_are_escaped(text: str, told: str) -> None:
    assert escaped(text) == told


@pytest.mark.parametrize("user", ["", "a b", "ALL, root", "x\nroot ALL=(ALL) ALL", "-u"])
def test_what_is_no_user_is_refused(user: str, capsys) -> None:
    with pytest.raises(SystemExit) as end:
        command.main(["--", user] if user.startswith("-") else [user])
    assert (end.value.code, capsys.readouterr().out) == (4, "")


def test_the_command_prints_the_file(capsys) -> None:
    assert command.main(["watcher", "--guest"]) == 0
    assert capsys.readouterr().out == sudoers("watcher", GUEST_SOURCES)
