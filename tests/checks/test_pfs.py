"""The statements about PFs as ports: MTU, eswitch, PCI Express, names of VFs."""

from __future__ import annotations

from dataclasses import replace

import pytest

from checks import test_pfs as statements
from checks.facts.pf_details import PfDetails
from checks.linux.pcie_link import Lanes, PcieLink
from checks.outcome import CouldNotLook, collected_advice
from tests.checks.test_vfs import PF, VFS, found, host_files, host_links, wanted


def with_details(**changes):
    (pf,) = found()
    return (replace(pf, details=PfDetails(**changes)),)


def test_every_pf_has_the_wanted_mtu__broken_when_smaller():
    pfs = found(files=host_files() | {"/sys/class/net/enp1s0/mtu": "1500\n"})
    with pytest.raises(AssertionError, match=rf"host: enp1s0 \({PF}\) has 1500, wanted 9000 .*/sys/class/net/\*/mtu"):
        statements.test_every_pf_has_the_wanted_mtu("host", wanted(mtu=9000), pfs)


def test_every_pf_has_the_wanted_mtu__holds_and_tells_of_a_vf_with_a_larger_one():
    files = host_files() | {"/sys/class/net/enp1s0/mtu": "1500\n", "/sys/class/net/enp1s0v1/mtu": "9000\n"}
    statements.test_every_pf_has_the_wanted_mtu("host", wanted(mtu=1500), found(files=files))
    links = host_links() | {"/sys/class/net/enp1s0v1": f"../../devices/pci0000:00/{VFS[1]}/net/enp1s0v1"}
    with collected_advice() as advice:
        statements.test_every_pf_has_the_wanted_mtu("host", wanted(), found(files=files, links=links))
    assert "enp1s0v1 (enp1s0 VF 1) has 9000, its PF 1500" in advice[0]


def test_every_pf_has_the_wanted_mtu__holds_nothing_that_is_unknown_or_not_wanted():
    with pytest.raises(CouldNotLook, match="nothing tells the MTU of enp1s0"):
        statements.test_every_pf_has_the_wanted_mtu("host", wanted(mtu=1500), found())
    with pytest.raises(pytest.skip.Exception):
        statements.test_every_pf_has_the_wanted_mtu("host", wanted(), found())


def test_every_pf_has_the_wanted_eswitch_mode__broken_in_the_other_mode():
    pfs = with_details(eswitch_mode="legacy")
    with pytest.raises(AssertionError, match=r"driver igb. is in legacy mode, wanted switchdev"):
        statements.test_every_pf_has_the_wanted_eswitch_mode("host", wanted(eswitch_mode="switchdev"), pfs)


def test_every_pf_has_the_wanted_eswitch_mode__holds_in_it_and_is_unknown_without_devlink():
    pfs = with_details(eswitch_mode="legacy")
    statements.test_every_pf_has_the_wanted_eswitch_mode("host", wanted(eswitch_mode="legacy"), pfs)
    with pytest.raises(CouldNotLook, match=r"enp1s0 .there is no 'devlink' program on the host"):
        statements.test_every_pf_has_the_wanted_eswitch_mode("host", wanted(eswitch_mode="legacy"), found())
    with pytest.raises(pytest.skip.Exception):
        statements.test_every_pf_has_the_wanted_eswitch_mode("host", wanted(), found())


def test_every_pf_has_a_slot_that_carries_its_port__broken_by_one_lane_for_25_gbits():
    pfs = with_details(link=PcieLink(Lanes(8.0, 1), Lanes(8.0, 8), Lanes(8.0, 8)), speed_mbps=25000)
    with pytest.raises(AssertionError, match="port of 25000 Mbit/s behind 8 GT/s x1, which carries 7876 Mbit/s"):
        statements.test_every_pf_has_a_slot_that_carries_its_port("host", wanted(), pfs)


def link_files(speed="1000\n", port="16.0 GT/s PCIe\n"):
    """As kvm-1 shows an emulated 82576 behind a root port."""
    device = "/sys/class/net/enp1s0/device"
    return host_files() | {
        "/sys/class/net/enp1s0/speed": speed,
        f"{device}/current_link_speed": "2.5 GT/s PCIe\n",
        f"{device}/current_link_width": "1\n",
        f"{device}/max_link_speed": "2.5 GT/s PCIe\n",
        f"{device}/max_link_width": "1\n",
        f"{device}/../max_link_speed": port,
        f"{device}/../max_link_width": "1\n",
        f"{device}/numa_node": "-1\n",
    }


def test_every_pf_has_a_slot_that_carries_its_port__holds_on_kvm_1():
    with collected_advice() as advice:
        statements.test_every_pf_has_a_slot_that_carries_its_port("host", wanted(), found(files=link_files()))
    assert advice == []


def test_every_pf_has_a_slot_that_carries_its_port__holds_with_advice_where_it_could_be_better():
    link = PcieLink(Lanes(8.0, 4), Lanes(8.0, 8), Lanes(16.0, 16))
    with collected_advice() as advice:
        pfs = with_details(link=link, speed_mbps=10000, numa_node=-1, numa_nodes=2)
        statements.test_every_pf_has_a_slot_that_carries_its_port("host", wanted(), pfs)
    assert "runs at 8 GT/s x4, though card and slot both can do 8 GT/s x8" in advice[0]
    assert "which of 2 NUMA nodes enp1s0 is on" in advice[1]
    with collected_advice() as advice:
        statements.test_every_pf_has_a_slot_that_carries_its_port("host", wanted(), found(files=link_files("-1\n")))
    assert "enp1s0 has no link, so what its port needs is not known yet" in advice[0]
    with pytest.raises(pytest.skip.Exception):
        statements.test_every_pf_has_a_slot_that_carries_its_port("host", wanted(), found())


def named(*names):
    links = host_links(vf_driver="igbvf")
    links |= {
        f"/sys/class/net/{name}": f"../../devices/pci0000:00/{vf}/net/{name}"
        for name, vf in zip(names, VFS, strict=False)
    }
    return found(links=links)


def test_vf_interfaces_are_named_after_their_pf__broken_when_two_changed_names():
    with pytest.raises(AssertionError, match=r"enp1s0 VF 0 \(0000:01:10.0\) is called enp1s0v1, enp1s0 VF 1"):
        statements.test_vf_interfaces_are_named_after_their_pf("host", wanted(), named("enp1s0v1", "enp1s0v0"))


def test_vf_interfaces_are_named_after_their_pf__holds_with_udevs_names_and_with_a_sites_own():
    with collected_advice() as advice:
        statements.test_vf_interfaces_are_named_after_their_pf("host", wanted(), named("enp1s0v0", "enp1s0v1"))
        statements.test_vf_interfaces_are_named_after_their_pf("host", wanted(), named("guest-a", "lan0v7"))
    assert advice == []
    with collected_advice() as advice:
        statements.test_vf_interfaces_are_named_after_their_pf("host", wanted(), named("eth4"))
    assert "enp1s0 VF 0 is called eth4" in advice[0]
    with pytest.raises(pytest.skip.Exception):
        statements.test_vf_interfaces_are_named_after_their_pf("host", wanted(), found())
