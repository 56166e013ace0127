"""The gather: one script in every shell that a host may have, against files made to be hard to read."""

from __future__ import annotations

import getpass
import itertools
import os
import re
import shutil
import subprocess
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from checks.bundle import Bundle, CommandFailed, Denied, TimedOut, Truncated
from checks.contents import overlap
from checks.facts import catalogue
from checks.gather import Order, gather, gather_all, script
from checks.outcome import CouldNotLook
from checks.source import Attributes, Command, File, Links, Names, Source
from checks.stream import Envelope
from inventory.model import Host
from reports.run_folder import RunFolder
from tests.checks.sshd import Sshd

SHELLS = {
    "dash": ["dash"],
    "bash": ["bash", "--posix"],
    "busybox": ["busybox", "sh"],
}
B = "fedcba9876543210" * 2
NOBODY = 65534


@pytest.fixture(params=[name for name, command in SHELLS.items() if shutil.which(command[0])])
def shell(request) -> list[str]:
    return SHELLS[request.param]


def answer(shell: list[str], text: bytes, **how: Any) -> subprocess.CompletedProcess[bytes]:
    """What this shell answers to a script that comes as the transport brings it."""
    return subprocess.run([*shell, "-c", 'eval "$(cat)"'], input=text, capture_output=True, check=False, **how)


def read(
    shell: list[str],
    *sources: Source,
    sudo: bool = False,
    env: dict[str, str] | None = None,
    user: int | None = None,
    timeout: float = 60,
) -> Bundle:
    """What this shell answers to the script, as a bundle."""
    done = answer(shell, script(sources, B, sudo=sudo), env=env, user=user, timeout=timeout)
    assert done.stderr == b""
    return Bundle(Envelope("h", datetime.now(UTC), B, tuple(sources)), done.stdout)


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A small file system. Everybody may walk into it."""
    for folder in (tmp_path, *tmp_path.parents):
        if folder.owner() == getpass.getuser() and folder != Path("/"):
            folder.chmod(folder.stat().st_mode | 0o055)
    (tmp_path / "a").write_text("one\ntwo\n")
    (tmp_path / "b").write_text("three\n")
    (tmp_path / "empty").touch()
    return tmp_path


def test_texts_links_names_and_binaries(shell, tree):
    (tree / "link").symlink_to("a -> b")
    (tree / "sub").mkdir()
    for name in ("x", ".hidden", "..odd", "two words", "new\nline", "*"):
        (tree / "sub" / name).touch()
    (tree / "none").mkdir()
    (tree / "next").mkdir()
    (tree / "next/y").touch()
    found = read(
        shell,
        File(f"{tree}/?"),
        Attributes(f"{tree}/em*"),
        File(f"{tree}/nothing-*"),
        Links(f"{tree}/*"),
        Names(f"{tree}/sub"),
        Names(f"{tree}/n*"),
        Names(f"{tree}/absent"),
        File(f"{tree}/b", binary=True),
    )
    assert found.texts(f"{tree}/?") == {f"{tree}/a": "one\ntwo\n", f"{tree}/b": "three\n"}
    assert (found.text(f"{tree}/empty"), found.texts(f"{tree}/nothing-*")) == ("", {})
    assert found.links(f"{tree}/*") == {f"{tree}/link": "a -> b"}
    assert found.names(f"{tree}/sub") == ("*", "..odd", ".hidden", "new\nline", "two words", "x")
    assert [found.names(f"{tree}/{name}") for name in ("next", "none", "absent")] == [("y",), (), None]
    assert found.data(f"{tree}/b") == b"three\n"
    assert found.problems() == ()


def test_names_made_to_confuse(shell, tree):
    hard = tree / "hard"
    hard.mkdir()
    for name in ("a b", "a:b", "-n", "$(touch pwned)", "'q\"", "new\nline", "back\\slash", "ümlaut"):
        (hard / name).write_text(f"text of {name}\nlast line without end")
    found = read(shell, File(f"{hard}/*"))
    texts = found.texts(f"{hard}/*")
    assert {Path(path).name: text for path, text in texts.items()} == {
        name: f"text of {name}\nlast line without end\n"
        for name in os.listdir(hard)  # noqa: PTH208
    }
    assert not Path("pwned").exists()


def test_secrets_stay_on_the_host(shell, tree):
    (tree / "wifi").write_text("ssid=lab\npsk=hunter2\nmode=infra\n")
    keep, drop = File(f"{tree}/wif*", keep="^(ssid|mode)="), File(f"{tree}/wi*", drop="^psk=")
    both = File(f"{tree}/w*", keep="^[a-z]+=", drop="psk|mode")
    for source, text in ((keep, "ssid=lab\nmode=infra\n"), (drop, "ssid=lab\nmode=infra\n"), (both, "ssid=lab\n")):
        raw = answer(shell, script([source], B, sudo=False)).stdout
        assert b"hunter2" not in raw
        assert read(shell, source).text(f"{tree}/wifi") == text
    command = Command(f"cat {tree}/wifi", drop="psk", keep="=")
    assert read(shell, command).output(f"cat {tree}/wifi") == "ssid=lab\nmode=infra\n"


def test_commands(shell, tree):
    found = read(
        shell,
        Command(f"cat {tree}/a"),
        Command("no-such-program --json"),
        Command(f"ls {tree}/nowhere"),
        Command(f"cat {tree}/b /dev/zero", limit_bytes=100_000),
        Command(f"grep -c . {tree}/b", each_line_of=f"cat {tree}/list"),
        Command("no-such-program", each_line_of="no-such-program either"),
        Command("echo", each_line_of=f"cat {tree}/nowhere"),
    )
    assert found.output(f"cat {tree}/a") == "one\ntwo\n"
    assert found.output("no-such-program --json") is None
    with pytest.raises(CommandFailed, match="No such file"):
        found.output(f"ls {tree}/nowhere")
    with pytest.raises(Truncated, match="100000 bytes"):
        found.output(f"cat {tree}/b /dev/zero")
    assert found.outputs("no-such-program") == {}
    with pytest.raises(CouldNotLook, match="nowhere"):
        found.outputs("echo")


def test_a_command_for_each_line_takes_lines_as_they_are(shell, tree):
    hard = ["plain", "two  words", "$(touch pwned)", "*", "it's", "", "--help"]
    (tree / "list").write_text("\n".join(hard) + "\n")
    found = read(shell, Command("echo", f"cat {tree}/list"))
    assert found.outputs("echo") == {name: f"{name}\n" for name in hard if name and name != "--help"}
    assert any("--help" in problem.sentence for problem in found.problems())


@pytest.mark.parametrize("with_timeout", [True, False])
def test_hung_reads_are_their_own_trouble(shell, tree, with_timeout, monkeypatch):
    # The group's patience is twenty seconds; the test's is not.
    seconds = 1 if shell[0] == "busybox" else 0.3
    monkeypatch.setattr("checks.gather._GROUP_SECONDS", seconds)
    monkeypatch.setattr("checks.gather._FILE_SECONDS", seconds)
    os.mkfifo(tree / "never")
    env = None
    if not with_timeout:
        tools = tree / "bin"
        tools.mkdir()
        for name in ("cat", "grep", "head", "id", "ls", "od", "sleep", "xargs", "kill"):
            (tools / name).symlink_to(str(shutil.which(name)))
        (tools / "timeout").write_text("#!/bin/sh\nexit 1\n")
        (tools / "timeout").chmod(0o755)
        env = {"PATH": f"{tools}:{os.environ['PATH']}"}
    begun = time.monotonic()
    found = read(shell, File(f"{tree}/[abn]*"), Command("sleep 30", timeout_s=1), Command("echo on"), env=env)
    assert time.monotonic() - begun < 20
    assert (found.text(f"{tree}/a"), found.text(f"{tree}/b")) == ("one\ntwo\n", "three\n")
    with pytest.raises(TimedOut, match="never"):
        found.text(f"{tree}/never")
    with pytest.raises(TimedOut):
        found.output("sleep 30")
    assert found.output("echo on") == "on\n"


def test_a_huge_file_does_not_crowd_out_the_others(shell, tree, monkeypatch):
    monkeypatch.setattr("checks.gather._GROUP_LIMIT", 300_000)
    (tree / "a").write_text("x" * 1_000_000)
    found = read(shell, File(f"{tree}/?"))
    assert found.text(f"{tree}/b") == "three\n"
    with pytest.raises(Truncated):
        found.text(f"{tree}/a")


@pytest.mark.skipif(os.getuid() != 0, reason="becoming another user needs root")
class TestUnprivileged:
    def test_denied_is_not_missing(self, shell, tree):
        (tree / "b").chmod(0o600)
        closed = tree / "closed"
        closed.mkdir(mode=0o700)
        (closed / "x").write_text("secret\n")
        found = read(
            shell, File(f"{tree}/?"), File(f"{closed}/*"), Names(f"{closed}"), Links(f"{closed}/*"), user=NOBODY
        )
        assert found.text(f"{tree}/a") == "one\ntwo\n"
        for ask in (
            lambda: found.text(f"{tree}/b"),
            lambda: found.texts(f"{tree}/?"),
            lambda: found.texts(f"{closed}/*"),
            lambda: found.names(f"{closed}"),
            lambda: found.links(f"{closed}/*"),
        ):
            with pytest.raises(Denied, match="sudo: true"):
                ask()

    def test_sudo_reads_what_was_denied_and_only_that(self, shell, tree):
        (tree / "b").chmod(0o600)
        closed = tree / "closed"
        closed.mkdir(mode=0o700)
        (closed / "x").write_text("secret\n")
        tools = _sudo(
            tree,
            shell,
            'shift; [ "$1" = -l ] && exit 0; echo "$@" >>"$SUDO_LOG"; exec setpriv --reuid 0 --clear-groups "$@"',
        )
        text = script([File(f"{tree}/?"), File(f"{closed}/*"), Names(f"{closed}"), Command("echo mine")], B, sudo=True)
        sources = (File(f"{tree}/?"), File(f"{closed}/*"), Names(f"{closed}"), Command("echo mine"))
        # A real set-uid sudo is not there to be had; this one stands in, and is let through by its capability.
        caps = ["--inh-caps=+setuid,+setgid", "--ambient-caps=+setuid,+setgid"]
        command = ["setpriv", "--reuid", str(NOBODY), "--clear-groups", *caps, *shell]
        done = answer(command, text, env=tools, timeout=30)
        assert b"setpriv" not in done.stderr
        found = Bundle(Envelope("h", datetime.now(UTC), B, sources), done.stdout)
        assert found.texts(f"{tree}/?") == {f"{tree}/a": "one\ntwo\n", f"{tree}/b": "three\n"}
        assert found.texts(f"{closed}/*") == {f"{closed}/x": "secret\n"}
        assert (found.names(f"{closed}"), found.output("echo mine")) == (("x",), "mine\n")
        assert (tree / "sudo.log").read_text().count("\n") == 1

    def test_a_refused_sudo_is_said(self, shell, tree):
        (tree / "b").chmod(0o600)
        env = _sudo(tree, shell, "echo 'sudo: a password is required' >&2; exit 1")
        found = read(shell, File(f"{tree}/?"), Command("echo on"), sudo=True, env=env, user=NOBODY)
        assert found.output("echo on") == "on\n"
        with pytest.raises(
            Denied, match=r"a password is required\); let this user run there what './vfproof sudoers USER' lists"
        ):
            found.text(f"{tree}/b")
        assert any("a password is required" in problem.sentence for problem in found.problems())

    def test_sudo_is_left_alone_when_nothing_was_denied(self, shell, tree):
        env = _sudo(tree, shell, f"touch {tree}/called")
        (tree).chmod(0o777)
        assert read(shell, File(f"{tree}/?"), sudo=True, env=env, user=NOBODY).texts(f"{tree}/?")
        assert not (tree / "called").exists()


def _sudo(tree: Path, shell: list[str], body: str) -> dict[str, str]:
    """An environment with a sudo of ours first in PATH."""
    tools = tree / "tools"
    tools.mkdir(exist_ok=True)
    tools.chmod(0o755)
    (tools / "sudo").write_text(f"#!/bin/sh\n{body}\n")
    (tools / "sudo").chmod(0o755)
    (tree / "sudo.log").touch()
    (tree / "sudo.log").chmod(0o666)
    return {"PATH": f"{tools}:{os.environ['PATH']}", "SUDO_LOG": str(tree / "sudo.log")}


def test_the_script_writes_nothing(shell, tree):
    """Every redirection in it goes to a descriptor or to /dev/null."""
    text = script([File("/etc/hostname"), Command("uname -r")], B, sudo=True).decode()
    text = re.sub(r"vfp_mask=.*?(?=LC_ALL=C)", "", text, flags=re.DOTALL)  # a program for sed, full of brackets
    targets = set(re.findall(r"\d?>>?\s*(\S+)", text))
    assert {target.rstrip(";)}") for target in targets} <= {"/dev/null", "&1", "&2", "&3", "&-"}


def test_every_script_passes_shellcheck():
    sources = (
        File("/a b/*", keep="^x'y"),
        File("/t", binary=True),
        Links("/l/*"),
        Names("/n"),
        Command("a", "b"),
        Command("c"),
    )
    functions = (Path(__file__).parents[2] / "checks/remote/gather.sh").read_bytes()
    # In the plan, globs are meant to expand; in it a variable of the functions is used, or one of the root pass set.
    for text, excused in ((functions, ""), (script(sources, B, sudo=False), "SC2016,SC2086,SC2034,SC2154")):
        excuses = ["-e", excused] if excused else []
        done = subprocess.run(["shellcheck", "-s", "sh", *excuses, "-"], input=text, capture_output=True, check=False)
        assert done.stdout.decode() == ""


class TestOverSsh:
    def host(self, ssh_server: Sshd, config: str) -> Host:
        return Host(connect="ssh://server", ssh_config=config)

    def test_one_gather(self, ssh_server: Sshd):
        order = Order("kvm-1", self.host(ssh_server, ssh_server.config()), (Attributes("/sys/class/net/lo/*"),))
        found = gather(order)
        assert found.text("/sys/class/net/lo/ifindex") == "1\n"
        assert found.machine == "kvm-1"

    def test_a_login_shell_that_chats(self):
        """Banners of the login shell come before the answer, and are noise."""
        raw = answer(["sh"], b"echo 'Welcome!'\n" + script((Command("echo on"),), B, sudo=False)).stdout
        assert Bundle(Envelope("h", datetime.now(UTC), B, (Command("echo on"),)), raw).output("echo on") == "on\n"

    def test_the_deadline_keeps_what_came(self, ssh_server: Sshd):
        sources = (Attributes("/sys/class/net/lo/ifindex"), Command("sleep 20", timeout_s=20), Command("echo late"))
        found = gather(Order("kvm-1", self.host(ssh_server, ssh_server.config()), sources), deadline_s=1.5)
        assert found.text("/sys/class/net/lo/ifindex") == "1\n"
        for line in ("sleep 20", "echo late"):
            with pytest.raises(TimedOut, match="cut short"):
                found.output(line)

    def test_many_at_once_and_one_of_them_dead(self, ssh_server: Sshd, tmp_path):
        good, bad = ssh_server.config(), ssh_server.config(known=False)
        sources = (Command("sleep 2"),)
        folder = RunFolder.at(tmp_path / "run")
        names = [f"bundles/h{n}.vfb.gz" for n in range(8)]
        orders = [
            Order(f"h{n}", self.host(ssh_server, bad if n == 3 else good), sources, name)
            for n, name in enumerate(names)
        ]
        well = [name for name in names if "h3" not in name]
        begun = time.monotonic()
        gathers = gather_all(orders, folder)
        try:
            assert gathers.bundle(names[0]).output("sleep 2") == ""
            for _ in range(2):
                with pytest.raises(CouldNotLook, match=r"^h3: server: its host key is not known"):
                    gathers.bundle(names[3])
            # Every one is waited for: close() gives up what is still under way.
            assert [f"bundles/{gathers.bundle(name).machine}.vfb.gz" for name in well] == well
        finally:
            gathers.close()
        assert time.monotonic() - begun < 2 * len(well)  # one after the other they would sleep longer
        assert sorted(f"bundles/{path.name}" for path in (folder.path / "bundles").iterdir()) == well
        assert (folder.path / names[0]).stat().st_mode & 0o777 == 0o600
        assert Bundle.load(folder.path / names[0]).output("sleep 2") == ""


@pytest.mark.parametrize("way", ["ssh", "local"])
def test_giving_up_does_not_wait_for_the_slow(ssh_server: Sshd, way):
    here = Host(connect="local://") if way == "local" else Host(connect="ssh://server", ssh_config=ssh_server.config())
    begun = time.monotonic()
    gathers = gather_all([Order("slow", here, (Command("sleep 60", timeout_s=60),), "slow.vfb.gz")], None)
    time.sleep(0.5)  # it shall be under way
    gathers.close()
    assert time.monotonic() - begun < 10
    with pytest.raises(CouldNotLook):
        gathers.bundle("slow.vfb.gz").output("sleep 60")


def test_two_thousand_attributes_are_quick(tree):
    for n in range(2000):
        (tree / f"attribute{n}").write_text(f"{n}\n")
    begun = time.monotonic()
    found = read(["sh"], Attributes(f"{tree}/attribute*"))
    assert time.monotonic() - begun < 2
    assert len(found.texts(f"{tree}/attribute*")) == 2000


@pytest.mark.parametrize("sources", [catalogue.HOST_SOURCES, catalogue.GUEST_SOURCES], ids=["host", "guest"])
def test_no_two_sources_filter_one_file_in_two_ways(sources):
    """A bundle holds one text per path: two different `keep`s of one file would make one of them a lie."""
    filtered = [source for source in sources if isinstance(source, File) and (source.keep or source.drop)]
    for one, other in itertools.combinations(filtered, 2):
        assert not overlap(one.path, other.path) or (one.keep, one.drop) == (other.keep, other.drop), (one, other)


@pytest.mark.parametrize("sources", [catalogue.HOST_SOURCES, catalogue.GUEST_SOURCES], ids=["host", "guest"])
def test_the_whole_catalogue_is_read_here(sources):
    found = read(["sh"], *sources)
    assert found.text("/proc/cmdline")
    late = [problem for problem in found.problems() if problem.status in ("timed out", "note")]
    assert late == []
