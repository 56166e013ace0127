"""Permission to drill, what a drill does, and what a failover may cost."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from inventory.strict import Strict
from inventory.values import Milliseconds, NicName, Number, Whole

FaultName = Literal["switch", "slave-down", "both-down", "pf-down", "vf-link-down", "port-down", "wire-cut"]
"""What a drill does to a bond. switch: another active slave by command; slave-down, both-down: in the guest;
pf-down, vf-link-down: on the host; port-down, wire-cut: by the site's own hook.
"""


class HostDrill(Strict):
    """Permission to break links on a host for the drills of its guests, and another one to reboot it."""

    permitted: bool = Field(
        default=False, description="PFs and VFs of this host may be set down; every guest on them must permit it, too"
    )
    reboot: bool = Field(
        default=False,
        description="this host may be rebooted (--reboot); every guest that runs on it must permit it, too",
    )
    reboot_deadline_s: Whole = Field(
        default=900, ge=30, le=7200, description="from the reboot until the host, its VFs and its guests must be back"
    )


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
    faults: tuple[FaultName, ...] = Field(
        default=("switch",), description="what is done to the bond, each a drill of its own, in this order"
    )
    on_request: tuple[FaultName, ...] = Field(
        default=(), description="what else may be done, but only when the command line asks for it by --fault"
    )
    observer: str | None = Field(default=None, description="name of the observer that watches; required to drill")
    more_observers: tuple[str, ...] = Field(
        default=(), description="further observers of the same drill, such as one on another switch"
    )
    probe_interval_ms: Number = Field(default=5, ge=1, le=1000, description="time between two probes")
    give_back_after_s: Whole = Field(default=60, ge=10, le=3600, description="the guest's own undo timer")
    budgets: Budgets = Field(default=Budgets(), description="what one switch may cost")
    reboot: bool = Field(
        default=False, description="the guest may go down with its host when that is rebooted (--reboot)"
    )
    may_stay_off: bool = Field(
        default=False,
        description="it may stay off then, where libvirt does not start it by itself: no drill starts guests",
    )
