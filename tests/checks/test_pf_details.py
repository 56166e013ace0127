"""The pure readers behind PF details: configuration space, PCI Express links, `ip` of all drivers, and devlink."""

from __future__ import annotations

import contextlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from checks.bundle import Bundle
from checks.facts import firmware, pf_details
from checks.linux.config_space import SriovCapability, sriov_capability
from checks.linux.pcie_link import Lanes, PcieLink, lanes
from checks.linux.vf_info import VfInfo, infos_by_netdev
from checks.outcome import CouldNotLook
from tests.checks.pci_samples import sriov_config

ADDRESS = "0000:01:00.0"
HANDLE = f"pci/{ADDRESS}"
SHOW = f"devlink -j dev eswitch show {HANDLE}"


def test_the_capability_of_an_emulated_82576_is_found_behind_two_others():
    assert sriov_capability(sriov_config()) == SriovCapability(8, 8, 2, 128, 2, enabled=True, ari=True)


def test_no_capability_and_no_answer_are_told_apart():
    assert sriov_capability(bytes(4096)) is None
    assert "only 64 bytes" in str(sriov_capability(bytes(64)))
    assert "does not answer" in str(sriov_capability(b"\xff" * 4096))
    assert "not read" in str(sriov_capability(None))
    assert "cut off" in str(sriov_capability(sriov_config()[:0x170]))


def test_a_list_that_bites_its_tail_ends():
    data = bytearray(4096)
    data[0x100:0x104] = (0x0002 | 1 << 16 | 0x100 << 20).to_bytes(4, "little")
    assert sriov_capability(bytes(data)) is None


@given(st.binary(max_size=600), st.binary(max_size=300))
def test_any_bytes_are_a_configuration_space(head, tail):
    sriov_capability(head + bytes(max(0, 0x100 - len(head))) + tail)


@pytest.mark.parametrize(
    ("speed", "width", "mbps"),
    [
        ("2.5 GT/s PCIe", "1", 2000),
        ("8.0 GT/s PCIe", "8", 63015),
        ("16.0 GT/s PCIe", "16", 252061),
        ("5 GT/s", "4", 16000),
    ],
)
def test_a_link_carries_what_its_line_code_leaves(speed, width, mbps):
    found = lanes(speed, width)
    assert found is not None and found.mbps == mbps


@pytest.mark.parametrize(
    ("speed", "width"),
    [("Unknown", "0"), (None, "8"), ("8.0 GT/s PCIe", "255"), ("8.0 GT/s PCIe", None), ("0 GT/s", "1")],
)
def test_a_link_that_says_nothing_is_none(speed, width):
    assert lanes(speed, width) is None


def test_a_link_is_degraded_only_below_what_both_ends_can_do():
    slow, fast = Lanes(8.0, 4), Lanes(16.0, 16)
    assert PcieLink(slow, fast, Lanes(8.0, 8)).degraded
    assert not PcieLink(slow, fast, slow).degraded
    assert not PcieLink(slow, fast, None).degraded


@given(st.text(max_size=30), st.text(max_size=5))
def test_any_text_is_a_link(speed, width):
    lanes(speed, width)


# What an i40e reports: no rates beyond the object, three flags. From the reproducer in the Linux commit
# "i40e: Do not allow untrusted VF to remove administratively set MAC", in the JSON of iproute2 6.15.
I40E = {
    "vf": 0,
    "link_type": "ether",
    "address": "fe:6c:b5:da:c7:7d",
    "broadcast": "ff:ff:ff:ff:ff:ff",
    "vlan_list": [{}],
    "rate": {"max_tx": 0, "min_tx": 0},
    "spoofchk": True,
    "link_state": "auto",
    "trust": False,
}
# An ixgbe before iproute2 5.3: "mac", no list of VLANs, and the query for RSS. Values from vishvananda/netlink#580.
IXGBE = {
    "vf": 0,
    "mac": "00:00:00:00:00:00",
    "spoofchk": True,
    "link_state": "auto",
    "trust": False,
    "query_rss_en": False,
}
# An mlx5 in switchdev mode: no MAC, link disabled. Values from a listing of `ip -d link show enp1s0f0np0` in public
# notes on devlink eswitch (portname p0, switchid fa67c3ffffc94094).
MLX5 = {**I40E, "address": "00:00:00:00:00:00", "spoofchk": False, "link_state": "disable", "query_rss_en": False}
# A driver that reports neither spoof checking nor trust (-1 in the kernel's answer): the keys are left out.
MUTE = {"vf": 0, "address": "fe:6c:b5:da:c7:7d", "vlan_list": [{"vlan": 100, "qos": 3, "protocol": "802.1ad"}]}


@pytest.mark.parametrize(
    ("info", "told"),
    [
        (I40E, VfInfo("fe:6c:b5:da:c7:7d", 0, 0, None, True, False, "auto", 0, 0)),
        (IXGBE, VfInfo("00:00:00:00:00:00", 0, 0, None, True, False, "auto", None, None)),
        (MLX5, VfInfo("00:00:00:00:00:00", 0, 0, None, False, False, "disable", 0, 0)),
        (MUTE, VfInfo("fe:6c:b5:da:c7:7d", 100, 3, "802.1ad", None, None, None, None, None)),
    ],
    ids=["i40e", "ixgbe", "mlx5", "mute"],
)
def test_vfs_of_all_drivers_are_read(info, told):
    assert infos_by_netdev(json.dumps([{"ifname": "p0", "vfinfo_list": [info]}])) == {"p0": {0: told}}


@given(st.text(max_size=80))
def test_any_text_is_an_answer_of_ip(text):
    with contextlib.suppress(ValueError):
        infos_by_netdev(text)


def eswitch(handles=f"{HANDLE}\n", show=None, denied=()):
    said = {"devlink dev show": handles, SHOW: show}
    commands = {line: answer for line, answer in said.items() if answer is not None}
    found = pf_details.details(Bundle.of(commands=commands, denied=denied), ADDRESS, None)
    return found.eswitch_mode, found.eswitch_unknown


def test_the_eswitch_mode_is_read_or_its_absence_understood():
    # The answer's form: iproute2 devlink/devlink.c (pr_out_eswitch); no NIC of the lab has an eswitch to ask.
    switchdev = json.dumps({"dev": {HANDLE: {"mode": "switchdev", "inline-mode": "none", "encap-mode": "basic"}}})
    assert eswitch(show=switchdev) == ("switchdev", "")
    only_mode = json.dumps({"dev": {HANDLE: {"mode": "switchdev_inactive"}}})
    assert eswitch(show=only_mode) == ("switchdev_inactive", "")
    assert eswitch(handles="") == ("legacy", "")  # igb on kvm-1: no devlink instance at all
    assert eswitch(show=(1, "devlink answers: Operation not supported")) == ("legacy", "")


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        ({"handles": None}, "no 'devlink' program"),
        ({"show": (1, "devlink answers: Invalid argument")}, "failed with exit status 1"),
        ({"handles": f"{HANDLE}: index 1\n"}, "with more on its line"),
        ({"show": "{}"}, "printed no mode"),
        ({"show": json.dumps({"dev": {HANDLE: {"inline-mode": "none"}}})}, "printed no mode"),
        ({"show": json.dumps({"dev": {HANDLE: {"mode": "<unknown mode>"}}})}, "calls the mode '<unknown mode>'"),
        ({"show": "[" * 5000}, "printed no mode"),
        ({"handles": None, "denied": ["devlink dev show"]}, "not allowed"),
    ],
)
def test_an_eswitch_mode_that_is_not_known_says_why(answer, why):
    mode, unknown = eswitch(**answer)
    assert mode is None and why in unknown


# `ethtool -i enp1s0` on kvm-1.
ETHTOOL = "driver: igb\nversion: 6.12.117+deb13-amd64\nfirmware-version: 2.1.0\nexpansion-rom-version: \n"


def test_firmware_is_told_by_interface_and_lo_has_none():
    links = {f"/sys/class/net/{name}": f"../../devices/{name}" for name in ("enp1s0", "lo", "br0")}
    commands: dict[str, str | tuple[int, str]] = {
        "ethtool -i enp1s0": ETHTOOL,
        "ethtool -i br0": "driver: bridge\nversion: 2.3\nfirmware-version: N/A\n",
        "ethtool -i lo": (71, "Cannot get driver information: Operation not supported"),
    }
    found = firmware.parse(Bundle.of(links=links, commands=commands))
    assert found["enp1s0"] == firmware.Firmware("igb", "6.12.117+deb13-amd64", "2.1.0")
    assert found["br0"].firmware is None and "lo" not in found


@given(st.text(max_size=200))
def test_any_text_is_an_answer_of_ethtool(text):
    links = {"/sys/class/net/enp1s0": "../../devices/enp1s0"}
    firmware.parse(Bundle.of(links=links, commands={"ethtool -i enp1s0": text}))


@given(st.text(max_size=30))
def test_any_attribute_ends_in_details_or_one_error(text):
    names = ("mtu", "speed", "device/numa_node", "device/current_link_speed", "device/current_link_width")
    files: dict[str, str | bytes] = {f"/sys/class/net/enp1s0/{name}": text for name in names}
    with contextlib.suppress(CouldNotLook):
        pf_details.details(Bundle.of(files=files), ADDRESS, "enp1s0")


def test_a_link_that_was_not_read_is_not_one_that_is_not_there():
    path = "/sys/class/net/enp1s0/device/current_link_speed"
    assert pf_details.details(Bundle.of(), ADDRESS, "enp1s0").link_unread is None
    found = pf_details.details(Bundle.of(denied=[path]), ADDRESS, "enp1s0")
    assert found.link is None
    assert "not allowed" in (found.link_unread or "")
