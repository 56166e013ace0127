"""The inventory's types: hosts, guests, observers and what each of them must be.

A value that is left out is not checked, unless its description says otherwise. Units stand in the names.
"""

from __future__ import annotations

import re
from ipaddress import IPv4Interface, IPv6Interface
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

_BDF = re.compile(r"^[0-9a-f]{4}:[0-9a-f]{2}:[01][0-9a-f]\.[0-7]$")
_MAC = re.compile(r"^([0-9a-f]{2}:){5}[0-9a-f]{2}$")
_NIC = re.compile(r"^[^\s/:]{1,15}$")


def _pci_address(value: str) -> str:
    value = value.lower()
    if value.count(":") == 1:
        value = f"0000:{value}"
    if not _BDF.match(value):
        raise ValueError("not a PCI address; write domain:bus:slot.function in hex, such as 0000:3d:00.0")
    return value


def _mac(value: str) -> str:
    value = value.lower().replace("-", ":")
    if not _MAC.match(value):
        raise ValueError("not a MAC address; write six hex pairs, such as 52:54:00:6d:90:02")
    return value


def _nic(value: str) -> str:
    if not _NIC.match(value):
        raise ValueError("not an interface name; the kernel takes 1 to 15 characters with no space, '/' or ':'")
    return value


PciAddress = Annotated[str, AfterValidator(_pci_address)]
Mac = Annotated[str, AfterValidator(_mac)]
NicName = Annotated[str, AfterValidator(_nic)]
Milliseconds = Annotated[float, Field(ge=0)]


class Strict(BaseModel):
    """A mapping that refuses keys it does not know."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Vf(Strict):
    """What one VF must be, addressed by its index on the PF."""

    mac: Mac | None = Field(default=None, description="administrative MAC as the PF reports it")
    vlan: int | None = Field(default=None, ge=0, le=4095, description="VLAN set through the PF; 0 means none")
    driver: str | None = Field(
        default=None, description="driver bound to the VF on the host, such as vfio-pci or igbvf"
    )
    spoofchk: bool | None = Field(default=None, description="MAC spoof checking, as the PF reports it")
    trust: bool | None = Field(default=None, description="trust flag, as the PF reports it")


class Pf(Strict):
    """What one PF must be. Its key in the inventory is its interface name on the host."""

    address: PciAddress | None = Field(
        default=None, description="PCI address; when left out, the interface name decides"
    )
    driver: str | None = Field(default=None, description="kernel driver, such as i40e")
    vfs: int = Field(ge=0, description="wanted number of VFs, now and after the next boot")
    persistence: Literal["udev", "any"] = Field(
        default="any", description="what creates the VFs at boot: a udev rule, or any one mechanism that really does"
    )
    vf: dict[int, Vf] = Field(default_factory=dict, description="single VFs by index, from 0")


class Host(Strict):
    """A KVM host that hands VFs to guests."""

    connect: str = Field(description="connection string as Testinfra's: ssh://user@host:port, paramiko://, local://")
    ssh_config: str | None = Field(
        default=None, description="OpenSSH client configuration to use in place of the user's"
    )
    sudo: bool = Field(default=False, description="use `sudo -n` for sources that this user may not read")
    iommu: Literal["required", "any"] = Field(default="required", description="whether an effective IOMMU is demanded")
    interrupt_remapping: Literal["required", "any"] = Field(
        default="required", description="whether remapping is demanded"
    )
    pfs: dict[NicName, Pf] = Field(default_factory=dict, description="PFs by interface name")


class GuestNic(Strict):
    """A VF inside a guest. Its key is the interface name in the guest."""

    mac: Mac | None = Field(default=None, description="MAC of the NIC in the guest, and of its VF")
    pf: NicName | None = Field(default=None, description="the host's PF that the VF must belong to")
    vf: int | None = Field(default=None, ge=0, description="index of the VF on that PF")
    vlan: int | None = Field(default=None, ge=0, le=4095, description="VLAN that libvirt sets on the VF; 0 means none")


class Bond(Strict):
    """What a bond must be. Its key is its interface name."""

    mode: str = Field("active-backup", description="bonding mode, in the kernel's words")
    slaves: tuple[NicName, ...] = Field(description="every slave, in any order")
    fail_over_mac: Literal["none", "active", "follow"] | None = None
    miimon: int | None = Field(default=None, ge=0, description="link monitoring interval in ms")
    num_grat_arp: int | None = Field(default=None, ge=0, le=255, description="notifications after a failover")
    peer_notif_delay: int | None = Field(default=None, ge=0, description="ms between those notifications")
    primary: NicName | None = None
    addresses: tuple[IPv4Interface | IPv6Interface, ...] = Field(default=(), description="addresses on the bond itself")
    vlans: dict[int, tuple[IPv4Interface | IPv6Interface, ...]] = Field(
        default_factory=dict, description="addresses of VLAN interfaces over the bond, by VLAN id"
    )


class Budgets(Strict):
    """What a failover may cost. Measured values above these are broken."""

    outage_ms: Milliseconds = Field(default=1000, description="longest gap in traffic, per direction of the switch")
    first_garp_ms: Milliseconds = Field(
        default=250, description="from the switch to the first gratuitous ARP, observer's clock"
    )
    lost_probes: int | None = Field(default=None, ge=0, description="lost probes in all, per direction of the switch")
    neighbour_s: float = Field(default=3, gt=0, description="until the observer's own neighbour entry has the new MAC")


class Drill(Strict):
    """Permission to switch a guest's bond, and how."""

    permitted: bool = Field(default=False, description="nothing is ever switched on a guest without this")
    bond: NicName | None = Field(default=None, description="which bond; needed only when the guest has several")
    switch: Literal["auto", "ifenslave", "iproute2", "sysfs"] = Field(
        default="auto",
        description="how to switch; auto takes ifenslave where the guest has one, else iproute2, else sysfs",
    )
    observer: str | None = Field(default=None, description="name of the observer that watches; required to drill")
    probe_interval_ms: float = Field(default=5, ge=1, le=1000, description="time between two probes")
    give_back_after_s: int = Field(default=60, ge=10, le=3600, description="the guest's own undo timer")
    budgets: Budgets = Budgets()


class Guest(Strict):
    """A virtual machine on VFs, or any machine with a bond worth a drill."""

    connect: str = Field(description="connection string; best a path that does not use the bond")
    ssh_config: str | None = Field(
        default=None, description="OpenSSH client configuration to use in place of the user's"
    )
    sudo: bool = Field(default=False, description="use `sudo -n` for sources that this user may not read")
    host: str | None = Field(default=None, description="the host it runs on, by its name in this inventory")
    domain: str | None = Field(default=None, description="libvirt's name of the guest; its key here when left out")
    nics: dict[NicName, GuestNic] = Field(default_factory=dict, description="NICs by their name in the guest")
    bonds: dict[NicName, Bond] = Field(default_factory=dict)
    drill: Drill = Drill()


class Observer(Strict):
    """A neighbour on the guest's network that watches the wire during a drill.

    Either a machine reached over SSH (`connect`) or an interface of this machine, in a network namespace or not.
    """

    interface: NicName = Field(description="interface that sees the guest's broadcasts")
    connect: str | None = Field(
        default=None, description="connection string of the machine; this machine when left out"
    )
    ssh_config: str | None = Field(
        default=None, description="OpenSSH client configuration to use in place of the user's"
    )
    sudo: bool = Field(default=False, description="use `sudo -n` to capture and to probe")
    namespace: str | None = Field(default=None, description="name or path of a network namespace of this machine")
    user_namespace: str | None = Field(
        default=None,
        description="path of the user namespace that owns the network namespace, when it is not the machine's",
    )

    @model_validator(mode="after")
    def _one_place(self) -> Observer:
        if self.connect is not None and self.namespace is not None:
            raise ValueError("'namespace' is for this machine; an observer with 'connect' has none")
        if self.user_namespace is not None and self.namespace is None:
            raise ValueError("'user_namespace' needs 'namespace'")
        return self


class Inventory(Strict):
    """A whole inventory file."""

    version: Literal[1] = 1
    hosts: dict[str, Host] = Field(default_factory=dict)
    guests: dict[str, Guest] = Field(default_factory=dict)
    observers: dict[str, Observer] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _names_exist(self) -> Inventory:
        for name, guest in self.guests.items():
            if guest.host is not None and guest.host not in self.hosts:
                raise ValueError(f"guests.{name}.host: there is no host {guest.host!r} in this inventory")
            if guest.drill.observer is not None and guest.drill.observer not in self.observers:
                raise ValueError(f"guests.{name}.drill.observer: there is no observer {guest.drill.observer!r} here")
            for nic_name, nic in guest.nics.items():
                if nic.pf is not None and guest.host is not None and nic.pf not in self.hosts[guest.host].pfs:
                    raise ValueError(f"guests.{name}.nics.{nic_name}.pf: host {guest.host} has no PF {nic.pf!r} here")
        return self
