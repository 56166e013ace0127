"""Who has to permit a reboot, who would stay off, and what else forbids it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from checks.facts.libvirt import Domain
from failover.guest import Refused
from failover.rebooting.permission import demand_reboot_permission, freed
from failover.rebooting.refusals import demand_another_machine, own_boot_id, own_macs
from inventory.model import Inventory
from tests.checks.domain_samples import MAC_1, MAC_2, PFS, VF_1, VF_2, pf, vf
from tests.failover.test_permission import domain

THIRD = "0000:01:10.2"


def inventory(web: dict[str, Any] | None = None, db: dict[str, Any] | None = None) -> Inventory:
    guests: dict[str, Any] = {
        "web": {"connect": "ssh://web", "host": "kvm-1", "drill": {"reboot": True, **(web or {})}},
        "elsewhere": {"connect": "ssh://e", "host": "kvm-2"},
    }
    if db is not None:
        guests["db"] = {"connect": "ssh://db", "host": "kvm-1", "domain": "db-1", "drill": db}
    hosts = {name: {"connect": f"ssh://{name}", "drill": {"reboot": True}} for name in ("kvm-1", "kvm-2")}
    return Inventory.model_validate({"hosts": hosts, "guests": guests})


def starts(one: Domain, by_itself: bool | None = True) -> Domain:
    return replace(one, autostart=by_itself)


WEB = starts(domain("web", VF_1, VF_2))


def test_a_host_whose_only_guest_permits_it_may_be_rebooted() -> None:
    demand_reboot_permission(inventory(), "kvm-1", [WEB], PFS)
    assert freed(inventory(), "kvm-1", [WEB]) == {}


@pytest.mark.parametrize("without_vfs", [True, False])
def test_every_running_guest_must_permit_it_whether_it_has_vfs_or_not(without_vfs: bool) -> None:
    db = starts(domain("db-1") if without_vfs else domain("db-1", THIRD))
    with pytest.raises(Refused, match=r"would also take down db-1: .*guests.NAME.drill.reboot"):
        demand_reboot_permission(inventory(db={"permitted": True}), "kvm-1", [WEB, db], PFS)
    demand_reboot_permission(inventory(db={"reboot": True}), "kvm-1", [WEB, db], PFS)


def test_a_guest_that_nobody_described_is_named() -> None:
    with pytest.raises(Refused, match=r"take down mail \(not in this inventory\)"):
        demand_reboot_permission(inventory(), "kvm-1", [WEB, starts(domain("mail"))], PFS)
    demand_reboot_permission(inventory(), "kvm-1", [WEB, starts(domain("mail", runs=False))], PFS)


def test_a_guest_that_is_not_libvirts_must_permit_it_too() -> None:
    with pytest.raises(Refused, match=r"take down db \(of which libvirt there knows nothing\)"):
        demand_reboot_permission(inventory(db={}), "kvm-1", [WEB], PFS)


def test_whoever_else_holds_a_vf_is_not_ignored() -> None:
    held = (pf("enp1s0f0", "0000:01:00.0", vf(0, VF_1, MAC_1), vf(1, THIRD)), PFS[1])
    with pytest.raises(Refused, match=r"whoever holds VF 1 of enp1s0f0 .* bound to vfio-pci"):
        demand_reboot_permission(inventory(), "kvm-1", [WEB], held)


@pytest.mark.parametrize(
    ("by_itself", "why"), [(False, "no autostart"), (None, "whether it starts by itself may not be read")]
)
def test_a_guest_that_would_stay_off_is_a_refusal_unless_it_may(by_itself: bool | None, why: str) -> None:
    web = starts(WEB, by_itself)
    with pytest.raises(Refused, match=rf"would stay off, and no drill starts guests: web \({why}\)"):
        demand_reboot_permission(inventory(), "kvm-1", [web], PFS)
    permitted = inventory({"may_stay_off": True})
    demand_reboot_permission(permitted, "kvm-1", [web], PFS)
    assert freed(permitted, "kvm-1", [web]) == {VF_1: "web", VF_2: "web"}
    assert freed(permitted, "kvm-1", [WEB]) == {}


def test_a_transient_guest_ends_with_the_boot() -> None:
    with pytest.raises(Refused, match="it is transient"):
        demand_reboot_permission(inventory(), "kvm-1", [replace(WEB, stored=None, autostart=False)], PFS)


def test_the_controllers_own_machine_is_never_rebooted() -> None:
    demand_another_machine("theirs", [WEB], "ours", frozenset({"02:00:00:00:00:09"}))
    with pytest.raises(Refused, match="this runs on it, or in a container on it"):
        demand_another_machine("ours", [], "ours", frozenset())
    with pytest.raises(Refused, match="this runs in web, a guest of it"):
        demand_another_machine("theirs", [WEB], "ours", frozenset({MAC_2}))
    off = domain("web", VF_1, VF_2, runs=False)
    demand_another_machine("theirs", [off], "ours", frozenset({MAC_2}))


def test_our_own_boot_and_macs_are_read(tmp_path: Path) -> None:
    for name, mac in (("lo", "00:00:00:00:00:00"), ("eth0", "52:54:00:AA:00:01")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "address").write_text(f"{mac}\n")
    assert own_macs(tmp_path) == {"52:54:00:aa:00:01"}
    assert len(own_boot_id()) == 36
