"""The statements about VFs after a reboot: the seed's mistake first, then every class of mistake, and near misses."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from checks import test_vf_persistence as statements
from checks.bundle import Bundle
from checks.facts import udev
from checks.outcome import CouldNotLook, collected_advice
from inventory.model import Host
from tests.checks.test_vfs import PF, host_links
from tests.checks.udev_host import bundle, facts

WRITE = 'ATTR{device/sriov_numvfs}="2"'
NET = 'ACTION=="add", SUBSYSTEM=="net", '
RIGHT = f'{NET}KERNELS=="{PF}", {WRITE}\n'
SEED = f'{NET}ENV{{ID_NET_DRIVER}}=="ixgbe", {WRITE}\n'
come_back = statements.test_vfs_come_back_after_a_reboot
alone = statements.test_one_mechanism_alone_sets_the_number_of_vfs
read = statements.test_every_sriov_rule_is_read


def state(statement, rules=None, wanted=None, **changes):
    """Call a statement with the facts it asks for; gives the advice."""
    pfs, udev_rules = facts(rules, **changes)
    pf = {"vfs": 2, "persistence": "udev", **(wanted or {})}
    host = Host.model_validate({"connect": "local://", "pfs": {"enp1s0": pf}})
    values = {"host_name": "kvm-1", "wanted_host": host, "pfs": pfs, "udev_rules": udev_rules}
    names = statement.__code__.co_varnames[: statement.__code__.co_argcount]
    with collected_advice() as advice:
        statement(**{name: values[name] for name in names})
    return advice


def test_vfs_come_back_after_a_reboot__broken_by_the_seeds_rule_for_another_driver():
    with pytest.raises(AssertionError) as broken:
        state(come_back, {"enp14s0f0.rules": SEED})
    message = str(broken.value)
    assert f"kvm-1: enp1s0 ({PF}, driver igb) will have 0 VFs after the next boot, wanted 2" in message
    assert (
        "/etc/udev/rules.d/enp14s0f0.rules:1 does not apply: ENV{ID_NET_DRIVER} is 'igb', the rule wants 'ixgbe'"
        in message
    )
    assert f"corrected, /etc/udev/rules.d/enp14s0f0.rules:1 reads {SEED.strip().replace('ixgbe', 'igb')}" in message


@pytest.mark.parametrize(
    ("name", "rule", "reason"),
    [
        (
            "10-a.rules",
            SEED.replace("ixgbe", "igb"),
            "not set yet when this file is read: .*50-udev-default.rules sets it",
        ),
        ("90-a.rules", SEED.replace('=="add"', '="add"'), "udevd drops the line: ACTION can only be compared"),
        ("90-a.rules", RIGHT.replace('}="2"', '}=="2"'), "it only compares sriov_numvfs and writes nothing"),
        ("90-a.rules", f"{RIGHT.strip()} # ours\n", "a comment behind a rule makes the whole line invalid"),
        ("90-a.rules", f'{NET}DRIVER=="igb", {WRITE}\n', "a network device has no driver of its own"),
        ("90-a.rules", f'{NET}KERNELS=="{PF}", ATTR{{sriov_numvfs}}="2"\n', "it is ATTR{device/sriov_numvfs} there"),
        ("90-a.rules", RIGHT.replace('"2"', '"9"'), "9 VFs are more than the 7 of"),
        ("90-a.rules", RIGHT.replace('"2"', '"2 "'), "for no number"),
        ("90-a.rules", RIGHT.replace('"2"', '"3"'), "makes 3 VFs"),
        ("90-a.rules", RIGHT.replace(PF, "0000:05:00.0"), "KERNELS is .*, the rule wants '0000:05:00.0'"),
        ("90-a.rules", f'GOTO="x"\n{RIGHT}LABEL="x"\n', "the GOTO of .*90-a.rules:1 jumps over it"),
        ("90-a.rules", f'{NET}ENV{{ID_NET_DRIVERS}}=="igb", {WRITE}\n', "ENV{ID_NET_DRIVERS} is not set at all"),
        ("90-a.rule", RIGHT, "no udev rule is about it"),
        ("90-a.rules", "", "no udev rule is about it"),
    ],
)
def test_vfs_come_back_after_a_reboot__broken_with_the_reason(name, rule, reason):
    with pytest.raises(AssertionError, match=reason):
        state(come_back, {name: rule})


def test_vfs_come_back_after_a_reboot__broken_when_rules_make_what_nobody_wants():
    with pytest.raises(AssertionError, match="will have 2 VFs after the next boot, wanted 0"):
        state(come_back, {"90-a.rules": RIGHT}, wanted={"vfs": 0})


def test_vfs_come_back_after_a_reboot__broken_when_luck_has_run_out():
    rule = {"90-a.rules": f'{NET}KERNEL=="enp1s0", {WRITE}\n'}
    with pytest.raises(AssertionError, match="0 VFs if udev loads its driver, and 2 if the initramfs does"):
        state(come_back, rule, numvfs="0\n")


def test_vfs_come_back_after_a_reboot__holds_with_the_right_driver_in_the_right_place():
    assert not state(come_back, {"enp14s0f0.rules": SEED.replace("ixgbe", "igb")})
    assert not state(come_back, {"10-a.rules": RIGHT})
    assert not state(come_back, {"10-a.rules": RIGHT, "90-b.rules": RIGHT.replace(PF, "0000:05:00.0")})
    assert not state(come_back, wanted={"vfs": 0})


def test_vfs_come_back_after_a_reboot__holds_by_luck_with_advice():
    by_name = state(come_back, {"90-a.rules": f'{NET}KERNEL=="enp1s0", {WRITE}\n'})
    assert "come back only when the initramfs loads its driver" in by_name[0]
    bind = f'ACTION=="bind", SUBSYSTEM=="pci", KERNEL=="{PF}", ATTR{{sriov_numvfs}}="2"\n'
    assert "only when udev loads its driver" in state(come_back, {"90-a.rules": bind})[0]


def test_vfs_come_back_after_a_reboot__could_not_look_into_programs_and_other_mechanisms():
    with pytest.raises(CouldNotLook, match="what the program in RUN does cannot be told"):
        state(come_back, {"90-a.rules": f'{NET}RUN+="/usr/local/bin/vfs sriov_numvfs"\n'})
    link = {"/etc/systemd/network/10-pf.link": "[Match]\nDriver=igb\n[Link]\nSR-IOVVirtualFunctions=2\n"}
    with pytest.raises(CouldNotLook, match=r"10-pf.link .* may make VFs there"):
        state(come_back, wanted={"persistence": "any"}, more=link)
    with pytest.raises(AssertionError, match="no udev rule is about it"):
        state(come_back, wanted={"persistence": "udev"}, more=link)
    with pytest.raises(CouldNotLook, match="enp1s0 not found"):
        state(come_back, {"90-a.rules": RIGHT}, links=host_links(name="eth4") | {"/sys/class/net/enp1s0": "../x"})


MAKERS = [
    ("/etc/systemd/network/10-pf.link", "[Match]\nPath=pci-0000:01:00.0\n[SR-IOV]\nVirtualFunction=3\n", 4),
    (
        "/etc/NetworkManager/system-connections/pf.nmconnection",
        "[connection]\ninterface-name=enp1s0\n[sriov]\ntotal-vfs=0\n",
        0,
    ),
    ("/etc/modprobe.d/igb.conf", "options igb max_vfs=7\n", 7),
    (
        "/etc/systemd/system/vfs.service",
        "[Service]\nExecStart=sh -c 'echo 4 > /sys/class/net/enp1s0/device/sriov_numvfs'\n",
        4,
    ),
    ("/etc/tmpfiles.d/vfs.conf", "w /sys/class/net/enp1s0/device/sriov_numvfs - - - - 3\n", 3),
    ("/etc/rc.local", f"echo '1' > /sys/bus/pci/devices/{PF}/sriov_numvfs\n", 1),
    ("/etc/sysfs.d/vfs.conf", "class/net/enp1s0/device/sriov_numvfs = 5\n", 5),
    ("/etc/network/interfaces", "pre-up echo 6 > /sys/class/net/enp1s0/device/sriov_numvfs\n", 6),
]


@pytest.mark.parametrize(("path", "text", "count"), MAKERS)
def test_one_mechanism_alone_sets_the_number_of_vfs__broken_by_two_that_differ(path, text, count):
    _, found = facts({"90-a.rules": RIGHT}, more={path: text})
    (maker,) = found.makers
    assert (maker.count, maker.concerns("enp1s0", PF, "igb")) == (count, True)
    assert maker.concerns("enp9s0", "0000:09:00.0", "i40e") is False
    with pytest.raises(AssertionError, match="several set the number of VFs of one PF"):
        state(alone, {"90-a.rules": RIGHT}, more={path: text})


def test_one_mechanism_alone_sets_the_number_of_vfs__broken_by_two_rules_that_differ():
    with pytest.raises(AssertionError, match="2 VFs are there already, the kernel does not change that to 3"):
        state(alone, {"90-a.rules": RIGHT, "91-b.rules": RIGHT.replace('"2"', '"3"')})


def test_one_mechanism_alone_sets_the_number_of_vfs__holds_with_one_or_with_advice_when_two_agree():
    assert not state(alone, {"90-a.rules": RIGHT})
    assert not state(alone, {})
    assert not state(
        alone, {"90-a.rules": RIGHT}, more={"/etc/rc.local": "# echo 3 > /sys/class/net/enp1s0/sriov_numvfs\n"}
    )
    other = {"/etc/modprobe.d/x.conf": "options ixgbe max_vfs=7\n"}
    assert not state(alone, {"90-a.rules": RIGHT}, more=other)
    agreeing = {"/etc/modprobe.d/igb.conf": "options igb max_vfs=2\n"}
    assert "they agree today" in state(alone, {"90-a.rules": RIGHT}, more=agreeing)[0]
    assert "they agree today" in state(alone, {"90-a.rules": RIGHT, "91-b.rules": RIGHT})[0]


def test_one_mechanism_alone_sets_the_number_of_vfs__could_not_look_where_denied_or_vague():
    with pytest.raises(CouldNotLook, match=r"NetworkManager: .*not allowed"):
        state(alone, {"90-a.rules": RIGHT}, denied=["/etc/NetworkManager/system-connections"])
    vague = {"/etc/rc.local": "for nic in /sys/class/net/*; do echo 2 > $nic/device/sriov_numvfs; done\n"}
    with pytest.raises(CouldNotLook, match=r"rc.local .* may be for it"):
        state(alone, {"90-a.rules": RIGHT}, more=vague)


def test_every_sriov_rule_is_read__broken_by_a_dropped_line_a_wrong_name_and_a_lost_comparison():
    with pytest.raises(AssertionError, match=r"90-a.rules:1: a comment behind a rule"):
        state(read, {"90-a.rules": f"{RIGHT.strip()} # ours\n"})
    with pytest.raises(AssertionError, match=r"90-a.rule is not read: its name does not end in .rules"):
        state(read, {"90-a.rule": RIGHT})
    with pytest.raises(AssertionError, match=r"replaces it"):
        state(read, {"90-a.rules": "# nothing\n", "/usr/lib/udev/rules.d/90-a.rules": RIGHT})
    with pytest.raises(AssertionError, match=r'so the rule is for every NIC; write ENV{ID_NET_DRIVER}=="igb"'):
        state(read, {"90-a.rules": SEED.replace('=="ixgbe"', '="igb"')})


def test_every_sriov_rule_is_read__holds_with_mistakes_in_other_rules():
    state(read, {"90-a.rules": RIGHT, "91-b.rules": "KERNEL='x', MODE='1'\n", "notes.txt": "# about sriov_numvfs\n"})
    state(read, {})


def test_facts_refuse_a_split_usr():
    with pytest.raises(CouldNotLook, match=r"/lib/udev/rules.d is no part of /usr"):
        udev.parse(Bundle.of(names={"/lib/udev/rules.d": ("50-udev-default.rules",)}))


@given(st.text(max_size=60))
def test_parse_raises_only_its_own_error(text):
    paths = [path for path, _, _ in MAKERS] + [
        "/run/udev/data/n2",
        f"/sys/bus/pci/devices/{PF}/uevent",
        "/proc/cmdline",
    ]
    with contextlib.suppress(CouldNotLook):
        udev.parse(bundle({"90-a.rules": text}, more=dict.fromkeys(paths, text)))
