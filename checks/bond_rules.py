"""What is wrong with a bond by itself, on a guest or on a host: rules over its options and the VFs behind its slaves.

Every rule gives findings; the statements of `test_bond_failover` and `test_host_bonds` say them, one truth each.
Sources: Documentation/networking/bonding.rst and drivers/net/bonding/bond_main.c of Linux 6.12; measured in the lab.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from checks.facts.bonds import Bond
from checks.handed_vfs import LocatedVf, is_vf
from checks.linux.bonding import MODES, refused_mac, swallows_on_link_loss
from checks.outcome import advise
from inventory import model

NO_MAC = "00:00:00:00:00:00"
Behind = Mapping[str, LocatedVf]
"""The VF behind each NIC, as far as it is known, by the NIC's name."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing to say of a bond. What is not broken is advice."""

    text: str
    broken: bool = True


def told(machine: str, findings: Iterable[Finding]) -> list[str]:
    """The texts of what is broken; the rest is said as advice."""
    wrong = []
    for finding in findings:
        if finding.broken:
            wrong.append(finding.text)
        else:
            advise(f"{machine}: {finding.text}")
    return wrong


def writes_macs(bond: Bond, behind: Behind) -> Iterator[Finding]:
    """`fail_over_mac` against administrative MACs and trust."""
    vfs = [slave.nic for slave in bond.slaves if is_vf(slave.nic, slave.driver, behind)]
    if not vfs or bond.mode != "active-backup" or bond.fail_over_mac == "active":
        return
    text = f"{bond.name} has fail_over_mac={bond.fail_over_mac} over {', '.join(vfs)}, wanted active"
    if all(_may_change_mac(behind.get(nic)) for nic in vfs):
        yield Finding(f"{text}; it works because their PFs let these VFs change their MAC", broken=False)
    else:
        yield Finding(f"{text}: {refused_mac(bond.fail_over_mac)}")


def watches(bond: Bond, behind: Behind) -> Iterator[Finding]:
    """Whether a dead link is noticed at all, and by a monitor that suits VFs."""
    if not bond.miimon and not bond.arp_interval:
        yield Finding(f"{bond.name} has miimon=0 and arp_interval=0, wanted one of them above 0")
    elif not bond.miimon and any(is_vf(one.nic, one.driver, behind) for one in bond.slaves):
        yield Finding(
            f"{bond.name} monitors by ARP (arp_interval={bond.arp_interval}) over VFs, which vendors advise against:"
            " a VF may not see its own broadcasts; prove it with a drill, or use miimon",
            broken=False,
        )
    if bond.mode not in MODES:
        yield Finding(f"{bond.name} is in mode {bond.mode}, which this program does not know", broken=False)


def shares_a_pf(bond: Bond, behind: Behind) -> Iterator[Finding]:
    """Slaves that die together: VFs of one PF, or of two ports of one card."""
    by_pf: dict[str, list[str]] = {}
    by_card: dict[str, set[str]] = {}
    for slave in bond.slaves:
        if one := behind.get(slave.nic):
            name = one.pf.netdev or one.pf.address
            by_pf.setdefault(name, []).append(f"{slave.nic} ({one.vf.address})")
            by_card.setdefault(one.pf.address.rpartition(".")[0], set()).add(name)
    for pf, nics in by_pf.items():
        if len(nics) > 1:
            yield Finding(f"{bond.name}: {' and '.join(nics)} are VFs of {pf}, wanted PFs of their own")
    for card, names in by_card.items():
        if len(names) > 1:
            ports = " and ".join(sorted(names))
            yield Finding(f"{bond.name}: {ports} are ports of one card ({card}), which fails as a whole", broken=False)


def forced_links(bond: Bond, behind: Behind) -> Iterator[Finding]:
    """VFs whose link does not follow their port. None: the driver does not report it, and igb cannot set it either."""
    for slave in bond.slaves:
        one = behind.get(slave.nic)
        if one is not None and one.vf.link_state not in (None, "auto"):
            yield Finding(f"{bond.name}/{slave.nic}: {one} has link state {one.vf.link_state}, wanted auto")


def unequal_vlans(bond: Bond, behind: Behind) -> Iterator[Finding]:
    """VFs that their PFs put into different VLANs, or at different priorities."""
    found = [(slave.nic, behind[slave.nic]) for slave in bond.slaves if slave.nic in behind]
    vlans = {nic: one.vf.vlan for nic, one in found if one.vf.vlan is not None}
    if len(set(vlans.values())) > 1:
        yield Finding(f"{bond.name}: {_each(vlans, 'VLAN')}; wanted the same")
    priorities = {nic: one.vf.qos for nic, one in found if one.vf.qos is not None}
    if len(set(priorities.values())) > 1:
        yield Finding(f"{bond.name}: {_each(priorities, 'priority')}", broken=False)


def unequal_mtus(bond: Bond) -> Iterator[Finding]:
    """Slaves whose MTU is not the bond's."""
    for slave in bond.slaves:
        if slave.mtu != bond.mtu:
            yield Finding(f"{bond.name} has MTU {bond.mtu}, its slave {slave.nic} {slave.mtu}")


def primary_out(bond: Bond, wanted: model.Bond | None) -> Iterator[Finding]:
    """A primary slave that does not have its place, or takes it back at once."""
    primary = next((slave for slave in bond.slaves if slave.nic == bond.primary), None)
    if bond.mode != "active-backup" or primary is None:
        return
    if bond.primary_reselect == "always" and primary.link_up and bond.active_slave not in (None, primary.nic):
        yield Finding(
            f"{bond.name} has primary={primary.nic} with a link and primary_reselect=always, but {bond.active_slave} is"
            " active: the next link event takes it back"
        )
    chosen = wanted is not None and wanted.primary_reselect is not None
    if bond.primary_reselect != "failure" and not bond.updelay and not chosen:
        yield Finding(
            f"{bond.name} has primary={primary.nic}, primary_reselect={bond.primary_reselect} and updelay=0: when its"
            " link returns, the bond goes back at once, a second outage, often before the switch port forwards; wanted"
            " updelay, or primary_reselect=failure",
            broken=False,
        )


def is_heard(bond: Bond, wanted: model.Bond | None) -> Iterator[Finding]:
    """Whether neighbours hear of a failover."""
    if bond.mode != "active-backup":
        return
    meant = wanted is not None and wanted.num_grat_arp == 0
    if bond.num_grat_arp == 0 and bond.fail_over_mac == "active" and not meant and not bond.arp_notify:
        yield Finding(
            f"{bond.name} has num_grat_arp=0 although its MAC changes (fail_over_mac=active), wanted 1 or more"
        )
    for text in _weak_announcements(bond):
        yield Finding(f"{bond.name} {text}", broken=False)


def _may_change_mac(one: LocatedVf | None) -> bool:
    return one is not None and (one.vf.trust is True or one.vf.admin_mac == NO_MAC)


def _each(values: Mapping[str, object], what: str) -> str:
    return ", ".join(f"{nic} has {what} {value or 'none'}" for nic, value in values.items())


def _weak_announcements(bond: Bond) -> Iterator[str]:
    if bond.num_grat_arp == 0 and bond.fail_over_mac == "active" and bond.arp_notify:
        # Measured on 6.12: a neighbour's entry changes although num_grat_arp is 0.
        also = "" if bond.ndisc_notify else ", and IPv6 addresses not at all (ndisc_notify=0)"
        yield f"has num_grat_arp=0: arp_notify announces a new MAC, once{also}"
    elif bond.num_grat_arp == 0:
        yield "has num_grat_arp=0: nothing is announced after a failover"
    if bond.bridge is not None and bond.bridge.kind == "bridge" and not bridge_announces(bond):
        name = bond.bridge.name
        setting = f"or set net.ipv4.conf.{name}.arp_notify=1"
        if bond.fail_over_mac != "active":
            setting = (
                f"as arp_notify speaks only of a new MAC, and fail_over_mac={bond.fail_over_mac} keeps the old one"
            )
        yield (
            f"is a port of bridge {name}: addresses on the bridge are never announced after a failover;"
            f" put them on the bond, {setting}"
        )
    delay = bond.peer_notif_delay or 0
    if swallows_on_link_loss(num_grat_arp=bond.num_grat_arp, peer_notif_delay=delay, miimon=bond.miimon):
        yield (
            f"sends one announcement fewer than num_grat_arp={bond.num_grat_arp} on a loss of link, because"
            f" peer_notif_delay={delay} is less than twice miimon={bond.miimon} (kernels before the rework of 2025)"
        )


def bridge_announces(bond: Bond) -> bool:
    """Whether the bridge over a bond announces a new MAC by itself: once, by arp_notify."""
    return bond.bridge_arp_notify and bond.fail_over_mac == "active"
