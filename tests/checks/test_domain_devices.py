"""Statements about domains at their next start: each seen to fail, and to hold on a near miss."""

from __future__ import annotations

from dataclasses import replace

import pytest

from checks import test_domain_devices as statements
from checks.facts import libvirt, nics
from checks.facts.libvirt_start import LibvirtStart
from checks.outcome import CouldNotLook, collected_advice
from tests.checks.domain_samples import MAC_1, MAC_2, PFS, VF_1, VF_2, Hostdev, domain, host, pf, vf
from tests.checks.guest_samples import Nic, guest


def stored(xml, *, autostart=False):
    found = libvirt.parse(host({"guest-1": xml}, {}))
    return tuple(replace(one, autostart=autostart) for one in found)


def addresses(xml):
    with collected_advice() as advice:
        statements.test_every_guest_address_can_be_had("kvm-1", stored(xml))
    return advice


def memory(kib=524288, limit=None):
    text = f"  <memory unit='KiB'>{kib}</memory>\n"
    if limit is not None:
        text += f"  <memtune>\n    <hard_limit unit='KiB'>{limit}</hard_limit>\n  </memtune>\n"
    with collected_advice() as advice:
        statements.test_guests_with_vfs_may_lock_their_memory(
            "kvm-1", stored(domain().replace("  <metadata>", f"{text}  <metadata>", 1))
        )
    return advice


def moved(xml, place, to):
    """The first VF's guest address, changed."""
    old = "<address type='pci' domain='0x0000' bus='0x01' slot='0x00' function='0x0'/>"
    assert old in xml
    domain_, bus, slot, function = to
    new = (
        f"<address type='pci' domain='0x{domain_:04x}' bus='0x{bus:02x}' slot='0x{slot:02x}' function='0x{function}'/>"
    )
    return xml.replace(old, new, 1)


@pytest.mark.parametrize("statement", [addresses, lambda xml: memory()])
def test_a_sound_host_holds_without_advice(statement):
    assert statement(domain()) == []


@pytest.mark.parametrize(
    ("to", "message"),
    [
        ((0, 2, 0, 0), r"interface 52:.* has guest address 0000:02:00\.0, which another device has too"),
        ((0, 4, 0, 0), "has guest address 0000:04:00.0, which another device has too"),  # a disk's
        ((1, 1, 0, 0), "has guest address 0001:01:00.0, and only PCI domain 0 is available"),
        ((0, 1, 1, 0), "has guest address 0000:01:01.0: a pcie-root-port has slot 0 only"),
        ((0, 0, 0, 0), "has guest address 0000:00:00.0: a pcie-root has slots 1 to 31"),
        ((0, 0, 0x1F, 0), r"has guest address 0000:00:1f\.0, which another device has too"),  # the LPC bridge
        ((0, 1, 0, 1), "has guest address 0000:01:00.1: a guest looks at function 0 first, and nothing is there"),
    ],
)
def test_every_guest_address_can_be_had__broken_by_each_rule(to, message):
    with pytest.raises(AssertionError, match=message):
        addresses(moved(domain(), MAC_1, to))


@pytest.mark.parametrize(("slot", "broken"), [(1, True), (2, True), (5, False)])
def test_every_guest_address_can_be_had__broken_by_what_every_i440fx_has(slot, broken):
    # Slot 1 is the PIIX3; slot 2 holds the sample's first controllers.
    xml = moved(domain(machine="pc-i440fx-10.0"), MAC_1, (0, 0, slot, 0))
    if broken:
        with pytest.raises(AssertionError, match=rf"guest address 0000:00:0{slot}\.0, which another device has too"):
            addresses(xml)
    else:
        assert addresses(xml) == []


def test_every_guest_address_can_be_had__broken_by_a_plain_device():
    plain = """    <hostdev mode='subsystem' type='pci' managed='yes'>
      <source>
        <address domain='0x0000' bus='0x01' slot='0x10' function='0x2'/>
      </source>
      <address type='pci' domain='0x0000' bus='0x02' slot='0x00' function='0x0'/>
    </hostdev>
  </devices>"""
    with pytest.raises(AssertionError, match=r"device 0000:01:10\.2 has guest address 0000:02:00\.0, which another"):
        addresses(domain().replace("  </devices>", plain))


@pytest.mark.parametrize("to", [(0, 0, 5, 0), (0, 2, 0, 1)])
def test_every_guest_address_can_be_had__holds_on_the_root_bus_and_behind_function_0(to):
    assert addresses(moved(domain(), MAC_1, to)) == []


def test_every_guest_address_can_be_had__holds_with_advice_on_a_bus_that_libvirt_will_add():
    [advice] = addresses(moved(domain(), MAC_1, (0, 9, 0, 0)))
    assert "no controller has the bus of 0000:09:00.0; libvirt adds it" in advice


def test_every_guest_address_can_be_had__holds_on_a_controller_that_nobody_knows_yet():
    assert (
        addresses(moved(domain(), MAC_1, (0, 1, 7, 0)).replace("model='pcie-root-port'", "model='quantum-port'")) == []
    )


def test_guests_with_vfs_may_lock_their_memory__broken_by_a_limit_below_the_memory():
    with pytest.raises(AssertionError, match="has 524288 KiB of memory and <hard_limit> 500000 KiB; wanted more"):
        memory(limit=500000)


def test_guests_with_vfs_may_lock_their_memory__holds_with_advice_just_above_it():
    [advice] = memory(limit=600000)
    assert "libvirt itself would allow 1572864" in advice


def test_guests_with_vfs_may_lock_their_memory__holds_with_a_generous_limit():
    assert memory(limit=1572864) == []


def test_guests_with_vfs_may_lock_their_memory__holds_for_a_guest_without_vfs():
    limit = "  <memory unit='KiB'>9</memory>\n  <memtune>\n    <hard_limit unit='KiB'>8</hard_limit>\n  </memtune>\n"
    without = domain("guest-2", ()).replace("  <metadata>", f"{limit}  <metadata>", 1)
    found = libvirt.parse(host({"guest-1": domain(), "guest-2": without}, {}))
    statements.test_guests_with_vfs_may_lock_their_memory("kvm-1", found)


ON_HOST = Nic("enp1s0f0v0", 2, MAC_1, VF_1)
FREE = (pf("enp1s0f0", "0000:01:00.0", vf(0, VF_1, driver="igbvf", netdev="enp1s0f0v0")), PFS[1])


def in_use(nic=ON_HOST, *more, autostart=True, managed=None):
    host_nics = nics.parse(guest((nic, *more)))
    with collected_advice() as advice:
        statements.test_promised_vfs_are_not_in_use_on_the_host(
            "kvm-1", stored(domain(), autostart=autostart), FREE, host_nics, managed or {}
        )
    return advice


def test_promised_vfs_are_not_in_use_on_the_host__holds_for_one_that_only_has_a_driver():
    assert in_use() == []
    assert in_use(replace(ON_HOST, addresses=("fe80::1/64", "169.254.7.7/16"))) == []


def test_promised_vfs_are_not_in_use_on_the_host__broken_by_an_address():
    with pytest.raises(
        AssertionError, match=r"0000:01:10\.0 of domain guest-1 is enp1s0f0v0 .* with address 10\.0\.0\.9"
    ):
        in_use(replace(ON_HOST, addresses=("10.0.0.9/24",)))


@pytest.mark.parametrize("kind", ["bridge", "bond"])
def test_promised_vfs_are_not_in_use_on_the_host__broken_in_a_bridge_or_bond(kind):
    with pytest.raises(AssertionError, match="is enp1s0f0v0 on the host, a port of bond0; the domain starts by itself"):
        in_use(replace(ON_HOST, master="bond0"), Nic("bond0", 3, MAC_2, driver=None, kind=kind))


def test_promised_vfs_are_not_in_use_on_the_host__holds_with_advice_when_the_domain_is_started_by_hand():
    [advice] = in_use(replace(ON_HOST, addresses=("10.0.0.9/24",)), autostart=False)
    assert "with address 10.0.0.9/24" in advice


def test_promised_vfs_are_not_in_use_on_the_host__holds_with_advice_for_a_profile_of_networkmanager():
    [advice] = in_use(managed={"enp1s0f0v0": "Wired connection 2"})
    assert "which NetworkManager holds by its profile 'Wired connection 2'" in advice


UNIT = "libvirtd.service"
ORDERED = frozenset({f"sys-subsystem-net-devices-enp{bus}s0f0.device" for bus in (1, 2)})


def starts(after=frozenset(), makers=(), *, autostart=True):
    with collected_advice() as advice:
        statements.test_guests_start_after_their_vfs(
            "kvm-1", stored(domain(), autostart=autostart), PFS, LibvirtStart({UNIT: frozenset(after)}, makers)
        )
    return advice


def test_guests_start_after_their_vfs__holds_when_libvirt_waits():
    assert starts(ORDERED) == []
    assert starts({"systemd-udev-settle.service"}) == []
    assert starts({"vfs.service"}, ("vfs.service",)) == []


def test_guests_start_after_their_vfs__broken_when_a_unit_makes_them_at_any_time():
    with pytest.raises(
        AssertionError, match=r"vfs\.service makes VFs, and libvirtd\.service, which starts guest-1, does"
    ):
        starts(ORDERED, ("vfs.service",))


def test_guests_start_after_their_vfs__holds_with_advice_when_nothing_orders_it():
    [advice] = starts({"network.target"})
    assert "libvirtd.service, which starts guest-1, is not ordered after enp1s0f0, enp2s0f0" in advice


def test_guests_start_after_their_vfs_does_not_apply_when_none_starts_by_itself():
    with pytest.raises(pytest.skip.Exception):
        starts(autostart=False)


def test_guests_start_after_their_vfs_is_not_known_when_nobody_may_look():
    with pytest.raises(CouldNotLook, match="which domains start by themselves"):
        starts(autostart=None)


def test_the_device_unit_of_a_name_with_a_dash():
    other = (pf("nic-a", "0000:01:00.0", vf(0, VF_1, MAC_1)),)
    found = stored(domain(interfaces=(Hostdev(),)), autostart=True)
    with collected_advice() as advice:
        statements.test_guests_start_after_their_vfs(
            "kvm-1", found, other, LibvirtStart({UNIT: frozenset({r"sys-subsystem-net-devices-nic\x2da.device"})}, ())
        )
    assert advice == []
    assert VF_2 not in str(found)
