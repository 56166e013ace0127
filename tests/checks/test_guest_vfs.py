"""Statements about the VFs that a guest gets: each seen to fail, and to hold on a near miss."""

from __future__ import annotations

import pytest

from checks import test_guest_vfs as statements
from checks.facts import libvirt
from checks.outcome import CouldNotLook, collected_advice
from inventory import model
from tests.checks.domain_samples import MAC_1, MAC_2, PFS, VF_1, VF_2, Hostdev, domain, host, pf, status, vf

NICS = {
    "enp1s0": model.GuestNic(mac=MAC_1, pf="enp1s0f0", vf=0, vlan=0),
    "enp2s0": model.GuestNic(mac=MAC_2, pf="enp2s0f0", vf=0, vlan=0),
}


def inventory(nics=None, **pf_values):
    wanted = NICS if nics is None else nics
    pfs = {name: model.Pf(vfs=2, **pf_values.get(name, {})) for name in ("enp1s0f0", "enp2s0f0")}
    return model.Inventory(
        hosts={"kvm-1": model.Host(connect="ssh://kvm-1", pfs=pfs)},
        guests={"guest-1": model.Guest(connect="ssh://guest-1", host="kvm-1", nics=wanted)},
    )


def running(*hostdevs, **options):
    xml = domain(interfaces=hostdevs, **options) if hostdevs else domain()
    return libvirt.find(libvirt.parse(host({"guest-1": xml}, {"guest-1": xml})), "guest-1")


def stopped(*hostdevs):
    return libvirt.find(libvirt.parse(host({"guest-1": domain(interfaces=hostdevs)}, {})), "guest-1")


def gets(found, wanted=None, pfs=PFS):
    statements.test_the_guest_gets_the_wanted_vfs("guest-1", wanted or inventory(), found, pfs)


def macs(found, wanted=None, pfs=PFS):
    statements.test_the_guests_macs_agree("guest-1", wanted or inventory(), found, pfs)


def vlans(found, wanted=None, pfs=PFS):
    statements.test_the_guests_vlans_agree("guest-1", wanted or inventory(), found, pfs)


def there(found):
    statements.test_the_domain_is_there_and_runs("guest-1", inventory().guests["guest-1"], found)


@pytest.mark.parametrize("statement", [gets, macs, vlans, there])
def test_a_sound_guest_holds_without_advice(statement):
    with collected_advice() as advice:
        statement(running())
    assert advice == []


@pytest.mark.parametrize("statement", [gets, macs, vlans])
def test_nothing_applies_when_the_inventory_puts_no_nic_on_a_pf(statement):
    with pytest.raises(pytest.skip.Exception):
        statement(running(), inventory({"enp3s0": model.GuestNic(mac=MAC_1)}))


@pytest.mark.parametrize("statement", [gets, macs, vlans])
def test_nothing_is_known_without_the_domain(statement):
    with pytest.raises(CouldNotLook, match="kvm-1 has no domain guest-1"):
        statement(None)


@pytest.mark.parametrize("statement", [macs, vlans])
def test_nothing_is_compared_when_the_domain_has_no_vf_at_all(statement):
    with pytest.raises(CouldNotLook, match="none of the wanted VFs"):
        statement(running(Hostdev("0000:09:00.0", "52:54:00:77:00:99")))


def test_the_domain_is_there_and_runs__broken_when_it_is_not_there_or_off():
    with pytest.raises(AssertionError, match="libvirt of kvm-1 has no domain guest-1"):
        there(None)
    with pytest.raises(AssertionError, match="domain guest-1 is shut off, wanted running"):
        there(stopped(Hostdev()))


def test_the_domain_is_there_and_runs__holds_with_advice_while_paused():
    [paused] = libvirt.parse(host(live={"guest-1": status(domain(), "paused")}))
    with collected_advice() as advice:
        there(paused)
    assert advice == ["guest-1: domain guest-1 is paused (libvirt of kvm-1)"]


def test_the_guest_gets_the_wanted_vfs__broken_when_the_card_moved():
    with pytest.raises(AssertionError, match=r"enp2s0 is VF 1 of enp1s0f0 \(0000:01:10\.2\), wanted a VF of enp2s0f0"):
        gets(running(Hostdev(), Hostdev("0000:01:10.2", MAC_2, 2)))


def test_the_guest_gets_the_wanted_vfs__broken_by_another_index():
    with pytest.raises(AssertionError, match=r"enp2s0 is VF 1 of enp2s0f0 \(0000:02:10\.2\), wanted VF 0"):
        gets(running(Hostdev(), Hostdev("0000:02:10.2", MAC_2, 2)))


def test_the_guest_gets_the_wanted_vfs__broken_when_the_interface_is_missing():
    with pytest.raises(AssertionError, match=r"enp2s0: the domain has no hostdev interface .*VF 0 of enp2s0f0, MAC"):
        gets(running(Hostdev()))


def test_the_guest_gets_the_wanted_vfs__broken_when_its_address_is_no_vf():
    with pytest.raises(AssertionError, match=r"enp2s0: its interface takes 0000:03:00\.0, which is no VF"):
        gets(running(Hostdev(), Hostdev("0000:03:00.0", MAC_2, 2)))


def test_the_guest_gets_the_wanted_vfs__holds_in_any_order_and_for_a_domain_that_does_not_run():
    gets(stopped(Hostdev(VF_2, MAC_2, 2), Hostdev(VF_1, MAC_1, 1)))


def test_the_guest_gets_the_wanted_vfs__holds_by_address_when_the_pf_has_another_name():
    renamed = (pf("eth7", "0000:01:00.0", vf(0, VF_1, MAC_1)), PFS[1])
    gets(running(), inventory(enp1s0f0={"address": "0000:01:00.0"}), renamed)
    with pytest.raises(AssertionError, match=r"enp1s0 is VF 0 of eth7 \(0000:01:10\.0\), wanted a VF of enp1s0f0"):
        gets(running(), inventory(), renamed)


def test_the_guests_macs_agree__broken_when_the_xml_differs_from_the_inventory():
    other = "52:54:00:77:00:99"
    pfs = (PFS[0], pf("enp2s0f0", "0000:02:00.0", vf(0, VF_2, other)))
    with pytest.raises(
        AssertionError, match=rf"enp2s0: VF 0 of enp2s0f0 .* has MAC {other} in the XML, wanted {MAC_2}"
    ):
        macs(running(Hostdev(), Hostdev(VF_2, other, 2)), None, pfs)


@pytest.mark.parametrize(("on_pf", "shown"), [("00:00:00:00:00:00", "none"), (MAC_1, MAC_1)])
def test_the_guests_macs_agree__broken_when_the_pf_has_another_or_none(on_pf, shown):
    pfs = (PFS[0], pf("enp2s0f0", "0000:02:00.0", vf(0, VF_2, on_pf)))
    with pytest.raises(AssertionError, match=f"has MAC {MAC_2} in the XML, but the PF has {shown} for it"):
        macs(running(), None, pfs)


def test_the_guests_macs_agree__holds_while_it_does_not_run_and_the_pf_has_none():
    macs(stopped(Hostdev()), None, (pf("enp1s0f0", "0000:01:00.0", vf(0, VF_1)), PFS[1]))


def test_the_guests_macs_agree__is_not_known_when_the_pf_does_not_say():
    unknown = (pf("enp1s0f0", "0000:01:00.0", vf(0, VF_1, None)), PFS[1])
    with pytest.raises(CouldNotLook, match=r"MAC is not known for VF 0 of enp1s0f0 \(0000:01:10\.0\)"):
        macs(running(), None, unknown)


def test_the_guests_vlans_agree__broken_in_the_xml():
    tagged = (pf("enp1s0f0", "0000:01:00.0", vf(0, VF_1, MAC_1, vlan=100)), PFS[1])
    with pytest.raises(AssertionError, match="has VLAN 100 in the XML, wanted none"):
        vlans(running(Hostdev(vlan=100), Hostdev(VF_2, MAC_2, 2)), None, tagged)


def test_the_guests_vlans_agree__broken_on_the_pf():
    tagged = (pf("enp1s0f0", "0000:01:00.0", vf(0, VF_1, MAC_1, vlan=100)), PFS[1])
    with pytest.raises(AssertionError, match="has VLAN none in the XML, but the PF has 100"):
        vlans(running(), None, tagged)


def test_the_guests_vlans_agree__holds_with_the_wanted_vlan_and_where_the_pf_says_nothing():
    nics = {"enp1s0": model.GuestNic(mac=MAC_1, pf="enp1s0f0", vlan=100)}
    for vlan in (100, None):
        tagged = (pf("enp1s0f0", "0000:01:00.0", vf(0, VF_1, MAC_1, vlan=vlan)), PFS[1])
        vlans(running(Hostdev(vlan=100)), inventory(nics), tagged)
