"""The statements about a reboot: each seen to break, to hold, and to say when nothing is known."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from checks.facts.bonds import Bond
from checks.facts.iommu import Iommu
from checks.linux.kernel_parameters import split
from checks.outcome import CouldNotLook, collected_advice
from failover import test_reboot as statements
from failover.rebooting.facts import GuestFacts, HostFacts
from failover.rebooting.log import BootLog
from failover.rebooting.result import RebootResult, phases
from failover.rebooting.told import protocol
from tests.failover.reboot_samples import (
    FIRST_LINE,
    GUEST,
    HOST,
    OLD,
    PF_1,
    RENAMED,
    VF_0,
    guest_back,
    guest_facts,
    guest_reboot,
    host_facts,
    inventory,
    pfs,
    result,
    since,
    wanted,
    way_back,
    with_domain,
    with_pf,
    with_vf,
    without_vfs,
)


def state(statement: Any, found: RebootResult, host: Any = None) -> list[str]:
    """Call a statement with the fixtures it asks for; gives the advice."""
    names = statement.__code__.co_varnames[: statement.__code__.co_argcount]
    values = {"host_name": HOST, "wanted_host": host or wanted(), "inventory": inventory(), "reboot": found}
    if "rebooted" in names:
        found.way_back  # noqa: B018 - as the fixture does
        values["rebooted"] = found
    if "after_reboot" in names:
        values["after_reboot"] = found.read_again
    with collected_advice() as advice:
        statement(**{name: values[name] for name in names})
    return advice


EVERY = [getattr(statements, name) for name in dir(statements) if name.startswith("test_")]


@pytest.mark.parametrize("statement", EVERY, ids=lambda one: one.__name__)
def test_a_reboot_that_brings_everything_back_holds(statement: Any) -> None:
    assert state(statement, result()) == []


@pytest.mark.parametrize("statement", EVERY, ids=lambda one: one.__name__)
def test_a_refused_reboot_is_told_once_and_the_rest_could_not_look(statement: Any) -> None:
    refused = result(refused="it would also take down db", back=None, after=None)
    if statement is statements.test_host_may_be_rebooted:
        return
    with pytest.raises(CouldNotLook, match="nothing was rebooted: it would also take down db"):
        state(statement, refused)


@pytest.mark.parametrize("statement", EVERY, ids=lambda one: one.__name__)
def test_a_host_that_does_not_come_back_could_not_be_looked_at(statement: Any) -> None:
    away = replace(result(back=way_back((3.0, "reset"), (9.0, "connection refused"))), after=None)
    if statement is statements.test_host_may_be_rebooted:
        return
    said = "has not come back within 900 s: it stopped answering 3 s after .* connection refused"
    with pytest.raises(CouldNotLook, match=said):
        state(statement, away)


def test_a_host_that_came_back_and_fell_silent_could_not_be_read() -> None:
    silent = replace(result(not_read="hfbc9a: no route to host"), after=None)
    with pytest.raises(CouldNotLook, match="it came back, and could not be read again: hfbc9a: no route to host"):
        state(statements.test_vfs_are_back_after_the_reboot, silent)


def test_host_may_be_rebooted__broken_when_somebody_does_not_permit_it() -> None:
    refused = result(refused="it would also take down db", back=None)
    with pytest.raises(AssertionError, match=f"{HOST}: not rebooted: it would also take down db"):
        state(statements.test_host_may_be_rebooted, refused)


def test_host_may_be_rebooted__holds_when_it_was() -> None:
    state(statements.test_host_may_be_rebooted, result())


def test_host_comes_back_after_a_reboot__broken_when_it_never_went_down() -> None:
    found = replace(result(back=way_back((2.0, since(OLD)), (900.0, since(OLD)))), after=None)
    with pytest.raises(AssertionError, match="told to reboot by systemctl reboot, it did not go down within 900 s"):
        state(statements.test_host_comes_back_after_a_reboot, found)


def test_host_comes_back_after_a_reboot__broken_when_it_boots_twice() -> None:
    twice = way_back((3.0, "reset"), (40.0, since("first")), (50.0, "reset"), (90.0, since("second")))
    with pytest.raises(AssertionError, match="it booted 2 times within 900 s"):
        state(statements.test_host_comes_back_after_a_reboot, result(back=twice))


def test_host_comes_back_after_a_reboot__holds_and_tells_of_a_boot_that_goes_on() -> None:
    starting = way_back((3.0, "reset"), (40.0, since(system="starting")))
    [advice] = state(statements.test_host_comes_back_after_a_reboot, result(back=starting))
    assert "its boot was not over within 900 s" in advice


UNCLEAN = (2.5, "EXT4-fs (vda2): recovery complete")


def test_host_goes_down_cleanly__broken_when_a_file_system_was_recovered() -> None:
    with pytest.raises(AssertionError, match=r"its new kernel says \[2\.500\] EXT4-fs \(vda2\): recovery complete"):
        state(statements.test_host_goes_down_cleanly, result(log=BootLog((FIRST_LINE, UNCLEAN))))


def test_host_goes_down_cleanly__holds_only_on_a_log_that_reaches_back() -> None:
    state(statements.test_host_goes_down_cleanly, result(log=BootLog((FIRST_LINE,))))
    for log, why in ((BootLog((RENAMED,)), "does not reach back"), (BootLog(why_not="denied"), "denied")):
        with pytest.raises(CouldNotLook, match=f"whether it went down cleanly is not known: .*{why}"):
            state(statements.test_host_goes_down_cleanly, result(log=log))


def lost_as_foretold() -> RebootResult:
    rules: Any = host_facts().udev_rules
    none = replace(rules, forecasts=tuple(replace(one, late=0, early=0) for one in rules.forecasts))
    return result(replace(host_facts(), udev_rules=none), without_vfs(), guests=())


def test_vfs_are_back_after_the_reboot__broken_as_was_foretold() -> None:
    found = lost_as_foretold()
    with pytest.raises(
        AssertionError, match=rf"enp1s0 \({PF_1}\) has 0 VFs, wanted 2; foretold, and it came: will have"
    ):
        state(statements.test_vfs_are_back_after_the_reboot, found)


def test_vfs_are_back_after_the_reboot__broken_although_it_was_foretold_otherwise() -> None:
    with pytest.raises(AssertionError, match=r"enp1s0 .* has 0 VFs, wanted 2; foretold was 2: .*70-sriov-vfs.rules:3"):
        state(statements.test_vfs_are_back_after_the_reboot, result(after=without_vfs()))


def test_vfs_are_back_after_the_reboot__broken_when_the_number_is_there_and_the_vfs_are_not() -> None:
    with pytest.raises(AssertionError, match="has 0 VFs, wanted 2"):
        state(statements.test_vfs_are_back_after_the_reboot, result(after=with_pf(PF_1, vfs=())))


def test_vfs_are_back_after_the_reboot__holds_for_all_and_says_what_is_missing() -> None:
    state(statements.test_vfs_are_back_after_the_reboot, result())
    gone = replace(host_facts(), pfs=tuple(pf for pf in pfs() if pf.address != PF_1))
    with pytest.raises(CouldNotLook, match="enp1s0 not found"):
        state(statements.test_vfs_are_back_after_the_reboot, result(after=gone))
    with pytest.raises(pytest.skip.Exception):
        state(statements.test_vfs_are_back_after_the_reboot, result(), wanted(pfs={}))


@pytest.mark.parametrize(
    ("after", "said"),
    [
        (with_pf(PF_1, netdevs=("eth0",)), rf"enp1s0 \({PF_1}\) was called enp1s0, is eth0"),
        (with_pf(PF_1, driver=None), rf"enp1s0 \({PF_1}\) had driver igb, has none"),
        (with_pf(PF_1, address="0000:03:00.0"), rf"enp1s0 \({PF_1}\) is gone; enp1s0 is at 0000:03:00.0 now"),
        (with_vf(VF_0, driver="igbvf"), "enp1s0 VF 0 had driver vfio-pci, has igbvf"),
        (with_vf(VF_0, address="0000:01:11.0"), f"enp1s0 VF 0 was at {VF_0}, is at 0000:01:11.0"),
    ],
)
def test_nics_and_vfs_keep_names_places_and_drivers__broken(after: HostFacts, said: str) -> None:
    with pytest.raises(AssertionError, match=said):
        state(statements.test_nics_and_vfs_keep_names_places_and_drivers, result(after=after))


def test_nics_and_vfs_keep_names_places_and_drivers__holds_for_a_vf_whose_guest_may_stay_off() -> None:
    found = result(after=with_vf(VF_0, driver="igbvf", netdev="enp1s0v0"), freed={VF_0: GUEST})
    state(statements.test_nics_and_vfs_keep_names_places_and_drivers, found)
    state(statements.test_nics_and_vfs_keep_names_places_and_drivers, result(after=without_vfs()))


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"admin_mac": "02:00:00:00:00:01"}, "enp1s0 VF 0: MAC was 52:54:00:.*, is 02:00:00:00:00:01"),
        ({"vlan": 77}, "enp1s0 VF 0: vlan was 0, is 77"),
        ({"trust": True}, "enp1s0 VF 0: trust was off, is on"),
        ({"link_state": "enable"}, "enp1s0 VF 0: link state was auto, is enable"),
    ],
)
def test_vf_settings_outlast_the_reboot__broken(changes: dict[str, Any], said: str) -> None:
    with pytest.raises(AssertionError, match=said):
        state(statements.test_vf_settings_outlast_the_reboot, result(after=with_vf(VF_0, **changes)))


def test_vf_settings_outlast_the_reboot__holds_and_excuses_a_mac_that_nobody_sets() -> None:
    other = with_vf("0000:01:10.2", admin_mac="02:00:00:00:00:01")
    [advice] = state(statements.test_vf_settings_outlast_the_reboot, result(after=other))
    assert "enp1s0 VF 1: MAC was" in advice
    unread = with_vf(VF_0, spoofchk=None)
    with pytest.raises(CouldNotLook, match="enp1s0 VF 0: spoofchk was on, is unknown"):
        state(statements.test_vf_settings_outlast_the_reboot, result(after=unread))
    found = result(after=with_vf(VF_0, vlan=77), freed={VF_0: GUEST})
    assert state(statements.test_vf_settings_outlast_the_reboot, found) == []


def with_groups(change: Any) -> HostFacts:
    iommu = host_facts().iommu
    assert isinstance(iommu, Iommu)
    return replace(host_facts(), iommu=replace(iommu, groups=tuple(change(group) for group in iommu.groups)))


def test_isolation_outlasts_the_reboot__broken_by_new_company_and_by_no_group() -> None:
    def joined(group: Any) -> Any:
        return replace(group, members=(*group.members, "0000:01:11.7")) if VF_0 in group.members else group

    with pytest.raises(AssertionError, match=r"enp1s0 VF 0 \(0000:01:10.0\) now shares .* with 0000:01:11.7"):
        state(statements.test_isolation_outlasts_the_reboot, result(after=with_groups(joined)))

    def left(group: Any) -> Any:
        return replace(group, members=tuple(member for member in group.members if member != VF_0))

    with pytest.raises(AssertionError, match=r"enp1s0 VF 0 \(0000:01:10.0\) was in IOMMU group \d+, is in none"):
        state(statements.test_isolation_outlasts_the_reboot, result(after=with_groups(left)))


def test_isolation_outlasts_the_reboot__holds_whatever_the_groups_numbers_are() -> None:
    renumbered = with_groups(lambda group: replace(group, number=group.number + 5))
    state(statements.test_isolation_outlasts_the_reboot, result(after=renumbered))


def test_booted_kernel_is_as_wanted__broken_without_parameter_iommu_and_remapping() -> None:
    iommu, boot = host_facts().iommu, host_facts().boot
    assert isinstance(iommu, Iommu)
    assert not isinstance(boot, CouldNotLook)
    off = replace(iommu, units=(), groups=(), interrupt_chips=frozenset({"IO-APIC"}))
    after = replace(host_facts(), iommu=off, boot=replace(boot, running=split("ro quiet")))
    with pytest.raises(AssertionError) as broken:
        state(
            statements.test_booted_kernel_is_as_wanted, result(after=after), wanted(kernel_parameters=("hugepages=8",))
        )
    for said in (
        "no effective IOMMU",
        "interrupts are not remapped",
        "hugepages=8 is not at work (it has no hugepages",
    ):
        assert said in str(broken.value)


def test_booted_kernel_is_as_wanted__holds_for_what_is_wanted() -> None:
    state(statements.test_booted_kernel_is_as_wanted, result(), wanted(kernel_parameters=("intel_iommu=on",)))


def test_guests_run_again_after_the_reboot__broken_with_what_was_foretold() -> None:
    with pytest.raises(AssertionError, match=rf"{GUEST} is shut off; foretold was runs: libvirt starts it by itself"):
        state(statements.test_guests_run_again_after_the_reboot, result(after=without_vfs()))
    with pytest.raises(AssertionError, match=rf"{GUEST} is shut off; foretold, and it came: VF 0 of enp1s0"):
        state(statements.test_guests_run_again_after_the_reboot, lost_as_foretold())


def test_guests_run_again_after_the_reboot__holds_for_one_that_may_stay_off() -> None:
    before, after = with_domain(autostart=False), without_vfs()
    excused = result(before, after, guests=(guest_reboot(may_stay_off=True, after=None, back=None),))
    state(statements.test_guests_run_again_after_the_reboot, excused)
    empty = replace(host_facts(), domains=())
    with pytest.raises(pytest.skip.Exception):
        state(statements.test_guests_run_again_after_the_reboot, result(empty, empty))


def with_bond(**changes: Any) -> GuestFacts:
    bonds: Any = guest_facts().bonds
    return replace(guest_facts(), bonds=tuple(replace(bond, **changes) for bond in bonds))


def slaves(**changes: Any) -> tuple[Any, ...]:
    bonds: Any = guest_facts().bonds
    bond: Bond = bonds[0]
    return tuple(replace(slave, **changes) if slave.nic == "enp2s0" else slave for slave in bond.slaves)


@pytest.mark.parametrize(
    ("after", "said"),
    [
        (with_bond(slaves=slaves(mii_status="down")), r"bond0: no link on enp2s0 \(down\)"),
        (with_bond(slaves=slaves(nic="eth1")), "bond0: enp2s0 is no slave of it any more"),
        (with_bond(mode="802.3ad"), "bond0: its mode was active-backup, is 802.3ad"),
        (with_bond(active_slave=None), "bond0: it has no active slave"),
        (replace(guest_facts(), bonds=()), "bond0 is gone"),
        (with_bond(vlans=()), "bond0: bond0 has no VLAN interface 77"),
    ],
)
def test_bonds_are_whole_again__broken(after: GuestFacts, said: str) -> None:
    found = result(guests=(guest_reboot(after=after),))
    with pytest.raises(AssertionError, match=f"{HOST}: {GUEST}: .*{said}"):
        state(statements.test_bonds_are_whole_again, found)


def test_bonds_are_whole_again__broken_on_the_host_itself() -> None:
    bonds = guest_facts().bonds
    before = replace(host_facts(), bonds=bonds)
    with pytest.raises(AssertionError, match=f"{HOST}: bond0 is gone"):
        state(statements.test_bonds_are_whole_again, result(before))
    state(statements.test_bonds_are_whole_again, result(before, before))


def test_bonds_are_whole_again__holds_and_knows_nothing_of_a_silent_guest() -> None:
    state(statements.test_bonds_are_whole_again, result())
    silent = guest_back((4.0, "no route to host"))
    with pytest.raises(CouldNotLook, match=f"{GUEST} has not come back: it stopped answering 4 s .* no route to host"):
        state(statements.test_bonds_are_whole_again, result(guests=(guest_reboot(after=None, back=silent),)))
    with pytest.raises(pytest.skip.Exception):
        state(statements.test_bonds_are_whole_again, result(after=without_vfs()))


def test_the_boot_came_as_foretold__broken_by_one_wrong_forecast() -> None:
    with pytest.raises(AssertionError) as broken:
        state(statements.test_the_boot_came_as_foretold, result(after=without_vfs()))
    told = str(broken.value)
    assert f"{HOST}: VFs of enp1s0: foretold 2, came 0; by test_vfs_come_back_after_a_reboot: will have 2 VFs" in told
    assert f"domain {GUEST}: foretold runs, came does not run" in told
    assert "enp2s0: foretold" not in told


def test_the_boot_came_as_foretold__holds_for_a_loss_that_was_foretold() -> None:
    found = lost_as_foretold()
    only = replace(found, forecasts=tuple(one for one in found.forecasts if "enp2s0" not in one.foretold.subject))
    state(statements.test_the_boot_came_as_foretold, only)
    unread = replace(host_facts(), pfs=CouldNotLook("sysfs denied"))
    with pytest.raises(CouldNotLook, match="VFs of enp1s0: foretold 2, came not known"):
        state(statements.test_the_boot_came_as_foretold, result(after=unread))
    silent = guest_reboot(after=CouldNotLook("h488d4f: no route"))
    with pytest.raises(CouldNotLook, match="what came of h488d4f's NICs is not known: h488d4f: no route"):
        state(statements.test_the_boot_came_as_foretold, result(guests=(silent,)))


def test_phases_stand_in_the_order_in_which_they_came() -> None:
    told = [str(phase) for phase in phases(result())]
    assert told == [
        f"{HOST} stopped answering: 3 s after the command",
        "its new kernel started: 20 s after the command",
        "all 2 VFs of enp1s0 were there: 28 s after the command, 7.5 s after its kernel's start",
        "libvirt had started: 41 s after the command, 21.0 s after its kernel's start",
        "it answered again: 60 s after the command, 40.0 s after its kernel's start",
        "all 2 VFs of enp2s0 were there: 60 s after the command, 40.0 s after its kernel's start",
        f"domain {GUEST} ran: 60 s after the command, 40.0 s after its kernel's start",
        "its boot was over: 60 s after the command, 40.0 s after its kernel's start",
        f"{GUEST} answered from a new boot: 110 s after the command",
        f"bond0 of {GUEST} was whole: 110 s after the command",
    ]
    lost = result(back=way_back((3.0, "reset"), (60.0, since(pfs={}))))
    assert str(phases(lost)[-1]).endswith("VFs of enp2s0 were there: not within the deadline")


def test_the_protocol_has_phases_forecasts_and_log() -> None:
    text = "\n".join(protocol(result(after=without_vfs())))
    assert f"last seen of {GUEST}: it answered from a new boot" in text
    assert f"  WRONG {HOST}: VFs of enp1s0: foretold 2, came 0" in text
    assert f"  right {HOST}: IOMMU: foretold on, came on" in text
    assert "  [7.250] igb 0000:01:00.0 enp1s0: renamed from eth0" in text
    assert list(protocol(result(refused="no")))[-1] == "refused: no"
