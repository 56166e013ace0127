from __future__ import annotations

import os
import subprocess
import sys

import pytest

from lab import __main__ as command_line
from lab import state, topology


def lab(*words: str, **more):
    return subprocess.run(
        [sys.executable, "-m", "lab", *words], capture_output=True, text=True, check=False, timeout=60, **more
    )


def test_help_names_every_verb_and_topology(capsys):
    with pytest.raises(SystemExit) as end:
        command_line.main(["--help"])
    text = capsys.readouterr().out
    assert end.value.code == 0
    for word in ("up", "run", "down", "status", "ssh", "console", "fault", *topology.available()):
        assert f"{word} " in text or f"{word}:" in text


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["up", "bnd"], "there is no topology 'bnd'; there is bond"),
        (["up", "bond", "--name", "../x"], "'../x': lower-case letters, digits and '-'"),
        (["upp"], "invalid choice: 'upp'"),
        (["run", "bond"], "run needs a command: run TOPOLOGY -- COMMAND"),
        (["run", "bond", "--", "no-such-command"], "there is no command 'no-such-command'"),
        (["fault", "fire"], "invalid choice: 'fire'"),
        (["fault", "port-down", "x", "--for", "-1"], "between 0 and 86400 seconds"),
        (["ssh", "guest"], "no lab is up"),
        (["console", "guest"], "no lab is up"),
        (["status", "--name", "nobody"], "no lab 'nobody' is up"),
    ],
)
def test_wrong_usage_is_one_sentence_and_status_4(own_folders, words, message):
    answer = lab(*words)
    assert answer.returncode == 4
    assert message in answer.stderr
    assert len(answer.stderr.splitlines()) == 1
    assert answer.stdout == ""


def test_with_no_lab_status_and_down_say_so(own_folders):
    assert (lab("status").stdout, lab("status").returncode) == ("no lab is up\n", 0)
    assert (lab("down").stdout, lab("down").returncode) == ("no lab is up\n", 0)


def test_down_removes_what_a_killed_lab_left(own_folders):
    place = state.State.of("bond")
    os.close(state.claim(place))
    assert lab("down").stdout == "lab 'bond' was not running; what it left is removed\n"
    assert not place.folder.exists()


@pytest.mark.lab
def test_status_tells_how_to_reach_the_nodes(bond_lab):
    rows = [line.split() for line in lab("status", "--name", bond_lab.name).stdout.splitlines()]
    assert rows[0][:4] == ["lab", bond_lab.name + ":", "topology", "bond,"]
    guest = next(row for row in rows if row[0] == "guest")
    assert guest[1] == "up"
    assert guest[3] == "UML"
    assert guest[-2:] == [bond_lab.name, "guest"] or guest[-2:] == ["ssh", "guest"]
    assert ["inventory:", str(bond_lab.inventory)] in rows


@pytest.mark.lab
def test_ssh_runs_a_command_and_gives_its_exit_status(bond_lab):
    answer = lab("ssh", "--name", bond_lab.name, "guest", "hostname; exit 3")
    assert (answer.stdout, answer.returncode) == ("guest\n", 3)
    answer = lab("ssh", "--name", bond_lab.name, "gest")
    assert answer.returncode == 4
    assert "there is no node 'gest'; there is guest, observer" in answer.stderr


@pytest.mark.lab
def test_console_connects_to_the_node(bond_lab):
    command = [sys.executable, "-m", "lab", "console", "--name", bond_lab.name, "observer"]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, text=True) as console:
        assert console.stdin is not None
        assert console.stdout is not None
        assert console.stderr is not None
        assert "Ctrl-] leaves the console" in console.stderr.readline()
        console.stdin.write("echo I am $(hostname)\n")
        console.stdin.flush()
        while "I am observer" not in (line := console.stdout.readline()):
            assert line, "the console ended early"
    assert "I am observer" in bond_lab.state.console_log("observer").read_text()


@pytest.mark.lab
def test_a_fault_is_put_on_and_taken_off(bond_lab):
    of_it = ("--name", bond_lab.name)
    assert lab("fault", *of_it, "garp-na-drop", "--for", "60").stdout == "faults: garp-na-drop\n"
    assert "fault: garp-na-drop" in lab("status", *of_it).stdout
    assert lab("fault", *of_it, "garp-na-drop", "--off").stdout == "faults: none\n"
    answer = lab("fault", *of_it, "port-down", "nowhere")
    assert answer.returncode == 4
    assert "there is no port 'nowhere'" in answer.stderr
    answer = lab("fault", *of_it, "wire-cut", "eth1")
    assert answer.returncode == 1
    assert "always has carrier" in answer.stderr


@pytest.mark.lab
def test_run_tells_its_command_where_the_lab_is_and_gives_its_status():
    script = 'test -f "$VFPROOF_LAB_INVENTORY" && ssh -F "$VFPROOF_LAB_SSH_CONFIG" guest hostname; exit 7'
    answer = lab("run", "bond", "--", "sh", "-c", script)
    assert answer.stdout == "guest\n"
    assert answer.returncode == 7
    assert "guest: up" in answer.stderr
