"""PFs as ports of the host: their MTU, the mode of their switch, their place on PCI Express, and their VFs' names."""

from __future__ import annotations

import re

import pytest

from checks.facts.pci import Pf
from checks.outcome import CouldNotLook, advise
from checks.paired_pfs import PairedPf, demand_presence, paired_pfs
from checks.vf_settings import every_vf, label
from inventory.model import Host

_VF_NAME = re.compile(r"(.+?)v(\d{1,4})(?:np\d+)?")  # systemd.net-naming-scheme(7): a VF is its PF's name, v and index
_KERNEL_NAME = re.compile(r"eth\d+")


def test_every_pf_has_the_wanted_mtu(host_name: str, wanted_host: Host, pfs: tuple[Pf, ...]) -> None:
    """Every wanted PF has the wanted MTU.

    Why: a PF with a smaller MTU than its guests drops their large frames, while small ones such as pings pass.
    Fix: set the MTU where the PF is configured (networkd, NetworkManager, netplan), and now with
    `ip link set PF mtu N`; the switch port must take it, too.
    """
    paired = paired_pfs(wanted_host, pfs)
    asked = [p for p in paired if p.wanted.mtu is not None]
    larger = [
        f"{vf.netdev} ({label(p, vf.index)}) has {vf.mtu}, its PF {p.found.details.mtu}"
        for p, vf in every_vf(paired)
        if p.found and vf.mtu and p.found.details.mtu and vf.mtu > p.found.details.mtu
    ]
    if not asked and not larger:
        pytest.skip("the inventory wants no MTU of any PF")
    wrong = [
        f"{p.name} ({p.found.address}) has {p.found.details.mtu}, wanted {p.wanted.mtu}"
        for p in asked
        if p.found and p.found.details.mtu not in (None, p.wanted.mtu)
    ]
    assert not wrong, f"{host_name}: {', '.join(wrong)} (read from /sys/class/net/*/mtu)"
    unknown = [p.name for p in asked if p.found and p.found.details.mtu is None]
    if unknown:
        raise CouldNotLook(f"{host_name}: nothing tells the MTU of {', '.join(unknown)} (/sys/class/net/*/mtu)")
    if larger:
        advise(f"{host_name}: {', '.join(larger)}: many cards drop frames of a VF that are larger than the PF's MTU")
    demand_presence(host_name, asked)


def test_every_pf_has_the_wanted_eswitch_mode(host_name: str, wanted_host: Host, pfs: tuple[Pf, ...]) -> None:
    """The switch inside every wanted PF is in the wanted mode.

    Why: in switchdev mode VFs are ruled through their representors, and settings through the PF may be refused; in
    legacy mode there are no representors for a bridge or Open vSwitch to use.
    Fix: `devlink dev eswitch set pci/ADDRESS mode MODE` with all guests of the PF stopped, and its persistent form:
    netplan's embedded-switch-mode, NetworkManager's sriov.eswitch-mode, or a unit.
    """
    paired = [p for p in paired_pfs(wanted_host, pfs) if p.wanted.eswitch_mode is not None]
    if not paired:
        pytest.skip("the inventory wants no eswitch mode of any PF")
    wrong = [
        f"{p.name} ({p.found.address}, driver {p.found.driver}) is in {p.found.details.eswitch_mode} mode, "
        f"wanted {p.wanted.eswitch_mode}"
        for p in paired
        if p.found and p.found.details.eswitch_mode not in (None, p.wanted.eswitch_mode)
    ]
    assert not wrong, f"{host_name}: {', '.join(wrong)} (read from devlink dev eswitch show)"
    unknown = [
        f"{p.name} ({p.found.details.eswitch_unknown})"
        for p in paired
        if p.found and p.found.details.eswitch_mode is None
    ]
    if unknown:
        raise CouldNotLook(f"{host_name}: eswitch mode unknown: {', '.join(unknown)}")
    demand_presence(host_name, paired)


def test_every_pf_has_a_slot_that_carries_its_port(host_name: str, wanted_host: Host, pfs: tuple[Pf, ...]) -> None:
    """The PCI Express link of every wanted PF carries at least what its port carries.

    Why: a card in a slot too narrow or too slow, or one that trained down, loses packets under load only, long after
    the acceptance test.
    Fix: move the card to a slot of its full width, seat it anew, look into the firmware's setup for the slot's speed.
    """
    paired = paired_pfs(wanted_host, pfs)
    seated = [(p, p.found, link) for p in paired if p.found and (link := p.found.details.link)]
    unread = [text for p in paired if p.found and (text := p.found.details.link_unread)]
    if not seated and not unread and all(p.found for p in paired):
        pytest.skip("no wanted PF has a PCI Express link of its own")
    narrow = [
        f"{p.name} ({found.address}) has a port of {found.details.speed_mbps} Mbit/s behind {link.current}, which "
        f"carries {link.current.mbps} Mbit/s"
        for p, found, link in seated
        if link.current.mbps < (found.details.speed_mbps or 0)
    ]
    read = "read from current_link_speed, current_link_width and speed in /sys/class/net/*"
    assert not narrow, f"{host_name}: {'; '.join(narrow)} ({read})"
    if unread:
        raise CouldNotLook(f"{host_name}: PCI Express links unknown: {'; '.join(unread)}")
    for p in paired:
        for text in _place(p):
            advise(f"{host_name}: {text}")
    demand_presence(host_name, paired)


def _place(p: PairedPf) -> list[str]:
    """What deserves attention about where the PF sits."""
    if p.found is None:
        return []
    found, told = [], p.found.details
    if told.link is not None and told.link.degraded:
        found.append(
            f"{p.name} runs at {told.link.current}, though card and slot both can do {told.link.possible}: seat it anew"
        )
    if told.link is not None and told.speed_mbps is None:
        found.append(f"{p.name} has no link, so what its port needs is not known yet")
    if told.numa_node == -1 and told.numa_nodes > 1:
        found.append(
            f"the firmware does not tell which of {told.numa_nodes} NUMA nodes {p.name} is on, so nobody can place "
            "its guests near it"
        )
    return found


def test_vf_interfaces_are_named_after_their_pf(host_name: str, wanted_host: Host, pfs: tuple[Pf, ...]) -> None:
    """No VF that is an interface of the host bears the name of another VF.

    Why: people and scripts read PF and index from such a name; where it lies, they set up the wrong VF.
    Fix: correct the .link file or rule that names it; reload the VFs' driver with guests stopped.
    """
    paired = paired_pfs(wanted_host, pfs)
    named = [(p, vf, vf.netdev) for p, vf in every_vf(paired) if vf.netdev]
    if not named:
        pytest.skip("no VF of a wanted PF is an interface of the host")
    names = {name: p.name for p in paired if p.found for name in (p.name, *p.found.netdevs)}
    wrong, odd = [], []
    for p, vf, name in named:
        parts = _VF_NAME.fullmatch(name)
        owner = names.get(parts.group(1)) if parts else None
        if parts and owner and (owner != p.name or int(parts.group(2)) != vf.index):
            wrong.append(f"{label(p, vf.index)} ({vf.address}) is called {name}")
        elif parts is None and _KERNEL_NAME.fullmatch(name):
            odd.append(f"{label(p, vf.index)} is called {name}")
    assert not wrong, f"{host_name}: {', '.join(wrong)} (read from /sys/class/net)"
    if odd:
        advise(f"{host_name}: {', '.join(odd)}: the kernel gives such names in order of appearance, anew at each boot")
    demand_presence(host_name, paired)
