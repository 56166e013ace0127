"""Domains out of libvirt's XML, by files and by virsh, whatever is in it."""

from __future__ import annotations

import re
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from checks.bundle import Bundle, UnexpectedOutput
from checks.facts import libvirt
from checks.linux.domain_xml import KEEP, HostDevice
from checks.linux.nic_names import Controller, Place, predict
from checks.outcome import CouldNotLook
from tests.checks.domain_samples import MAC_1, SECRET, VF_1, VF_2, Hostdev, domain, host, status, stored_file

# Written by libvirt 11.3.0 (Debian 13) for guest-1 of the embedded lab, whole.
CAPTURED = Path(__file__).parent / "captured"
LIST = "virsh -c qemu:///system list --all --name"
DUMP = "virsh -c qemu:///system dumpxml"


def as_kept(text: str) -> str:
    """What grep -E lets through."""
    return "".join(line for line in text.splitlines(keepends=True) if re.search(KEEP, line))


def of_text(text: str) -> tuple[libvirt.Domain, ...]:
    return libvirt.parse(
        Bundle.of(
            "kvm-1",
            files={"/etc/libvirt/qemu/x.xml": text},
            names={"/etc/libvirt/qemu": ("x.xml",), "/run/libvirt/qemu": ()},
        )
    )


def test_a_running_domain():
    [one] = libvirt.parse(host())
    assert (one.name, one.state, one.running) == ("guest-1", "running", True)
    assert one.live == one.stored
    first, second, control = one.current.interfaces
    assert (first.kind, first.source, first.mac, first.managed) == ("hostdev", VF_1, MAC_1, True)
    assert first.place == Place(1, 0)
    assert second.source == VF_2
    assert (control.kind, control.network, control.model) == ("network", "control", "virtio")
    assert one.current.layout.machine == "pc-q35-10.0"
    assert one.current.layout.controllers[1] == Controller(1, "pcie-root-port", Place(0, 2, 0, multifunction=True))
    assert one.current.layout.video == Place(0, 1)
    assert one.current.host_addresses == (VF_1, VF_2)
    inside = [(place.bus, place.slot, place.function) for place in one.current.occupied]
    assert inside == [(0, 1, 0), (0, 2, 0), (0, 2, 1), (0, 2, 2), *((bus, 0, 0) for bus in (1, 2, 3, 4, 5))]


def test_the_two_addresses_of_an_interface_are_not_mixed_up():
    [one] = of_text(stored_file(domain(interfaces=(Hostdev(bus=None), Hostdev(source=None)))))
    assert (one.current.hostdevs[0].source, one.current.hostdevs[0].place) == (VF_1, None)
    assert (one.current.hostdevs[1].source, one.current.hostdevs[1].place) == (None, Place(1, 0))


def test_decimal_and_hexadecimal_are_both_understood():
    xml = domain().replace("bus='0x01' slot='0x10' function='0x0'", "bus='61' slot='17' function='5'")
    [one] = of_text(xml)
    assert one.current.hostdevs[0].source == "0000:3d:11.5"


def test_what_leaves_the_host_gives_the_same_facts_and_no_secret():
    for text in (stored_file(domain()), domain()):
        kept = as_kept(text)
        assert SECRET in text
        assert SECRET not in kept
        assert of_text(kept) == of_text(text)


def test_a_name_in_metadata_does_not_leave_the_host():
    planted = f"      <name>{SECRET}</name>\n      <name>not-the-name</name>"
    text = stored_file(domain()).replace("      <name>not-the-name</name>", planted)
    assert "not-the-name" in text
    assert SECRET not in as_kept(text)
    assert "not-the-name" not in as_kept(text)
    assert SECRET not in as_kept(status(text.partition("-->\n\n")[2]))


def test_memory_and_its_limit_leave_the_host():
    limit = (
        "  <memory unit='KiB'>524288</memory>\n  <memtune>\n    <hard_limit unit='MiB'>768</hard_limit>\n  </memtune>\n"
    )
    [one] = of_text(as_kept(stored_file(domain()).replace("  <metadata>", f"{limit}  <metadata>")))
    assert (one.current.memory_kib, one.current.hard_limit_kib) == (524288, 786432)


def test_what_starts_by_itself():
    names = {"/etc/libvirt/qemu": ("guest-1.xml",), "/run/libvirt/qemu": ()}
    files = {"/etc/libvirt/qemu/guest-1.xml": domain()}
    linked = Bundle.of("h", files=files, names={**names, "/etc/libvirt/qemu/autostart": ("guest-1.xml",)})
    closed = Bundle.of("h", files=files, names=names, denied=("/etc/libvirt/qemu/autostart",))
    found = [
        libvirt.parse(bundle)[0].autostart for bundle in (linked, Bundle.of("h", files=files, names=names), closed)
    ]
    assert found == [True, False, None]


def test_a_status_file_is_kept_whole_enough():
    full, kept = status(domain()), as_kept(status(domain()))
    assert SECRET not in kept
    assert libvirt.parse(host(live={"guest-1": full})) == libvirt.parse(host(live={"guest-1": kept}))


def test_the_files_of_a_real_libvirt():
    stored = (CAPTURED / "libvirt-11.3-etc-guest-1.xml").read_text()
    running = (CAPTURED / "libvirt-11.3-run-guest-1.xml").read_text()
    [kept] = libvirt.parse(host({"guest-1": as_kept(stored)}, {"guest-1": as_kept(running)}))
    [whole] = libvirt.parse(host({"guest-1": stored}, {"guest-1": running}))
    assert kept == whole
    assert (kept.name, kept.state, kept.live) == ("guest-1", "running", kept.stored)
    assert [(one.kind, one.source, one.mac, one.managed) for one in kept.current.interfaces] == [
        ("hostdev", "0000:01:10.0", "52:54:00:77:00:10", True),
        ("hostdev", "0000:02:10.0", "52:54:00:77:00:11", True),
        ("network", None, "52:54:00:77:00:20", False),
    ]
    given = [one and one.name for one in predict(kept.current.layout, places(kept), "v257")]
    assert given == ["enp1s0", "enp2s0", "enp3s0"]  # as the guest itself showed them


def places(found):
    return [(one.place, one.acpi_index) for one in found.current.interfaces]


def test_a_domain_that_does_not_run():
    [one] = libvirt.parse(host(live={}))
    assert (one.state, one.running, one.live) == ("shut off", False, None)
    assert one.current is one.stored


def test_a_transient_and_a_paused_domain():
    [one] = libvirt.parse(host(stored={}, live={"guest-1": status(domain(), "paused")}))
    assert (one.state, one.running, one.stored) == ("paused", True, None)


def test_a_vf_out_of_a_pool_is_what_it_got():
    actual = "<actual type='hostdev' managed='yes'>\n<source>\n<address type='pci' domain='0x0000' bus='0x01'"
    actual += " slot='0x10' function='0x2'/>\n</source>\n</actual>\n"
    xml = domain(interfaces=()).replace("<source network='control'", f"{actual}<source network='control'")
    [one] = of_text(xml)
    assert [(i.kind, i.source, i.managed) for i in one.current.interfaces] == [("hostdev", "0000:01:10.2", True)]


def test_a_plain_pci_device_is_a_claim_too():
    plain = """    <hostdev mode='subsystem' type='pci' managed='yes'>
      <source>
        <address domain='0x0000' bus='0x01' slot='0x10' function='0x0'/>
      </source>
      <address type='pci' domain='0x0000' bus='0x09' slot='0x00' function='0x0'/>
    </hostdev>
    <hostdev mode='subsystem' type='usb'>
      <source>
        <address bus='1' device='2'/>
      </source>
    </hostdev>
  </devices>"""
    [one] = of_text(domain(interfaces=()).replace("  </devices>", plain))
    assert one.current.host_devices == (HostDevice(VF_1, managed=True, place=Place(9, 0)),)


def test_no_libvirt_is_no_domain():
    assert libvirt.parse(Bundle.of("kvm-1")) == ()


def by_virsh(**commands):
    return Bundle.of(
        "kvm-1",
        names={"/etc/libvirt/qemu": ("guest-1.xml",), "/run/libvirt/qemu": ("guest-1.xml",)},
        commands=commands["commands"],
        denied=("/etc/libvirt/qemu/guest-1.xml", "/run/libvirt/qemu/guest-1.xml", *commands.get("denied", ())),
    )


def test_virsh_is_enough_when_the_files_are_denied():
    inactive = domain().replace(" id='1'", "", 1)
    bundle = by_virsh(
        commands={LIST: "guest-1\n\n", f"{DUMP} guest-1": domain(), f"{DUMP} --inactive guest-1": inactive}
    )
    assert libvirt.parse(bundle) == libvirt.parse(host())


def test_virsh_knows_what_does_not_run():
    inactive = domain().replace(" id='1'", "", 1)
    bundle = by_virsh(
        commands={LIST: "guest-1\n\n", f"{DUMP} guest-1": inactive, f"{DUMP} --inactive guest-1": inactive}
    )
    assert libvirt.parse(bundle) == libvirt.parse(host(live={}))


def test_neither_way_names_both_reasons():
    with pytest.raises(CouldNotLook, match=r"guest-1\.xml.*; and .*no 'virsh' program"):
        libvirt.parse(by_virsh(commands={}))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "not xml",
        "<domain>",
        "<network><name>x</name></network>",
        "<domain><devices/></domain>",
        "<domain><name>x</name><devices><controller type='pci' index='many'/></devices></domain>",
        "<domain><name>x</name><devices><interface type='hostdev'><mac address='none'/></interface></devices></domain>",
        "<domain><name>x</name><devices><interface><vlan><tag id='99999999999'/></vlan></interface></devices></domain>",
        "<domain>\x00</domain>",
    ],
)
def test_what_is_no_domain_is_said_in_one_sentence(text):
    with pytest.raises(UnexpectedOutput):
        of_text(text)


def test_hostile_xml_ends_within_a_second():
    bomb = "<!DOCTYPE d [<!ENTITY a 'aaaaaaaaaa'>" + "".join(
        f"<!ENTITY {chr(98 + n)} '{f'&{chr(97 + n)};' * 10}'>" for n in range(9)
    )
    outside = "<!DOCTYPE d [<!ENTITY x SYSTEM 'file:///etc/passwd'>]><domain><name>&x;</name></domain>"
    deep = "<domain>" + "<a>" * 60_000 + "</a>" * 60_000
    began = time.monotonic()
    for text in (f"{bomb}]><domain><name>&j;</name></domain>", outside, deep):
        with pytest.raises(UnexpectedOutput):
            of_text(text)
    assert time.monotonic() - began < 1


def test_depth_alone_is_no_trouble():
    [one] = of_text(f"<domain><name>x</name>{'<a>' * 30_000}{'</a>' * 30_000}</domain>")
    assert one.name == "x"


@settings(deadline=None)  # the machine may be busy
@given(st.text())
def test_any_text_gives_domains_or_one_kind_of_error(text):
    try:
        of_text(text)
    except UnexpectedOutput:
        return


PIECES = """
<domain>|</domain>|<name>x</name>|<devices>|</devices>|<source>|</source>|</interface>|<interface type='hostdev'>|
<address type='pci' bus='0x01'/>|<address bus='-1'/>|<vlan><tag/></vlan>|<controller type='pci' index='0x'/>|<os/>|
<mac address=''/>|<actual/>|<source network='n'>|&#0;|<hostdev type='pci'>|</hostdev>
"""
pieces = st.lists(st.sampled_from(PIECES.replace("\n", "").split("|")), max_size=30)


@settings(deadline=None)  # the machine may be busy
@given(pieces)
def test_any_pieces_of_a_domain_give_domains_or_one_kind_of_error(lines):
    try:
        of_text("\n".join(["<domain>", "<name>x</name>", *lines, "</domain>"]))
    except UnexpectedOutput:
        return
