"""Bonds of a host itself, over PFs or over VFs that it keeps, and what they mean for the guests' own bonds.

Read from /sys/class/net/<bond>/bonding, /sys/class/net/<slave>/bonding_slave and `ip` of the host.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import pytest

from checks import bond_rules
from checks.bond_rules import Finding, told
from checks.facts.bonds import Bond
from checks.facts.libvirt import Domain
from checks.facts.nics import Nic
from checks.facts.pci import Pf
from checks.handed_vfs import LocatedVf, locate
from checks.judged_bonds import different_options, judged, missing_addresses, missing_slaves
from checks.outcome import advise
from inventory import model

_AGGREGATING = frozenset({"mlx5_core", "ice", "bnxt_en", "nfp"})
"""Drivers of NICs that may aggregate for VFs as well (VF LAG, in switchdev mode), which is not visible from here."""


def test_host_bonds_are_as_wanted(
    host_name: str, wanted_host: model.Host, host_bonds: tuple[Bond, ...], host_nics: tuple[Nic, ...]
) -> None:
    """Every bond that the inventory wants on the host is there, with its mode, slaves, options and addresses.

    Why: a bond with one slave or in another mode passes traffic like any other, until a link goes.
    Fix: correct the host's network configuration; delays are kept as multiples of miimon, so set miimon first.
    """
    if not wanted_host.bonds:
        pytest.skip("the inventory wants no bond on this host")
    found, nics = {bond.name: bond for bond in host_bonds}, {nic.name: nic for nic in host_nics}
    wrong = []
    for name, wanted in wanted_host.bonds.items():
        faults = _differences(found[name], wanted, nics) if name in found else iter(["is not there"])
        wrong += [f"{name}: {fault}" for fault in faults]
    assert not wrong, f"{host_name}: {'; '.join(wrong)} (/sys/class/net/<bond>/bonding)"


def test_host_bonds_have_link(host_name: str, wanted_host: model.Host, host_bonds: tuple[Bond, ...]) -> None:
    """Every slave of a bond of the host has a link, and one is active.

    Why: a bond with one dead slave still passes traffic, so nobody notices until the second one goes.
    Fix: look at cable, transceiver and switch port of the slave named below.
    """
    wrong = []
    for bond in judged(host_name, wanted_host, host_bonds):
        wrong += [f"{bond.name}/{slave.nic} is {slave.mii_status}" for slave in bond.slaves if not slave.link_up]
        if bond.mode == "active-backup" and bond.active_slave is None:
            wrong.append(f"{bond.name} has no active slave")
    assert not wrong, f"{host_name}: {'; '.join(wrong)} (/sys/class/net/*/bonding_slave/mii_status)"


def test_host_bonds_would_fail_over(
    host_name: str, wanted_host: model.Host, host_bonds: tuple[Bond, ...], pfs: tuple[Pf, ...]
) -> None:
    """Every bond of the host notices a dead link, may switch to equal slaves, and is heard when it does.

    Why: without a monitor a bond never fails over; VFs below it keep MACs that the bond would write; and neighbours
    send to the old place until they are told of the new one. A slave with a smaller MTU loses large packets.
    Fix: miimon=100, fail_over_mac=active over VFs, num_grat_arp=3 with peer_notif_delay of twice miimon; VFs with link
    state auto.
    """
    wrong = []
    for bond in judged(host_name, wanted_host, host_bonds):
        behind, wanted = _vfs_below(bond, pfs), wanted_host.bonds.get(bond.name)
        for rule in (bond_rules.watches, bond_rules.writes_macs, bond_rules.forced_links):
            wrong += told(host_name, rule(bond, behind))
        wrong += told(host_name, bond_rules.unequal_mtus(bond))
        wrong += told(host_name, bond_rules.is_heard(bond, wanted))
        wrong += told(host_name, bond_rules.primary_out(bond, wanted))
    assert not wrong, f"{host_name}: {'; '.join(wrong)} (/sys/class/net/<bond>/bonding)"


def test_host_bonds_survive_the_loss_of_a_port(
    host_name: str, wanted_host: model.Host, host_bonds: tuple[Bond, ...], pfs: tuple[Pf, ...]
) -> None:
    """No bond of the host has two slaves on one port.

    Why: a PF and its VFs share port and cable, so such slaves die together and the bond protects nothing.
    Fix: give the bond a slave on another PF, best one of another card.
    """
    wrong = []
    for bond in judged(host_name, wanted_host, host_bonds):
        behind = _vfs_below(bond, pfs)
        wrong += told(host_name, bond_rules.shares_a_pf(bond, behind))
        wrong += told(host_name, bond_rules.unequal_vlans(bond, behind))
        wrong += told(host_name, _with_own_vf(bond, behind))
        wrong += told(host_name, _one_card(bond, pfs))
    assert not wrong, f"{host_name}: {'; '.join(wrong)} (/sys/class/net/*/master, /sys/bus/pci/devices/*/physfn)"


def test_bonded_pfs_leave_vfs_their_traffic(
    host_name: str,
    wanted_host: model.Host,
    host_bonds: tuple[Bond, ...],
    pfs: tuple[Pf, ...],
    domains: tuple[Domain, ...],
) -> None:
    """No bond of the host makes the switch send the traffic of guests' VFs to another port.

    Why: over PFs that are one link aggregation (802.3ad) the switch sends a frame for a VF to either port, and a PF
    knows only VFs of its own; the guest loses a part of what is sent to it, while all links are good. A host bond does
    not move VFs either: a guest that shall survive a port needs a bond of its own, over VFs of two PFs.
    Fix: mode=active-backup on the host, or other ports for the VFs; or a NIC that aggregates for its VFs too.
    """
    wrong = []
    bonds = judged(host_name, wanted_host, host_bonds)
    promised = {address for domain in domains for _, one in domain.versions for address in one.host_addresses}
    for bond in bonds:
        below = [pf for slave in bond.slaves for pf in pfs if slave.nic in pf.netdevs]
        given = {pf.netdev or pf.address: [vf.address for vf in pf.vfs if vf.address in promised] for pf in below}
        carrying = {name: vfs for name, vfs in given.items() if vfs}
        if not carrying:
            continue
        text = f"{bond.name} ({bond.mode}) has slaves {', '.join(given)}, and guests have {_listed(carrying)}"
        if (bond.aggregated_ports or 0) > 1 and not any(pf.driver in _AGGREGATING for pf in below):
            wrong.append(f"{text}: the switch uses {bond.aggregated_ports} ports as one link")
        else:
            advise(f"{host_name}: {text}: {_both_together(bond)}")
    assert not wrong, f"{host_name}: {'; '.join(wrong)}"


def _both_together(bond: Bond) -> str:
    if bond.mode == "active-backup":
        return "it does not move their VFs, so guests that shall survive the loss of a port need a bond of their own"
    return "if the switch treats the ports as one link, frames for VFs come to the wrong one; prove it with a drill"


def _listed(carrying: Mapping[str, list[str]]) -> str:
    return "; ".join(f"{', '.join(vfs)} of {name}" for name, vfs in carrying.items())


def _differences(bond: Bond, wanted: model.Bond, nics: Mapping[str, Nic]) -> Iterator[str]:
    if bond.mode != wanted.mode:
        yield f"mode is {bond.mode}, wanted {wanted.mode}"
    yield from missing_slaves(bond, wanted, {name: _why_missing(nics.get(name)) for name in wanted.slaves})
    yield from different_options(bond, wanted)
    yield from missing_addresses(bond, wanted, nics.get(bond.name))


def _why_missing(nic: Nic | None) -> str:
    if nic is None:
        return "the host has no such interface"
    return f"it belongs to {nic.master}" if nic.master else "the interface is there, but in no bond"


def _vfs_below(bond: Bond, pfs: tuple[Pf, ...]) -> dict[str, LocatedVf]:
    located = ((slave.nic, locate(slave.pci_address or "", pfs)) for slave in bond.slaves)
    return {nic: LocatedVf(*found) for nic, found in located if found}


def _with_own_vf(bond: Bond, behind: Mapping[str, LocatedVf]) -> Iterator[Finding]:
    slaves = {slave.nic for slave in bond.slaves}
    for nic, one in behind.items():
        if parents := slaves & set(one.pf.netdevs):
            yield Finding(f"{bond.name}: {nic} is {one}, and {', '.join(sorted(parents))} is a slave too")


def _one_card(bond: Bond, pfs: tuple[Pf, ...]) -> Iterator[Finding]:
    by_card: dict[str, list[str]] = {}
    for slave in bond.slaves:
        for pf in pfs:
            if slave.nic in pf.netdevs:
                by_card.setdefault(pf.address.rpartition(".")[0], []).append(slave.nic)
    for card, nics in by_card.items():
        if len(nics) > 1:
            text = f"{bond.name}: {' and '.join(nics)} are ports of one card ({card}), which fails as a whole"
            yield Finding(text, broken=False)
