"""The bonds of a machine: options, slaves, what stands on them."""

from __future__ import annotations

from dataclasses import dataclass

from checks.bundle import Bundle, UnexpectedOutput
from checks.facts import nics
from checks.facts.known import attempt
from checks.facts.nics import Nic, number
from checks.linux.bonding import option_name
from checks.outcome import CouldNotLook
from checks.source import Attributes, File, Source

SOURCES: tuple[Source, ...] = (
    *nics.SOURCES,
    Attributes("/sys/class/net/*/bonding/*"),
    Attributes("/proc/sys/net/ipv4/conf/*/arp_notify"),
    Attributes("/proc/sys/net/ipv6/conf/*/ndisc_notify"),
    File("/proc/net/bonding/*"),  # nothing is read from it; in the bundle it is what an administrator knows
)


@dataclass(frozen=True, slots=True)
class Slave:
    """One interface of a bond. `mii_status`: up, down, going down, going back. `state`: active or backup."""

    nic: str
    state: str
    mii_status: str
    link_failures: int
    permanent_mac: str
    mtu: int
    driver: str | None
    pci_address: str | None = None

    @property
    def link_up(self) -> bool:
        """Whether the bond's monitor counts it as up."""
        return self.mii_status == "up"


@dataclass(frozen=True, slots=True)
class Bond:
    """One bond. Options in the kernel's words, unknown ones as they are; times in ms.

    `peer_notif_delay`: None on kernels before 5.3, which have no such option. `primary`, `active_slave`: None for none.
    `vlans`: the VLAN interfaces on it, or why they are not known. `bridge`: the bridge it is a port of.
    `arp_notify`, `ndisc_notify`, `bridge_arp_notify`: what the kernel goes by, on the interface or on all.
    `aggregated_ports`: of 802.3ad, how many slaves the switch and the bond use as one link; None where it is not told.
    """

    name: str
    mac: str
    mtu: int
    mode: str
    fail_over_mac: str
    miimon: int
    arp_interval: int
    updelay: int
    downdelay: int
    num_grat_arp: int
    peer_notif_delay: int | None
    arp_notify: bool
    primary: str | None
    primary_reselect: str
    active_slave: str | None
    mii_status: str
    slaves: tuple[Slave, ...]
    vlans: tuple[Nic, ...] | CouldNotLook = ()
    bridge: Nic | None = None
    ndisc_notify: bool = False
    bridge_arp_notify: bool = False
    aggregated_ports: int | None = None


def parse(bundle: Bundle) -> tuple[Bond, ...]:
    """Every bond of the machine, in name order, with their slaves in name order.

    Source: drivers/net/bonding/bond_sysfs.c, bond_sysfs_slave.c; Documentation/networking/bonding.rst.
    Raises UnexpectedOutput when an option that every kernel has is missing or has no value of its kind.
    """
    found = nics.parse(bundle)
    names = sorted(path.split("/")[4] for path in bundle.texts("/sys/class/net/*/bonding/mode"))
    vlans = attempt(lambda: _vlans(bundle, found))
    return tuple(_bond(bundle, name, found, vlans) for name in names)


def _bond(bundle: Bundle, name: str, found: tuple[Nic, ...], vlans: tuple[Nic, ...] | CouldNotLook) -> Bond:
    directory = f"/sys/class/net/{name}/bonding"
    by_name = {nic.name: nic for nic in found}
    if (own := by_name.get(name)) is None:
        raise UnexpectedOutput(f"{bundle.machine}: {directory} is there, but /sys/class/net/{name}/address is not")
    delay = f"{directory}/peer_notif_delay"
    return Bond(
        name=name,
        mac=own.mac,
        mtu=own.mtu,
        mode=_word(bundle, f"{directory}/mode"),
        fail_over_mac=_word(bundle, f"{directory}/fail_over_mac"),
        miimon=number(bundle, f"{directory}/miimon"),
        arp_interval=number(bundle, f"{directory}/arp_interval"),
        updelay=number(bundle, f"{directory}/updelay"),
        downdelay=number(bundle, f"{directory}/downdelay"),
        num_grat_arp=number(bundle, f"{directory}/num_grat_arp"),
        peer_notif_delay=None if bundle.text(delay) is None else number(bundle, delay),
        arp_notify=_notifies(bundle, "ipv4", name, "arp_notify"),
        primary=_name(bundle.text(f"{directory}/primary")),
        primary_reselect=_word(bundle, f"{directory}/primary_reselect"),
        active_slave=_name(bundle.text(f"{directory}/active_slave")),
        mii_status=_word(bundle, f"{directory}/mii_status"),
        # By their `master` links: the list in `slaves` is cut short at a page ("++more++").
        slaves=tuple(_slave(bundle, nic) for nic in sorted(found, key=lambda nic: nic.name) if nic.master == name),
        vlans=vlans if isinstance(vlans, CouldNotLook) else tuple(nic for nic in vlans if nic.lower == name),
        bridge=by_name.get(own.master) if own.master else None,
        ndisc_notify=_notifies(bundle, "ipv6", name, "ndisc_notify"),
        bridge_arp_notify=own.master is not None and _notifies(bundle, "ipv4", own.master, "arp_notify"),
        aggregated_ports=_ports(bundle.text(f"{directory}/ad_num_ports")),
    )


def _notifies(bundle: Bundle, family: str, name: str, key: str) -> bool:
    """Source: IN_DEV_ARP_NOTIFY (the greater of `all` and the interface); ndisc_netdev_event (either of both)."""
    texts = (bundle.text(f"/proc/sys/net/{family}/conf/{one}/{key}") for one in ("all", name))
    return any((text or "0").strip() != "0" for text in texts)


def _vlans(bundle: Bundle, found: tuple[Nic, ...]) -> tuple[Nic, ...]:
    nics.links_by_name(bundle)  # raises where nothing tells which interfaces are VLANs
    return tuple(nic for nic in found if nic.kind == "vlan")


def _slave(bundle: Bundle, nic: Nic) -> Slave:
    directory = f"/sys/class/net/{nic.name}/bonding_slave"
    return Slave(
        nic=nic.name,
        state=_word(bundle, f"{directory}/state"),
        mii_status=_word(bundle, f"{directory}/mii_status"),
        link_failures=number(bundle, f"{directory}/link_failure_count"),
        permanent_mac=nic.permanent_mac,
        mtu=nic.mtu,
        driver=nic.driver,
        pci_address=nic.pci_address,
    )


def _word(bundle: Bundle, path: str) -> str:
    text = bundle.text(path)
    if text is None or not text.strip():
        raise UnexpectedOutput(f"{bundle.machine}: {path} is {'not there' if text is None else 'empty'}")
    return option_name(text)


def _ports(text: str | None) -> int | None:
    """Empty in every other mode, and for users without CAP_NET_ADMIN (bonding_show_ad_num_ports)."""
    words = (text or "").split()
    return int(words[0]) if words and words[0].isascii() and words[0].isdecimal() and len(words[0]) < 6 else None


def _name(text: str | None) -> str | None:
    return text.strip() or None if text is not None else None
