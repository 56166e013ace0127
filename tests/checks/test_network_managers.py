"""NetworkManager's profiles and netplan's files, as their documentation and sources have them (see checks.linux)."""

from __future__ import annotations

import contextlib
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from checks.facts import persistence
from checks.linux import netplan
from checks.linux.network_manager import configured, matches_device
from checks.outcome import CouldNotLook
from tests.checks.persistence_host import GENERATORS, INSECURE, NIC, NM, bundle, claims
from tests.checks.test_vfs import PF

PROFILE = "[connection]\nid=pf\ntype=ethernet\ninterface-name=enp1s0\n[sriov]\ntotal-vfs=2\n"
STARTED = {"wants": ["NetworkManager.service"]}
CONF = "/etc/NetworkManager/NetworkManager.conf"


def only(files, **changes):
    (claim,) = claims(files, **changes)
    return claim


@pytest.mark.parametrize(
    ("spec", "verdict"),
    [
        ("*", True),
        ("enp1s0", True),
        ("enp1*", False),  # a bare name is no glob
        ("interface-name:enp1*", True),
        ("interface-name:=enp1*", False),
        ("interface-name:~enp?s0", True),
        ("interface-name:enp[12]s0", False),  # no ranges
        ("mac:52:54:00:00:00:01", True),
        ("52:54:00:00:00:01", True),
        ("mac:52:54:00:00:00:02", False),
        ("driver:igb", True),
        ("driver:ixgbe;type:ethernet", True),
        ("*,except:interface-name:enp1s0", False),
        ("except:interface-name:enp1s0", False),
        ("except:interface-name:enp2s0", True),
        ("dhcp-plugin:internal", None),
        ("", False),
    ],
)
def test_device_lists(spec, verdict):
    assert matches_device(spec, NIC) is verdict


def test_lists_grow_by_plus():
    texts = ["[keyfile]\nunmanaged-devices=a\n", "[keyfile]\nunmanaged-devices+=b\n"]
    assert configured(texts)["keyfile", "unmanaged-devices"] == "a;b"
    assert configured([*texts, "[keyfile]\nunmanaged-devices=c\n"])["keyfile", "unmanaged-devices"] == "c"


@pytest.mark.parametrize(
    ("change", "writes"),
    [
        (("", ""), (0, 2)),
        (("total-vfs=2\n", ""), (0, 0)),  # the section alone: NetworkManager enforces 0
        (("total-vfs=2", "total-vfs=99"), (0, 7)),  # it asks for no more than there can be
        (("interface-name=enp1s0\n", ""), (0, 2)),
        (("interface-name=enp1s0", "interface-name=enp2s0"), None),
        (("[sriov]\ntotal-vfs=2\n", ""), None),
        (("[sriov]", "[ethernet]\nmac-address=52:54:00:00:00:01\n[sriov]"), (0, 2)),
        (("[sriov]", "[ethernet]\nmac-address=52:54:00:00:00:02\n[sriov]"), None),
        (("type=ethernet", "type=wifi"), None),
    ],
)
def test_a_profile_of_the_pf(change, writes):
    found = claims({f"{NM}/pf.nmconnection": PROFILE.replace(*change)}, **STARTED)
    assert [claim.writes for claim in found if claim.effective] == ([writes] if writes else [])
    assert len(found) == bool(writes)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("[keyfile]\nunmanaged-devices=interface-name:enp1s0\n", "unmanaged-devices=interface-name:enp1s0"),
        ("[device-x]\nmatch-device=driver:igb\nmanaged=0\n", "managed=0"),
    ],
)
def test_unmanaged_nics_are_left_alone(text, reason):
    claim = only({f"{NM}/pf": PROFILE, CONF: text}, **STARTED)
    assert (claim.effective, reason in claim.reason) == (False, True)
    other = text.replace("enp1s0", "enp2s0").replace("igb", "i40e")
    assert only({f"{NM}/pf": PROFILE, CONF: other}, **STARTED).effective is True


def test_udev_can_tell_network_manager_to_leave_a_nic_alone():
    files = {f"{NM}/pf": PROFILE, "/run/udev/data/n2": "E:NM_UNMANAGED=1\n"}
    assert "NM_UNMANAGED" in only(files, **STARTED).reason
    assert only({**files, "/run/udev/data/n2": "E:NM_UNMANAGED=0\n"}, **STARTED).effective is True


def test_conf_d_is_read_in_its_order():
    lib = "/usr/lib/NetworkManager/conf.d/z.conf"
    files = {f"{NM}/pf": PROFILE, lib: "[keyfile]\nunmanaged-devices=*\n"}
    assert only(files, **STARTED).effective is False
    assert only(files | {CONF: "[keyfile]\nunmanaged-devices=enp9s0\n"}, **STARTED).effective is True
    assert only(files | {"/etc/NetworkManager/conf.d/z.conf": "[main]\n"}, **STARTED).effective is True


def test_which_of_several_profiles():
    low, high = PROFILE, PROFILE.replace("id=pf", "id=hi\nautoconnect-priority=5").replace("=2", "=3")
    low_claim, high_claim = claims({f"{NM}/a": low, f"{NM}/b": high}, **STARTED)
    assert (low_claim.effective, high_claim.effective) == (False, True)
    assert f"{NM}/b goes first; once somebody activates it, it sets 2 VFs" in low_claim.reason
    plain = high.replace("[sriov]\ntotal-vfs=3\n", "")
    assert only({f"{NM}/a": low, f"{NM}/b": plain}, **STARTED).effective is False
    assert only({f"{NM}/a": low, f"{NM}/b": plain.replace("=5", "=0")}, **STARTED).effective is None
    assert only({f"{NM}/a": f"{low}[match]\n"}, **STARTED).effective is None


def test_profiles_that_are_not_read():
    assert not claims({f"{NM}/pf.nmconnection~": PROFILE, f"{NM}/.pf.swp": PROFILE}, **STARTED)
    assert not claims({"/run/NetworkManager/system-connections/pf": PROFILE}, **STARTED)
    assert only({"/run/NetworkManager/system-connections/pf.nmconnection": PROFILE}, **STARTED).effective is True
    old = only({"/etc/sysconfig/network-scripts/ifcfg-enp1s0": "DEVICE=enp1s0\nSRIOV_TOTAL_VFS=2\n"}, **STARTED)
    assert (old.effective, old.writes) == (None, (0, 2))
    assert not claims({"/etc/sysconfig/network-scripts/ifcfg-enp1s0": "DEVICE=enp1s0\nONBOOT=yes\n"}, **STARTED)


def test_a_profile_that_others_may_read_is_refused():
    open_to_all = {INSECURE: f"{NM}/pf\n"}
    claim = only({f"{NM}/pf": PROFILE}, commands=open_to_all, **STARTED)
    assert (claim.effective, "chmod 600" in claim.reason) == (False, True)
    assert (
        only({f"{NM}/pf": PROFILE}, commands={INSECURE: (1, "find: ...: Permission denied")}, **STARTED).effective
        is None
    )


def test_the_number_in_network_managers_own_configuration():
    text = {CONF: "[device-pf]\nmatch-device=interface-name:enp1s0\nsriov-num-vfs=4\n"}
    assert only(text, **STARTED).writes == (0, 4)
    assert only(text | {f"{NM}/pf": PROFILE}, **STARTED).writes == (0, 2)  # the profile comes later
    assert not claims({CONF: text[CONF].replace("enp1s0", "enp2s0")}, **STARTED)


NETPLAN = "network:\n  version: 2\n  ethernets:\n    enp1s0:\n      virtual-function-count: 2\n"
VF = "    vf{0}:\n      link: enp1s0\n"
INSTALLED = {"names": {GENERATORS: ("netplan",)}}


@pytest.mark.parametrize(
    ("text", "count", "reason"),
    [
        (NETPLAN, 2, ""),
        ("network: {ethernets: {enp1s0: {virtual-function-count: 2}}}\n", 2, ""),
        ("network:\n  ethernets:\n    a: {dhcp4: no}\n    enp1s0: {virtual-function-count: 2}  # ours\n", 2, ""),
        (
            "network:\n  ethernets:\n    'enp1s0':\n      addresses: [10.0.0.1/24]\n      virtual-function-count: 2\n",
            2,
            "",
        ),
        (NETPLAN + VF.format(0), 2, ""),
        (
            NETPLAN.replace("      virtual-function-count: 2\n", "      dhcp4: no\n") + VF.format(0) + VF.format(1),
            2,
            "",
        ),
        (NETPLAN + VF.format(0) + VF.format(1) + VF.format(2), 2, "3 VFs have entries of their own, more than the 2"),
        (NETPLAN.replace("2\n", "0\n"), 0, "does nothing for a count of 0"),
        (NETPLAN.replace(": 2\n", ": 300\n"), 300, "more than 256"),
        (NETPLAN.replace(": 2\n", ": many\n"), None, "refuses the number many"),
        (NETPLAN.replace("enp1s0:\n", "pf:\n      match: {macaddress: '52:54:00:00:00:01'}\n"), 2, ""),
        (NETPLAN.replace("enp1s0:\n", 'pf:\n      match:\n        macaddress: "52:54:00:00:00:02"\n'), ..., ""),
        (NETPLAN.replace("enp1s0:\n", "pf:\n      match:\n        name: enp1*\n"), 2, ""),
        (NETPLAN.replace("enp1s0:\n", "pf:\n      match: {driver: ixgbe}\n"), ..., ""),
        (NETPLAN.replace("enp1s0:\n", "pf:\n      match:\n        driver:\n        - igb\n"), 2, "cannot be told"),
        (NETPLAN.replace("enp1s0", "enp2s0"), ..., ""),
        (NETPLAN.replace("ethernets", "wifis"), ..., ""),
    ],
)
def test_netplan(text, count, reason):
    found = claims({"/etc/netplan/10-pf.yaml": text}, **INSTALLED)
    if count is ...:
        assert not found
        return
    (claim,) = found
    assert (claim.count, reason in claim.reason) == (count, True)
    assert claim.effective is (True if not reason else None if "told" in reason else False)


def test_netplan_files_replace_and_amend_each_other():
    lib, etc, run = ("/usr/lib/netplan", "/etc/netplan", "/run/netplan")
    assert netplan.reading_order([f"{lib}/a.yaml", f"{etc}/a.yaml", f"{run}/a.yaml", f"{etc}/b.yaml"]) == (
        f"{run}/a.yaml",
        f"{etc}/b.yaml",
    )
    later = {f"{etc}/10-a.yaml": NETPLAN, f"{lib}/90-b.yaml": NETPLAN.replace(": 2\n", ": 3\n")}
    claim = only(later, **INSTALLED)
    assert (claim.count, claim.where) == (3, f"{etc}/10-a.yaml, {lib}/90-b.yaml")
    assert only({f"{etc}/a.yaml": NETPLAN}).reason.startswith("netplan is not installed")


HOSTILE = [
    "network:\n" + "".join(f"{' ' * n}a:\n" for n in range(1, 100)),
    "[" * 20_000,
    "{a: " * 5_000,
    "a: &a [x]\n" + "".join(f"b{n}: &b{n} {{p: *a, q: *a}}\n" for n in range(40)),
    "x0: &x0 {a: b}\n" + "".join(f"x{n}: &x{n} {{a: *x{n - 1}, b: *x{n - 1}}}\n" for n in range(1, 40)),
    "link: a\n" * 3_000,
    "a" * 300_000,
    "? " * 5_000,
    "!!python/object/apply:os.system ['true']\n",
    "network: *nothing\n",
    "%YAML 9.9\n---\n",
    "\t\x01",
]


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_hostile_yaml_ends_in_a_sentence_within_a_second(text):
    started = time.process_time()
    with contextlib.suppress(CouldNotLook):
        netplan.netdefs({"/etc/netplan/x.yaml": text})
    assert time.process_time() - started < 1


def test_the_line_that_is_no_yaml_is_named_as_one_of_what_is_read():
    with pytest.raises(CouldNotLook) as caught:
        netplan.load("/etc/netplan/x.yaml", "network:\n  ethernets:\n\tenp1s0: {}\n")
    assert str(caught.value) == (
        "/etc/netplan/x.yaml: line 3 of what is read of it: not valid YAML: a tab; YAML indents with spaces only"
    )


def test_yaml_that_is_none_is_said_and_costs_nothing_else():
    files = {"/etc/netplan/x.yaml": f"{NETPLAN}    enp1s0:\n      link: a\n", f"{NM}/pf": PROFILE}
    found = persistence.parse(bundle(files, **STARTED))
    assert [sentence.partition(":")[0] for sentence in found.unknown] == ["netplan"]
    assert [claim.mechanism for claim in found.of(PF)] == ["networkmanager"]


@given(
    st.text(max_size=150),
    st.sampled_from(["", "network:\n  ethernets:\n", "[sriov]\n", "[connection]\ntype=ethernet\n"]),
)
def test_any_text_is_read_without_an_error_of_another_kind(text, start):
    paths = [f"{NM}/x", CONF, "/etc/sysconfig/network-scripts/ifcfg-x", "/etc/netplan/a.yaml"]
    with contextlib.suppress(CouldNotLook):
        persistence.parse(bundle(dict.fromkeys(paths, f"{start}{text}\nlink: a\n"), sieved=False, **STARTED))
