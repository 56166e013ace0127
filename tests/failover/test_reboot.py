"""A whole reboot against machines that are not there: what is asked, waited for, read again, and what ends it early."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from checks.connection import Answer, Connection, Deadline, DeadlinePassed, Unreachable
from checks.outcome import CouldNotLook
from checks.transport import AuthenticationFailed
from failover.rebooting import asked
from failover.rebooting import doing as reboot
from failover.rebooting.doing import Reboot
from failover.rebooting.result import RebootResult
from inventory.model import Inventory
from reports.run_folder import RunFolder
from tests.failover.reboot_samples import GUEST, HOST, NEW, OLD, guest_facts, host_facts, inventory, with_domain

PFS = "pf=0000:01:00.0 2 2 7500000\npf=0000:02:00.0 2 2 7600000\n"
SINCE_HOST = "boot_id={boot}\nuptime=40.0\ndomains=read\n{pfs}domain=h488d4f\nsystem=running\n"
SINCE_GUEST = (
    "boot_id={boot}\nuptime=9\ndomains=read\nbond=bond0\nslave=bond0 enp1s0 up\nslave=bond0 enp2s0 up\nsystem=running\n"
)
LOG = "by=dmesg\n[    0.000000] Linux version 6.12\n[    7.400000] igb 0000:01:00.0 enp1s0: renamed from eth0\n"


@dataclass
class Machine:
    """A host or guest: what its scripts print, and how it behaves once it was told to reboot."""

    since: str
    silences: int = 2
    """How many looks fail after the reboot; -1: all of them."""
    told: str = "rebooting=systemctl reboot\n"
    locks: str = ""
    rebooted: bool = False
    carried_by: Machine | None = None
    """The host that it goes down with."""
    asked: list[str] = field(default_factory=list)

    def answer(self, name: str) -> str:
        self.asked.append(name)
        if name == "reboot.sh":
            self.rebooted = True
            return self.told
        if self.carried_by is not None and self.carried_by.rebooted:
            self.rebooted = True
        if self.rebooted and self.silences:
            self.silences -= 1
            raise Unreachable("hfbc9a: connection refused")
        answers = {"since_boot.sh": self.since, "drills_here.sh": self.locks, "kernel_log.sh": LOG}
        return answers[name].format(boot=NEW if self.rebooted else OLD, pfs=PFS)


class Way(Connection):
    """A connection to one of them."""

    def __init__(self, machine: Machine) -> None:
        self.name, self.machine = "fake", machine

    def execute(self, command: str, stdin: bytes, deadline_s: float, limit_bytes: int) -> Answer:
        name = next(word for word in stdin.decode().split() if word.endswith(".sh") and "/" not in word)
        return Answer(0, self.machine.answer(name).encode(), b"", 0.0)

    def start(self, command: str) -> Any:
        raise NotImplementedError

    @property
    def host(self) -> Any:
        raise NotImplementedError

    def close(self) -> None:
        pass


@pytest.fixture
def site(monkeypatch: pytest.MonkeyPatch) -> dict[str, Machine]:
    host = Machine(SINCE_HOST)
    machines = {HOST: host, GUEST: Machine(SINCE_GUEST, carried_by=host)}
    facts: Any = {"host": host_facts(), "guest": guest_facts()}
    monkeypatch.setattr(asked, "reach", lambda way: Way(machines[way.connect.removeprefix("ssh://")]))
    monkeypatch.setattr(asked, "AGAIN_S", 0.01)
    monkeypatch.setattr(reboot, "gather_host", lambda *_: facts["host"])
    monkeypatch.setattr(reboot, "gather_guests", lambda ways, *_: dict.fromkeys(ways, facts["guest"]))
    return machines


def permitted(deadline_s: int = 30, **drill: Any) -> Inventory:
    data = inventory().model_dump(mode="json", exclude_unset=True)
    data["hosts"][HOST]["drill"] = {"reboot": True, "reboot_deadline_s": deadline_s}
    data["guests"][GUEST]["drill"] |= {"reboot": True, **drill}
    return Inventory.model_validate(data)


def run(tmp_path: Path, wanted: Inventory | None = None, said: list[str] | None = None) -> RebootResult:
    folder = RunFolder.create(tmp_path, datetime.now(UTC))
    return Reboot(HOST, wanted or permitted(), folder, (said if said is not None else []).append).run()


def test_a_host_and_its_guest_come_back_and_are_read_again(tmp_path: Path, site: dict[str, Machine]) -> None:
    said: list[str] = []
    found = run(tmp_path, said=said)
    assert found.refused is None
    assert found.way == "systemctl reboot"
    assert found.way_back.boot_ids == [NEW]
    assert found.way_back.gone_after_s is not None
    [guest] = found.guests
    assert guest.back is not None
    assert (guest.back.boot_ids, guest.back.whole_after_s is not None) == ([NEW], True)
    assert found.forecasts
    assert len(guest.forecasts) == 3
    assert not any(one.is_wrong for _, one in found.all_forecasts)
    assert found.log.whole
    assert said[0] == f"{HOST}: rebooting by systemctl reboot; waiting for it and its guests, 30 s at most"
    labels = [label for label, _ in found.evidence]
    assert labels == [
        "what the reboot brought",
        f"bundle of {HOST} before",
        f"bundle of {GUEST} before",
        f"bundle of {HOST} after",
        f"bundle of {GUEST} after",
        f"kernel log of {HOST}'s new boot",
    ]
    text = next(tmp_path.rglob("reboot.txt")).read_text()
    assert "right hfbc9a: VFs of enp1s0: foretold 2, came 2" in text


def test_a_host_that_does_not_come_back_is_told_as_it_was_last_seen(
    tmp_path: Path, site: dict[str, Machine], monkeypatch: pytest.MonkeyPatch
) -> None:
    site[HOST].silences = -1
    deadline(monkeypatch, 2)
    found = run(tmp_path)
    assert not found.way_back.is_back
    told = r"it stopped answering \d s after the reboot was commanded: hfbc9a: connection refused"
    assert re.fullmatch(told, found.way_back.last_seen)
    assert "since_boot.sh" not in site[GUEST].asked[2:], "a guest is not looked for while its host is away"
    with pytest.raises(CouldNotLook, match="has not come back"):
        _ = found.read_again


def deadline(monkeypatch: pytest.MonkeyPatch, seconds: float) -> None:
    """Whatever the inventory says, wait no longer."""
    monkeypatch.setattr(reboot, "Deadline", lambda _: Deadline(seconds))


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"locks": "lock=enp1s0\n"}, f"a drill is at work, which holds enp1s0 of {HOST}"),
        ({"told": "refused=a reboot needs root there\n"}, "a reboot needs root there"),
        ({"told": "rebooting=reboot\nfailed=reboot: no\nrefused=none did\n"}, "none did (reboot: no)"),
    ],
)
def test_what_the_host_says_against_it_is_a_refusal(
    tmp_path: Path, site: dict[str, Machine], change: dict[str, Any], why: str
) -> None:
    for key, value in change.items():
        setattr(site[HOST], key, value)
    found = run(tmp_path)
    assert found.refused is not None
    assert why in found.refused
    assert found.back is None


def test_a_guest_without_permission_keeps_the_host_up(tmp_path: Path, site: dict[str, Machine]) -> None:
    found = run(tmp_path, permitted(reboot=False))
    assert found.refused is not None
    assert GUEST in found.refused
    assert "reboot.sh" not in site[HOST].asked


def test_a_guest_that_is_drilled_keeps_the_host_up(tmp_path: Path, site: dict[str, Machine]) -> None:
    site[GUEST].locks = "lock=bond0\n"
    assert run(tmp_path).refused == f"a drill is at work, which holds bond0 of {GUEST}"


def test_a_guest_that_may_stay_off_is_not_waited_for(
    tmp_path: Path, site: dict[str, Machine], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reboot, "gather_host", lambda *_: with_domain(autostart=False))
    found = run(tmp_path, permitted(may_stay_off=True))
    [guest] = found.guests
    assert (found.refused, guest.may_stay_off, guest.back) == (None, True, None)
    assert found.way_back.awaited.domains == frozenset()
    assert set(found.freed.values()) == {GUEST}


def test_a_command_whose_answer_is_lost_is_waited_for_all_the_same(
    tmp_path: Path, site: dict[str, Machine], monkeypatch: pytest.MonkeyPatch
) -> None:
    real = Machine.answer

    def lost(self: Machine, name: str) -> str:
        said = real(self, name)
        if name == "reboot.sh":
            raise DeadlinePassed("hfbc9a: no whole answer within 30 s")
        return said

    monkeypatch.setattr(Machine, "answer", lost)
    found = run(tmp_path)
    assert found.way == "a command whose answer was lost (hfbc9a: no whole answer within 30 s)"
    assert found.way_back.is_back


def test_a_host_that_cannot_be_reached_at_all_is_not_rebooted(
    tmp_path: Path, site: dict[str, Machine], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_: Any) -> Way:
        raise AuthenticationFailed("hfbc9a: permission denied")

    monkeypatch.setattr(asked, "reach", refuse)
    with pytest.raises(CouldNotLook, match="permission denied"):
        run(tmp_path)


def test_who_ends_the_waiting_is_told_that_the_host_goes_on(
    tmp_path: Path, site: dict[str, Machine], monkeypatch: pytest.MonkeyPatch
) -> None:
    real = Machine.answer

    def interrupted(self: Machine, name: str) -> str:
        if self is site[HOST] and self.rebooted and self.silences == 0:
            raise KeyboardInterrupt
        return real(self, name)

    monkeypatch.setattr(Machine, "answer", interrupted)
    with pytest.raises(KeyboardInterrupt) as ended:
        run(tmp_path)
    assert "it had been told to reboot, which cannot be undone, and goes on by itself; it stopped answering" in str(
        ended.value
    )
    text = next(tmp_path.rglob("reboot.txt")).read_text()
    assert "rebooted by: systemctl reboot" in text
    assert f"last seen of {HOST}: it stopped answering" in text
