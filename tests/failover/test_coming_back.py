"""A machine on its way back: what is there when, when to stop looking, and what was last seen."""

from __future__ import annotations

import pytest

from failover.rebooting.coming_back import QUIET_S, Awaited
from failover.rebooting.since_boot import PfSince, SinceBoot, UnexpectedAnswer, parse
from tests.failover.reboot_samples import BOND, GUEST, NEW, OLD, PF_1, PF_2, guest_back, since, way_back

ANSWER = """boot_id=8f0e
uptime=41.25
pf=0000:01:00.0 2 2 7489123
pf=0000:02:00.0 2 1 0
domains=read
domain=guest-1
bond=bond0
slave=bond0 enp1s0 up
slave=bond0 enp2s0 going back
system=degraded
unit.Id=libvirtd.service
unit.ActiveState=inactive
unit.ActiveEnterTimestampMonotonic=0
unit.
unit.Id=virtqemud.service
unit.ActiveState=active
unit.ActiveEnterTimestampMonotonic=21345678
"""


def test_what_the_script_prints_is_understood() -> None:
    found = parse(ANSWER)
    assert (found.boot_id, found.uptime_s, found.system) == ("8f0e", 41.25, "degraded")
    assert found.pfs == {PF_1: PfSince(2, 2, 7.489123), PF_2: PfSince(2, 1, None)}
    assert (found.domains, found.libvirt_at_s) == (frozenset({"guest-1"}), 21.345678)
    assert found.bonds == {"bond0": {"enp1s0": "up", "enp2s0": "going back"}}
    assert found.booted


def test_domains_that_may_not_be_read_are_not_none_that_run() -> None:
    assert parse("boot_id=1\nuptime=1\ndomains=denied\n").domains is None
    assert parse("boot_id=1\nuptime=1\ndomains=read\n").domains == frozenset()


@pytest.mark.parametrize("text", ["", "boot_id=1\nuptime=x\ndomains=read\n", ANSWER.replace("2 2 7489123", "two")])
def test_an_answer_that_is_none_is_one_sentence(text: str) -> None:
    with pytest.raises(UnexpectedAnswer, match="cannot be understood"):
        parse(text)


def test_a_machine_without_systemd_has_booted_after_a_while() -> None:
    assert not since(system="", uptime_s=59.0).booted
    assert since(system="", uptime_s=61.0).booted


def test_everything_that_comes_back_has_its_time() -> None:
    starting = since(system="starting", uptime_s=10.0, domains=frozenset(), pfs={PF_1: PfSince(2, 2, 7.5)})
    back = way_back((1.0, since(OLD)), (3.0, "refused"), (9.0, "no route"), (40.0, starting), (70.0, since()))
    assert (back.gone_after_s, back.back_after_s, back.kernel_after_s) == (3.0, 40.0, 30.0)
    assert back.vfs_after_s == {PF_1: 37.5, PF_2: 70.0}  # by the kernel's own clock where it tells
    assert back.domains_after_s == {GUEST: 70.0}
    assert (back.booted_after_s, back.whole_after_s, back.over) == (70.0, 70.0, True)
    assert back.boot_ids == [NEW]


def test_the_boot_of_before_is_no_return() -> None:
    back = way_back((1.0, since(OLD)), (5.0, since(OLD)))
    assert not back.is_back
    assert not back.over
    assert back.gone_after_s is None
    assert back.last_seen == "it answered from the boot of before (running) 5 s after the reboot was commanded"


def test_what_does_not_come_is_given_up_when_the_boot_is_over_and_quiet() -> None:
    lost = since(pfs={PF_1: PfSince(0, 0, None), PF_2: PfSince(2, 2, None)}, domains=frozenset())
    looks: list[tuple[float, SinceBoot | str]] = [(3.0, "refused"), (60.0, lost)]
    assert not way_back(*looks, (60.0 + QUIET_S - 1, lost)).over
    back = way_back(*looks, (60.0 + QUIET_S, lost))
    assert back.over
    assert back.whole_after_s is None
    assert PF_1 not in back.vfs_after_s


def test_what_still_comes_is_waited_for() -> None:
    nothing = since(pfs={PF_1: PfSince(0, 0, None), PF_2: PfSince(0, 0, None)}, domains=frozenset())
    some = since(domains=frozenset())
    assert not way_back((3.0, "refused"), (60.0, nothing), (85.0, some), (100.0, some)).over
    assert not way_back((3.0, "refused"), (60.0, since(system="starting")), (200.0, since(system="starting"))).over


def test_vfs_that_are_taken_away_again_are_not_there() -> None:
    gone = since(pfs={PF_1: PfSince(0, 0, None), PF_2: PfSince(2, 2, None)})
    back = way_back((3.0, "refused"), (50.0, since(system="starting")), (60.0, gone))
    assert back.whole_after_s is None
    assert not back.over


def test_a_machine_that_boots_twice_is_told() -> None:
    back = way_back((3.0, "refused"), (40.0, since("first")), (50.0, "refused"), (90.0, since("second")))
    assert back.boot_ids == ["first", "second"]
    assert back.back_after_s == 90.0


def test_the_last_that_was_seen_of_a_silent_machine() -> None:
    away = way_back((3.0, "connection reset"), (9.0, "kvm-1: connection refused"))
    assert away.last_seen == "it stopped answering 3 s after the reboot was commanded: kvm-1: connection refused"
    again = way_back((3.0, "reset"), (40.0, since(system="starting")), (50.0, "no route"))
    assert again.last_seen == (
        "it answered from a new boot 40 s after the reboot was commanded, and no more since 50 s: no route"
    )


def test_a_guest_is_whole_when_its_slaves_have_their_links() -> None:
    half = since(pfs={}, bonds={"bond0": {"enp1s0": "up", "enp2s0": "down"}})
    assert guest_back((4.0, "no route"), (90.0, half)).whole_after_s is None
    back = guest_back((4.0, "no route"), (90.0, half), (100.0, since(pfs={}, bonds=BOND)))
    assert (back.back_after_s, back.whole_after_s, back.over) == (90.0, 100.0, True)


def test_nothing_awaited_is_there_at_once() -> None:
    assert way_back((3.0, "refused"), (60.0, since()), awaited=Awaited()).over
