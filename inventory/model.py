"""The inventory's types: hosts, guests, observers and what each of them must be.

A value that is left out is not checked, unless its description says otherwise. Units stand in the names.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from ipaddress import IPv4Interface, IPv6Interface
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from inventory.mistakes import Place, refuse
from inventory.values import Connection, Mac, MachineName, Milliseconds, NicName, Number, PciAddress, Whole
from inventory.wording import did_you_mean


class Strict(BaseModel):
    """A mapping that refuses keys it does not know."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Vf(Strict):
    """What one VF must be, addressed by its index on the PF."""

    mac: Mac | None = Field(default=None, description="administrative MAC as the PF reports it")
    vlan: Whole | None = Field(default=None, ge=0, le=4095, description="VLAN set through the PF; 0 means none")
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
    vfs: Whole = Field(ge=0, description="wanted number of VFs, now and after the next boot")
    persistence: Literal["udev", "any"] = Field(
        default="any", description="what creates the VFs at boot: a udev rule, or any one mechanism that really does"
    )
    vf: dict[Annotated[Whole, Field(ge=0)], Vf] = Field(default_factory=dict, description="single VFs by index, from 0")

    @model_validator(mode="after")
    def _indices_exist(self) -> Pf:
        refuse(
            [
                (("vf", index), f"there is no VF {index}: 'vfs' wants {self.vfs}, counted from 0")
                for index in self.vf
                if index >= self.vfs
            ]
        )
        return self


class Host(Strict):
    """A KVM host that hands VFs to guests."""

    connect: Connection = Field(
        description="connection string as Testinfra's: ssh://user@host:port, paramiko://, local://"
    )
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
    vf: Whole | None = Field(default=None, ge=0, description="index of the VF on that PF")
    vlan: Whole | None = Field(
        default=None, ge=0, le=4095, description="VLAN that libvirt sets on the VF; 0 means none"
    )


class Bond(Strict):
    """What a bond must be. Its key is its interface name."""

    mode: str = Field("active-backup", description="bonding mode, in the kernel's words")
    slaves: tuple[NicName, ...] = Field(description="every slave, in any order")
    fail_over_mac: Literal["none", "active", "follow"] | None = Field(
        default=None, description="whose MAC the bond takes; VFs with a MAC set by the host need 'active'"
    )
    miimon: Whole | None = Field(default=None, ge=0, description="link monitoring interval in ms")
    num_grat_arp: Whole | None = Field(default=None, ge=0, le=255, description="notifications after a failover")
    peer_notif_delay: Whole | None = Field(default=None, ge=0, description="ms between those notifications")
    primary: NicName | None = Field(default=None, description="the slave that is preferred")
    addresses: tuple[IPv4Interface | IPv6Interface, ...] = Field(default=(), description="addresses on the bond itself")
    vlans: dict[Annotated[Whole, Field(ge=1, le=4094)], tuple[IPv4Interface | IPv6Interface, ...]] = Field(
        default_factory=dict, description="addresses of VLAN interfaces over the bond, by VLAN id"
    )

    @model_validator(mode="after")
    def _slaves_fit(self) -> Bond:
        if not self.slaves:
            refuse([(("slaves",), "names no slave; write the NICs of the bond, such as [ens1, ens2]")])
        if len(set(self.slaves)) < len(self.slaves):
            refuse([(("slaves",), "names a slave twice")])
        if self.primary is not None and self.primary not in self.slaves:
            refuse([(("primary",), f"{self.primary!r} is not among the slaves {', '.join(self.slaves)}")])
        return self


class Budgets(Strict):
    """What a failover may cost. Measured values above these are broken."""

    outage_ms: Milliseconds = Field(default=1000, description="longest gap in traffic, per direction of the switch")
    first_garp_ms: Milliseconds = Field(
        default=250, description="from the switch to the first gratuitous ARP, observer's clock"
    )
    lost_probes: Whole | None = Field(default=None, ge=0, description="lost probes in all, per direction of the switch")
    neighbour_s: Number = Field(default=3, gt=0, description="until the observer's own neighbour entry has the new MAC")


class Drill(Strict):
    """Permission to switch a guest's bond, and how."""

    permitted: bool = Field(default=False, description="nothing is ever switched on a guest without this")
    bond: NicName | None = Field(default=None, description="which bond; needed only when the guest has several")
    switch: Literal["auto", "ifenslave", "iproute2", "sysfs"] = Field(
        default="auto",
        description="how to switch; auto takes ifenslave where the guest has one, else iproute2, else sysfs",
    )
    observer: str | None = Field(default=None, description="name of the observer that watches; required to drill")
    probe_interval_ms: Number = Field(default=5, ge=1, le=1000, description="time between two probes")
    give_back_after_s: Whole = Field(default=60, ge=10, le=3600, description="the guest's own undo timer")
    budgets: Budgets = Field(default=Budgets(), description="what one switch may cost")


class Guest(Strict):
    """A virtual machine on VFs, or any machine with a bond worth a drill."""

    connect: Connection = Field(description="connection string; best a path that does not use the bond")
    ssh_config: str | None = Field(
        default=None, description="OpenSSH client configuration to use in place of the user's"
    )
    sudo: bool = Field(default=False, description="use `sudo -n` for sources that this user may not read")
    host: str | None = Field(default=None, description="the host it runs on, by its name in this inventory")
    domain: str | None = Field(default=None, description="libvirt's name of the guest; its key here when left out")
    nics: dict[NicName, GuestNic] = Field(default_factory=dict, description="NICs by their name in the guest")
    bonds: dict[NicName, Bond] = Field(default_factory=dict, description="bonds by their interface name")
    drill: Drill = Field(default=Drill(), description="permission to switch this guest's bond, and how")


class Observer(Strict):
    """A neighbour on the guest's network that watches the wire during a drill.

    Either a machine reached over SSH (`connect`) or an interface of this machine, in a network namespace or not.
    """

    interface: NicName = Field(description="interface that sees the guest's broadcasts")
    connect: Connection | None = Field(
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
            refuse([(("namespace",), "is for this machine; an observer with 'connect' has none")])
        if self.user_namespace is not None and self.namespace is None:
            refuse([(("user_namespace",), "needs 'namespace' beside it")])
        return self


class Inventory(Strict):
    """A whole inventory file."""

    version: Literal[1] = Field(default=1, description="of this file's form")
    hosts: dict[MachineName, Host] = Field(default_factory=dict, description="KVM hosts by a name of your choice")
    guests: dict[MachineName, Guest] = Field(default_factory=dict, description="machines with bonds, by name")
    observers: dict[MachineName, Observer] = Field(default_factory=dict, description="neighbours that watch drills")

    @model_validator(mode="after")
    def _fits_together(self) -> Inventory:
        refuse([*self._double_names(), *self._unknown_names()])
        return self

    def _double_names(self) -> Iterator[tuple[Place, str]]:
        """A name on the command line, in a report and in a file name means one machine."""
        seen: dict[str, str] = {}
        for section, names in (("hosts", self.hosts), ("guests", self.guests), ("observers", self.observers)):
            for name in names:
                if name in seen:
                    yield (section, name), f"the name is taken: it is also in '{seen[name]}'; give each machine its own"
                seen.setdefault(name, section)

    def _unknown_names(self) -> Iterator[tuple[Place, str]]:
        for name, guest in self.guests.items():
            place = ("guests", name)
            if guest.host is not None and guest.host not in self.hosts:
                yield (
                    (*place, "host"),
                    f"there is no host {guest.host!r} in this inventory{did_you_mean(guest.host, self.hosts)}",
                )
            observer = guest.drill.observer
            if observer is not None and observer not in self.observers:
                yield (
                    (*place, "drill", "observer"),
                    f"there is no observer {observer!r} in this inventory{did_you_mean(observer, self.observers)}",
                )
            if guest.drill.bond is not None and guest.bonds and guest.drill.bond not in guest.bonds:
                yield (
                    (*place, "drill", "bond"),
                    f"the guest has no bond {guest.drill.bond!r}; it has {_list(guest.bonds)}",
                )
            for nic_name, nic in guest.nics.items():
                for key, sentence in self._wrong_vf(guest.host, nic):
                    yield (*place, "nics", nic_name, key), sentence

    def _wrong_vf(self, host_name: str | None, nic: GuestNic) -> Iterator[tuple[str, str]]:
        if nic.pf is None:
            return
        if host_name is None:
            yield "pf", "needs the guest's 'host', to say whose PF this is"
        elif host_name in self.hosts:
            pf = self.hosts[host_name].pfs.get(nic.pf)
            if pf is None:
                has = _list(self.hosts[host_name].pfs) or "none"
                yield "pf", f"host {host_name} has no PF {nic.pf!r} in this inventory; it has {has}"
            elif nic.vf is not None and nic.vf >= pf.vfs:
                yield "vf", f"there is no VF {nic.vf}: PF {nic.pf} of {host_name} has {pf.vfs}, counted from 0"


def _list(names: Iterable[str]) -> str:
    return ", ".join(names)
