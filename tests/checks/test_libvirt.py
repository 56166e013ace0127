"""Statements about libvirt's domains on a host: each seen to fail, and to hold on a near miss."""

from __future__ import annotations

from dataclasses import replace

import pytest

from checks import test_libvirt as statements
from checks.facts import libvirt
from checks.linux.pci_address import decimal_taken_for_hex
from checks.outcome import CouldNotLook, collected_advice
from inventory import model
from tests.checks.domain_samples import MAC_1, MAC_2, PFS, VF_1, VF_2, Hostdev, domain, host, pf, status, vf

OTHER = "0000:01:10.2"
MAC_3 = "52:54:00:77:00:12"
NOTES: list[str] = []  # where notes go that nobody looks at


def two(first, second, *, running=("guest-1", "guest-2")):
    stored = {"guest-1": domain("guest-1", first), "guest-2": domain("guest-2", second)}
    # The virtio NIC of the samples would be a MAC given twice.
    stored["guest-2"] = stored["guest-2"].replace("52:54:00:78:00:21", "52:54:00:78:00:22")
    return libvirt.parse(host(stored, {name: stored[name] for name in running}))


def of(*hostdevs, live=None):
    xml = domain(interfaces=hostdevs)
    return libvirt.parse(host({"guest-1": xml}, {} if live is None else {"guest-1": live}))


def are_vfs(domains, pfs=PFS):
    statements.test_every_handed_out_device_is_a_vf("kvm-1", domains, pfs, (), NOTES.append)


def are_spelled_out(domains, pfs=PFS):
    statements.test_every_handed_out_vf_is_spelled_out("kvm-1", domains, pfs)


ON_DOMAINS = [
    statements.test_no_vf_is_promised_twice,
    statements.test_every_mac_is_given_once,
    statements.test_running_domains_keep_their_vfs_at_the_next_start,
]
ALL = [are_vfs, are_spelled_out, *(lambda domains, s=s: s("kvm-1", domains) for s in ON_DOMAINS)]


@pytest.mark.parametrize("statement", ALL)
def test_a_sound_host_holds_without_advice(statement):
    with collected_advice() as advice:
        statement(libvirt.parse(host()))
    assert advice == []


@pytest.mark.parametrize("statement", ALL)
def test_nothing_applies_where_no_domain_takes_a_device(statement):
    for domains in ((), of()):
        with pytest.raises(pytest.skip.Exception):
            statement(domains)


def test_every_handed_out_device_is_a_vf__broken_when_nothing_is_there():
    with pytest.raises(AssertionError, match=r"kvm-1: domain guest-1 \(stored\): there is no VF at 0000:01:11\.4"):
        are_vfs(of(Hostdev("0000:01:11.4")))


def test_every_handed_out_device_is_a_vf__broken_by_the_pf_itself():
    with pytest.raises(AssertionError, match=r"0000:01:00\.0 is enp1s0f0 itself, not one of its VFs"):
        are_vfs(of(Hostdev("0000:01:00.0")))


def test_every_handed_out_device_is_a_vf__broken_by_a_decimal_slot_taken_for_hex():
    with pytest.raises(AssertionError, match=r"no VF at 0000:01:16\.0"):
        are_vfs(of(Hostdev("0000:01:16.0")))


def test_every_handed_out_device_is_a_vf__broken_without_an_address():
    with pytest.raises(AssertionError, match=f"interface {MAC_1} names no PCI address"):
        are_vfs(of(Hostdev(None)))


def test_every_handed_out_device_is_a_vf__holds_for_a_vf_that_is_free_on_the_host():
    are_vfs(of(Hostdev(OTHER)))


def test_no_vf_is_promised_twice__broken_when_both_run():
    with pytest.raises(
        AssertionError, match=r"0000:01:10\.0 is promised to guest-1 and guest-2, and .* run.* wanted one domain"
    ):
        statements.test_no_vf_is_promised_twice("kvm-1", two((Hostdev(),), (Hostdev(mac=MAC_3),)))


def test_no_vf_is_promised_twice__broken_within_one_domain():
    with pytest.raises(AssertionError, match=r"guest-1 \(stored\) asks for 0000:01:10\.0 twice"):
        statements.test_no_vf_is_promised_twice("kvm-1", of(Hostdev(), Hostdev(mac=MAC_2, bus=2)))


def test_no_vf_is_promised_twice__holds_with_advice_when_one_is_only_defined():
    with collected_advice() as advice:
        statements.test_no_vf_is_promised_twice("kvm-1", two((Hostdev(),), (Hostdev(mac=MAC_3),), running=("guest-1",)))
    assert advice == ["kvm-1: 0000:01:10.0 is promised to guest-1 and guest-2; only one of them can run"]


def by_themselves(domains):
    return tuple(replace(one, autostart=True) for one in domains)


def test_no_vf_is_promised_twice__broken_when_both_start_by_themselves():
    both = by_themselves(two((Hostdev(),), (Hostdev(mac=MAC_3),), running=("guest-1",)))
    with pytest.raises(AssertionError, match="and guest-1 and guest-2 run or start by themselves"):
        statements.test_no_vf_is_promised_twice("kvm-1", both)


def test_every_mac_is_given_once__broken_when_both_start_by_themselves():
    both = by_themselves(two((Hostdev(),), (Hostdev(OTHER),), running=()))
    with pytest.raises(AssertionError, match=f"{MAC_1} is given to guest-1 and guest-2"):
        statements.test_every_mac_is_given_once("kvm-1", both)


def test_no_vf_is_promised_twice__holds_for_neighbours():
    with collected_advice() as advice:
        statements.test_no_vf_is_promised_twice("kvm-1", two((Hostdev(),), (Hostdev(OTHER, MAC_3),)))
    assert advice == []


@pytest.mark.parametrize(
    ("hostdev", "message"),
    [
        (Hostdev(mac=None), rf"interface {VF_1} has no <mac>"),
        (Hostdev(bus=None), rf"interface {MAC_1} has no guest <address>"),
        (Hostdev(OTHER, managed=False), rf"managed='no', and its VF {OTHER} is bound to igbvf"),
    ],
)
def test_every_handed_out_vf_is_spelled_out__broken_by_each_omission(hostdev, message):
    with pytest.raises(AssertionError, match=message):
        are_spelled_out(of(hostdev))


def test_every_handed_out_vf_is_spelled_out__holds_when_somebody_bound_it_to_vfio_before():
    are_spelled_out(of(Hostdev(managed=False)))


def test_every_handed_out_vf_is_spelled_out__broken_by_an_unmanaged_vf_without_driver():
    with pytest.raises(AssertionError, match="is bound to no driver, not to vfio-pci"):
        are_spelled_out(of(Hostdev(managed=False)), (pf("enp1s0f0", "0000:01:00.0", vf(0, VF_1, driver=None)),))


def test_every_mac_is_given_once__broken_when_both_run():
    with pytest.raises(AssertionError, match=f"{MAC_1} is given to guest-1 and guest-2"):
        statements.test_every_mac_is_given_once("kvm-1", two((Hostdev(),), (Hostdev(OTHER),)))


def test_every_mac_is_given_once__broken_within_one_domain_that_does_not_run():
    with pytest.raises(AssertionError, match=f"{MAC_1} is given to guest-1 and guest-1"):
        statements.test_every_mac_is_given_once("kvm-1", of(Hostdev(), Hostdev(VF_2, bus=2)))


def test_every_mac_is_given_once__holds_with_advice_when_one_is_only_defined():
    with collected_advice() as advice:
        statements.test_every_mac_is_given_once("kvm-1", two((Hostdev(),), (Hostdev(OTHER),), running=("guest-2",)))
    assert advice == [f"kvm-1: {MAC_1} is given to guest-1 and guest-2; only one of them may run"]


def test_every_mac_is_given_once__holds_for_a_net_failover_pair():
    pair = domain(interfaces=(Hostdev(), Hostdev(VF_2, bus=2)))
    pair = pair.replace("<driver name='vfio'/>", "<teaming type='transient' persistent='ua-1'/>", 1)
    statements.test_every_mac_is_given_once("kvm-1", libvirt.parse(host({"guest-1": pair}, {})))


def test_running_domains_keep_their_vfs_at_the_next_start__broken_when_none_is_stored():
    with pytest.raises(AssertionError, match="guest-1 run with VFs, but are stored without any"):
        statements.test_running_domains_keep_their_vfs_at_the_next_start("kvm-1", of(live=domain()))


def test_running_domains_keep_their_vfs_at_the_next_start__holds_with_advice_when_another_is_stored():
    with collected_advice() as advice:
        statements.test_running_domains_keep_their_vfs_at_the_next_start(
            "kvm-1", of(Hostdev(OTHER), live=domain(interfaces=(Hostdev(),)))
        )
    assert len(advice) == 1
    assert f"runs with {VF_1} with MAC {MAC_1}" in advice[0]
    assert f"but stored is {OTHER}" in advice[0]


def test_running_domains_keep_their_vfs_at_the_next_start__holds_with_advice_for_a_transient_domain():
    with collected_advice() as advice:
        statements.test_running_domains_keep_their_vfs_at_the_next_start(
            "kvm-1", libvirt.parse(host({}, {"guest-1": status(domain())}))
        )
    assert advice == ["kvm-1: domain guest-1 is transient: nothing is stored for its next start"]


def test_running_domains_keep_their_vfs_at_the_next_start__holds_for_a_vf_out_of_a_pool():
    pooled = f"<interface type='network'>\n<mac address='{MAC_1}'/>\n<source network='pool'/>\n</interface>\n"
    stored = domain(interfaces=()).replace("  </devices>", f"{pooled}  </devices>")
    domains = libvirt.parse(host({"guest-1": stored}, {"guest-1": domain(interfaces=(Hostdev(),))}))
    with collected_advice() as advice:
        statements.test_running_domains_keep_their_vfs_at_the_next_start("kvm-1", domains)
    assert advice == []


def test_every_handed_out_device_is_a_vf__broken_with_a_hint_by_the_decimal_slot_of_nodedev():
    # nodedev-dumpxml of 0000:01:10.0 prints <bus>1</bus> <slot>16</slot> <function>0</function>.
    with pytest.raises(AssertionError, match=r"no VF at 0000:01:16\.0, but one at 0000:01:10\.0: .* in decimal"):
        are_vfs(of(Hostdev("0000:01:16.0")))


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("0000:03:17.5", ("0000:03:11.5",)),
        ("0000:61:02.0", ("0000:3d:02.0",)),
        ("0000:3d:16.0", ("0000:3d:10.0",)),
        ("0000:03:02.0", ()),
        ("0000:03:1f.0", ()),
        ("junk", ()),
    ],
)
def test_decimal_digits_taken_for_hex(text, meant):
    assert decimal_taken_for_hex(text) == meant


PLAIN = """    <hostdev mode='subsystem' type='pci' managed='yes'>
      <source>
        <address domain='0x0000' bus='0x01' slot='0x10' function='0x0'/>
      </source>
      <address type='pci' domain='0x0000' bus='0x03' slot='0x01' function='0x0'/>
    </hostdev>
  </devices>"""


def plain():
    xml = domain(interfaces=()).replace("  </devices>", PLAIN)
    return libvirt.parse(host({"guest-1": xml}, {}))


def test_every_handed_out_vf_is_spelled_out__broken_by_a_plain_device_without_any_mac():
    with pytest.raises(AssertionError, match=r"VF 0000:01:10\.0 is a plain <hostdev>, for which libvirt sets no MAC"):
        are_spelled_out(plain(), (pf("enp1s0f0", "0000:01:00.0", vf(0, VF_1)),))


def test_every_handed_out_vf_is_spelled_out__holds_with_advice_for_a_plain_device_whose_mac_somebody_set():
    with collected_advice() as advice:
        are_spelled_out(plain())
    assert len(advice) == 1
    assert "plain <hostdev>" in advice[0]


def test_every_handed_out_vf_is_spelled_out__holds_for_a_device_that_is_no_vf():
    with collected_advice() as advice:
        are_spelled_out(plain(), ())
    assert advice == []


@pytest.mark.parametrize("driver", ["kvm", "xen"])
def test_every_handed_out_vf_is_spelled_out__broken_by_a_driver_of_before_vfio(driver):
    xml = domain().replace("<driver name='vfio'/>", f"<driver name='{driver}'/>", 1)
    with pytest.raises(AssertionError, match=rf"has <driver name='{driver}'/>, which was before VFIO"):
        are_spelled_out(libvirt.parse(host({"guest-1": xml}, {})))


def test_every_handed_out_vf_is_spelled_out__broken_by_a_trunk():
    xml = domain(interfaces=(Hostdev(vlan=100),)).replace("<tag id='100'/>", "<tag id='100'/>\n<tag id='200'/>")
    with pytest.raises(AssertionError, match=r"has VLANs \[100, 200\]: a VF takes one"):
        are_spelled_out(libvirt.parse(host({"guest-1": xml}, {})))


NOBODY = model.Inventory(hosts={"kvm-1": model.Host(connect="ssh://kvm-1", pfs={"enp1s0f0": model.Pf(vfs=2)})})


def are_set(domains, pfs=PFS, inventory=NOBODY):
    statements.test_vfs_are_set_as_their_domains_say("kvm-1", inventory, domains, pfs)


def test_vfs_are_set_as_their_domains_say__holds_on_a_sound_host():
    are_set(libvirt.parse(host()))


@pytest.mark.parametrize(("mac", "shown"), [("00:00:00:00:00:00", "none"), (MAC_3, MAC_3)])
def test_vfs_are_set_as_their_domains_say__broken_by_another_mac_on_the_pf(mac, shown):
    with pytest.raises(AssertionError, match=rf"domain guest-1: VF 0 of enp1s0f0 .* but the PF has {shown} for it"):
        are_set(libvirt.parse(host()), (pf("enp1s0f0", "0000:01:00.0", vf(0, VF_1, mac)), PFS[1]))


def test_vfs_are_set_as_their_domains_say__broken_by_another_vlan_on_the_pf():
    with pytest.raises(AssertionError, match="has VLAN none in the XML, but the PF has 7"):
        are_set(libvirt.parse(host()), (pf("enp1s0f0", "0000:01:00.0", vf(0, VF_1, MAC_1, vlan=7)), PFS[1]))


def test_vfs_are_set_as_their_domains_say__is_not_known_when_the_pf_does_not_say():
    with pytest.raises(CouldNotLook, match="MAC is not known for VF 0 of enp1s0f0"):
        are_set(libvirt.parse(host()), (pf("enp1s0f0", "0000:01:00.0", vf(0, VF_1, None)), PFS[1]))


def test_vfs_are_set_as_their_domains_say_leaves_the_guests_of_the_inventory_to_their_own_rows():
    guest = model.Guest(connect="ssh://g", host="kvm-1", nics={"enp1s0": model.GuestNic(pf="enp1s0f0", vf=0)})
    with pytest.raises(pytest.skip.Exception):
        are_set(libvirt.parse(host()), PFS, NOBODY.model_copy(update={"guests": {"guest-1": guest}}))


def test_vfs_are_set_as_their_domains_say_does_not_apply_to_a_domain_that_does_not_run():
    with pytest.raises(pytest.skip.Exception):
        are_set(libvirt.parse(host(live={})))


def test_what_libvirt_itself_says_is_shown_and_decides_nothing():
    notes: list[str] = []
    statements.test_every_handed_out_device_is_a_vf("kvm-1", libvirt.parse(host()), PFS, ("IOMMU: FAIL",), notes.append)
    assert notes == ["virt-host-validate, which this statement does not go by: IOMMU: FAIL"]
