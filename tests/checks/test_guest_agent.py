"""The way through libvirt and a guest agent: against a stand-in for virsh that really runs what guest-exec asks for."""

from __future__ import annotations

import base64
import gzip
import json
import os
import random
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from checks import agent_answers
from checks.agent_answers import AgentSilent, AgentTrouble, Ended, NoLibvirt
from checks.connection import RUN_SCRIPT
from checks.gather import Order, gather
from checks.guest_agent import GuestAgentConnection
from checks.local import LocalConnection
from checks.source import Command, File
from checks.transport import DeadlinePassed, TooMuchOutput, Unreachable, connect
from checks.ways import Carried, reach, way_to
from inventory.model import Inventory
from tests.checks.test_transport import TestRun, sentence

__all__ = ["TestRun"]  # every promise of `Connection.execute`, over the `connection` below

STAND_IN = Path(__file__).with_name("virsh_stand_in.py")


@pytest.fixture
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine whose virsh is the stand-in; the folder in which that keeps what it knows."""
    folder = tmp_path / "state"
    folder.mkdir()
    programs = tmp_path / "bin"
    programs.mkdir()
    (programs / "virsh").write_text(f'#!/bin/sh\nexec {sys.executable} -S -E {STAND_IN} "$@"\n')
    (programs / "virsh").chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}:{os.environ['PATH']}")
    monkeypatch.setenv("VIRSH_STATE", str(folder))
    return folder


@pytest.fixture
def connection(state):
    with GuestAgentConnection(LocalConnection("kvm-1"), "guest 'one'", sudo=False) as opened:
        yield opened


def asked(state: Path) -> list[tuple[str, dict[str, Any]]]:
    return [tuple(json.loads(line)) for line in (state / "asked").read_text().splitlines()]


def carried(**guest) -> Inventory:
    one = {"connect": "qga://", "host": "kvm-1", **guest}
    return Inventory.model_validate({"hosts": {"kvm-1": {"connect": "local://"}}, "guests": {"guest-1": one}})


class TestWhatPasses:
    def test_any_bytes_pass_both_ways(self, connection):
        data = random.Random(4).randbytes(60_000)
        answer = connection.execute("cat", data, 20, 100_000)
        assert (answer.rc, answer.stdout, answer.stderr) == (0, data, b"")

    @pytest.mark.parametrize(
        "command",
        ["printf '%s' \"it's $HOME\"", "printf '%s|' a\nprintf '%s\\n' \"100% b\"; exit 3", "printf '\\351\\n'"],
        ids=["quotes", "lines", "bytes"],
    )
    def test_any_command_means_what_it_means_here(self, connection, command):
        here = LocalConnection().execute(command, b"", 10, 1000)
        there = connection.execute(command, b"", 10, 1000)
        assert (there.rc, there.stdout, there.stderr) == (here.rc, here.stdout, here.stderr)

    def test_the_domain_is_asked_for_as_it_is_written(self, connection, state):
        connection.run(b"true\n", 10, 100)
        assert {domain for domain, _ in asked(state)} == {"guest 'one'"}

    def test_only_two_of_the_agents_commands_are_needed_and_no_script_is_in_its_log(self, connection, state):
        connection.run(b"echo secret\n", 10, 100)
        commands = [command for _, command in asked(state)]
        assert {command["execute"] for command in commands} == {"guest-exec", "guest-exec-status"}
        # The agent logs path and arguments of what it runs; the text itself is input.
        assert "secret" not in json.dumps([commands[0]["arguments"][key] for key in ("path", "arg")])

    def test_a_signal_is_an_exit_status(self, connection):
        assert connection.run(b"kill -s KILL $$\n", 10, 100).rc in (-1, 137)

    def test_a_guest_without_gzip_and_timeout(self, connection, monkeypatch, tmp_path):
        poor = tmp_path / "poor"
        poor.mkdir()
        for name in ("sh", "cat", "head", "sleep", "env", "printf"):
            (poor / name).symlink_to(f"/bin/{name}")
        monkeypatch.setattr(agent_answers, "_PATH", f"PATH={poor}; ")
        assert connection.run(b"command -v gzip timeout || echo poor\n", 10, 100).stdout == b"poor\n"
        with pytest.raises(TooMuchOutput):
            connection.run(b"head -c 3000000 /dev/zero\n", 20, 4_000_000)

    def test_an_answer_that_packs_well_may_be_larger_than_libvirt_takes(self, connection):
        answer = connection.run(b"head -c 20000000 /dev/zero\n", 30, 30_000_000)
        assert answer.stdout == bytes(20_000_000)

    def test_one_that_does_not_is_cut_off_in_the_guest(self, connection):
        with pytest.raises(TooMuchOutput, match="more than the guest agent carries"):
            connection.run(b"head -c 8000000 /dev/urandom\n", 30, 30_000_000)

    def test_an_input_that_cannot_be_packed_is_refused(self, connection, state):
        with pytest.raises(Unreachable, match="200000 bytes are too many"):
            connection.execute("cat", random.Random(5).randbytes(200_000), 10, 1000)
        assert not (state / "asked").exists()

    def test_nothing_is_left_running_after_the_deadline(self, connection, tmp_path):
        with pytest.raises(DeadlinePassed):
            connection.run(f"(sleep 3; touch {tmp_path}/late) & wait\n".encode(), 1, 100)
        connection.run(b"sleep 3\n", 10, 100)
        assert not (tmp_path / "late").exists()

    def test_a_whole_gather(self, state):
        machine = way_to(carried(), "guest-1")
        sources = (File("/proc/version"), Command("uname -r"), Command("sh -c exit"))
        bundle = gather(Order("guest-1", machine, sources), 60)
        assert bundle.text("/proc/version") == Path("/proc/version").read_text()
        assert bundle.output("uname -r") == os.uname().release + "\n"


class TestTheWay:
    def test_it_is_libvirts_name_of_the_guest_or_its_own(self):
        for guest, domain in (({"domain": "vm7"}, "vm7"), ({}, "guest-1")):
            way = way_to(carried(**guest), "guest-1")
            assert isinstance(way, Carried)
            assert (way.domain, way.host.connect) == (domain, "local://")

    def test_other_guests_are_reached_as_they_say(self, state):
        with reach(way_to(carried(connect="local://"), "guest-1")) as opened:
            assert isinstance(opened, LocalConnection)
        assert not (state / "asked").exists()

    def test_testinfra_goes_over_it(self, connection):
        assert connection.host.run("printf %s", "it's").stdout == "it's"

    def test_it_streams_nothing(self, connection):
        with pytest.raises(Unreachable, match="streams nothing"):
            connection.start("cat")

    def test_without_an_inventory_there_is_no_such_way(self):
        with pytest.raises(Unreachable, match="only an inventory names"):
            connect("qga://")


SAID = json.loads(Path(__file__).with_name("captured").joinpath("virsh-complaints.json").read_text())


class TestRefusals:
    @pytest.mark.parametrize("what", SAID)
    def test_every_complaint_is_one_sentence_that_says_what_to_do(self, connection, state, what):
        (state / "says").write_text(SAID[what]["stderr"])
        with pytest.raises(AgentTrouble) as caught:
            connection.run(b"true\n", 1, 100)
        text = sentence(caught.value)
        assert text.startswith("guest 'one': ")
        assert SAID[what]["means"] in text
        own_words = SAID[what]["stderr"].split(": ", 1)[1].splitlines()[0]
        assert own_words in text

    def test_there_is_no_virsh(self, connection, monkeypatch, tmp_path):
        folder = tmp_path / "none"
        folder.mkdir()
        for name in ("sh", "cat"):
            (folder / name).symlink_to(f"/bin/{name}")
        monkeypatch.setenv("PATH", str(folder))
        with pytest.raises(NoLibvirt, match="guest 'one': there is no virsh on kvm-1"):
            connection.run(b"true\n", 5, 100)

    def test_sudo_is_tried_when_libvirt_does_not_let_the_user_in_and_not_before(self, state, tmp_path):
        sudo = tmp_path / "bin" / "sudo"
        sudo.write_text(f'#!/bin/sh\n[ "$1" = -n ] || exit 9\nshift\nrm -f {state}/says\nexec "$@"\n')
        sudo.chmod(0o755)
        (state / "says").write_text(SAID["no rights"]["stderr"])
        with GuestAgentConnection(LocalConnection("kvm-1"), "guest-1", sudo=True) as opened:
            assert opened.run(b"echo in\n", 10, 100).stdout == b"in\n"
            sudo.write_text("#!/bin/sh\nexit 9\n")
            (state / "says").write_text(SAID["shut off"]["stderr"])
            with pytest.raises(AgentTrouble):
                opened.run(b"true\n", 10, 100)

    def test_an_agent_that_is_silent_for_a_moment_is_asked_again(self, connection, state):
        (state / "says").write_text(SAID["not connected"]["stderr"])
        (state / "times").write_text("0")
        pid = agent_answers.pid_of(connection._ask(agent_answers.request("echo late", b"", 5, 99), Later()))
        (state / "times").write_text("3")
        ended = connection._ended(pid, 99, Later())
        assert (ended.rc, ended.stdout) == (0, b"late\n")
        with pytest.raises(AgentSilent):
            (state / "times").write_text("1000")
            connection.run(b"true\n", 1, 99)

    def test_an_agent_that_was_started_anew_has_lost_the_answer(self, connection, state):
        with pytest.raises(AgentTrouble, match="PID 4711 does not exist"):
            connection._ended(4711, 99, Later())

    @pytest.mark.parametrize(
        "reply",
        [b"", b"{", b"[]", b'{"return": {}}', b'{"return": {"pid": true}}', b'{"return": {"pid": -1}}', b"9" * 9999],
    )
    def test_an_answer_that_is_none_is_no_crash(self, connection, state, reply):
        (state / "reply").write_bytes(reply)
        with pytest.raises(AgentTrouble) as caught:
            connection.run(b"true\n", 5, 100)
        sentence(caught.value)

    def test_a_flood_in_place_of_an_answer_is_cut_off(self, connection, state):
        (state / "reply").write_bytes(b" " * 8_000_000)
        with pytest.raises(TooMuchOutput, match="kvm-1"):
            connection.run(b"true\n", 5, 100)


class Later:
    """A deadline far away."""

    passed = False
    left_s = 20.0


def told(**said) -> bytes:
    return json.dumps({"return": {"exited": True, "exitcode": 0, **said}}).encode()


def b64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def ended(answer: bytes, limit: int) -> Ended:
    """What the agent's answer says of a program that has ended."""
    found = agent_answers.ended(answer, limit)
    assert found is not None
    return found


class TestAnswers:
    def test_one_that_the_agent_truncated_is_not_whole(self):
        whole = {"out-data": b64(b"plain\nabc")}
        assert not ended(told(**whole), 99).cut_off
        for key in ("out-truncated", "err-truncated"):
            assert ended(told(**whole, **{key: True}), 99).cut_off

    def test_one_that_was_packed_and_broke_off_keeps_what_came(self):
        packed = gzip.compress(random.Random(1).randbytes(50_000))
        done = ended(told(**{"out-data": b64(b"packed\n" + packed[:30_000])}), 99_999)
        assert done.cut_off
        assert len(done.stdout) > 20_000

    def test_a_bomb_is_not_unpacked_beyond_the_limit(self):
        bomb = gzip.compress(bytes(50_000_000))
        done = ended(told(**{"out-data": b64(b"packed\n" + bomb)}), 1000)
        assert len(done.stdout) == 1001
        assert done.cut_off

    @pytest.mark.parametrize(
        "said",
        [{"out-data": "%%"}, {"out-data": 4}, {"err-data": ["x"]}, {"exitcode": 256}, {"exitcode": "0"}, {"exited": 1},
         {"out-data": b64(b"bash: no such")}, {"out-data": b64(b"packed\nnot gzip")}],
    )  # fmt: skip
    def test_anything_else_is_named(self, said):
        with pytest.raises(AgentTrouble):
            agent_answers.ended(told(**said), 99)

    @given(st.binary())
    def test_no_bytes_break_it(self, data):
        for read in (agent_answers.pid_of, lambda data: agent_answers.ended(data, 99)):
            with pytest.raises(AgentTrouble):
                read(data)

    @given(
        st.dictionaries(
            st.sampled_from(["exited", "exitcode", "signal", "out-data", "err-data", "out-truncated", "pid"]),
            st.one_of(
                st.booleans(), st.integers(), st.text(), st.none(), st.binary().map(b64), st.lists(st.integers())
            ),
        )
    )
    def test_no_values_break_it(self, said):
        for read in (agent_answers.pid_of, lambda data: agent_answers.ended(data, 99)):
            try:
                read(json.dumps({"return": said}).encode())
            except AgentTrouble as trouble:
                sentence(trouble)

    @given(st.binary())
    def test_no_complaint_breaks_it(self, said):
        text = sentence(agent_answers.trouble("kvm-1", said))
        assert text.isprintable()
        assert len(text) < 700

    def test_a_script_as_it_is_sent(self):
        sent = json.loads(agent_answers.request(RUN_SCRIPT, b"echo 1\n", 30, 99))
        assert base64.b64decode(sent["arguments"]["input-data"]).endswith(b"\necho 1\n")
