from __future__ import annotations

import os
import stat
import subprocess

import pytest

from lab import state, topology
from lab.ssh_config import write_ssh_files
from lab.state import AlreadyUp, State, StateError


def test_a_claimed_state_is_private_and_up_until_the_lock_is_let_go(own_folders):
    place = State.of("mine")
    assert not state.is_up(place)
    lock = state.claim(place)
    assert state.is_up(place)
    assert stat.S_IMODE(place.folder.stat().st_mode) == 0o700
    with pytest.raises(AlreadyUp, match="lab 'mine' is up already"):
        state.claim(place)
    with pytest.raises(AlreadyUp, match="still runs"):
        state.remove(place)
    os.close(lock)
    assert not state.is_up(place)


def test_the_next_claim_removes_what_a_dead_lab_left(own_folders):
    place = State.of("mine")
    os.close(state.claim(place))
    (place.folder / "old.seed").mkdir()
    (place.folder / "old.seed" / "key").write_text("x")
    (place.scratch / "big").write_text("x")
    disk = place.scratch.readlink()
    lock = state.claim(place)
    assert sorted(entry.name for entry in place.folder.iterdir()) == ["lock", "scratch"]
    assert list(disk.iterdir()) == []
    os.close(lock)


def test_removing_leaves_nothing(own_folders):
    place = State.of("mine")
    os.close(state.claim(place))
    disk = place.scratch.readlink()
    state.remove(place)
    assert not place.folder.exists()
    assert not disk.exists()
    state.remove(place)  # and there is nothing wrong with asking twice


def test_a_claim_sweeps_dead_labs_of_processes_but_keeps_named_ones(own_folders):
    for name in ("bond-4711", "mine"):
        os.close(state.claim(State.of(name)))
    alive = state.claim(State.of("bond-4712"))
    left = sorted(folder.name for folder in state.base_folder().iterdir())
    assert left == ["bond-4712", "mine"]
    os.close(alive)


def test_a_folder_that_others_can_read_is_refused(own_folders):
    state.base_folder().mkdir(mode=0o755)
    with pytest.raises(StateError, match="must be private"):
        state.claim(State.of("mine"))


def test_a_path_too_long_for_sockets_is_refused(own_folders, monkeypatch):
    monkeypatch.setenv("XDG_RUNTIME_DIR", "/tmp/" + "x" * 90)
    with pytest.raises(StateError, match="too long for UNIX sockets"):
        State.of("mine")


def test_keys_are_made_once(own_folders):
    first = state.keys()
    private = (first / "client_ed25519").read_bytes()
    assert stat.S_IMODE((first / "client_ed25519").stat().st_mode) == 0o600
    assert (state.keys() / "client_ed25519").read_bytes() == private
    assert sorted(entry.name for entry in first.iterdir()) == [
        "client_ed25519",
        "client_ed25519.pub",
        "host_ed25519",
        "host_ed25519.pub",
    ]


def test_openssh_reads_the_ssh_configuration_as_meant(own_folders):
    place = State.of("mine")
    lock = state.claim(place)
    write_ssh_files(place, topology.load("bond"))
    asked = subprocess.run(
        ["ssh", "-G", "-F", place.ssh_config, "observer"], capture_output=True, text=True, check=True
    ).stdout.splitlines()
    assert "user root" in asked
    assert "hostname 192.168.77.22" in asked
    assert "hostkeyalias observer" in asked
    assert "stricthostkeychecking true" in asked
    assert "identitiesonly yes" in asked
    assert f"identityfile {place.keys}/client_ed25519" in asked
    assert f"userknownhostsfile {place.known_hosts}" in asked
    assert f"proxycommand socat - UNIX-CONNECT:{place.folder}/observer.sock" in asked
    assert place.known_hosts.read_text().startswith("guest ssh-ed25519 ")
    os.close(lock)
