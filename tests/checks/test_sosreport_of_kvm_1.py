"""A real sosreport: what sos 4.9.1 wrote on kvm-1, what of it is judged, and what stays unknown.

The sample says where it comes from; `tests/lab/test_sosreport_lab.py` makes the whole archive anew.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from checks.bundle import Bundle, CommandFailed, ReadFailed
from checks.facts import firmware, iommu, kernel_log, libvirt, libvirt_start, networks, nics, pci, system, udev
from checks.facts.catalogue import HOST_SOURCES
from checks.facts.persistence import parse as persistence
from checks.linux.vf_info import VfInfo, infos_by_netdev
from checks.offline import sos_devices, sos_links, sos_manifest
from checks.offline.sos_archive import NotASosreport
from checks.offline.sosreport import bundle_of
from checks.outcome import CouldNotLook

SAMPLE = json.loads((Path(__file__).parent / "captured/sosreport-kvm-1.json").read_text())
PFS = ("0000:01:00.0", "0000:02:00.0")
MANIFEST = "sos_reports/manifest.json"
DATABASE = "sos_commands/devices/udevadm_info_--export-db"
NODE = "sos_commands/virsh/virsh_-r_nodedev-dumpxml_pci_0000_01_10_2"
LINKS = "sos_commands/networking/ip_-s_-d_link"


def laid_out(folder: Path, texts: dict[str, str | None] | None = None) -> Path:
    for name, text in {**SAMPLE["texts"], **(texts or {})}.items():
        if text is not None:
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_text(text)
    for name, target in SAMPLE["links"].items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).symlink_to(target)
    return folder


@pytest.fixture(scope="module")
def report(tmp_path_factory) -> Bundle:
    return bundle_of(laid_out(tmp_path_factory.mktemp("sos") / "kvm-1"), "kvm-1", HOST_SOURCES)


@pytest.fixture
def changed(tmp_path):
    """The report with texts changed, or gone."""
    return lambda **texts: bundle_of(laid_out(tmp_path / "kvm-1", texts), "kvm-1", HOST_SOURCES)


def without(changed, path: str, words: str | None = None, put: str = "") -> Bundle:
    found: Bundle = changed(**{path: None if words is None else SAMPLE["texts"][path].replace(words, put)})
    return found


def manifest_with(change) -> str:
    whole = json.loads(SAMPLE["texts"][MANIFEST])
    change(whole)
    return json.dumps(whole)


def test_pfs_and_their_vfs_are_what_the_host_had(report):
    found = [pf for pf in pci.parse(report) if pf.totalvfs]
    assert [(pf.address, pf.driver, pf.netdevs, pf.totalvfs, pf.numvfs) for pf in found] == [
        (PFS[0], "igb", ("enp1s0",), 7, 2),
        (PFS[1], "igb", ("enp2s0",), 7, 2),
    ]
    first = found[0]
    assert (first.offset, first.stride, first.up, first.mac) == (128, 2, True, "52:54:00:77:02:00")
    assert first.autoprobe is None  # sos has it nowhere
    assert [(vf.address, vf.driver, vf.netdev, vf.admin_mac) for vf in first.vfs] == [
        ("0000:01:10.0", "vfio-pci", None, "52:54:00:77:00:10"),
        ("0000:01:10.2", "igbvf", "enp1s0v1", "00:00:00:00:00:00"),
    ]
    assert [(vf.spoofchk, vf.trust, vf.link_state, vf.vlan) for vf in first.vfs] == [(True, False, "auto", 0)] * 2
    assert first.incomplete is None
    assert first.ids["subsystem_vendor"] == "0x1af4"
    for unread in (first.details.link_unread, first.details.capability, first.details.eswitch_unknown):
        assert "not in the sosreport" in str(unread)


def test_the_iommu_is_what_the_host_had(report):
    found = iommu.parse(report)
    assert (found.units, found.effective, found.interrupts_remapped) == (("dmar0",), True, True)
    assert found.firmware_tables == ("DMAR",)
    group = found.group_of("0000:01:10.0")
    assert group is not None
    assert (group.members, group.type) == (("0000:01:10.0",), None)
    assert isinstance(group.reserved, CouldNotLook)  # neither sos nor libvirt has it


def test_the_rest_that_it_tells(report):
    assert report.output("udevadm --version") == "257\n"
    assert report.output("uname -m") == "x86_64\n"
    assert report.link("/lib") == "usr/lib"
    assert system.parse(report).kernel == "6.12.117+deb13-amd64"
    assert firmware.parse(report)["enp1s0"].driver == "igb"
    links = {one["ifname"]: one for one in json.loads(report.output("ip -d -j link show") or "")}
    assert links["vnet0"]["linkinfo"] == {"info_kind": "tun"}
    assert "linkinfo" not in links["enp1s0"]
    log = kernel_log.parse(report)
    assert (log.unread, log.since_boot) == (None, True)
    [domain] = libvirt.parse(report)
    assert (domain.name, domain.state, domain.stored is not None, domain.autostart) == (
        "guest-1",
        "running",
        True,
        None,
    )
    assert [(one.name, one.active) for one in networks.parse(report)] == [("control", True), ("default", False)]


@pytest.mark.parametrize(
    "ask",
    [
        lambda b: b.texts("/etc/default/grub.d/*.cfg"),  # sos has the file beside it
        lambda b: b.texts("/run/udev/rules.d/*"),
        lambda b: b.texts("/sys/kernel/iommu_groups/*/type"),
        lambda b: b.output("nmcli -t -f DEVICE,STATE,CONNECTION device"),
        lambda b: b.output("libvirtd --version"),
        lambda b: b.texts("/sys/class/net/*/speed"),  # of a NIC the links are known, and little below
        lambda b: b.names("/etc/libvirt/qemu"),  # only the *.xml of it
        libvirt_start.parse,
        udev.parse,
    ],
)
def test_what_sos_does_not_have_is_unknown(report, ask):
    with pytest.raises(ReadFailed, match="not in the sosreport"):
        ask(report)


def test_a_host_without_bonds_has_none_and_one_with_bonds_may_have_any(report, changed):
    assert report.texts("/sys/class/net/*/bonding/*") == report.texts("/sys/class/net/*/bonding_slave/*") == {}
    assert {nic.name: nic.master for nic in nics.parse(report) if nic.master} == {"vnet0": "virbr-control"}
    bond = without(changed, LINKS, "    tun type tap", "    bond mode active-backup")
    with pytest.raises(ReadFailed, match="not in the sosreport"):
        bond.texts("/sys/class/net/*/bonding/*")


def test_what_it_has_whole_is_missing_where_it_is_not(report):
    assert report.text("/etc/rc.local") is None
    assert report.texts("/etc/modprobe.d/*.conf") == {}
    assert report.texts("/boot/loader/entries/*.conf") == {}
    assert report.text("/boot/efi/EFI/debian/grub.cfg") is None  # by the listing of /boot
    assert not report.names("/sys/firmware/efi")
    assert persistence(report).claims == {}


@pytest.mark.parametrize(
    "change",
    [
        lambda m: m["components"]["report"]["plugins"]["kernel"].update(timeout_hit=True),
        lambda m: m["components"]["report"]["plugins"].pop("kernel"),
        lambda m: m.update(cmdline="report --skip-files /etc/modprobe.d"),
        lambda m: m.update(version="?"),
        lambda m: m.clear(),
    ],
    ids=["ran out of time", "not asked for", "told to skip", "of no version", "no manifest"],
)
def test_a_place_that_a_plugin_may_not_have_copied_is_unknown(changed, change):
    with pytest.raises(ReadFailed, match="not in the sosreport"):
        changed(**{MANIFEST: manifest_with(change)}).texts("/etc/modprobe.d/*.conf")


def test_a_version_that_did_not_copy_a_place_yet(changed):
    old = changed(**{MANIFEST: manifest_with(lambda m: m.update(version="4.0"))})
    assert old.texts("/etc/modprobe.d/*.conf") == {}
    with pytest.raises(ReadFailed, match="not in the sosreport"):
        old.texts("/run/modprobe.d/*.conf")


@pytest.mark.parametrize(
    ("path", "words", "put"),
    [(NODE, None, ""), (NODE, "</device>", ""), (DATABASE, None, ""), (LINKS, None, ""), (LINKS, "mtu", "MTU")],
    ids=["a node device is gone", "and one is broken", "no database", "no links", "links in another form"],
)
def test_with_one_of_its_witnesses_gone_the_pfs_are_unknown(changed, path, words, put):
    with pytest.raises(ReadFailed, match="not in the sosreport"):
        pci.parse(without(changed, path, words, put))


@pytest.mark.parametrize(
    ("truncated", "code", "error"), [(True, 0, "not in the sosreport"), (False, 1, "virsh.*failed")]
)
def test_an_output_that_was_cut_off_or_failed_is_no_answer(changed, truncated, code, error):
    def change(whole):
        for row in whole["components"]["report"]["plugins"]["virsh"]["commands"]:
            if row["exec"] == "virsh -r net-list --all":
                row |= {"truncated": truncated, "return_code": code}

    with pytest.raises((ReadFailed, CommandFailed), match=error):
        changed(**{MANIFEST: manifest_with(change)}).output("virsh -c qemu:///system net-list --all")


def test_one_that_was_disguised_is_refused(changed):
    with pytest.raises(NotASosreport, match="'sos clean' put other names"):
        changed(**{MANIFEST: manifest_with(lambda m: m["components"].update(cleaner={}))})


BOND = b"""\
1: lo: <LOOPBACK,UP,LOWER_UP> mtu 65536 qdisc noqueue state UNKNOWN mode DEFAULT group default qlen 1000
    link/loopback 00:00:00:00:00:00 brd 00:00:00:00:00:00 promiscuity 0 allmulti 0
2: ens1: <BROADCAST,SLAVE,UP,LOWER_UP> mtu 1500 qdisc mq master bond0 state UP mode DEFAULT group default qlen 1000
    link/ether 52:54:00:00:00:01 brd ff:ff:ff:ff:ff:ff permaddr 52:54:00:00:00:02 promiscuity 0
    bond_slave state ACTIVE mii_status UP link_failure_count 0 perm_hwaddr 52:54:00:00:00:02 queue_id 0
    RX:  bytes packets errors dropped  missed   mcast
             0       0      0       0       0       0
    vf 0     link/ether 52:54:00:00:00:10 brd ff:ff:ff:ff:ff:ff, vlan 100, qos 3, vlan protocol 802.1ad, \
max_tx_rate 200Mbps, spoof checking off, link-state enable, trust on, query_rss off
    vf 1 MAC 52:54:00:00:00:11, tx rate 10 (Mbps)
3: bond0: <BROADCAST,MASTER,UP,LOWER_UP> mtu 9000 qdisc noqueue state LOWERLAYERDOWN mode DEFAULT group default
    link/ether 52:54:00:00:00:01 brd ff:ff:ff:ff:ff:ff promiscuity 0 allmulti 0
    bond mode active-backup active_slave ens1 miimon 100
4: bond0.77@bond0: <BROADCAST,UP> mtu 9000 qdisc noqueue state UP mode DEFAULT group default qlen 1000
    link/ether 52:54:00:00:00:01 brd ff:ff:ff:ff:ff:ff promiscuity 0
    vlan protocol 802.1Q id 77 <REORDER_HDR> addrgenmode eui64
"""


def test_the_text_of_ip_tells_bonds_vlans_and_settings_of_vfs():
    # Forms from iproute2's source (ip/ipaddress.c, ip/iplink_bond*.c, iplink_vlan.c): kvm-1 has no bond of its own.
    found = {one["ifname"]: one for one in sos_links.links(BOND) or ()}
    assert {name: one.get("linkinfo") for name, one in found.items()} == {
        "lo": None,
        "ens1": None,
        "bond0": {"info_kind": "bond"},
        "bond0.77": {"info_kind": "vlan", "info_data": {"id": 77}},
    }
    assert (found["ens1"]["master"], found["ens1"]["permaddr"], found["bond0.77"]["link"]) == (
        "bond0",
        "52:54:00:00:00:02",
        "bond0",
    )
    files = dict(sos_links.attributes(list(found.values())))
    assert files["/sys/class/net/bond0/operstate"] == b"lowerlayerdown\n"
    vfs = infos_by_netdev(sos_links.as_json(list(found.values())).decode())["ens1"]
    assert vfs[0] == VfInfo("52:54:00:00:00:10", 100, 3, "802.1ad", False, True, "enable", 200, None)
    assert vfs[1] == VfInfo("52:54:00:00:00:11", 0, 0)  # its rate is of an iproute2 that no longer runs


@given(st.binary(max_size=300), st.sampled_from([BOND, SAMPLE["texts"][DATABASE].encode()[:4000]]))
def test_any_bytes_are_told_or_not(noise, text):
    for data in (noise, text[: len(noise) * 9] + noise, noise + text):
        sos_links.links(data)
        sos_devices.sysfs(data, {"x": data}, data)
        sos_devices.interrupt_chips(data)
        sos_manifest.read(data)
