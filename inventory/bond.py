"""What a bond must be, on a guest or on a host."""

from __future__ import annotations

from ipaddress import IPv4Interface, IPv6Interface
from typing import Annotated, Literal

from pydantic import Field, model_validator

from inventory.mistakes import refuse
from inventory.strict import Strict
from inventory.values import NicName, Whole


class Bond(Strict):
    """What a bond must be. Its key is its interface name."""

    mode: str = Field("active-backup", description="bonding mode, in the kernel's words")
    slaves: tuple[NicName, ...] = Field(description="every slave, in any order")
    fail_over_mac: Literal["none", "active", "follow"] | None = Field(
        default=None, description="whose MAC the bond takes; VFs with a MAC set by the host need 'active'"
    )
    miimon: Whole | None = Field(default=None, ge=0, description="link monitoring interval in ms")
    updelay: Whole | None = Field(default=None, ge=0, description="ms that a link must be up before it is used")
    downdelay: Whole | None = Field(default=None, ge=0, description="ms that a link must be down before it is left")
    arp_interval: Whole | None = Field(default=None, ge=0, description="ARP monitoring interval in ms; 0 means none")
    num_grat_arp: Whole | None = Field(default=None, ge=0, le=255, description="notifications after a failover")
    peer_notif_delay: Whole | None = Field(default=None, ge=0, description="ms between those notifications")
    primary: NicName | None = Field(default=None, description="the slave that is preferred")
    primary_reselect: Literal["always", "better", "failure"] | None = Field(
        default=None, description="when the primary takes over again"
    )
    mtu: Whole | None = Field(default=None, ge=68, le=65535, description="MTU of the bond and of every slave, in bytes")
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
