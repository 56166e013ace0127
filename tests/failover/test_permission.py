"""Who is touched by a fault on a host, and who has to permit it."""

from __future__ import annotations

from typing import Any

import pytest

from checks.facts.libvirt import Domain
from checks.linux.domain_xml import Definition, HostDevice, Interface
from checks.linux.nic_names import Layout
from failover.guest import Refused
from failover.host_links import VfPlace
from failover.permission import carried_by, demand_permission, places_behind
from failover.places import CouldNotMeasure, DoesNotApply
from inventory.model import Inventory
from tests.checks.domain_samples import MAC_1, MAC_2, PFS, VF_1, VF_2, pf, vf

WHOLE: dict[str, Any] = {
    "hosts": {"kvm-1": {"connect": "ssh://kvm-1", "drill": {"permitted": True}}},
    "guests": {
        "web": {
            "connect": "ssh://web",
            "host": "kvm-1",
            "nics": {"ens1": {"mac": MAC_1}, "ens2": {"mac": MAC_2}},
            "drill": {"permitted": True},
        },
        "db": {"connect": "ssh://db", "host": "kvm-1", "domain": "db-1"},
    },
}
THIRD = "0000:01:10.2"
SHARED = (pf("enp1s0f0", "0000:01:00.0", vf(0, VF_1, MAC_1), vf(1, THIRD)), PFS[1])
BOTH = ("enp1s0f0", "enp2s0f0")


def inventory(**changes: Any) -> Inventory:
    return Inventory.model_validate({**WHOLE, **changes})


def domain(name: str, *sources: str, plain: str = "", runs: bool = True) -> Domain:
    macs = dict(zip((VF_1, VF_2), (MAC_1, MAC_2), strict=True))
    interfaces = tuple(Interface("hostdev", source, macs.get(source)) for source in sources)
    hosted = (HostDevice(plain, managed=False),) if plain else ()
    definition = Definition(interfaces, hosted, Layout(""))
    return Domain(name, "running" if runs else "shut off", definition, definition if runs else None)


WEB = domain("web", VF_1, VF_2)


def test_the_guest_alone_on_its_pfs_may_be_drilled() -> None:
    demand_permission(inventory(), "kvm-1", BOTH, [WEB], PFS)


@pytest.mark.parametrize("other", [domain("db-1", THIRD), domain("db-1", plain=THIRD)])
def test_another_running_guest_on_the_same_pf_must_permit_it(other: Domain) -> None:
    with pytest.raises(Refused, match=r"would also touch db-1 \(VF 1 of enp1s0f0 \(0000:01:10.2\)\) on kvm-1"):
        demand_permission(inventory(), "kvm-1", BOTH, [WEB, other], SHARED)
    guests = {**WHOLE["guests"], "db": {**WHOLE["guests"]["db"], "drill": {"permitted": True}}}
    demand_permission(inventory(guests=guests), "kvm-1", BOTH, [WEB, other], SHARED)


def test_a_guest_on_another_pf_or_one_that_does_not_run_is_not_asked() -> None:
    demand_permission(inventory(), "kvm-1", ["enp2s0f0"], [WEB, domain("db-1", THIRD)], SHARED)
    demand_permission(inventory(), "kvm-1", BOTH, [WEB, domain("db-1", THIRD, runs=False)], SHARED)


def test_a_vf_that_somebody_else_has_taken_is_not_ignored() -> None:
    with pytest.raises(Refused, match=r"whoever holds VF 1 of enp1s0f0 .* bound to vfio-pci and in no domain"):
        demand_permission(inventory(), "kvm-1", BOTH, [WEB], SHARED)


def test_the_host_itself_must_permit_it() -> None:
    assert carried_by(inventory(), "web", "pf-down") == "kvm-1"
    with pytest.raises(Refused, match=r"hosts.kvm-1.drill.permitted"):
        carried_by(inventory(hosts={"kvm-1": {"connect": "ssh://kvm-1"}}), "web", "pf-down")
    with pytest.raises(DoesNotApply, match=r"guests.web.host"):
        carried_by(inventory(guests={"web": {"connect": "ssh://web"}}), "web", "pf-down")


def test_the_vf_behind_a_slave_is_found_by_its_mac_or_as_the_inventory_says() -> None:
    found = {"ens1": VfPlace("enp1s0f0", 0), "ens2": VfPlace("enp2s0f0", 0)}
    assert places_behind(inventory(), "web", ("ens1", "ens2"), [WEB], PFS) == found
    hosts = {"kvm-1": {"connect": "ssh://kvm-1", "pfs": {"enp9s0": {"vfs": 4}}}}
    guests = {"web": {"connect": "ssh://web", "host": "kvm-1", "nics": {"ens1": {"pf": "enp9s0", "vf": 3}}}}
    told = inventory(hosts=hosts, guests=guests)
    assert places_behind(told, "web", ("ens1",), [], ()) == {"ens1": VfPlace("enp9s0", 3)}
    with pytest.raises(CouldNotMeasure, match=r"guests.web.nics.ens2"):
        places_behind(told, "web", ("ens1", "ens2"), [], ())
