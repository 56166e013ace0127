"""The gather changes nothing on a machine: seen by strace, with every source of the catalogue, in every shell."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from checks.facts.catalogue import GUEST_SOURCES, HOST_SOURCES
from checks.gather import script
from checks.offline.script import standalone
from checks.source import Command, File
from tests.checks import traced

B = "fedcba9876543210" * 2
SHELLS = [["dash"], ["bash", "--posix"], ["busybox", "sh"]]
EVERYTHING = tuple(dict.fromkeys((*HOST_SOURCES, *GUEST_SOURCES)))


def trace(shell: list[str], text: bytes, log: Path) -> tuple[str, bytes]:
    strace = shutil.which("strace")
    assert strace, "strace is not installed: apt-get install strace"
    command = [strace, *traced.OPTIONS, "-o", str(log), *shell, "-c", 'eval "$(cat)"']
    done = subprocess.run(command, input=text, capture_output=True, check=True, timeout=120)
    return log.read_text(errors="backslashreplace"), done.stdout


READING = {
    "devlink": r"devlink (-\S+ )*\w+( \w+)? (show|info)\b",
    "ethtool": r"ethtool (--json )?(-[aciklgmSTnux]|--show-\S+|--driver|--statistics)( \S+)?$",
    "ip": r"ip (-\S+ )*(link|address|addr|route|rule|neigh|maddress|netns)( show\b.*| list\b.*|)$",
    "bridge": r"bridge (-\S+ )*\w+ show\b",
    "nmcli": r"nmcli (-\S+ (\S+ )?)*(device|connection|general|networking)( show\b.*| status| list|)$",
    "systemctl": r"systemctl (-\S+ )*(show|cat|is-enabled|is-active|list-\S+|get-default)\b",
    "virsh": r"virsh (-\S+ (\S+ )?)*(\S*list|\S*dumpxml|\S*info|version|uri|capabilities|domstate)\b",
    "udevadm": r"udevadm (--version|info|verify)\b",
}


@pytest.mark.parametrize("source", [one for one in EVERYTHING if isinstance(one, Command)], ids=lambda one: one.line)
def test_commands_ask_and_do_not_set(source):
    """What strace cannot tell (ethtool's ioctl, generic netlink, requests to a daemon) the command line does."""
    for line in filter(None, (source.line, source.each_line_of)):
        program = line.split()[0]
        assert program not in READING or re.match(READING[program], line), line


@pytest.mark.parametrize("shell", [one for one in SHELLS if shutil.which(one[0])], ids=lambda shell: shell[0])
def test_a_gather_changes_nothing(shell, tmp_path):
    log, raw = trace(shell, script(EVERYTHING, B, sudo=False), tmp_path / "log")
    assert f"\n{B} bye 0\n".encode() in raw
    assert log.count("openat(") > 100  # strace did look
    assert traced.changes(log) == []


def test_the_script_for_others_changes_nothing(tmp_path):
    log, raw = trace(["sh"], standalone(HOST_SOURCES, "host").encode(), tmp_path / "log")
    assert raw.startswith(b'{"vfproof-bundle"') and raw.rstrip().endswith(b" bye 0")
    assert traced.changes(log) == []


@pytest.mark.parametrize(
    ("command", "seen"),
    [
        ("touch {}/new", "O_CREAT"),
        ("mkdir {}/new", "mkdir"),
        ("rm -f {}/old", "unlink"),
        ("chmod 600 {}/old", "chmod"),
        ("ln -s a {}/new", "symlink"),
        ("kill -USR1 1", "kill"),
        ("ip link set lo up", "nlmsg_type"),
    ],
)
def test_what_changes_something_is_seen(tmp_path, command, seen):
    (tmp_path / "old").touch()
    sources: tuple[Command, ...] = (Command(command.format(tmp_path)),)
    if command.startswith("kill"):  # the shell's own would do it in a process of its own
        sources = (Command("env kill -0 1"), Command(f"env {command}"))
    inside = ["unshare", "--user", "--map-root-user", "--net", "--pid", "--fork", "sh"]
    log, _ = trace(inside, script(sources, B, sudo=False), tmp_path / "log")
    assert any(seen in call for call in traced.changes(log) if not call.startswith("unshare"))


def test_reading_is_no_change(tmp_path):
    (tmp_path / "a").write_text("one\n")
    log, _ = trace(
        ["sh"],
        script((File(f"{tmp_path}/*"), Command("ls -l /"), Command("nothing-there")), B, sudo=True),
        tmp_path / "log",
    )
    assert traced.changes(log) == []
