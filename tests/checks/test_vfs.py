"""The statements about PFs and VFs, on sysfs as Linux 6.12 shows an emulated 82576 (igb): offset 128, stride 2."""

from __future__ import annotations

import contextlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from checks import test_vfs as statements
from checks.bundle import Bundle, UnexpectedOutput
from checks.facts import kernel_log, pci
from checks.facts.kernel_log import NOTHING
from checks.outcome import CouldNotLook, collected_advice
from inventory.model import Host
from tests.checks.pci_samples import sriov_config

PF = "0000:01:00.0"
VFS = ("0000:01:10.0", "0000:01:10.2")
MACS = ("52:54:00:77:00:10", "52:54:00:77:00:11")


def vf_info(index, **changes):
    """As `ip -d -j link show` of iproute2 6.15 prints one VF of igb."""
    info = {
        "vf": index,
        "link_type": "ether",
        "address": MACS[index],
        "broadcast": "ff:ff:ff:ff:ff:ff",
        "vlan_list": [{}],
        "rate": {"max_tx": 0, "min_tx": 0},
        "spoofchk": True,
        "link_state": "auto",
        "trust": False,
    }
    return {key: value for key, value in {**info, **changes}.items() if value is not ...}


def boot_log(*lines):
    """As journalctl -o short-monotonic --no-hostname prints it on kvm-1 (Debian 13, systemd 257)."""
    said = ["[    9.763552] kernel: Linux version 6.12.117+deb13-amd64 (debian-kernel@lists.debian.org)", *lines]
    return kernel_log.parse(Bundle.of(commands={kernel_log.JOURNAL: "\n".join(said) + "\n"}))


def host_files(numvfs="2\n", totalvfs="7\n", flags="0x1003\n", **attributes):
    device = f"/sys/bus/pci/devices/{PF}"
    values = {
        "class": "0x020000\n",
        "vendor": "0x8086\n",
        "device": "0x10c9\n",
        "sriov_totalvfs": totalvfs,
        "sriov_numvfs": numvfs,
        "sriov_offset": "128\n",
        "sriov_stride": "2\n",
        "sriov_drivers_autoprobe": "1\n",
        **attributes,
    }
    files = {f"{device}/{name}": text for name, text in values.items() if text is not None}
    files |= {f"/sys/bus/pci/devices/{vf}/class": "0x020000\n" for vf in VFS}
    return files | {"/sys/class/net/enp1s0/flags": flags, "/sys/class/net/enp1s0/address": "52:54:00:00:00:01\n"}


def host_links(driver="igb", vf_driver="vfio-pci", vfs=VFS, name="enp1s0"):
    devices, below = "/sys/bus/pci/devices", "../../../devices/pci0000:00/0000:00:02.0"
    links = {f"{devices}/{address}": f"{below}/{address}" for address in (PF, *vfs)}
    links |= {f"{devices}/{vf}/physfn": f"../{PF}" for vf in vfs}
    links |= {f"{devices}/{PF}/virtfn{index}": f"../{vf}" for index, vf in enumerate(vfs)}
    links |= {f"{devices}/{vf}/driver": f"../../../../bus/pci/drivers/{vf_driver}" for vf in vfs if vf_driver}
    if driver:
        links[f"{devices}/{PF}/driver"] = f"../../../../bus/pci/drivers/{driver}"
    links[f"/sys/class/net/{name}"] = f"../../devices/pci0000:00/0000:00:02.0/{PF}/net/{name}"
    return links


def found(files=None, links=None, infos=None, ip=None):
    vfinfo = [vf_info(0), vf_info(1)] if infos is None else infos
    link_list = json.dumps([{"ifname": "lo"}, {"ifname": "enp1s0", "vfinfo_list": vfinfo}, {}])
    commands = {"ip -d -j link show": link_list if ip is None else ip}
    return pci.parse(Bundle.of(files=files or host_files(), links=links or host_links(), commands=commands))


def wanted(**pf):
    return Host.model_validate({"connect": "local://", "pfs": {"enp1s0": {"vfs": 2, **pf}}})


def test_parse_reads_a_pf_with_its_vfs():
    (pf,) = found(infos=[vf_info(0, vlan_list=[{"vlan": 100, "qos": 3}], spoofchk=...), vf_info(1)])
    assert (pf.address, pf.driver, pf.netdev, pf.up, pf.totalvfs, pf.numvfs) == (PF, "igb", "enp1s0", True, 7, 2)
    assert pf.device_path == f"devices/pci0000:00/0000:00:02.0/{PF}"
    first, second = pf.vfs
    assert (first.address, first.admin_mac, first.vlan, first.qos, first.spoofchk) == (VFS[0], MACS[0], 100, 3, None)
    assert (second.vlan, second.spoofchk, second.trust, second.link_state) == (0, True, False, "auto")
    assert pf.incomplete is None


def test_parse_understands_old_iproute2():
    (pf,) = found(infos=[vf_info(0, address=..., mac=MACS[0], vlan_list=..., vlan=7, qos=1), vf_info(1)])
    assert (pf.vfs[0].admin_mac, pf.vfs[0].vlan, pf.vfs[0].qos) == (MACS[0], 7, 1)


def test_parse_calls_a_short_answer_incomplete_not_missing():
    (pf,) = found(infos=[vf_info(0)])
    assert pf.incomplete == "'ip' reports 1 of 2 VFs of enp1s0"
    assert len(pf.vfs) == 2


@pytest.mark.parametrize("text", ["", "7 7", "0x7", "-1", "9" * 30, "７"])
def test_parse_refuses_a_number_that_is_none(text):
    with pytest.raises(UnexpectedOutput):
        found(files=host_files(totalvfs=text))


@given(st.text(max_size=60))
def test_parse_raises_only_its_own_error(text):
    with contextlib.suppress(CouldNotLook):
        found(ip=text, files=host_files(numvfs=text, flags=text))


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=5),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(["ifname", "vfinfo_list", "vf", "address", "vlan_list", "vlan", "trust"]),
                inner,
                max_size=4,
            )
        ),
        max_leaves=12,
    )
)
def test_parse_takes_any_json(value):
    with contextlib.suppress(CouldNotLook):
        found(ip=json.dumps([{"ifname": "enp1s0", "vfinfo_list": value}, value]))


def test_every_pf_is_there__broken_when_another_nic_has_its_place():
    with pytest.raises(AssertionError, match="host: no PCI network function called enp1s0; there are eth4"):
        statements.test_every_pf_is_there("host", wanted(), found(links=host_links(name="eth4")))
    with pytest.raises(AssertionError, match=f"{PF} is called eth4, wanted enp1s0"):
        statements.test_every_pf_is_there("host", wanted(address=PF), found(links=host_links(name="eth4")))
    with pytest.raises(AssertionError, match=f"no network function at 0000:02:00.0; enp1s0 is at {PF}"):
        statements.test_every_pf_is_there("host", wanted(address="02:00.0"), found())


def test_every_pf_is_there__holds_by_name_alone():
    statements.test_every_pf_is_there("host", wanted(), found())
    statements.test_every_pf_is_there("host", wanted(address=PF), found())


def test_every_pf_has_the_wanted_driver__broken_by_another_driver():
    with pytest.raises(AssertionError, match=f"enp1s0 \\({PF}\\) has igb, wanted i40e"):
        statements.test_every_pf_has_the_wanted_driver("host", wanted(driver="i40e"), found(), NOTHING)
    with pytest.raises(AssertionError, match="has no driver"):
        statements.test_every_pf_has_the_wanted_driver("host", wanted(), found(links=host_links(driver=None)), NOTHING)


def test_every_pf_has_the_wanted_driver__holds_with_any_driver_when_none_is_named():
    statements.test_every_pf_has_the_wanted_driver("host", wanted(), found(links=host_links(driver="xyz")), NOTHING)


def test_every_pf_can_make_the_wanted_vfs__broken_by_a_low_limit_and_a_hidden_capability():
    with pytest.raises(AssertionError, match="takes 7 VFs at most, wanted 8"):
        statements.test_every_pf_can_make_the_wanted_vfs("host", wanted(vfs=8), found())
    hidden = host_files(numvfs=None, totalvfs=None)
    with pytest.raises(AssertionError, match="no SR-IOV capability"):
        statements.test_every_pf_can_make_the_wanted_vfs("host", wanted(), found(files=hidden))


@pytest.mark.parametrize(
    ("vendor", "config", "said"),
    [
        ("0x8086\n", b"\x86\x80" + bytes(254), "shows no SR-IOV capability either, so firmware hides it: enable"),
        ("0x15b3\n", b"\xb3\x15" + bytes(62), "firmware may hide it: mlxconfig -d 0000:01:00.0 set SRIOV_EN=1"),
        ("0x15b3\n", sriov_config(total=0), "its firmware allows 0 VFs: mlxconfig"),
        ("0x8086\n", sriov_config(total=8), "the kernel does not use it: look for CONFIG_PCI_IOV"),
        ("0x8086\n", None, "firmware may hide it"),
    ],
)
def test_every_pf_can_make_the_wanted_vfs__broken_and_says_who_hides_them(vendor, config, said):
    files = host_files(numvfs=None, totalvfs=None, vendor=vendor)
    files |= {} if config is None else {"/sys/class/net/enp1s0/device/config": config}
    with pytest.raises(AssertionError) as broken:
        statements.test_every_pf_can_make_the_wanted_vfs("host", wanted(), found(files=files))
    assert said in str(broken.value)


def test_every_pf_can_make_the_wanted_vfs__broken_and_says_whose_limit_it_is():
    files = host_files() | {"/sys/class/net/enp1s0/device/config": sriov_config(total=8)}
    with pytest.raises(AssertionError, match=r"7 VFs at most, wanted 8 .the card could make 8; the limit is .* igb"):
        statements.test_every_pf_can_make_the_wanted_vfs("host", wanted(vfs=8), found(files=files))
    files["/sys/class/net/enp1s0/device/config"] = sriov_config(total=7)
    with pytest.raises(AssertionError, match="the card's own limit"):
        statements.test_every_pf_can_make_the_wanted_vfs("host", wanted(vfs=8), found(files=files))


def test_every_pf_can_make_the_wanted_vfs__holds_at_the_limit_and_where_none_are_wanted():
    statements.test_every_pf_can_make_the_wanted_vfs("host", wanted(vfs=7), found())
    hidden = host_files(numvfs=None, totalvfs=None)
    statements.test_every_pf_can_make_the_wanted_vfs("host", wanted(vfs=0), found(files=hidden))


def test_every_pf_has_the_wanted_number_of_vfs__broken_when_fewer_or_more():
    with pytest.raises(AssertionError, match="has 0 VFs, wanted 2"):
        statements.test_every_pf_has_the_wanted_number_of_vfs(
            "host", wanted(), found(files=host_files(numvfs="0\n")), NOTHING
        )
    with pytest.raises(AssertionError, match="has 2 VFs, wanted 0"):
        statements.test_every_pf_has_the_wanted_number_of_vfs("host", wanted(vfs=0), found(), NOTHING)


def test_every_pf_has_the_wanted_number_of_vfs__broken_with_the_reason_from_the_log():
    # ixgbe, from the README of storpool/ixgbevf-udevhelper; the address is ours
    no_room = boot_log("[   11.416384] kernel: igb 0000:01:00.0: not enough MMIO resources for SR-IOV")
    with pytest.raises(AssertionError, match=r"has 0 VFs, wanted 2; the log says 'igb .*not enough MMIO.*pci=realloc"):
        statements.test_every_pf_has_the_wanted_number_of_vfs(
            "host", wanted(), found(files=host_files(numvfs="0\n")), no_room
        )
    of_another = boot_log("[   11.416384] kernel: igb 0000:05:00.0: not enough MMIO resources for SR-IOV")
    with pytest.raises(AssertionError) as broken:
        statements.test_every_pf_has_the_wanted_number_of_vfs(
            "host", wanted(), found(files=host_files(numvfs="0\n")), of_another
        )
    assert "the log says" not in str(broken.value)


def test_every_pf_has_the_wanted_number_of_vfs__broken_by_a_bnxt_that_is_down():
    down = found(files=host_files(numvfs="0\n", flags="0x1002\n"), links=host_links(driver="bnxt_en", vfs=()))
    # drivers/net/ethernet/broadcom/bnxt/bnxt_sriov.c; a netdev_warn() begins with driver, address and name
    log = boot_log("[   12.1] kernel: bnxt_en 0000:01:00.0 enp1s0: Reject SRIOV config request since if is down!")
    with pytest.raises(AssertionError, match=r"makes none while its PF is down.*bring the PF up before"):
        statements.test_every_pf_has_the_wanted_number_of_vfs("host", wanted(), down, log)


def test_every_pf_has_the_wanted_number_of_vfs__holds_whatever_the_log_says():
    log = boot_log("[   11.416384] kernel: igb 0000:01:00.0: not enough MMIO resources for SR-IOV")
    statements.test_every_pf_has_the_wanted_number_of_vfs("host", wanted(), found(), log)


def test_every_pf_has_the_wanted_number_of_vfs__holds_and_says_nothing_of_a_pf_that_is_absent():
    statements.test_every_pf_has_the_wanted_number_of_vfs("host", wanted(), found(), NOTHING)
    with pytest.raises(CouldNotLook, match="enp1s0 not found"):
        statements.test_every_pf_has_the_wanted_number_of_vfs(
            "host", wanted(), found(links=host_links(name="eth4")), NOTHING
        )


def test_every_vf_is_there__broken_when_one_is_missing_or_elsewhere():
    with pytest.raises(AssertionError, match="counts 2 VFs, but virtfn1 is not there"):
        statements.test_every_vf_is_there("host", wanted(), found(links=host_links(vfs=VFS[:1])), NOTHING)
    moved = found(links=host_links(vfs=(VFS[0], "0000:01:10.4")))
    with pytest.raises(AssertionError, match=r"VF 1 is at 0000:01:10.4, by its routing ID it must be at 0000:01:10.2"):
        statements.test_every_vf_is_there("host", wanted(), moved, NOTHING)


def test_every_vf_is_there__holds_where_ip_leaves_vfs_out():
    statements.test_every_vf_is_there("host", wanted(), found(infos=[vf_info(0)]), NOTHING)


def test_every_vf_has_a_driver__broken_when_unbound_or_bound_to_another():
    unbound = found(links=host_links(vf_driver=None), files=host_files(sriov_drivers_autoprobe="0\n"))
    with pytest.raises(AssertionError, match="has none, wanted any \\(sriov_drivers_autoprobe is 0\\)"):
        statements.test_every_vf_has_a_driver("host", wanted(), unbound)
    with pytest.raises(AssertionError, match=r"VF 1 .* has igbvf, wanted vfio-pci"):
        pfs = found(links=host_links(vf_driver="igbvf"))
        statements.test_every_vf_has_a_driver("host", wanted(vf={1: {"driver": "vfio-pci"}}), pfs)


def test_every_vf_has_a_driver__holds_with_a_word_on_a_vf_that_became_no_interface():
    with collected_advice() as advice:
        statements.test_every_vf_has_a_driver("host", wanted(), found(links=host_links(vf_driver="igbvf")))
    assert "enp1s0 VF 0 (0000:01:10.0) has driver igbvf and is no interface here" in advice[0] and len(advice) == 2


def test_every_vf_has_a_driver__holds_with_the_wanted_or_any_driver():
    with collected_advice() as advice:
        statements.test_every_vf_has_a_driver("host", wanted(vf={1: {"driver": "vfio-pci"}}), found())
    assert advice == []
    statements.test_every_vf_has_a_driver("host", wanted(), found(links=host_links(vf_driver="igbvf")))


def test_every_pf_is_up__broken_when_down():
    with pytest.raises(AssertionError, match="is down, wanted up"):
        statements.test_every_pf_is_up("host", wanted(), found(files=host_files(flags="0x1002\n")))


def test_every_pf_is_up__holds_without_a_carrier():
    statements.test_every_pf_is_up("host", wanted(), found(files=host_files(flags="0x1003\n")))


def test_vf_settings_are_as_wanted__broken_by_each_setting():
    want = wanted(vf={0: {"mac": MACS[1], "vlan": 7, "spoofchk": False, "trust": True}})
    with pytest.raises(AssertionError) as broken:
        statements.test_vf_settings_are_as_wanted("host", want, found(), NOTHING)
    for part in (f"mac is {MACS[0]}, wanted {MACS[1]}", "vlan is 0, wanted 7", "spoofchk is on", "trust is off"):
        assert part in str(broken.value)


def test_vf_settings_are_as_wanted__broken_by_priority_link_and_rates():
    want = {"vlan_qos": 5, "link_state": "disable", "max_tx_rate_mbps": 1000, "min_tx_rate_mbps": 10}
    with pytest.raises(AssertionError) as broken:
        statements.test_vf_settings_are_as_wanted("host", wanted(vf={0: want}), found(), NOTHING)
    for part in ("vlan_qos is 0, wanted 5", "link_state is auto, wanted disable", "max_tx_rate_mbps is 0, wanted 1000"):
        assert part in str(broken.value)


def test_vf_settings_are_as_wanted__broken_with_the_reason_from_the_log():
    # the text of i40e_check_vf_init_timeout in i40e_virtchnl_pf.c
    log = boot_log("[   61.2] kernel: i40e 0000:01:00.0: VF 0 still in reset. Try again.")
    with pytest.raises(AssertionError, match=r"the log says 'i40e .*refused a setting because the VF was being reset"):
        statements.test_vf_settings_are_as_wanted("host", wanted(vf={0: {"vlan": 7}}), found(), log)


def test_vf_settings_are_as_wanted__broken_with_what_was_said_of_that_setting_only():
    # kvm-1, after a boot in which all went well
    log = boot_log(
        "[   67.268471] kernel: igb 0000:01:00.0: VF 0 attempted to override administratively set MAC address"
    )
    with pytest.raises(AssertionError, match=r"mac is .* the log says 'igb .*a guest tried to change the MAC"):
        statements.test_vf_settings_are_as_wanted("host", wanted(vf={0: {"mac": MACS[1]}}), found(), log)
    with pytest.raises(AssertionError) as broken:
        statements.test_vf_settings_are_as_wanted("host", wanted(vf={0: {"vlan": 7}}), found(), log)
    assert "the log says" not in str(broken.value)


def test_vf_settings_are_as_wanted__holds_with_rates_of_old_and_new_iproute2():
    rates = {"max_tx_rate_mbps": 1000, "min_tx_rate_mbps": 0}
    now = found(infos=[vf_info(0, rate={"max_tx": 1000, "min_tx": 0}), vf_info(1)])
    statements.test_vf_settings_are_as_wanted("host", wanted(vf={0: rates}), now, NOTHING)
    before = found(infos=[vf_info(0, rate=..., tx_rate=1000), vf_info(1)])
    statements.test_vf_settings_are_as_wanted("host", wanted(vf={0: {"max_tx_rate_mbps": 1000}}), before, NOTHING)
    with pytest.raises(CouldNotLook, match=r"min_tx_rate_mbps of enp1s0 VF 0 .driver igb does not report it"):
        statements.test_vf_settings_are_as_wanted("host", wanted(vf={0: rates}), before, NOTHING)


def test_vf_settings_are_as_wanted__holds_only_while_the_pf_is_up_and_with_a_word_on_odd_tags():
    with pytest.raises(CouldNotLook, match="enp1s0 is down, so settings of its VFs may not be in force"):
        down = found(files=host_files(flags="0x1002\n"))
        statements.test_vf_settings_are_as_wanted("host", wanted(vf={0: {"vlan": 0}}), down, NOTHING)
    tagged = found(infos=[vf_info(0, vlan_list=[{"vlan": 7, "protocol": "802.1ad"}]), vf_info(1)])
    with collected_advice() as advice:
        statements.test_vf_settings_are_as_wanted("host", wanted(vf={0: {"vlan": 7}}), tagged, NOTHING)
    assert "the VLAN of enp1s0 VF 0 is one of 802.1ad" in advice[0]


def test_vf_settings_are_as_wanted__holds_and_is_unknown_where_the_driver_is_silent():
    statements.test_vf_settings_are_as_wanted(
        "host", wanted(vf={0: {"mac": MACS[0].upper(), "vlan": 0}}), found(), NOTHING
    )
    with pytest.raises(CouldNotLook, match="trust of enp1s0 VF 0 \\(driver igb does not report it\\)"):
        pfs = found(infos=[vf_info(0, trust=...), vf_info(1)])
        statements.test_vf_settings_are_as_wanted("host", wanted(vf={0: {"trust": True}}), pfs, NOTHING)
    with pytest.raises(CouldNotLook, match="reports 1 of 2"):
        statements.test_vf_settings_are_as_wanted(
            "host", wanted(vf={1: {"vlan": 0}}), found(infos=[vf_info(0)]), NOTHING
        )


def test_vf_macs_are_set_and_unique__broken_by_a_twin_and_by_none():
    with pytest.raises(AssertionError, match=f"{MACS[0]} on enp1s0 VF 0 and enp1s0 VF 1"):
        twins = found(infos=[vf_info(0), vf_info(1, address=MACS[0].upper())])
        statements.test_vf_macs_are_set_and_unique("host", wanted(), twins)
    none = found(infos=[vf_info(0), vf_info(1, address="00:00:00:00:00:00")])
    with pytest.raises(AssertionError, match="no administrative MAC on enp1s0 VF 1"):
        statements.test_vf_macs_are_set_and_unique("host", wanted(vf={1: {"vlan": 0}}), none)


def test_vf_macs_are_set_and_unique__broken_by_the_mac_of_a_pf():
    own = found(infos=[vf_info(0), vf_info(1, address="52:54:00:00:00:01")])
    with pytest.raises(AssertionError, match="52:54:00:00:00:01 on enp1s0 VF 1 and enp1s0 itself"):
        statements.test_vf_macs_are_set_and_unique("host", wanted(), own)


def test_vf_macs_are_set_and_unique__holds_with_two_unset_ones():
    none = found(infos=[vf_info(i, address="00:00:00:00:00:00") for i in (0, 1)])
    with collected_advice() as advice:
        statements.test_vf_macs_are_set_and_unique("host", wanted(), none)
    assert "a guest there gets a random one" in advice[0]
    with collected_advice() as advice:  # taken by vfio-pci, although the inventory leaves it to the host
        statements.test_vf_macs_are_set_and_unique("host", wanted(vf={1: {"driver": "igbvf"}}), none)
    assert "enp1s0 VF 1" in advice[0]
    on_the_host = found(
        links=host_links(vf_driver="igbvf"), infos=[vf_info(i, address="00:00:00:00:00:00") for i in (0, 1)]
    )
    statements.test_vf_macs_are_set_and_unique("host", wanted(vf={1: {"vlan": 0}}), on_the_host)


def test_vf_links_follow_their_pf__broken_when_forced():
    with pytest.raises(AssertionError, match="enp1s0 VF 1 is enable"):
        pfs = found(infos=[vf_info(0), vf_info(1, link_state="enable")])
        statements.test_vf_links_follow_their_pf("host", wanted(), pfs)


def test_vf_links_follow_their_pf__holds_where_the_inventory_wants_a_parked_vf():
    parked = found(infos=[vf_info(0), vf_info(1, link_state="disable")])
    statements.test_vf_links_follow_their_pf("host", wanted(vf={1: {"link_state": "disable"}}), parked)
    with pytest.raises(AssertionError, match="enp1s0 VF 1 is disable"):
        statements.test_vf_links_follow_their_pf("host", wanted(vf={1: {"vlan": 0}}), parked)


def test_vf_links_follow_their_pf__holds_when_auto_and_is_unknown_when_unheard_of():
    statements.test_vf_links_follow_their_pf("host", wanted(), found())
    with pytest.raises(CouldNotLook, match="'sometimes'"):
        pfs = found(infos=[vf_info(0), vf_info(1, link_state="sometimes")])
        statements.test_vf_links_follow_their_pf("host", wanted(), pfs)
