"""Rebooting and upgrading a node, with a lab that answers as told."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from lab import topology, upgrading
from lab.coming_up import LabError
from lab.session import Lab
from lab.state import State

SRIOV = topology.load("sriov")


class Answers(Lab):
    """In place of a lab: what each path answers when asked for its boot id, one after another; None is no answer."""

    def __init__(self, **by_path: list[str | None]):
        self.waiting = {path.replace("_", "-"): list(answers) for path, answers in by_path.items()}
        self.told: list[tuple[str, str]] = []
        super().__init__(State(Path("/no/lab")))

    def ssh(self, path, *words, timeout_s=30, stdin=None):
        (command,) = words
        if "boot_id" not in command:
            self.told.append((path, command))
            return subprocess.CompletedProcess([], 0, "", "")
        answers = self.waiting[path]
        found = answers.pop(0) if len(answers) > 1 else answers[0]
        if found == "hangs":
            raise subprocess.TimeoutExpired("ssh", timeout_s)
        return subprocess.CompletedProcess([], 255 if found is None else 0, f"{found or ''}\n", "")


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch):
    monkeypatch.setattr(upgrading, "_POLL_S", 0)


def test_a_reboot_is_over_when_the_node_and_its_guest_answer_with_another_boot_on_every_path():
    lab = Answers(
        kvm_1=["a", "a", None, "b"], guest_1=["c", "hangs", None, "d"], guest_1_inband=["c", "c", None, None, "d"]
    )
    said: list[str] = []
    upgrading.reboot(lab, SRIOV, "kvm-1", said.append)
    assert lab.told == [("kvm-1", "systemctl --no-block reboot")]
    assert lab.waiting == {"kvm-1": ["b"], "guest-1": ["d"], "guest-1-inband": ["d"]}
    assert [line.partition(":")[0] for line in said] == ["kvm-1", "kvm-1", "guest-1", "guest-1-inband"]


def test_the_reboot_of_a_guest_leaves_its_host_alone():
    lab = Answers(kvm_1=["never asked"], guest_1=["c", "d"], guest_1_inband=["c", "d"])
    upgrading.reboot(lab, SRIOV, "guest-1", lambda _text: None)
    assert lab.told == [("guest-1", "systemctl --no-block reboot")]


def test_a_node_that_is_silent_beforehand_is_not_rebooted():
    lab = Answers(guest_1=[None], guest_1_inband=["c"])
    with pytest.raises(LabError, match=r"^guest-1 does not answer"):
        upgrading.reboot(lab, SRIOV, "guest-1", lambda _text: None)
    assert not lab.told


def test_a_node_that_does_not_come_back_in_time_is_named(monkeypatch):
    monkeypatch.setattr(upgrading, "_GO_DOWN_S", -1000)
    lab = Answers(guest_1=["c", "d"], guest_1_inband=["c", "c"])
    with pytest.raises(LabError, match="guest-1-inband did not answer in time"):
        upgrading.reboot(lab, SRIOV, "guest-1", lambda _text: None)


@pytest.fixture
def runs_here(monkeypatch, tmp_path):
    """An upgrade whose script, to be given, runs on this machine in place of the node."""
    monkeypatch.setattr(upgrading, "SCRIPTS", tmp_path)
    monkeypatch.setattr(upgrading, "ssh_command", lambda _state, _node, *command: list(command))

    def upgrade(script: str, lab: Answers, name: str = "upgrade", within_s: int = 20) -> None:
        loaded = topology.load(name)
        assert loaded.upgrade is not None
        (tmp_path / loaded.upgrade.script).write_text(script)
        short = loaded.model_copy(update={"upgrade": loaded.upgrade.model_copy(update={"within_s": within_s})})
        upgrading.upgrade(lab, short, lambda _text: None)

    return upgrade


def test_an_upgrade_runs_its_script_reboots_its_node_and_waits(runs_here, tmp_path):
    lab = Answers(kvm_1=["a", "b"], guest_1=["c", "d"], guest_1_inband=["c", "c", "d"])
    runs_here(f"touch {tmp_path}/done\n", lab)
    assert (tmp_path / "done").exists()
    assert lab.told == [("kvm-1", "systemctl --no-block reboot")]
    assert lab.waiting["guest-1-inband"] == ["d"]


def test_a_guest_that_the_script_starts_anew_is_waited_for_and_nothing_is_rebooted(runs_here):
    lab = Answers(kvm_1=["never asked"], guest_1=["c", "d"], guest_1_inband=["c", "c", "d"])
    runs_here("true\n", lab, name="upgrade-guest")
    assert not lab.told
    assert lab.waiting["guest-1-inband"] == ["d"]


@pytest.mark.parametrize(
    ("script", "within_s", "message"),
    [("exit 3\n", 20, "upgrade-kernel ended with 3"), ("exec sleep 20\n", 1, "upgrade-kernel was not done after 1 s")],
)
def test_an_upgrade_that_fails_reboots_nothing(runs_here, script, within_s, message):
    lab = Answers(kvm_1=["a"], guest_1=["c"], guest_1_inband=["c"])
    with pytest.raises(LabError, match=message):
        runs_here(script, lab, within_s=within_s)
    assert not lab.told


def test_a_topology_with_nothing_to_upgrade_says_so():
    with pytest.raises(LabError, match="topology 'sriov' has nothing to upgrade"):
        upgrading.upgrade(Answers(), SRIOV, lambda _text: None)
