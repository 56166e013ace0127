"""Statements about the names of a guest's NICs: each seen to fail, and to hold on a near miss."""

from __future__ import annotations

import pytest

from checks import test_nic_names as statements
from checks.facts import libvirt, nic_naming, nics
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
    statements.test_nic_names_follow_from_the_domain(
        "guest-1", nics.parse(bundle), nic_naming.parse(bundle), found or of_domain()
    )


def alone(bundle):
    statements.test_no_two_nics_want_one_name("guest-1", nics.parse(bundle), nic_naming.parse(bundle))


def survive(bundle, stored, live):
    [found] = libvirt.parse(host({"guest-1": stored} if stored else {}, {"guest-1": live}))
    statements.test_nic_names_survive_the_next_start("guest-1", nics.parse(bundle), found)


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


def test_nic_names_follow_from_the_domain__broken_when_the_sites_link_file_gives_another_name():
    own = udev(None, "enp2s0", link="/etc/systemd/network/10-lan.link")
    files = {"/etc/systemd/network/10-lan.link": "[Match]\n[Link]\nNamePolicy=onboard\nName=lan0\n"}
    with pytest.raises(AssertionError, match=r"eth1 .* should be lan0, so says /etc/systemd/network/10-lan.link; udev"):
        follow(guest(changed(WITH_CONTROL, "enp2s0", name="eth1", udev=own), files=files))


def test_nic_names_follow_from_the_domain__holds_for_the_name_that_the_sites_link_file_gives():
    own = udev(None, "enp2s0", link="/etc/systemd/network/10-lan.link")
    files = {"/etc/systemd/network/10-lan.link": "[Match]\n[Link]\nNamePolicy=slot\nName=lan0\n"}
    assert advice_of(follow, guest(changed(WITH_CONTROL, "enp2s0", name="lan0", udev=own), files=files)) == []


def test_nic_names_follow_from_the_domain__holds_for_a_policy_of_the_site_that_names_by_place():
    own = udev(None, "enp2s0", link="/etc/systemd/network/10-lan.link")
    files = {"/etc/systemd/network/10-lan.link": "[Match]\n[Link]\nName=lan0\nNamePolicy=slot path\n"}
    assert advice_of(follow, guest(changed(WITH_CONTROL, "enp2s0", udev=own), files=files)) == []


def test_nic_names_follow_from_the_domain__holds_with_advice_for_a_rule_that_names_the_nic():
    rule = f'SUBSYSTEM=="net", ATTR{{address}}=="{MAC_2}", NAME="wan0"\n'
    found = guest(
        changed(WITH_CONTROL, "enp2s0", name="wan0"), files={"/etc/udev/rules.d/70-persistent-net.rules": rule}
    )
    [advice] = advice_of(follow, found)
    assert (
        advice == f"guest-1: wan0 ({MAC_2}) is named by /etc/udev/rules.d/70-persistent-net.rules, and not by its place"
    )


def test_nic_names_follow_from_the_domain__broken_when_the_rule_is_for_another_nic():
    rule = f'SUBSYSTEM=="net", ATTR{{address}}=="{MAC_1}", NAME="wan0"\n'
    with pytest.raises(AssertionError, match=r"wan0 .* should be enp2s0"):
        follow(
            guest(
                changed(WITH_CONTROL, "enp2s0", name="wan0"), files={"/etc/udev/rules.d/70-persistent-net.rules": rule}
            )
        )


def test_nic_names_follow_from_the_domain__holds_with_advice_for_biosdevname():
    rule = 'PROGRAM="/sbin/biosdevname --policy physical -i %k", NAME="%c", OPTIONS+="string_escape=replace"\n'
    found = guest(
        changed(WITH_CONTROL, "enp2s0", name="p2p1"), files={"/usr/lib/udev/rules.d/71-biosdevname.rules": rule}
    )
    [advice] = advice_of(follow, found)
    assert "p2p1" in advice
    assert "71-biosdevname.rules" in advice


def test_nic_names_follow_from_the_domain__holds_with_advice_for_a_slot_number_that_the_xml_does_not_say():
    # A guest of ours: -global pcie-root-port.slot=5 with native hotplug, Debian 12 (docs/nic-names.md).
    found = guest(
        changed(WITH_CONTROL, "enp2s0", name="ens5", udev=udev("ens5", "enp2s0", scheme="v252")),
        files={"/sys/bus/pci/slots/5/address": "0000:02:00\n"},
    )
    [advice] = advice_of(follow, found)
    assert "ens5" in advice
    assert "should be enp2s0" in advice
    assert "/sys/bus/pci/slots/5 is its slot" in advice


def test_nic_names_follow_from_the_domain__holds_with_the_port_that_its_driver_names():
    ports = {"/sys/class/net/enp2s0np0/phys_port_name": "p0\n"}
    assert advice_of(follow, guest(changed(WITH_CONTROL, "enp2s0", name="enp2s0np0"), files=ports)) == []


def on_two_buses(scheme, first="ens3", second="enp4s3"):
    """NICs in slot 3 of the root bus and of a pci-bridge; slots and numbers as a guest of ours showed them."""
    lost = udev("ens3", "enp0s3", scheme=scheme) if first == "ens3" else {}
    own = udev("ens3" if scheme == "v257" else None, "enp4s3", scheme=scheme)
    both = (Nic(first, 2, MAC_1, "0000:00:03.0", udev=lost), Nic(second, 3, MAC_2, "0000:04:03.0", udev=own))
    files = {
        "/sys/bus/pci/slots/3/address": "0000:00:03\n",
        "/sys/bus/pci/slots/3-2/address": "0000:04:03\n",
        "/sys/bus/pci/devices/0000:00:03.0/firmware_node/sun": "3\n",
        "/sys/bus/pci/devices/0000:04:03.0/firmware_node/sun": "3\n",
    }
    return both, files


def test_no_two_nics_want_one_name__broken_when_two_slots_have_one_number():
    both, files = on_two_buses("v257", first="eth0", second="ens3")
    with pytest.raises(
        AssertionError,
        match=rf"ens3 is wanted by {MAC_1} at 0000:00:03.0 \(now eth0\) and {MAC_2} at 0000:04:03.0 \(now ens3\)",
    ):
        alone(guest(both, files=files))


def test_no_two_nics_want_one_name__holds_with_an_acpi_index_each():
    both, files = on_two_buses("v257")
    indexes = {
        f"/sys/bus/pci/devices/{at}/acpi_index": f"{n}\n" for n, at in enumerate(("0000:00:03.0", "0000:04:03.0"), 1)
    }
    assert advice_of(alone, guest(both, files=files | indexes)) == []


def test_no_two_nics_want_one_name__holds_with_advice_on_what_an_upgrade_does():
    both, files = on_two_buses("v252")
    [advice] = advice_of(alone, guest(both, files=files))
    assert "ens3 will be wanted by" in advice
    assert "systemd 257 (Debian 13), and only one gets it" in advice
    assert "<acpi index='N'/>" in advice


def test_no_two_nics_want_one_name__holds_with_advice_on_a_new_name_after_an_upgrade():
    both, files = on_two_buses("v252")
    [advice] = advice_of(alone, guest(both[1:], files=files))
    assert f"enp4s3 ({MAC_2}) will be called ens3 with systemd 257" in advice


def test_no_two_nics_want_one_name__holds_without_advice_where_the_scheme_is_pinned():
    both, files = on_two_buses("v252")
    assert advice_of(alone, guest(both, files=files, cmdline="net.naming_scheme=v252\n")) == []


def test_no_two_nics_want_one_name__broken_when_a_link_file_names_two():
    own = udev(None, "enp2s0", link="/etc/systemd/network/10-lan.link")
    both = changed(changed(NICS, "enp2s0", udev=own), "enp1s0", udev=own, name="lan0")
    with pytest.raises(AssertionError, match="lan0 is wanted by"):
        alone(guest(both, files={"/etc/systemd/network/10-lan.link": "[Match]\nDriver=igbvf\n[Link]\nName=lan0\n"}))


def test_no_two_nics_want_one_name__is_not_known_without_a_scheme_that_is_known():
    with pytest.raises(CouldNotLook, match=r"its naming scheme rhel-10\.0 is not known here"):
        alone(guest(changed(NICS[:1], "enp1s0", udev=udev(None, "enp1s0", scheme="rhel-10.0"))))
    with pytest.raises(CouldNotLook, match="udev shows no ID_NET_NAMING_SCHEME"):
        alone(guest(changed(NICS[:1], "enp1s0", udev={})))


def test_no_two_nics_want_one_name__does_not_apply_without_udevs_names():
    with pytest.raises(pytest.skip.Exception):
        alone(guest(cmdline="net.ifnames=0\n"))
    with pytest.raises(pytest.skip.Exception):
        alone(guest(()))


def test_nic_names_survive_the_next_start__holds_when_both_versions_agree():
    assert advice_of(survive, guest(WITH_CONTROL), domain(), domain()) == []


def test_nic_names_survive_the_next_start__broken_when_the_address_was_edited():
    stored = domain(interfaces=(Hostdev(), Hostdev("0000:02:10.0", MAC_2, 3)))
    with pytest.raises(
        AssertionError,
        match=rf"enp2s0 \({MAC_2}\) is at 0000:02:00.0 and will be at 0000:03:00.0: enp2s0 becomes enp3s0",
    ):
        survive(guest(WITH_CONTROL), stored, domain())


def test_nic_names_survive_the_next_start__broken_when_a_nic_was_only_plugged_in():
    with pytest.raises(AssertionError, match=rf"enp2s0 \({MAC_2}\) is not in the stored XML, so it is gone then"):
        survive(guest(WITH_CONTROL), domain(interfaces=(Hostdev(),)), domain())


def test_nic_names_survive_the_next_start__broken_when_a_new_nic_takes_the_name():
    live = domain(interfaces=(Hostdev(), Hostdev("0000:02:10.0", MAC_2, 2)))
    new = Hostdev("0000:02:10.2", "52:54:00:77:00:12", 2)
    stored = domain(interfaces=(Hostdev(), Hostdev("0000:02:10.0", MAC_2, 4), new))
    with pytest.raises(AssertionError, match=rf"enp2s0 goes to the new NIC 52:54:00:77:00:12; now it is {MAC_2}"):
        survive(guest(WITH_CONTROL), stored, live)


def test_nic_names_survive_the_next_start__holds_when_an_acpi_index_pins_the_name_wherever_it_sits():
    live = domain(interfaces=(Hostdev(), Hostdev("0000:02:10.0", MAC_2, 2, acpi_index=2)))
    stored = domain(interfaces=(Hostdev(), Hostdev("0000:02:10.0", MAC_2, 5, acpi_index=2)))
    survive(guest(changed(WITH_CONTROL, "enp2s0", name="eno2")), stored, live)


def test_nic_names_survive_the_next_start__holds_with_advice_when_libvirt_will_choose_the_place():
    stored = domain(interfaces=(Hostdev(), Hostdev("0000:02:10.0", MAC_2, None)))
    [advice] = advice_of(survive, guest(WITH_CONTROL), stored, domain())
    assert f"enp2s0 ({MAC_2}) has no guest address in the stored XML" in advice


def test_nic_names_survive_the_next_start__does_not_apply_to_a_transient_domain():
    with pytest.raises(pytest.skip.Exception, match="transient"):
        survive(guest(WITH_CONTROL), None, domain())


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
        statements.test_nic_names_follow_from_the_domain("guest-1", (), nic_naming.parse(guest()), None)
