"""The statements about VFs after a reboot: the seed's mistake first, then every class of mistake, and near misses."""

from __future__ import annotations

from typing import Any

import pytest

from checks import test_vf_persistence as statements
from checks.bundle import Bundle
from checks.facts import udev
from checks.outcome import CouldNotLook, collected_advice
from inventory.model import Host
from tests.checks.persistence_host import GENERATORS, LINKS, NM, UNITS, facts
from tests.checks.test_vfs import PF, host_links

WRITE = 'ATTR{device/sriov_numvfs}="2"'
NET = 'ACTION=="add", SUBSYSTEM=="net", '
RIGHT = f'{NET}KERNELS=="{PF}", {WRITE}\n'
SEED = f'{NET}ENV{{ID_NET_DRIVER}}=="ixgbe", {WRITE}\n'
LINK = f"[Match]\nPath=pci-{PF}\n[Link]\nNamePolicy=keep kernel database onboard slot path\nSR-IOVVirtualFunctions=2\n"
NETDEV = "/sys/class/net/enp1s0/device/sriov_numvfs"
UNIT = (
    "[Unit]\nAfter=sys-subsystem-net-devices-enp1s0.device\n"
    f"[Service]\nType=oneshot\nExecStart=/bin/sh -c 'echo 2 > {NETDEV}'\n[Install]\nWantedBy=multi-user.target\n"
)
PROFILE = "[connection]\nid=pf\ntype=ethernet\ninterface-name=enp1s0\n[sriov]\ntotal-vfs=2\n"
NETWORK = "[Match]\nName=enp1s0\n[SR-IOV]\nVirtualFunction=1\n"
NETPLAN = "network:\n  version: 2\n  ethernets:\n    enp1s0:\n      virtual-function-count: 2\n"
come_back = statements.test_vfs_come_back_after_a_reboot
alone = statements.test_one_mechanism_alone_sets_the_number_of_vfs
wanted_one = statements.test_the_wanted_mechanism_sets_the_number_of_vfs
read = statements.test_every_sriov_rule_is_read


def state(statement, rules=None, wanted=None, more=None, **changes):
    """Call a statement with the facts it asks for; gives the advice. `rules`: by name, or by whole path."""
    own = {name: text for name, text in (rules or {}).items() if not name.startswith("/")}
    files = {name: text for name, text in (rules or {}).items() if name.startswith("/")} | (more or {})
    pf = {"vfs": 2, "persistence": "any", **(wanted or {})}
    host = Host.model_validate({"connect": "local://", "pfs": {"enp1s0": pf}})
    values = {"host_name": "kvm-1", "wanted_host": host, **facts(files, rules=own, **changes)}
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


def test_vfs_come_back_after_a_reboot__could_not_look_into_programs_and_doubtful_mechanisms():
    with pytest.raises(CouldNotLook, match="what the program in RUN does cannot be told"):
        state(come_back, {"90-a.rules": f'{NET}RUN+="/usr/local/bin/vfs sriov_numvfs"\n'})
    with pytest.raises(CouldNotLook, match=r"tmpfiles.d .*whether the PF is there by then cannot be told"):
        state(come_back, more={"/etc/tmpfiles.d/vfs.conf": f"w {NETDEV} - - - - 2\n"})
    with pytest.raises(CouldNotLook, match="enp1s0 not found"):
        state(come_back, {"90-a.rules": RIGHT}, links=host_links(name="eth4") | {"/sys/class/net/enp1s0": "../x"})
    with pytest.raises(CouldNotLook, match=r"no udev rule is about it; NetworkManager: .*not allowed"):
        state(come_back, denied=[NM])


IFUPDOWN = "/etc/network/interfaces"
INTERFACES = f"auto lo enp1s0\niface lo inet loopback\niface enp1s0 inet manual\n  pre-up echo 2 > {NETDEV}\n"
MECHANISMS: dict[str, dict[str, Any]] = {
    "link": {"more": {f"{LINKS}/10-pf.link": LINK}},
    "unit": {"more": {f"{UNITS}/vfs.service": UNIT}, "wants": ["vfs.service"]},
    "rc.local": {"more": {"/etc/rc.local": f"#!/bin/sh\necho 2 > {NETDEV}\n"}, "executable": "/etc/rc.local\n"},
    "networkmanager": {"more": {f"{NM}/pf.nmconnection": PROFILE}, "wants": ["NetworkManager.service"]},
    "netplan": {"more": {"/etc/netplan/10-pf.yaml": NETPLAN}, "names": {GENERATORS: ("netplan",)}},
    "modprobe": {"more": {"/etc/modprobe.d/igb.conf": "options igb max_vfs=2\n"}},
    "sysfsutils": {
        "more": {"/etc/sysfs.d/vfs.conf": "class/net/enp1s0/device/sriov_numvfs = 2\n"},
        "wants": ["sysfsutils.service"],
    },
    "ifupdown": {"more": {IFUPDOWN: INTERFACES}, "wants": ["networking.service"]},
    "operator": {
        "more": {
            "/etc/sriov-operator/sriov-interface-config.yaml": f"interfaces:\n  - pciAddress: {PF}\n    numVfs: 2\n"
        }
    },
}
# What turns each of them into one that does nothing, or makes another number, and what is said of it.
FAULTS = [
    ("link", {"systemd": "249"}, "systemd 249 does not make VFs"),
    ("link", {"more": {f"{LINKS}/99-pf.link": LINK}}, "99-default.link sorts before it and matches too"),
    ("link", {"more": {f"{LINKS}/10-pf.link": LINK.replace(f"Path=pci-{PF}", "Driver=ixgbe")}}, "driver is igb"),
    ("link", {"more": {f"{LINKS}/10-pf.link": LINK.replace("=2", "=9")}}, "9 VFs are more than the 7"),
    (
        "link",
        {"more": {f"{LINKS}/10-pf.network": "[Match]\nName=enp1s0\n[SR-IOV]\nVirtualFunction=1\n"}},
        "never makes",
    ),
    ("unit", {"wants": []}, "no boot starts it: systemctl enable vfs.service"),
    ("unit", {"links": {f"{UNITS}/vfs.service": "/dev/null"}}, "masks it"),
    ("unit", {"more": {f"{UNITS}/vfs.service": UNIT.replace("enp1s0", "ens1f0")}}, "there is no ens1f0 on this host"),
    ("unit", {"more": {f"{UNITS}/vfs.service": UNIT.replace("echo 2", "echo 3")}}, "makes 3"),
    ("rc.local", {"executable": ""}, r"it is not executable, so systemd does not run it: chmod \+x /etc/rc.local"),
    ("rc.local", {"more": {"/etc/rc.local": f"exit 0\necho 2 > {NETDEV}\n"}}, "an exit stands before the line"),
    ("networkmanager", {"wants": []}, "not enabled, or not installed"),
    ("networkmanager", {"more": {f"{NM}/pf.nmconnection": PROFILE.replace("total-vfs=2\n", "")}}, "makes 0"),
    (
        "networkmanager",
        {"more": {f"{NM}/pf": PROFILE.replace("id=pf", "autoconnect=false")}},
        "not activated by itself",
    ),
    ("netplan", {"names": {}}, "netplan is not installed"),
    ("netplan", {"more": {"/etc/netplan/x.yaml": NETPLAN.replace(": 2\n", ": 12\n")}}, "12 VFs are more than the 7"),
    ("modprobe", {"more": {"/etc/modprobe.d/igb.conf": "options igb max_vfs=3\n"}}, "makes 3"),
    ("sysfsutils", {"wants": []}, "no boot starts sysfsutils.service"),
    ("ifupdown", {"wants": []}, "no boot starts networking.service"),
    ("ifupdown", {"more": {IFUPDOWN: INTERFACES.replace(" enp1s0", "", 1)}}, "there is no line 'auto enp1s0'"),
    ("ifupdown", {"more": {IFUPDOWN: INTERFACES.replace("echo 2", "echo 3")}}, "makes 3"),
    ("ifupdown", {"more": {IFUPDOWN: "auto lo\n", f"{IFUPDOWN}.d/pf": INTERFACES}}, "does not read this file"),
]


CRON = {"/etc/cron.d/vfs": f"@reboot root echo 2 > {NETDEV}\n"}


def test_vfs_come_back_after_a_reboot__holds_by_cron():
    assert not state(come_back, more=CRON, wants=["cron.service"])


def test_vfs_come_back_after_a_reboot__broken_by_a_cron_that_no_boot_starts():
    with pytest.raises(AssertionError, match="no boot starts cron"):
        state(come_back, more=CRON)


def both(mechanism, change):
    """The working case, with what the fault changes put over it."""
    return {**MECHANISMS[mechanism], **change}


@pytest.mark.parametrize(("mechanism", "change", "reason"), FAULTS)
def test_vfs_come_back_after_a_reboot__broken_by_mechanisms_that_do_nothing(mechanism, change, reason):
    with pytest.raises(AssertionError, match=rf"after the next boot, wanted 2: no udev rule is about it; .*{reason}"):
        state(come_back, wanted={"persistence": mechanism}, **both(mechanism, change))


def test_vfs_come_back_after_a_reboot__broken_by_a_profile_that_takes_them_away():
    taken = {f"{NM}/pf": PROFILE.replace("total-vfs=2\n", "")}
    with pytest.raises(AssertionError, match=r"will have 0 VFs.*the 2 that run now are lost; leave it to .*90-a"):
        state(come_back, {"90-a.rules": RIGHT}, more=taken, wants=["NetworkManager.service"])


def test_vfs_come_back_after_a_reboot__broken_says_what_to_do_for_the_wanted_mechanism():
    for mechanism, remedy in (
        ("link", r"10-enp1s0.link with \[Match\] Path=pci-0000:01:00.0"),
        ("networkmanager", "sriov.total-vfs 2"),
        ("netplan", "virtual-function-count: 2"),
        ("unit", "echo 2 > /sys/bus/pci/devices/0000:01:00.0/sriov_numvfs"),
        ("any", 'KERNELS=="0000:01:00.0"'),
    ):
        with pytest.raises(AssertionError, match=remedy):
            state(come_back, wanted={"persistence": mechanism})
    operator = both("operator", {})
    with pytest.raises(AssertionError, match="sriov-network-operator manages this host: change the number there"):
        state(come_back, wanted={"vfs": 3}, **operator)


@pytest.mark.parametrize("mechanism", MECHANISMS)
def test_vfs_come_back_after_a_reboot__holds_by_every_mechanism(mechanism):
    state(come_back, wanted={"persistence": mechanism}, **MECHANISMS[mechanism])


def test_vfs_come_back_after_a_reboot__holds_with_what_deserves_attention():
    nameless = {f"{LINKS}/10-pf.link": LINK.replace("NamePolicy=keep kernel database onboard slot path\n", "")}
    assert "the NIC will be called eth0 or the like and not enp1s0" in state(come_back, more=nameless)[0]
    early = {"more": {f"{UNITS}/vfs.service": UNIT.replace("After=", "#")}, "wants": ["vfs.service"]}
    assert "may run before enp1s0 is there" in state(come_back, **early)[0]
    dead = state(come_back, {"90-a.rules": RIGHT}, more={"/etc/rc.local": f"echo 2 > {NETDEV}\n"})
    assert "is meant for it and does nothing: it is not executable" in dead[0]
    assert "goes down; preserve-on-down=1" in state(come_back, **MECHANISMS["networkmanager"])[0]
    by_name = {f"{LINKS}/10-pf.link": LINK.replace(f"Path=pci-{PF}", "OriginalName=eth*")}
    assert "come back only when udev loads its driver" in state(come_back, more=by_name)[0]


def test_vfs_come_back_after_a_reboot__holds_by_a_link_file_that_matches_the_final_name():
    """udevd applies .link files again to a NIC that it has renamed (seen with the emulated 82576, systemd 252)."""
    by_name = {f"{LINKS}/10-pf.link": LINK.replace(f"Path=pci-{PF}", "OriginalName=enp1s0")}
    assert state(come_back, more=by_name) == []


def test_vfs_come_back_after_a_reboot__broken_by_a_link_file_that_matches_the_final_name_where_nothing_renames():
    by_name = {f"{LINKS}/10-pf.link": LINK.replace(f"Path=pci-{PF}", "OriginalName=enp1s0")}
    keeps = {f"{LINKS}/99-default.link": "[Match]\nOriginalName=*\n[Link]\nNamePolicy=keep kernel\n"}
    with pytest.raises(AssertionError, match="0 VFs if udev loads its driver, and 2 if the initramfs does"):
        state(come_back, more=by_name | keeps, numvfs="0\n")


def test_vfs_come_back_after_a_reboot__broken_by_a_link_file_that_matches_the_kernels_name_once_luck_is_out():
    by_name = {f"{LINKS}/10-pf.link": LINK.replace(f"Path=pci-{PF}", "OriginalName=eth*")}
    with pytest.raises(AssertionError, match="2 VFs if udev loads its driver, and 0 if the initramfs does"):
        state(come_back, more=by_name, numvfs="0\n")


OTHERS = [name for name in MECHANISMS if name != "operator"]


@pytest.mark.parametrize("mechanism", OTHERS)
def test_one_mechanism_alone_sets_the_number_of_vfs__broken_by_two_that_differ(mechanism):
    rule = {"90-a.rules": RIGHT.replace('"2"', '"3"')}
    with pytest.raises(AssertionError, match=r"several set the number of VFs of one PF.*90-a.rules:1"):
        state(alone, rule, **MECHANISMS[mechanism])


def test_one_mechanism_alone_sets_the_number_of_vfs__broken_by_two_rules_that_differ():
    with pytest.raises(AssertionError, match="2 VFs are there already, the kernel does not change that to 3"):
        state(alone, {"90-a.rules": RIGHT, "91-b.rules": RIGHT.replace('"2"', '"3"')})


@pytest.mark.parametrize("mechanism", OTHERS)
def test_one_mechanism_alone_sets_the_number_of_vfs__holds_with_advice_when_two_agree(mechanism):
    assert not state(alone, **MECHANISMS[mechanism])
    assert "they agree today" in state(alone, {"90-a.rules": RIGHT}, **MECHANISMS[mechanism])[0]


def test_one_mechanism_alone_sets_the_number_of_vfs__holds_with_one_that_is_for_it():
    assert not state(alone, {"90-a.rules": RIGHT})
    assert not state(alone, {})
    for path, text in (
        ("/etc/rc.local", f"# echo 3 > {NETDEV}\n"),
        ("/etc/modprobe.d/x.conf", "options ixgbe max_vfs=7\n"),
        ("/etc/modprobe.d/x.conf", "options igb debug=1\n"),
        (f"{LINKS}/10-x.link", LINK.replace(PF, "0000:05:00.0").replace("=2", "=3")),
        (f"{UNITS}/x.service", UNIT.replace("echo 2", "echo 3")),
        (f"{NM}/x", PROFILE.replace("enp1s0", "enp5s0").replace("=2", "=3")),
        (f"{NM}/x", PROFILE.replace("[sriov]\ntotal-vfs=2\n", "")),
        ("/etc/netplan/x.yaml", NETPLAN.replace("enp1s0", "enp5s0")),
    ):
        started = {"wants": ["NetworkManager.service"], "names": {GENERATORS: ("netplan",)}}
        assert not state(alone, {"90-a.rules": RIGHT}, more={path: text}, **started), path
    assert "they agree today" in state(alone, {"90-a.rules": RIGHT, "91-b.rules": RIGHT})[0]


def test_one_mechanism_alone_sets_the_number_of_vfs__could_not_look_where_denied_or_vague():
    with pytest.raises(CouldNotLook, match=r"NetworkManager: .*not allowed"):
        state(alone, {"90-a.rules": RIGHT}, denied=[NM])
    vague = {"/etc/rc.local": "for nic in /sys/class/net/*; do echo 2 > $nic/device/sriov_numvfs; done\n"}
    with pytest.raises(CouldNotLook, match=r"rc.local .* may be for it"):
        state(alone, {"90-a.rules": RIGHT}, more=vague, executable="/etc/rc.local\n")


def test_the_wanted_mechanism_sets_the_number_of_vfs__broken_by_another_one():
    with pytest.raises(AssertionError, match=r"enp1s0 gets its VFs from .*10-pf.link:5 .*wanted from udev"):
        state(wanted_one, wanted={"persistence": "udev"}, **MECHANISMS["link"])
    with pytest.raises(AssertionError, match=r"enp1s0 gets its VFs from .*90-a.rules:1, wanted from operator"):
        state(wanted_one, {"90-a.rules": RIGHT}, wanted={"persistence": "operator"}, **MECHANISMS["operator"])


@pytest.mark.parametrize("mechanism", MECHANISMS)
def test_the_wanted_mechanism_sets_the_number_of_vfs__holds_by_each(mechanism):
    assert not state(wanted_one, wanted={"persistence": mechanism}, **MECHANISMS[mechanism])


def test_the_wanted_mechanism_sets_the_number_of_vfs__holds_where_another_does_nothing():
    assert not state(wanted_one, {"a.rules": SEED}, wanted={"persistence": "udev"})
    assert not state(wanted_one, {"90-a.rules": RIGHT}, wanted={"persistence": "udev"}, more=MECHANISMS["unit"]["more"])
    with pytest.raises(pytest.skip.Exception, match="leaves open"):
        state(wanted_one, {"90-a.rules": RIGHT})
    with pytest.raises(CouldNotLook, match=r"tmpfiles.d .*may set it"):
        vague = {"/etc/tmpfiles.d/vfs.conf": f"w {NETDEV} - - - - 2\n"}
        state(wanted_one, wanted={"persistence": "udev"}, more=vague)


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
