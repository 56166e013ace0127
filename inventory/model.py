"""The inventory's types: hosts, guests, observers and what each of them must be.

A value that is left out is not checked, unless its description says otherwise. Units stand in the names.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Annotated, Literal

from pydantic import Field, model_validator

from inventory.bond import Bond
from inventory.drill import Budgets, Drill, FaultName, HostDrill
from inventory.mistakes import Place, refuse
from inventory.strict import Strict
from inventory.values import (
    THROUGH_THE_HOST,
    Connection,
    GuestConnection,
    KernelParameter,
    Mac,
    MachineName,
    NicName,
    PciAddress,
    Whole,
)
from inventory.waiver import Waiver
from inventory.wording import did_you_mean

__all__ = [
    "Bond",
    "Budgets",
    "Drill",
    "FaultName",
    "Guest",
    "GuestNic",
    "Host",
    "HostDrill",
    "Inventory",
    "Observer",
    "Pf",
    "Strict",
    "Vf",
    "Waiver",
]

Persistence = Literal[
    "any",
    "udev",
    "link",
    "networkmanager",
    "netplan",
    "unit",
    "modprobe",
    "rc.local",
    "sysfsutils",
    "tmpfiles",
    "ifupdown",
    "operator",
]
"""Whose work the VFs of a PF may be; operator: sriov-network-operator or os-net-config."""


class Vf(Strict):
    """What one VF must be, addressed by its index on the PF."""

    mac: Mac | None = Field(default=None, description="administrative MAC as the PF reports it")
    vlan: Whole | None = Field(default=None, ge=0, le=4095, description="VLAN set through the PF; 0 means none")
    vlan_qos: Whole | None = Field(default=None, ge=0, le=7, description="priority (PCP) of that VLAN; 0 means none")
    driver: str | None = Field(
        default=None, description="driver bound to the VF on the host, such as vfio-pci or igbvf"
    )
    spoofchk: bool | None = Field(default=None, description="MAC spoof checking, as the PF reports it")
    trust: bool | None = Field(default=None, description="trust flag, as the PF reports it")
    link_state: Literal["auto", "enable", "disable"] | None = Field(
        default=None, description="link state set through the PF; only auto follows the port"
    )
    max_tx_rate_mbps: Whole | None = Field(default=None, ge=0, description="upper limit of sending; 0 means none")
    min_tx_rate_mbps: Whole | None = Field(default=None, ge=0, description="guaranteed rate of sending; 0 means none")


class Pf(Strict):
    """What one PF must be. Its key in the inventory is its interface name on the host."""

    address: PciAddress | None = Field(
        default=None, description="PCI address; when left out, the interface name decides"
    )
    driver: str | None = Field(default=None, description="kernel driver, such as i40e")
    vfs: Whole = Field(ge=0, description="wanted number of VFs, now and after the next boot")
    persistence: Persistence = Field(
        default="any", description="what creates the VFs at boot; any takes whichever one mechanism really does"
    )
    mtu: Whole | None = Field(default=None, ge=68, le=65535, description="MTU of the PF, in bytes")
    eswitch_mode: Literal["legacy", "switchdev"] | None = Field(default=None, description="mode of the NIC's switch")
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
    dma_domain: Literal["any", "translated", "passthrough"] = Field(
        default="any", description="default domain of devices that the host keeps for itself: iommu.passthrough=0 or 1"
    )
    dma_invalidation: Literal["any", "strict", "lazy"] = Field(
        default="any", description="when a translated domain forgets a mapping: iommu.strict=1 or 0"
    )
    kernel_parameters: tuple[KernelParameter, ...] = Field(
        default=(), description="parameters that the running kernel, its boot entry and that entry's source must have"
    )
    group: MachineName | None = Field(
        default=None, description="hosts of one group must be alike: kernel, drivers, firmware, settings of their VFs"
    )
    pfs: dict[NicName, Pf] = Field(default_factory=dict, description="PFs by interface name")
    bonds: dict[NicName, Bond] = Field(default_factory=dict, description="bonds of the host itself, by their name")
    drill: HostDrill = Field(
        default=HostDrill(), description="permission to set PFs and VFs of this host down, and to reboot it"
    )


class GuestNic(Strict):
    """A VF inside a guest. Its key is the interface name in the guest."""

    mac: Mac | None = Field(default=None, description="MAC of the NIC in the guest, and of its VF")
    pf: NicName | None = Field(default=None, description="the host's PF that the VF must belong to")
    vf: Whole | None = Field(default=None, ge=0, description="index of the VF on that PF")
    vlan: Whole | None = Field(
        default=None, ge=0, le=4095, description="VLAN that libvirt sets on the VF; 0 means none"
    )


class Guest(Strict):
    """A virtual machine on VFs, or any machine with a bond worth a drill."""

    connect: GuestConnection = Field(
        description="connection string; best a path that does not use the bond: qga:// is the guest agent, through "
        "libvirt on 'host'"
    )
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
    switch_hook: tuple[str, ...] = Field(
        default=(), description="command on this machine that takes a switch's port down, or a wire's carrier away"
    )
    waivers: tuple[Waiver, ...] = Field(
        default=(), description="statements that may be broken for now, and who says so"
    )

    @model_validator(mode="after")
    def _fits_together(self) -> Inventory:
        refuse([*self._double_names(), *self._unknown_names(), *self._wrong_waivers()])
        return self

    def _wrong_waivers(self) -> Iterator[tuple[Place, str]]:
        machines, seen = {**self.hosts, **self.guests}, set()
        for index, waiver in enumerate(self.waivers):
            if waiver.on not in machines:
                near = did_you_mean(waiver.on, machines)
                yield ("waivers", index, "on"), f"there is no host or guest {waiver.on!r} in this inventory{near}"
            if (waiver.statement, waiver.on) in seen:
                yield ("waivers", index), f"{waiver.statement} of {waiver.on} is waived twice; keep one of them"
            seen.add((waiver.statement, waiver.on))

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
            for key, sentence in _wrong_way(name, guest):
                yield (*place, key), sentence
            if guest.host is not None and guest.host not in self.hosts:
                yield (
                    (*place, "host"),
                    f"there is no host {guest.host!r} in this inventory{did_you_mean(guest.host, self.hosts)}",
                )
            yield from self._unknown_observers(place, guest.drill)
            if guest.drill.bond is not None and guest.bonds and guest.drill.bond not in guest.bonds:
                yield (
                    (*place, "drill", "bond"),
                    f"the guest has no bond {guest.drill.bond!r}; it has {_list(guest.bonds)}",
                )
            for nic_name, nic in guest.nics.items():
                for key, sentence in self._wrong_vf(guest.host, nic):
                    yield (*place, "nics", nic_name, key), sentence

    def _unknown_observers(self, place: Place, drill: Drill) -> Iterator[tuple[Place, str]]:
        named: list[tuple[Place, str]] = [] if drill.observer is None else [(("drill", "observer"), drill.observer)]
        named += [(("drill", "more_observers", index), name) for index, name in enumerate(drill.more_observers)]
        seen: set[str] = set()
        for where, name in named:
            if name not in self.observers:
                near = did_you_mean(name, self.observers)
                yield (*place, *where), f"there is no observer {name!r} in this inventory{near}"
            elif name in seen:
                yield (*place, *where), f"observer {name!r} is named twice; once is enough"
            seen.add(name)

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


def _wrong_way(name: str, guest: Guest) -> Iterator[tuple[str, str]]:
    if guest.connect != THROUGH_THE_HOST:
        return
    if guest.host is None:
        yield "connect", "needs the guest's 'host', through whose libvirt the guest agent is reached"
    if guest.ssh_config is not None:
        yield "ssh_config", "means nothing with qga://; the host's own is used"
    if (guest.domain or name).isdecimal():
        yield "domain", "virsh takes digits alone for the number of a running domain; qga:// needs another name"


def _list(names: Iterable[str]) -> str:
    return ", ".join(names)
