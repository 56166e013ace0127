"""Bonds of a guest as a failover will find them: able to notice, to switch with VFs below, and to be heard.

These are judged for every bond of the guest, named in the inventory or not.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from checks.facts.bonds import Bond
from checks.handed_vfs import HandedVf, is_vf
from checks.judged_bonds import judged
from checks.linux.bonding import refused_mac, swallows_on_link_loss
from checks.outcome import advise
from inventory import model


def test_bonds_of_vfs_leave_macs_alone(
    guest_name: str,
    wanted_guest: model.Guest,
    guest_bonds: tuple[Bond, ...],
    vfs_behind_nics: dict[str, HandedVf],
) -> None:
    """Every active-backup bond over VFs has fail_over_mac=active.

    Why: in every other setting the bond writes MACs into its slaves, which the PF refuses for a VF that has an
    administrative MAC (libvirt always sets one) and is not trusted: the second slave cannot join.
    Fix: set fail_over_mac=active while the bond has no slaves, in the guest's network configuration.
    """
    wrong = []
    for bond in judged(guest_name, wanted_guest, guest_bonds):
        vfs = [slave.nic for slave in bond.slaves if is_vf(slave.nic, slave.driver, vfs_behind_nics)]
        if not vfs or bond.mode != "active-backup" or bond.fail_over_mac == "active":
            continue
        text = f"{bond.name} has fail_over_mac={bond.fail_over_mac} over {', '.join(vfs)}, wanted active"
        if all(_may_change_mac(vfs_behind_nics.get(nic)) for nic in vfs):
            advise(f"{guest_name}: {text}; it works because their PFs let these VFs change their MAC")
        else:
            wrong.append(f"{text}: {refused_mac(bond.fail_over_mac)}")
    assert not wrong, f"{guest_name}: {'; '.join(wrong)}"


def test_every_bond_watches_its_links(
    guest_name: str,
    wanted_guest: model.Guest,
    guest_bonds: tuple[Bond, ...],
    vfs_behind_nics: dict[str, HandedVf],
) -> None:
    """Every bond monitors the links of its slaves.

    Why: with miimon=0 and arp_interval=0 a dead link is never noticed, and the bond never fails over.
    Fix: set miimon=100 in the guest's bond configuration.
    """
    wrong = []
    for bond in judged(guest_name, wanted_guest, guest_bonds):
        if not bond.miimon and not bond.arp_interval:
            wrong.append(f"{bond.name} has miimon=0 and arp_interval=0")
        elif not bond.miimon and any(is_vf(one.nic, one.driver, vfs_behind_nics) for one in bond.slaves):
            advise(
                f"{guest_name}: {bond.name} monitors by ARP (arp_interval={bond.arp_interval}) over VFs, which vendors"
                " advise against: a VF may not see its own broadcasts; prove it with a drill, or use miimon"
            )
    assert not wrong, f"{guest_name}: no link monitoring: {'; '.join(wrong)} (/sys/class/net/<bond>/bonding)"


def test_slaves_of_a_bond_are_on_different_pfs(
    guest_name: str,
    wanted_guest: model.Guest,
    guest_bonds: tuple[Bond, ...],
    vfs_behind_nics: dict[str, HandedVf],
) -> None:
    """No two slaves of a bond are VFs of one PF.

    Why: two VFs of one PF share its port and cable, so both slaves die together and the bond protects nothing.
    Fix: give the domain a VF of another PF for one of the slaves (<source> of its <interface type='hostdev'>).
    """
    if wanted_guest.host is None:
        pytest.skip("the inventory names no host for this guest, so nothing tells the PFs behind its NICs")
    shared = []
    for bond in judged(guest_name, wanted_guest, guest_bonds):
        by_pf: dict[str, list[str]] = {}
        for slave in bond.slaves:
            if handed := vfs_behind_nics.get(slave.nic):
                by_pf.setdefault(handed.pf.netdev or handed.pf.address, []).append(f"{slave.nic} ({handed.vf.address})")
        shared += [f"{bond.name}: {' and '.join(nics)} are VFs of {pf}" for pf, nics in by_pf.items() if len(nics) > 1]
    assert not shared, f"{guest_name}: {'; '.join(shared)} on host {wanted_guest.host}"


def test_vfs_of_slaves_follow_their_port(
    guest_name: str,
    wanted_guest: model.Guest,
    guest_bonds: tuple[Bond, ...],
    vfs_behind_nics: dict[str, HandedVf],
) -> None:
    """Every VF below a bond has link state auto.

    Why: with "enable" a VF keeps its carrier when the port is dead, so miimon never fails over; "disable" has no link.
    Fix: ip link set <PF> vf <index> state auto, on the host; and find out what sets it at boot.
    """
    if wanted_guest.host is None:
        pytest.skip("the inventory names no host for this guest, so nothing tells the VFs behind its NICs")
    wrong = []
    for bond in judged(guest_name, wanted_guest, guest_bonds):
        handed = [(slave.nic, vfs_behind_nics[slave.nic]) for slave in bond.slaves if slave.nic in vfs_behind_nics]
        # None: this driver does not report it, and igb for one cannot set it either.
        wrong += [
            f"{bond.name}/{nic}: {one} has link state {one.vf.link_state}, wanted auto"
            for nic, one in handed
            if one.vf.link_state not in (None, "auto")
        ]
    assert not wrong, f"{guest_name}: {'; '.join(wrong)} ('ip -d -j link show' on {wanted_guest.host})"


def test_neighbours_will_hear_of_a_failover(
    guest_name: str, wanted_guest: model.Guest, guest_bonds: tuple[Bond, ...]
) -> None:
    """Every active-backup bond announces itself after a failover.

    Why: neighbours and switches keep sending to the old MAC or port until a gratuitous ARP or the guest's own traffic
    teaches them the new one.
    Fix: num_grat_arp=3 with peer_notif_delay of at least twice miimon; addresses on the bond or its VLAN interfaces.
    """
    wrong = []
    for bond in judged(guest_name, wanted_guest, guest_bonds):
        if bond.mode != "active-backup":
            continue
        wanted = wanted_guest.bonds.get(bond.name)
        if bond.num_grat_arp == 0 and bond.fail_over_mac == "active" and (wanted is None or wanted.num_grat_arp != 0):
            wrong.append(f"{bond.name} has num_grat_arp=0 although its MAC changes (fail_over_mac=active)")
        for text in _weak_announcements(bond):
            advise(f"{guest_name}: {bond.name} {text}")
    assert not wrong, f"{guest_name}: {'; '.join(wrong)} (/sys/class/net/<bond>/bonding/num_grat_arp)"


def _may_change_mac(handed: HandedVf | None) -> bool:
    return handed is not None and (handed.vf.trust is True or handed.vf.admin_mac == "00:00:00:00:00:00")


def _weak_announcements(bond: Bond) -> Iterator[str]:
    if bond.num_grat_arp == 0:
        yield "has num_grat_arp=0: nothing is announced after a failover"
    if bond.bridge is not None and bond.bridge.kind == "bridge":
        yield (
            f"is a port of bridge {bond.bridge.name}: addresses on the bridge are never announced after a failover;"
            f" put them on the bond, or set net.ipv4.conf.{bond.bridge.name}.arp_notify=1"
        )
    delay = bond.peer_notif_delay or 0
    if swallows_on_link_loss(num_grat_arp=bond.num_grat_arp, peer_notif_delay=delay, miimon=bond.miimon):
        yield (
            f"sends one announcement fewer than num_grat_arp={bond.num_grat_arp} on a loss of link, because"
            f" peer_notif_delay={delay} is less than twice miimon={bond.miimon} (kernels before the rework of 2025)"
        )
