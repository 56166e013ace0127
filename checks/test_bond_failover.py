"""Bonds of a guest as a failover will find them: able to notice, to switch with VFs below, and to be heard.

These are judged for every bond of the guest, named in the inventory or not.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest

from checks import bond_rules
from checks.bond_rules import told
from checks.facts.bonds import Bond
from checks.handed_vfs import HandedVf
from checks.judged_bonds import judged
from checks.linux.bond_prediction import predicted
from checks.linux.bonding import Cause
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
    bonds = judged(guest_name, wanted_guest, guest_bonds)
    wrong = told(guest_name, (one for bond in bonds for one in bond_rules.writes_macs(bond, vfs_behind_nics)))
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
    bonds = judged(guest_name, wanted_guest, guest_bonds)
    wrong = told(guest_name, (one for bond in bonds for one in bond_rules.watches(bond, vfs_behind_nics)))
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
    bonds = judged(guest_name, wanted_guest, guest_bonds)
    shared = told(guest_name, (one for bond in bonds for one in bond_rules.shares_a_pf(bond, vfs_behind_nics)))
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
    bonds = judged(guest_name, wanted_guest, guest_bonds)
    wrong = told(guest_name, (one for bond in bonds for one in bond_rules.forced_links(bond, vfs_behind_nics)))
    assert not wrong, f"{guest_name}: {'; '.join(wrong)} ('ip -d -j link show' on {wanted_guest.host})"


def test_neighbours_will_hear_of_a_failover(
    guest_name: str, wanted_guest: model.Guest, guest_bonds: tuple[Bond, ...]
) -> None:
    """Every active-backup bond announces itself after a failover.

    Why: neighbours and switches keep sending to the old MAC or port until a gratuitous ARP or the guest's own traffic
    teaches them the new one.
    Fix: num_grat_arp=3 with peer_notif_delay of at least twice miimon; addresses on the bond or its VLAN interfaces.
    """
    bonds = judged(guest_name, wanted_guest, guest_bonds)
    wanted = wanted_guest.bonds
    wrong = told(guest_name, (one for bond in bonds for one in bond_rules.is_heard(bond, wanted.get(bond.name))))
    assert not wrong, f"{guest_name}: {'; '.join(wrong)} (/sys/class/net/<bond>/bonding/num_grat_arp)"


def test_vfs_of_a_bond_are_in_one_vlan(
    guest_name: str,
    wanted_guest: model.Guest,
    guest_bonds: tuple[Bond, ...],
    vfs_behind_nics: dict[str, HandedVf],
) -> None:
    """All VFs below a bond are in one VLAN of their PFs.

    Why: with another VLAN on one of them the guest is in another network after a failover, and nobody answers it.
    Fix: the same <vlan> for all of them in the domain's XML, or `ip link set PF vf INDEX vlan ID` on the host.
    """
    if wanted_guest.host is None:
        pytest.skip("the inventory names no host for this guest, so nothing tells the VFs behind its NICs")
    bonds = judged(guest_name, wanted_guest, guest_bonds)
    wrong = told(guest_name, (one for bond in bonds for one in bond_rules.unequal_vlans(bond, vfs_behind_nics)))
    assert not wrong, f"{guest_name}: {'; '.join(wrong)} ('ip -d -j link show' on {wanted_guest.host})"


def test_primaries_of_bonds_are_active(
    guest_name: str, wanted_guest: model.Guest, guest_bonds: tuple[Bond, ...]
) -> None:
    """Every primary slave that may always take over again is the active one.

    Why: a bond that was switched away from its primary by hand goes back at the next link event, whenever that is: an
    outage that nobody planned.
    Fix: switch back at a time of your choice, `ip link set BOND type bond active_slave PRIMARY`; or set
    primary_reselect=failure.
    """
    bonds = judged(guest_name, wanted_guest, guest_bonds)
    wanted = wanted_guest.bonds
    wrong = told(guest_name, (one for bond in bonds for one in bond_rules.primary_out(bond, wanted.get(bond.name))))
    assert not wrong, f"{guest_name}: {'; '.join(wrong)} (/sys/class/net/<bond>/bonding)"


def test_slaves_of_a_bond_are_in_no_net_failover_pair(
    guest_name: str,
    wanted_guest: model.Guest,
    guest_bonds: tuple[Bond, ...],
    vfs_behind_nics: dict[str, HandedVf],
) -> None:
    """No slave of a bond is half of a <teaming> pair.

    Why: with <teaming> the guest's net_failover takes the VF for itself, over the virtio NIC of the same MAC; a VF has
    one master, so either the pair or the bond loses it.
    Fix: delete <teaming> from the domain's interface, or take the NIC out of the bond.
    """
    if wanted_guest.host is None:
        pytest.skip("the inventory names no host for this guest, so nothing tells the VFs behind its NICs")
    bonds = judged(guest_name, wanted_guest, guest_bonds)
    wrong = [
        f"{bond.name}/{slave.nic} is {vfs_behind_nics[slave.nic]}, which has <teaming type='{pair}'>"
        for bond in bonds
        for slave in bond.slaves
        if slave.nic in vfs_behind_nics and (pair := vfs_behind_nics[slave.nic].interface.teaming)
    ]
    assert not wrong, f"{guest_name}: {'; '.join(wrong)} (the domain's XML on {wanted_guest.host})"


def test_predicted_outage_fits_the_budget(
    guest_name: str, wanted_guest: model.Guest, guest_bonds: tuple[Bond, ...], note: Callable[[str], None]
) -> None:
    """The outage of a failover that the options of a bond foretell fits the inventory's budget.

    Why: miimon, downdelay and a driver that looks at its link every two seconds add up before anything is announced; a
    drill can only measure what these allow.
    Fix: smaller miimon and downdelay, a NIC whose VF driver is told of its link; or a larger drill.budgets.outage_ms.
    """
    budget = float(wanted_guest.drill.budgets.outage_ms)
    wrong = []
    for bond in judged(guest_name, wanted_guest, guest_bonds):
        for cause in Cause:
            found = predicted(
                bond,
                cause,
                slave_drivers=[slave.driver for slave in bond.slaves],
                over_bridge=bond.bridge is not None and bond.bridge.kind == "bridge",
                bridge_arp_notify=bond.bridge_arp_notify,
            )
            if found is None:
                note(f"{bond.name}: nothing is foretold of mode {bond.mode}")
                break
            text = f"{bond.name}: predicted for a {found}"
            note(text)
            if found.outage is not None and found.outage.low_ms > budget:
                wrong.append(f"{text}; the budget is {budget:.0f} ms")
            elif found.outage is None or found.outage.high_ms > budget:
                advise(f"{guest_name}: {text}; the budget is {budget:.0f} ms")
        note(f"{bond.name}: arp_notify is {_on(bond.arp_notify)}, ndisc_notify is {_on(bond.ndisc_notify)}")
    assert not wrong, f"{guest_name}: {'; '.join(wrong)} (/sys/class/net/<bond>/bonding)"


def _on(value: bool) -> str:  # noqa: FBT001 - a word for it
    return "on" if value else "off"
