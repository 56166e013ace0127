"""What the check foretells of a boot, against what came: the same code as the statements, and every kind once wrong."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from checks.facts.boot_parameters import BootParameters
from checks.facts.iommu import Iommu
from checks.linux.kernel_parameters import split
from checks.outcome import CouldNotLook
from failover.rebooting.facts import HostFacts, of_host
from failover.rebooting.forecast import foretell
from failover.rebooting.foretold import Compared, compare
from failover.rebooting.name_forecast import foretell_names
from inventory.model import Host
from tests.checks import persistence_host
from tests.checks.test_vf_persistence import RIGHT, SEED
from tests.failover.reboot_samples import (
    GUEST,
    PF_1,
    domain,
    guest_facts,
    host_facts,
    pfs,
    wanted,
    with_domain,
    with_pf,
    without_vfs,
)


def compared(before: HostFacts, after: HostFacts, host: Host | None = None) -> dict[str, Compared]:
    return {one.foretold.subject: one for one in compare(foretell(before, host or wanted()), after)}


def boot(facts: HostFacts | None = None) -> BootParameters:
    found = (facts or host_facts()).boot
    assert isinstance(found, BootParameters)
    return found


def test_of_a_host_that_stays_as_it_is_everything_is_foretold_and_comes() -> None:
    found = compared(host_facts(), host_facts())
    assert {subject: one.foretold.values for subject, one in found.items()} == {
        "VFs of enp1s0": ("2",),
        "VFs of enp2s0": ("2",),
        "kernel": ("6.12.117+deb13-amd64",),
        "command line of the kernel": ("as in the entry",),
        "IOMMU": ("on",),
        "interrupt remapping": ("on",),
        f"domain {GUEST}": ("runs",),
    }
    assert not any(one.is_wrong for one in found.values())
    assert str(found["VFs of enp1s0"]) == "VFs of enp1s0: foretold 2, came 2"


def test_vfs_that_do_not_come_although_they_were_foretold_are_wrong() -> None:
    found = compared(host_facts(), without_vfs())
    assert found["VFs of enp1s0"].is_wrong
    assert str(found["VFs of enp1s0"]) == "VFs of enp1s0: foretold 2, came 0"
    assert found[f"domain {GUEST}"].is_wrong
    assert not found["VFs of enp2s0"].is_wrong


def test_a_pf_that_is_gone_is_no_number() -> None:
    rest = replace(host_facts(), pfs=tuple(pf for pf in pfs() if pf.address != PF_1))
    assert compared(host_facts(), rest)["VFs of enp1s0"].came == "none, for the PF is gone"


@pytest.mark.parametrize(("rule", "foretold"), [(SEED, "0"), (RIGHT, "2")])
def test_the_seeds_rule_is_foretold_to_make_none(rule: str, foretold: str) -> None:
    before = of_host(persistence_host.bundle(rules={"enp14s0f0.rules": rule}))
    [one] = [one for one in foretell(before, wanted(pfs={})) if one.subject.startswith("VFs of")]
    assert (one.subject, one.values) == ("VFs of enp1s0", (foretold,))
    assert ("the rule wants 'ixgbe'" in one.why) == (rule == SEED)
    [came] = compare([one], before)
    assert came.is_wrong == (foretold == "0")  # two are there now


def test_a_guest_whose_vfs_will_be_lost_is_foretold_to_stay_off() -> None:
    unread = replace(host_facts(), udev_rules=CouldNotLook("hfbc9a: rules denied"))
    assert compared(unread, unread)[f"domain {GUEST}"].foretold.values == ()
    assert compared(unread, unread)["VFs of enp1s0"].foretold.values == ()
    assert "rules denied" in str(compared(unread, unread)["VFs of enp1s0"])
    bare = with_pf(PF_1, numvfs=2)
    rules = replace(bare, udev_rules=replace(known_rules(bare), forecasts=no_vfs(bare)))
    one = compared(rules, without_vfs())[f"domain {GUEST}"]
    assert (one.foretold.values, one.is_wrong) == (("does not run",), False)
    assert "VF 0 of enp1s0, which it needs, will not be there" in one.foretold.why


def known_rules(facts: HostFacts) -> Any:
    return facts.udev_rules


def no_vfs(facts: HostFacts) -> Any:
    return tuple(replace(one, late=0, early=0) for one in known_rules(facts).forecasts)


@pytest.mark.parametrize(
    ("changes", "values"),
    [
        ({"autostart": False}, ("does not run",)),
        ({"autostart": None}, ()),
        ({"stored": None}, ("does not run",)),
        ({}, ("runs",)),
    ],
)
def test_libvirts_autostart_decides_over_a_domain(changes: dict[str, Any], values: tuple[str, ...]) -> None:
    found = compared(with_domain(**changes), host_facts())[f"domain {GUEST}"]
    assert found.foretold.values == values
    assert found.is_wrong == (values == ("does not run",))


def with_running(text: str) -> HostFacts:
    return replace(host_facts(), boot=replace(boot(), running=split(text)))


def test_another_command_line_than_the_entrys_is_told_word_by_word() -> None:
    line = " ".join(p.text for p in boot().running)
    found = compared(host_facts(), with_running(line.replace("intel_iommu=on", "debug")))["command line of the kernel"]
    assert found.is_wrong
    assert found.came == "without intel_iommu=on and with debug besides"
    found = compared(host_facts(), with_running(f"{line} initrd=/x"))["command line of the kernel"]
    assert not found.is_wrong


def test_another_kernel_than_the_entrys_is_wrong() -> None:
    other = replace(host_facts(), system=replace(host_facts().system, kernel="6.1.0-44-amd64"))
    assert compared(host_facts(), other)["kernel"].is_wrong
    unread = replace(host_facts(), system=replace(host_facts().system, kernel=None))
    found = compared(host_facts(), unread)["kernel"]
    assert (found.is_wrong, found.came) == (False, None)
    assert "could not be read" in str(found)


def test_wanted_parameters_are_foretold_by_the_entry() -> None:
    host = wanted(kernel_parameters=("intel_iommu=on", "hugepages=8"))
    found = compared(host_facts(), with_running("ro"), host)
    assert found["parameter intel_iommu=on"].foretold.values == ("on",)
    assert found["parameter intel_iommu=on"].is_wrong
    assert found["parameter hugepages=8"].foretold.values == ("off",)
    assert not found["parameter hugepages=8"].is_wrong


def test_an_iommu_that_does_not_come_was_foretold_wrongly() -> None:
    iommu = host_facts().iommu
    assert isinstance(iommu, Iommu)
    off = replace(host_facts(), iommu=replace(iommu, units=(), groups=(), interrupt_chips=frozenset({"IO-APIC"})))
    found = compared(host_facts(), off)
    assert found["IOMMU"].is_wrong
    assert found["interrupt remapping"].is_wrong


def test_the_dma_policy_is_foretold_where_the_inventory_has_one() -> None:
    subject = "DMA domain of enp1s0"
    assert subject not in compared(host_facts(), host_facts())
    found = compared(host_facts(), host_facts(), wanted(dma_domain="translated"))[subject]
    assert not found.is_wrong
    assert (found.foretold.values, found.came) == (("translated, lazy",), "translated, lazy")
    following = boot().next_boot
    assert not isinstance(following, CouldNotLook)
    other = replace(boot(), next_boot=replace(following, parameters=split("intel_iommu=on iommu=pt")))
    found = compared(replace(host_facts(), boot=other), host_facts(), wanted(dma_domain="passthrough"))[subject]
    assert (found.foretold.values, found.came, found.is_wrong) == (("passthrough",), "translated, lazy", True)


def test_without_a_known_entry_nothing_is_foretold_of_the_kernel() -> None:
    unknown = replace(host_facts(), boot=replace(boot(), next_boot=CouldNotLook("two boot loaders")))
    found = compared(unknown, host_facts())
    assert found["command line of the kernel"].foretold.values == ()
    assert "two boot loaders" in str(found["command line of the kernel"])
    assert "IOMMU" not in found


def test_names_of_nics_are_foretold_by_mac() -> None:
    found = compare(foretell_names(domain(), guest_facts()), guest_facts())
    assert {one.came for one in found} == {"enp1s0", "enp2s0", "enp3s0"}
    assert not any(one.is_wrong for one in found)
    nics: Any = guest_facts().nics
    other = replace(guest_facts(), nics=tuple(replace(nic, name=nic.name.replace("enp2s0", "eth1")) for nic in nics))
    [wrong] = [one for one in compare(foretell_names(domain(), guest_facts()), other) if one.is_wrong]
    assert "foretold enp2s0, came eth1" in str(wrong)


def test_without_its_domains_xml_nothing_is_foretold_of_names() -> None:
    assert {one.values for one in foretell_names(None, guest_facts())} == {()}
    assert {one.values for one in foretell_names(replace(domain(), stored=None), guest_facts())} == {()}
    lost = replace(domain(), stored=replace(domain().current, interfaces=()))
    assert {one.values for one in foretell_names(lost, guest_facts())} == {("no such NIC",)}
