"""Statements about the names of a guest's NICs: each seen to fail, and to hold on a near miss."""

from __future__ import annotations

import pytest

from checks import test_nic_names as statements
from checks.facts import libvirt, nics
from checks.outcome import CouldNotLook, collected_advice
from inventory import model
from tests.checks.domain_samples import Hostdev, domain, host
from tests.checks.guest_samples import MAC_1, MAC_2, NICS, SLAVE_1, Nic, changed, guest, udev

CONTROL = Nic("enp3s0", 6, "52:54:00:78:00:21", "0000:03:00.0", "virtio_net", udev=udev(None, "enp3s0"))
WITH_CONTROL = (*NICS, CONTROL)


def of_domain(*hostdevs, machine="pc-q35-10.0", bridge=None):
    xml = domain(interfaces=hostdevs, machine=machine) if hostdevs else domain(machine=machine)
    if bridge is not None:
        xml = xml.replace(
            "<controller type='pci' index='0' model='pcie-root'/>",
            "<controller type='pci' index='0' model='pci-root'/>"
            f"<controller type='pci' index='{bridge}' model='pci-bridge'>"
            "<address type='pci' domain='0x0000' bus='0x00' slot='0x05' function='0x0'/></controller>",
        )
    return libvirt.find(libvirt.parse(host({"guest-1": xml}, {"guest-1": xml})), "guest-1")


def follow(bundle, found=None):
    statements.test_nic_names_follow_from_the_domain("guest-1", nics.parse(bundle), found or of_domain())


def there(bundle, **wanted):
    inventory = wanted or {
        "enp1s0": model.GuestNic(mac=MAC_1, pf="enp1s0f0", vf=0),
        "enp2s0": model.GuestNic(mac=MAC_2, pf="enp2s0f0", vf=0),
    }
    found = model.Guest(connect="ssh://g", nics=inventory)
    statements.test_every_wanted_nic_is_there("guest-1", found, nics.parse(bundle))


def advice_of(statement, *arguments, **options):
    with collected_advice() as advice:
        statement(*arguments, **options)
    return advice


def test_every_wanted_nic_is_there__holds_for_a_sound_guest():
    assert advice_of(there, guest()) == []


def test_every_wanted_nic_is_there__holds_when_the_bond_put_its_mac_on_a_slave():
    there(guest(changed(NICS, "enp2s0", mac=MAC_1)))


def test_every_wanted_nic_is_there__broken_when_it_has_another_name():
    with pytest.raises(AssertionError, match=f"enp2s0: there is no such NIC; its MAC {MAC_2} is on eth0"):
        there(guest(changed(NICS, "enp2s0", name="eth0")))


def test_every_wanted_nic_is_there__broken_when_two_are_swapped():
    swapped = changed(changed(NICS, "enp1s0", mac=MAC_2, permanent=MAC_2), "enp2s0", mac=MAC_1, permanent=MAC_1)
    with pytest.raises(AssertionError, match=f"enp1s0: has MAC {MAC_2}, wanted {MAC_1}, which is on enp2s0"):
        there(guest(swapped))


def test_every_wanted_nic_is_there__broken_when_it_is_no_vf():
    with pytest.raises(AssertionError, match="enp2s0: is driven by virtio_net, wanted a VF of enp2s0f0"):
        there(guest(changed(NICS, "enp2s0", driver="virtio_net")))


def test_every_wanted_nic_is_there__holds_for_virtio_where_no_vf_is_wanted():
    there(guest(changed(NICS, "enp2s0", driver="virtio_net")), enp2s0=model.GuestNic(mac=MAC_2))


def test_every_wanted_nic_is_there__holds_with_advice_for_a_driver_nobody_knows_here():
    [advice] = advice_of(there, guest(changed(NICS, "enp2s0", driver="novel_vf")))
    assert "driven by novel_vf" in advice


def test_every_wanted_nic_is_there__does_not_apply_when_none_is_named():
    with pytest.raises(pytest.skip.Exception):
        statements.test_every_wanted_nic_is_there("guest-1", model.Guest(connect="ssh://g"), ())


def test_nic_names_follow_from_the_domain__holds_on_root_ports():
    assert advice_of(follow, guest(WITH_CONTROL)) == []


def test_nic_names_follow_from_the_domain__holds_with_the_drivers_port_behind():
    follow(guest(changed(WITH_CONTROL, "enp1s0", name="enp1s0np0")))


def test_nic_names_follow_from_the_domain__broken_by_a_kernel_name():
    with pytest.raises(AssertionError, match=rf"eth1 \({MAC_2}\) should be enp2s0, for .*udev offers PATH=enp2s0"):
        follow(guest(changed(WITH_CONTROL, "enp2s0", name="eth1")))


def test_nic_names_follow_from_the_domain__broken_when_the_acpi_index_is_ignored():
    with pytest.raises(AssertionError, match=r"eth1 .* should be eno7, for <acpi index='7'/>"):
        follow(
            guest(changed(WITH_CONTROL, "enp2s0", name="eth1")),
            of_domain(Hostdev(), Hostdev("0000:02:10.0", MAC_2, 2, acpi_index=7)),
        )


def test_nic_names_follow_from_the_domain__broken_by_a_nic_that_is_not_in_the_guest():
    with pytest.raises(AssertionError, match=f"no NIC with MAC {MAC_2} is in the guest"):
        follow(guest((SLAVE_1, CONTROL)))


def test_nic_names_follow_from_the_domain__holds_with_advice_for_the_other_name_udev_offers():
    found = of_domain(Hostdev(), Hostdev("0000:02:10.0", MAC_2, 2, acpi_index=7))
    [advice] = advice_of(follow, guest(WITH_CONTROL), found)
    assert "enp2s0" in advice
    assert "should be eno7" in advice


def test_nic_names_follow_from_the_domain__holds_with_advice_for_a_link_file_of_the_site():
    own = udev(None, "enp2s0", link="/etc/systemd/network/10-lan.link")
    [advice] = advice_of(follow, guest(changed(WITH_CONTROL, "enp2s0", name="lan0", udev=own)))
    assert "it is named by /etc/systemd/network/10-lan.link" in advice


def test_nic_names_follow_from_the_domain__holds_with_advice_where_the_prediction_is_weak():
    advice = advice_of(follow, guest(changed(WITH_CONTROL, "enp2s0", name="eth1")), of_domain(machine="virt-9.2"))
    assert any("eth1" in text for text in advice)


def test_nic_names_follow_from_the_domain__foretells_what_an_upgrade_does():
    old = udev("ens3", "enp0s3", scheme="v252")
    on_bus_0 = Nic("ens3", 2, MAC_1, "0000:00:03.0", udev=old)
    on_bus_1 = Nic("enp4s3", 3, MAC_2, "0000:04:03.0", udev=udev("ens3", "enp4s3", scheme="v252"))
    found = of_domain(Hostdev(bus=0, slot=3), Hostdev("0000:02:10.0", MAC_2, 9, 3), machine="pc-i440fx-10.0", bridge=9)
    control = Nic("enp3s0", 6, "52:54:00:78:00:21", "0000:03:00.0", "virtio_net", udev=udev(None, "enp3s0", "v252"))
    with collected_advice() as advice:
        statements.test_nic_names_follow_from_the_domain(
            "guest-1", nics.parse(guest((on_bus_0, on_bus_1, control))), found
        )
    assert any("will want the name ens3 with systemd 257, and so does another NIC" in text for text in advice)


def test_nic_names_follow_from_the_domain__does_not_apply_with_net_ifnames_0():
    with pytest.raises(pytest.skip.Exception):
        follow(guest(changed(WITH_CONTROL, "enp2s0", name="eth1"), cmdline="quiet net.ifnames=0\n"))
    with pytest.raises(AssertionError):
        follow(guest(changed(WITH_CONTROL, "enp2s0", name="eth1"), cmdline="net.ifnames=0 net.ifnames=1\n"))


def test_nic_names_follow_from_the_domain__is_not_known_without_a_running_domain():
    [stopped] = libvirt.parse(host(live={}))
    with pytest.raises(CouldNotLook, match="does not run"):
        follow(guest(), stopped)
    with pytest.raises(CouldNotLook, match="no such domain"):
        statements.test_nic_names_follow_from_the_domain("guest-1", (), None)
