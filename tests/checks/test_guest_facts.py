"""NICs and bonds out of sysfs, `ip` and udev, whatever is in them."""

from __future__ import annotations

import json
from ipaddress import ip_interface

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from checks.bundle import Bundle, UnexpectedOutput
from checks.facts import bonds, nics
from checks.facts.known import known
from checks.outcome import CouldNotLook
from tests.checks.guest_samples import MAC_1, MAC_2, NICS, changed, guest, without_ip

BASE = {
    f"/sys/class/net/eth0/{key}": value for key, value in (("address", "a\n"), ("ifindex", "2\n"), ("mtu", "1500\n"))
}


def test_a_slave_in_full():
    first = nics.parse(guest())[0]
    assert (first.name, first.ifindex, first.mac, first.driver) == ("enp1s0", 2, MAC_1, "igbvf")
    assert (first.pci_address, first.master, first.operstate, first.mtu) == ("0000:01:00.0", "bond0", "up", 1500)
    assert first.property("ID_NET_NAMING_SCHEME") == "v257"
    assert first.property("ID_NET_NAME_SLOT") is None
    assert not first.ifnames_off


def test_the_permanent_mac_survives_a_bond_that_writes_its_own():
    second = nics.parse(guest(changed(NICS, "enp2s0", mac=MAC_1)))[1]
    assert (second.mac, second.permanent_mac) == (MAC_1, MAC_2)


def test_a_vlan_and_its_addresses():
    vlan = nics.parse(guest())[3]
    assert (vlan.kind, vlan.lower, vlan.vlan_id) == ("vlan", "bond0", 77)
    assert [(one.interface, one.usable) for one in known(vlan.addresses)] == [(ip_interface("10.77.77.21/24"), True)]


def test_virtio_is_found_behind_its_own_bus():
    files = {**BASE}
    links = {"/sys/class/net/eth0": "../../devices/pci0000:00/0000:00:03.0/virtio0/net/eth0"}
    [found] = nics.parse(Bundle.of(files=files, links=links))
    assert found.pci_address == "0000:00:03.0"


@pytest.mark.parametrize(
    ("cmdline", "off"),
    [("net.ifnames=0", True), ("net.ifnames=off", True), ("net.ifnames=0 net.ifnames=1", False), ("ro", False)],
)
def test_net_ifnames(cmdline, off):
    assert nics.parse(guest(cmdline=cmdline))[0].ifnames_off is off


def test_a_bond_in_full():
    [bond] = bonds.parse(guest())
    assert (bond.name, bond.mode, bond.fail_over_mac, bond.miimon) == ("bond0", "active-backup", "active", 100)
    assert (bond.num_grat_arp, bond.peer_notif_delay, bond.active_slave, bond.primary) == (3, 200, "enp1s0", None)
    assert [(s.nic, s.state, s.mii_status, s.permanent_mac) for s in bond.slaves] == [
        ("enp1s0", "active", "up", MAC_1),
        ("enp2s0", "backup", "up", MAC_2),
    ]
    assert [vlan.name for vlan in known(bond.vlans)] == ["bond0.77"]
    assert bond.bridge is None


def test_without_ip_only_what_needs_it_is_unknown():
    [bond] = bonds.parse(without_ip())
    assert isinstance(bond.vlans, CouldNotLook)
    assert len(bond.slaves) == 2
    assert isinstance(nics.parse(without_ip())[0].addresses, CouldNotLook)


def test_a_kernel_without_peer_notif_delay():
    files = {f"/sys/class/net/bond0/{k}": v for k, v in (("address", "a"), ("ifindex", "4"), ("mtu", "1500"))}
    options = {"mode": "active-backup 1", "fail_over_mac": "none 0", "primary_reselect": "always 0", "mii_status": "up"}
    options |= dict.fromkeys(("miimon", "arp_interval", "updelay", "downdelay", "num_grat_arp"), "0")
    files |= {f"/sys/class/net/bond0/bonding/{key}": f"{value}\n" for key, value in options.items()}
    [bond] = bonds.parse(Bundle.of(files=files))
    assert bond.peer_notif_delay is None
    assert bond.slaves == ()


@pytest.mark.parametrize("option", ["mode", "fail_over_mac", "miimon", "num_grat_arp", "mii_status"])
def test_an_option_without_a_value_is_unexpected(option):
    with pytest.raises(UnexpectedOutput, match=f"bonding/{option}"):
        bonds.parse(guest(options={option: ""}))


def test_a_vlan_without_an_id_is_unexpected():
    link = json.dumps([{"ifname": "eth0", "linkinfo": {"info_kind": "vlan", "info_data": {}}}])
    with pytest.raises(UnexpectedOutput, match="no id"):
        nics.parse(Bundle.of(files=BASE, commands={"ip -d -j link show": link}))


@pytest.mark.parametrize("text", ["", "{}", "[1]", '[{"ifname": 7}]', "[" * 100_000, '[{"ifname": "eth0"'])
def test_what_is_not_the_json_of_ip_leaves_its_part_unknown(text):
    [found] = nics.parse(Bundle.of(files=BASE, commands={"ip -d -j link show": text, "ip -j addr show": text}))
    assert isinstance(found.addresses, UnexpectedOutput)
    assert found.kind is None


def test_ip_shows_empty_objects_for_links_it_filtered():
    commands = {"ip -d -j link show": "[{},{}]", "ip -j addr show": '[{},{"ifname":"eth0","addr_info":[{}]}]'}
    [found] = nics.parse(Bundle.of(files=BASE, commands=commands))
    assert found.addresses == ()


@settings(deadline=None)  # the machine may be busy
@given(st.text(), st.text(), st.text(), st.text())
@example("0\x1f", "", "", "")
def test_any_text_gives_nics_or_one_kind_of_error(value, udev, link, address):
    files = {**BASE, "/sys/class/net/eth0/mtu": value, "/run/udev/data/n2": udev, "/proc/cmdline": udev}
    try:
        nics.parse(Bundle.of(files=files, commands={"ip -d -j link show": link, "ip -j addr show": address}))
    except UnexpectedOutput:
        return


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5) | st.just("10.0.0.1"),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["ifname", "addr_info", "local", "prefixlen", "linkinfo", "info_kind", "info_data", "id"]),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@settings(deadline=None)  # the machine may be busy
@given(st.lists(json_values, max_size=3), st.lists(json_values, max_size=3))
def test_any_json_gives_nics_or_one_kind_of_error(link, address):
    commands = {"ip -d -j link show": json.dumps(link), "ip -j addr show": json.dumps(address)}
    try:
        nics.parse(Bundle.of(files=BASE, commands=commands))
    except UnexpectedOutput:
        return


@settings(deadline=None)  # the machine may be busy
@given(st.sampled_from(["mode", "miimon", "active_slave", "mii_status", "num_grat_arp", "primary"]), st.text())
def test_any_option_gives_a_bond_or_one_kind_of_error(option, value):
    try:
        bonds.parse(guest(options={option: value}))
    except UnexpectedOutput:
        return
