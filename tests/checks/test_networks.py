"""Networks out of libvirt's XML, by files and by virsh; the devices of NetworkManager; when libvirt starts."""

from __future__ import annotations

import gzip
import re
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from checks.bundle import Bundle, UnexpectedOutput
from checks.facts import host_validation, libvirt_start, managed_nics, networks
from checks.linux.network_xml import KEEP
from checks.outcome import CouldNotLook
from tests.checks.domain_samples import PFS, VF_1
from tests.checks.network_samples import CONTROL, LIST, POOL, POOL_ACTIVE, SECRET, TABLE, host, status, stored

LISTED = "0000:02:10.2"
DUMP = "virsh -c qemu:///system net-dumpxml"
NET_TABLE = "virsh -c qemu:///system net-list --all"


def as_kept(text: str) -> str:
    """What grep -E lets through."""
    return "".join(line for line in text.splitlines(keepends=True) if re.search(KEEP, line))


def of_text(text: str) -> tuple[networks.Network, ...]:
    return networks.parse(host({"x": text}, {}))


def test_the_networks_of_a_real_libvirt():
    control, listed, pool = networks.parse(host())
    assert (control.name, control.active, control.autostart, control.mode) == ("control", True, True, "open")
    assert (control.is_pool, control.vfs(PFS)) == (False, frozenset())
    assert (listed.is_pool, listed.listed, listed.pf) == (True, (LISTED,), None)
    assert listed.vfs(PFS) == {LISTED}
    assert (pool.active, pool.autostart, pool.pf, pool.vlans) == (True, False, "enp1s0f0", (42,))
    assert pool.vfs(PFS) == {VF_1, "0000:01:10.2"}


def test_a_network_that_is_not_active():
    [pool] = networks.parse(host({"vf-pool": POOL}, {}, ()))
    assert (pool.active, pool.autostart, pool.listed) == (False, False, ())
    assert pool.vfs(PFS) == {VF_1, "0000:01:10.2"}


def test_what_leaves_the_host_gives_the_same_facts_and_no_secret():
    planted = f"  <metadata>\n    <a:b xmlns:a='x'>\n      <name>{SECRET}</name>\n    </a:b>\n  </metadata>\n"
    planted += f"  <dns>\n    <txt name='a' value='{SECRET}'/>\n  </dns>\n"
    planted += f"  <dnsmasq:options>\n    <dnsmasq:option value='{SECRET}'/>\n  </dnsmasq:options>\n"
    for xml in (POOL, POOL_ACTIVE, LIST, CONTROL):
        for text in (stored(xml), status(xml)):
            name = "<name>" + text.split("<name>")[1].split("\n")[0]
            with_secret = text.replace(name, f"{name}\n{planted.rstrip()}", 1)
            kept = as_kept(with_secret)
            assert SECRET in with_secret
            assert SECRET not in kept
            assert of_text(kept) == of_text(text)


def test_no_libvirt_is_no_network():
    assert networks.parse(Bundle.of("kvm-1")) == ()


def by_virsh(commands):
    closed = ("/etc/libvirt/qemu/networks", "/run/libvirt/network")
    return Bundle.of("kvm-1", commands=commands, denied=closed)


def test_virsh_is_enough_when_the_files_are_denied():
    dumps = {"control": CONTROL, "vf-list": LIST, "vf-pool": POOL_ACTIVE}
    commands = {NET_TABLE: TABLE, **{f"{DUMP} {name}": xml for name, xml in dumps.items()}}
    assert networks.parse(by_virsh(commands)) == networks.parse(host())


def test_neither_way_names_both_reasons():
    with pytest.raises(CouldNotLook, match=r"/etc/libvirt/qemu/networks.*; and .*no 'virsh' program"):
        networks.parse(by_virsh({}))


def test_a_table_of_another_shape_is_said_in_one_sentence():
    with pytest.raises(UnexpectedOutput, match="net-list --all' printed"):
        networks.parse(by_virsh({NET_TABLE: "a\nb\nc\n"}))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "<domain><name>x</name></domain>",
        "<network><forward mode='hostdev'/></network>",
        "<network><name>x</name><forward><address type='pci' bus='many'/></forward></network>",
        "<networkstatus/>",
    ],
)
def test_what_is_no_network_is_said_in_one_sentence(text):
    with pytest.raises(UnexpectedOutput):
        of_text(text)


def test_hostile_xml_ends_within_a_second():
    outside = "<!DOCTYPE d [<!ENTITY x SYSTEM 'file:///etc/passwd'>]><network><name>&x;</name></network>"
    deep = "<network>" + "<a>" * 60_000 + "</a>" * 60_000
    began = time.monotonic()
    for text in (outside, deep):
        with pytest.raises(UnexpectedOutput):
            of_text(text)
    assert time.monotonic() - began < 1


PIECES = """
<network>|</network>|<name>x</name>|<forward mode='hostdev'>|</forward>|<pf dev='a'/>|<pf/>|<vlan>|</vlan>|<tag/>|
<address type='pci' bus='0x01'/>|<address type='pci' bus='-1'/>|<tag id='x'/>|<forward/>|&#0;|<networkstatus>
"""
pieces = st.lists(st.sampled_from(PIECES.replace("\n", "").split("|")), max_size=30)


@settings(deadline=None)  # the machine may be busy
@given(st.one_of(st.text(), pieces.map(lambda lines: "\n".join(["<network>", *lines, "</network>"]))))
def test_any_text_gives_networks_or_one_kind_of_error(text):
    try:
        of_text(text)
    except UnexpectedOutput:
        return


NMCLI = "nmcli -t -f DEVICE,STATE,CONNECTION device"
# The shape of nmcli(1), --terse; its own example escapes colons.
DEVICES = """enp1s0f0:connected:wired
enp1s0f0v1:connected:uplink\\: left
virbr0:connected (externally):virbr0
enp2s0f0v1:unmanaged:
lo:connected (externally):lo
"""


def test_the_interfaces_that_networkmanager_holds():
    held = managed_nics.parse(Bundle.of("kvm-1", commands={NMCLI: DEVICES}))
    assert held == {"enp1s0f0": "wired", "enp1s0f0v1": "uplink: left"}


def test_no_networkmanager_holds_nothing():
    assert managed_nics.parse(Bundle.of("kvm-1")) == {}
    stopped = Bundle.of("kvm-1", commands={NMCLI: (8, "Error: NetworkManager is not running.")})
    assert managed_nics.parse(stopped) == {}


@settings(deadline=None)
@given(st.text())
def test_any_output_of_nmcli_gives_profiles_or_one_kind_of_error(text):
    try:
        managed_nics.parse(Bundle.of("kvm-1", commands={NMCLI: text}))
    except UnexpectedOutput:
        return


SHOW = "systemctl show -p Id -p ActiveState -p UnitFileState -p After libvirtd.service virtqemud.service"
# Printed by systemd 257 on the lab's kvm-1, shortened.
SHOWN = """Id=libvirtd.service
After=system.slice network.target dbus.service sys-subsystem-net-devices-enp1s0.device
ActiveState=active
UnitFileState=enabled

Id=virtqemud.service
After=
ActiveState=inactive
UnitFileState=
"""


def start(units=None, wanted=()):
    return libvirt_start.parse(
        Bundle.of(
            "kvm-1",
            files={f"/etc/systemd/system/{name}": text for name, text in (units or {}).items()},
            links={f"/etc/systemd/system/multi-user.target.wants/{name}": f"../{name}" for name in wanted},
            commands={SHOW: SHOWN},
        )
    )


def test_what_libvirt_starts_after():
    found = start()
    assert set(found.after) == {"libvirtd.service"}
    assert "sys-subsystem-net-devices-enp1s0.device" in found.after["libvirtd.service"]
    assert found.makers == ()


def test_only_enabled_units_that_write_a_number_make_vfs():
    line = "ExecStart=/bin/sh -c 'echo 2 > /sys/class/net/enp1s0/device/sriov_numvfs'\n"
    units = {"vfs.service": line, "old.service": line, "note.service": f"#{line}"}
    assert start(units, ("vfs.service", "note.service")).makers == ("vfs.service",)


@settings(deadline=None)
@given(st.text())
def test_any_output_of_systemctl_gives_an_order(text):
    assert isinstance(libvirt_start.parse(Bundle.of("kvm-1", commands={SHOW: text})).after, dict)


def test_a_host_without_systemd_orders_nothing():
    assert libvirt_start.parse(Bundle.of("kvm-1")) == libvirt_start.LibvirtStart({}, ())


# Printed by libvirt 11.3.0 on the lab's kvm-1, shortened: an AMD CPU above an Intel IOMMU, which works.
VALIDATED = """  QEMU: Checking if device '/dev/kvm' exists                                 : PASS
  QEMU: Checking for cgroup 'devices' controller support                     : PASS
  QEMU: Checking for device assignment IOMMU support                         : WARN (No ACPI IVRS table found, IOMMU \
either disabled in BIOS or not supported by this hardware platform)
  QEMU: Checking for secure guest support                                    : WARN (Unknown if this platform \
has Secure Guest support)
"""


def validated(answer):
    return host_validation.parse(Bundle.of("kvm-1", commands={"virt-host-validate qemu": answer}))


def test_what_libvirt_does_not_pass():
    iommu, secure = validated(VALIDATED)
    assert iommu.startswith("Checking for device assignment IOMMU support: WARN (No ACPI IVRS table found")
    assert secure.startswith("Checking for secure guest support: WARN")
    assert host_validation.parse(Bundle.of("kvm-1")) == ()


def test_what_it_printed_is_kept_when_it_ends_with_an_error(tmp_path):
    failed = VALIDATED.replace(": PASS", ": FAIL", 1)
    raw = gzip.decompress(Bundle.of("kvm-1", commands={"virt-host-validate qemu": failed}).packed())
    (tmp_path / "x.vfb").write_bytes(raw.replace(b"\nrc 0", b"\nrc 1"))
    assert host_validation.parse(Bundle.load(tmp_path / "x.vfb"))[0] == "Checking if device '/dev/kvm' exists: FAIL"


def test_libvirts_own_check_stands_in_nobodys_way():
    denied = Bundle.of("kvm-1", denied=("virt-host-validate qemu",))
    [said] = host_validation.parse(denied)
    assert "not allowed to read 'virt-host-validate qemu'" in said


@settings(deadline=None)
@given(st.text())
def test_any_output_of_virt_host_validate_gives_lines(text):
    assert isinstance(validated(text), tuple)
