"""The way to a machine, against a real sshd: what it reaches, what it refuses, and what it leaves behind (nothing)."""

from __future__ import annotations

import io
import os
import resource
import socket
import subprocess
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from checks.outcome import CouldNotLook
from checks.transport import (
    AuthenticationFailed,
    Connection,
    DeadlinePassed,
    HostKeyChanged,
    TooMuchOutput,
    UnknownHostKey,
    Unreachable,
    connect,
    parse_spec,
)
from tests.checks.sshd import Sshd

MIB = 1024 * 1024


@pytest.fixture(params=["ssh", "local"])
def connection(request, ssh_server: Sshd):
    spec, config = ("ssh://server", ssh_server.config()) if request.param == "ssh" else ("local://", None)
    with connect(spec, config) as opened:
        yield opened


def alive(number: int) -> bool:
    """Whether the process runs; a zombie that nobody reaped yet has ended."""
    try:
        stat = Path(f"/proc/{number}/stat").read_text()
    except FileNotFoundError:
        return False
    return stat.rpartition(") ")[2].split()[0] != "Z"


def wait_until_gone(number: int) -> bool:
    until = time.monotonic() + 5
    while alive(number) and time.monotonic() < until:
        time.sleep(0.02)
    return not alive(number)


def children() -> set[str]:
    return set(Path(f"/proc/self/task/{os.getpid()}/children").read_text().split())


def hang_up(server: socket.socket) -> None:
    server.accept()[0].close()


def sentence(error: BaseException) -> str:
    text = str(error)
    assert "\n" not in text and "Traceback" not in text and isinstance(error, CouldNotLook)
    return text


class TestRun:
    def test_gives_streams_and_status(self, connection: Connection):
        answer = connection.run(b"printf 'a\\000b'; echo oops >&2; exit 7\n", 10, 1000)
        assert (answer.rc, answer.stdout, answer.stderr) == (7, b"a\0b", b"oops\n")
        assert 0 < answer.elapsed_s < 10

    def test_takes_a_script_longer_than_any_argument(self, connection: Connection):
        filler = b": " + b"x" * 70 + b"\n"
        answer = connection.run(filler * 5000 + b"echo end\n", 20, 1000)
        assert answer.stdout == b"end\n"

    def test_no_command_eats_the_script(self, connection: Connection):
        assert connection.run(b"cat\necho after\n", 10, 1000).stdout == b"after\n"

    def test_quoting_survives(self, connection: Connection):
        assert (
            connection.run(b"""printf '%s|' "a  b" '$HOME' "it's" '\\\\'\n""", 10, 1000).stdout
            == b"a  b|$HOME|it's|\\\\|"
        )

    def test_a_flood_is_cut_off_with_bounded_memory(self, connection: Connection):
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        with pytest.raises(TooMuchOutput) as caught:
            connection.run(b"head -c 209715200 /dev/zero\n", 60, 4 * MIB)
        grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
        assert "more than 4 MiB" in sentence(caught.value)
        assert grown * 1024 < 64 * MIB

    def test_a_flood_of_complaints_counts_too(self, connection: Connection):
        with pytest.raises(TooMuchOutput):
            connection.run(b"head -c 20971520 /dev/zero >&2\n", 60, MIB)

    def test_a_hung_command_ends_at_the_deadline_and_keeps_what_came(self, connection: Connection):
        begun = time.monotonic()
        with pytest.raises(DeadlinePassed) as caught:
            connection.run(b"echo first; exec sleep 60\n", 0.7, 1000)
        assert 0.6 < time.monotonic() - begun < 5
        assert caught.value.stdout == b"first\n"
        assert "within 0.7 s" in sentence(caught.value)

    def test_one_connection_serves_many_threads(self, connection: Connection):
        with ThreadPoolExecutor(6) as pool:  # whose threads' errors are this test's own
            answers = list(pool.map(lambda n: connection.run(b"echo %d\n" % n, 20, 99).stdout, range(6)))
        assert answers == [b"%d\n" % n for n in range(6)]


class TestStart:
    def test_streams_both_ways(self, connection: Connection):
        with connection.start("cat") as process:
            process.stdin.write(b"ping")
            reader = io.BufferedReader(process.stdout)
            assert reader.read(4) == b"ping"
            process.stdin.close()
            assert reader.read(1) == b""
            assert process.wait(5) == 0

    def test_a_read_can_have_a_time_limit(self, connection: Connection):
        with connection.start("echo to-stderr >&2; sleep 30") as process:
            process.stderr.timeout_s = 5
            assert process.stderr.read(100) == b"to-stderr\n"
            process.stdout.timeout_s = 0.1
            with pytest.raises(TimeoutError):
                process.stdout.read(1)
            with pytest.raises(TimeoutError):
                process.wait(0.05)

    @pytest.mark.parametrize(
        "command", ["echo $$; exec sleep 1000", "trap '' TERM; echo $$; while :; do sleep 1; done"]
    )
    def test_terminate_ends_it_over_there(self, connection: Connection, command):
        process = connection.start(command)
        number = int(io.BufferedReader(process.stdout).readline())
        assert alive(number)
        process.terminate(grace_s=0.5)
        assert wait_until_gone(number)
        process.terminate()

    def test_megabytes_pass(self, connection: Connection):
        with connection.start("head -c 10485760 /dev/zero") as process:
            assert len(io.BufferedReader(process.stdout).read()) == 10 * MIB
            assert process.wait(5) == 0


def test_testinfra_goes_over_the_same_connection(connection: Connection):
    assert connection.host.file("/proc/version").exists
    assert connection.host.run("printf %s", "it's").stdout == "it's"


class TestRefusals:
    def test_unknown_key_names_the_command_that_adds_it(self, ssh_server: Sshd):
        config = ssh_server.config(known=False)
        with pytest.raises(UnknownHostKey) as caught:
            connect("ssh://server", config)
        text = sentence(caught.value)
        assert "SHA256:" in text
        command = text.rpartition("then add it: ")[2]
        assert command.startswith("ssh -o StrictHostKeyChecking=ask -F") and command.endswith(" true")
        # The command does what it says, when its question is answered with yes.
        done = command.replace("=ask", "=accept-new").split()
        subprocess.run(done, check=True, capture_output=True, stdin=subprocess.DEVNULL)
        with connect("ssh://server", config) as opened:
            assert opened.run(b"echo in\n", 10, 99).stdout == b"in\n"

    def test_strict_host_key_checking_no_changes_nothing(self, ssh_server: Sshd):
        with pytest.raises(UnknownHostKey):
            connect("ssh://server", ssh_server.config(known=False, extra="  StrictHostKeyChecking no\n"))

    def test_changed_key(self, ssh_server: Sshd):
        config = ssh_server.config()
        other = (ssh_server.folder / "client_key.pub").read_text().split()[1]
        known = Path(config).with_suffix("")
        known.write_text(f"[127.0.0.1]:{ssh_server.port} ssh-ed25519 {other}\n")
        with pytest.raises(HostKeyChanged) as caught:
            connect("ssh://server", config)
        assert f"{known}:1" in sentence(caught.value) and "ssh-keygen -R" in str(caught.value)

    def test_revoked_key(self, ssh_server: Sshd):
        config = ssh_server.config()
        known = Path(config).with_suffix("")
        known.write_text(known.read_text() + f"@revoked * {ssh_server.host_key}\n")
        with pytest.raises(HostKeyChanged, match="revoked"):
            connect("ssh://server", config)

    def test_wrong_user_key(self, ssh_server: Sshd, tmp_path):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", tmp_path / "other"], check=True)
        config = Path(ssh_server.config())
        config.write_text(config.read_text().replace(str(ssh_server.folder / "client_key"), str(tmp_path / "other")))
        with pytest.raises(AuthenticationFailed) as caught:
            connect("ssh://server", str(config))
        assert f"tried {tmp_path / 'other'}" in sentence(caught.value)

    def test_key_with_a_passphrase(self, ssh_server: Sshd, tmp_path):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "secret", "-f", tmp_path / "locked"], check=True)
        config = Path(ssh_server.config())
        config.write_text(config.read_text().replace(str(ssh_server.folder / "client_key"), str(tmp_path / "locked")))
        with pytest.raises(AuthenticationFailed, match="has a passphrase") as caught:
            connect("ssh://server", str(config))
        sentence(caught.value)

    def test_closed_port(self):
        with socket.socket() as held:
            held.bind(("127.0.0.1", 0))
            with pytest.raises(Unreachable, match="Connection refused") as caught:
                connect(f"ssh://127.0.0.1:{held.getsockname()[1]}")
        sentence(caught.value)

    def test_a_port_where_nobody_speaks_ssh(self):
        with socket.create_server(("127.0.0.1", 0)) as server:
            thread = threading.Thread(target=hang_up, args=(server,))
            thread.start()
            with pytest.raises(Unreachable, match="no SSH server answers") as caught:
                connect(f"ssh://127.0.0.1:{server.getsockname()[1]}")
            thread.join()
        sentence(caught.value)

    @pytest.mark.parametrize(
        ("spec", "said"),
        [
            ("ssh://host:port", "port is no number"),
            ("ssh://", "names no host"),
            ("ssh://-oProxyCommand=reboot", "no host name"),
            ("carrier-pigeon://roof", "no such way"),
        ],
    )
    def test_nonsense(self, spec, said):
        with pytest.raises(Unreachable, match=said) as caught:
            connect(spec)
        sentence(caught.value)

    def test_missing_configuration(self, tmp_path):
        with pytest.raises(Unreachable, match="ssh refuses its configuration") as caught:
            connect("ssh://server", str(tmp_path / "none"))
        sentence(caught.value)


class TestConfiguration:
    def test_identity_user_and_port_from_the_configuration(self, ssh_server: Sshd):
        config = ssh_server.config("kvm-1")
        with connect(f"ssh://kvm-1?ssh_config={config}") as opened:
            assert opened.run(b"id -un\n", 10, 99).stdout.decode().strip() == ssh_server.user

    def test_hashed_known_hosts(self, ssh_server: Sshd):
        config = ssh_server.config()
        known = Path(config).with_suffix("")
        subprocess.run(["ssh-keygen", "-q", "-H", "-f", known], check=True, capture_output=True)
        assert "127.0.0.1" not in known.read_text()
        with connect("server", config) as opened:
            assert opened.run(b"echo in\n", 10, 99).rc == 0

    def test_host_key_alias(self, ssh_server: Sshd):
        config = ssh_server.config(extra="  HostKeyAlias rack-7\n")
        with pytest.raises(UnknownHostKey):
            connect("server", config)
        Path(config).with_suffix("").write_text(f"rack-7 {ssh_server.host_key}\n")
        with connect("server", config) as opened:
            assert opened.run(b"echo in\n", 10, 99).rc == 0

    def test_proxy_command_carries_the_link_and_is_reaped(self, ssh_server: Sshd):
        before = children()
        config = ssh_server.config(extra="  ProxyCommand socat - TCP:%h:%p\n")
        begun = time.monotonic()
        with connect("server", config) as opened:
            assert opened.run(b"echo in\n", 10, 99).stdout == b"in\n"
            assert children() - before
        assert children() - before == set()
        assert time.monotonic() - begun < 3

    def test_a_proxy_command_that_fails_is_quoted(self, ssh_server: Sshd):
        config = ssh_server.config(extra="  ProxyCommand sh -c 'echo no route to rack 7 >&2; exit 3'\n")
        with pytest.raises(Unreachable, match="no route to rack 7") as caught:
            connect("server", config)
        sentence(caught.value)

    def test_nested_jumps_check_every_host_key(self, ssh_server: Sshd):
        config = Path(ssh_server.config("inner"))
        text = config.read_text()
        hops = [text.replace("Host inner", f"Host hop{n}") for n in (1, 2)]
        config.write_text(text + "  ProxyJump hop1,hop2\n" + "".join(hops))
        with connect("ssh://inner", str(config)) as opened:
            assert opened.run(b"echo in\n", 10, 99).stdout == b"in\n"
        hops[0] = hops[0].replace("UserKnownHostsFile ", "UserKnownHostsFile /dev/null ")
        nowhere = hops[0].replace(str(config.with_suffix("")), "")
        config.write_text(text + "  ProxyJump hop1,hop2\n" + nowhere + hops[1])
        with pytest.raises(UnknownHostKey, match="hop1"):
            connect("ssh://inner", str(config))

    def test_a_jump_through_itself_ends(self, ssh_server: Sshd):
        config = ssh_server.config(extra="  ProxyJump server\n")
        with pytest.raises(Unreachable, match="jump"):
            connect("server", config)


@pytest.mark.parametrize(
    ("spec", "host", "user", "port"),
    [
        ("kvm-1", "kvm-1", None, None),
        ("ssh://root@KVM-1:2222", "KVM-1", "root", 2222),
        ("paramiko://a%40b@[fe80::1]:22", "fe80::1", "a@b", 22),
    ],
)
def test_connection_strings(spec, host, user, port):
    parsed = parse_spec(spec)
    assert (parsed.host, parsed.user, parsed.port) == (host, user, port)
