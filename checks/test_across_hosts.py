"""What only several hosts together can show: MACs that are there twice, and hosts of one group that are not alike."""

from __future__ import annotations

from collections.abc import Iterable

import pytest

from checks.facts.pci import Pf
from checks.host_view import HostView
from checks.hosts_alike import firmware_of
from checks.hosts_together import AllHosts, Owner, shared_macs
from checks.outcome import CouldNotLook, advise
from inventory.model import Host

_SHOWN = 12


def test_no_mac_is_on_another_host_too(host_name: str, all_hosts: AllHosts) -> None:
    """No MAC of the host's PFs, VFs and guests is on another host of this run as well.

    Why: two hosts with one MAC in one network take each other's frames in turns, as switches learn it here and there;
    a VF that kept the MAC of a guest that moved away does so, too.
    Fix: give one of both another MAC; take it off a VF that no guest uses with
    `ip link set PF vf N mac 00:00:00:00:00:00`.
    """
    if len(all_hosts.seen) + len(all_hosts.unseen) < 2:
        pytest.skip("this run looks at one host only")
    own = all_hosts.view(host_name)
    wrong: list[str] = []
    later: list[str] = []
    for mac, here, elsewhere in shared_macs(host_name, all_hosts):
        text = f"{mac} is that of {_here(here)} and of {_elsewhere(elsewhere)}"
        asleep = all(one.asleep for one in here) or all(one.asleep for one in elsewhere)
        (later if asleep else wrong).append(text)
    read = "read from ip -d -j link show, /sys/class/net/*/address and libvirt's domains"
    assert not wrong, f"{host_name}: {_bounded(wrong)} ({read})"
    if later:
        advise(f"{host_name}: {_bounded(later)}: they collide once both are started")
    if isinstance(own.domains, str):
        raise CouldNotLook(f"{host_name}: the MACs of its guests are not known: {own.domains}")
    blind = [f"the guests of {view.name}" for view in all_hosts.seen.values() if isinstance(view.domains, str)]
    _say_what_is_missing(host_name, [*all_hosts.unseen, *blind])


def test_vf_settings_are_alike_in_the_group(host_name: str, wanted_host: Host, all_hosts: AllHosts) -> None:
    """Every VF of a wanted PF is set as the same VF is on the other hosts of the group.

    Why: a guest that moves within the group gets the VF of the same index, and finds another VLAN or none, or may no
    longer change its MAC.
    Fix: set the VF as on the other hosts, or, where it should differ, take the host out of the group.
    """
    own, unseen = _in_company(host_name, wanted_host, all_hosts)
    wrong = [one.text for one in all_hosts.apart.get(host_name, ()) if one.topic == "setting"]
    assert not wrong, f"{host_name}: {_bounded(wrong)} (read from ip -d -j link show)"
    unknown = [f"{name} ({why})" for name, pf in _wanted_pfs(own) if (why := _why_unknown(pf))]
    if unknown:
        raise CouldNotLook(f"{host_name}: cannot be compared: {', '.join(unknown)}")
    _say_what_is_missing(host_name, unseen)


def test_the_group_runs_one_kernel_driver_and_firmware(host_name: str, wanted_host: Host, all_hosts: AllHosts) -> None:
    """The host runs the kernel of its group, and its PFs the group's drivers and firmware.

    Why: what was tried on one host then holds for all; VF limits, trust and naming differ between versions, and so a
    guest that works here fails there.
    Fix: update the hosts that are behind, and start them anew.
    """
    own, unseen = _in_company(host_name, wanted_host, all_hosts)
    found = all_hosts.apart.get(host_name, ())
    wrong = [one.text for one in found if one.topic == "version"]
    read = "read from /proc/sys/kernel/osrelease, /sys/bus/pci/devices/*/driver and ethtool -i"
    assert not wrong, f"{host_name}: {'; '.join(wrong)} ({read})"
    for text in (one.text for one in found if one.topic == "other"):
        advise(f"{host_name}: {text}")
    mates = [view for view in all_hosts.seen.values() if view.wanted.group == wanted_host.group]
    mute = [name for name, pf in _wanted_pfs(own) if pf is None or firmware_of(own, pf).firmware is None]
    known = [name for name in mute if any((pf := view.pf(name)) and firmware_of(view, pf).firmware for view in mates)]
    if known:
        raise CouldNotLook(f"{host_name}: nothing tells the firmware of {', '.join(known)} here (ethtool -i)")
    _say_what_is_missing(host_name, unseen)


def _in_company(host_name: str, wanted_host: Host, all_hosts: AllHosts) -> tuple[HostView, list[str]]:
    """The host itself, and those of its group that could not be seen. Does not apply to a host without company."""
    if wanted_host.group is None:
        pytest.skip(f"the inventory puts the host in no group (hosts.{host_name}.group)")
    own = all_hosts.view(host_name)
    seen = [view.name for view in all_hosts.seen.values() if view.wanted.group == wanted_host.group]
    unseen = [name for name in all_hosts.unseen if all_hosts.groups.get(name) == wanted_host.group]
    if len(seen) + len(unseen) < 2:
        pytest.skip(f"this run looks at no other host of group {wanted_host.group}")
    if len(seen) < 2:
        raise CouldNotLook(f"{host_name}: none of the others of its group could be seen: {', '.join(unseen)}")
    return own, unseen


def _wanted_pfs(view: HostView) -> list[tuple[str, Pf | None]]:
    return [(name, view.pf(name)) for name in view.wanted.pfs]


def _why_unknown(pf: Pf | None) -> str | None:
    return "not found" if pf is None else pf.incomplete


def _say_what_is_missing(host_name: str, names: list[str]) -> None:
    if names:
        advise(f"{host_name}: the comparison is incomplete, as these could not be seen: {', '.join(names)}")


def _bounded(texts: list[str]) -> str:
    more = f"; and {len(texts) - _SHOWN} more" if len(texts) > _SHOWN else ""
    return "; ".join(texts[:_SHOWN]) + more


def _here(owners: Iterable[Owner]) -> str:
    return " and ".join(dict.fromkeys(one.label for one in owners))


def _elsewhere(owners: Iterable[Owner]) -> str:
    return " and ".join(dict.fromkeys(f"{one.label} on {one.host}" for one in owners))
