"""The statements that need several hosts: MACs that are there twice, and groups that are not alike."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from pathlib import Path

import pytest

from checks import test_across_hosts as statements
from checks.bundle import Bundle
from checks.facts import firmware, libvirt, pci, system
from checks.facts.firmware import Firmware
from checks.facts.libvirt import Domain
from checks.facts.system import System
from checks.host_view import HostView
from checks.hosts_alike import oddities
from checks.hosts_together import AllHosts, look_at_all, side_by_side
from checks.linux.domain_xml import Definition, Interface
from checks.linux.nic_names import Layout
from checks.outcome import CouldNotLook, collected_advice
from inventory.model import Host
from tests.checks.test_vfs import MACS, found, host_files, host_links, vf_info

pytest_plugins = ["pytester"]
ROOT = Path(__file__).parents[2]
SYSTEM = System("kvm", "Debian 13", "6.12.117", "257", "11.3.0", "10.0.2", None, None, "SeaBIOS", None)
IGB = Firmware("igb", "6.12.117", "2.1.0")


def want(group="blue"):
    return Host.model_validate({"connect": "ssh://root@kvm", "group": group, "pfs": {"enp1s0": {"vfs": 2}}})


def view(name, macs=MACS, *, mac="52:54:00:00:00:01", group="blue", domains=(), told=IGB, info=None, **said):
    infos = [vf_info(index, address=mac, **(info or {})) for index, mac in enumerate(macs)]
    (pf,) = found(infos=infos)
    return HostView(name, want(group), (replace(pf, mac=mac),), replace(SYSTEM, **said), domains, {"enp1s0": told})


def together(*views, unseen=(), group="blue"):
    names = [*(one.name for one in views), *unseen]
    return side_by_side(views, {name: f"{name}: no route to host" for name in unseen}, dict.fromkeys(names, group))


def one(name, index):
    """A host whose MACs are nobody else's."""
    macs = tuple(f"52:54:00:{index:02x}:00:1{vf}" for vf in (0, 1))
    return view(name, macs, mac=f"52:54:00:{index:02x}:00:01")


def guest(name, mac, *, runs=True, host_vf=None):
    kind = "hostdev" if host_vf else "network"
    definition = Definition((Interface(kind, source=host_vf, mac=mac),), (), Layout("q35"))
    return Domain(name, "running", definition, definition) if runs else Domain(name, "shut off", definition)


def test_no_mac_is_on_another_host_too__broken_by_a_vf_that_kept_it():
    hosts = together(view("kvm-1"), view("kvm-2", (MACS[1], "52:54:00:77:00:99"), mac="52:54:00:00:00:02"))
    with pytest.raises(AssertionError, match=f"kvm-1: {MACS[1]} is that of enp1s0 VF 1 and of enp1s0 VF 0 on kvm-2"):
        statements.test_no_mac_is_on_another_host_too("kvm-1", hosts)
    with pytest.raises(AssertionError, match=f"kvm-2: {MACS[1]} is that of enp1s0 VF 0 and of enp1s0 VF 1 on kvm-1"):
        statements.test_no_mac_is_on_another_host_too("kvm-2", hosts)


def test_no_mac_is_on_another_host_too__broken_by_a_running_guest_and_a_cloned_pf():
    other = replace(one("kvm-2", 2), domains=(guest("web", MACS[0]),))
    with pytest.raises(AssertionError, match=f"{MACS[0]} is that of enp1s0 VF 0 and of guest web on kvm-2"):
        statements.test_no_mac_is_on_another_host_too("kvm-1", together(view("kvm-1"), other))
    clone = view("kvm-2", ("52:54:00:77:00:98", "52:54:00:77:00:99"))
    with pytest.raises(AssertionError, match="52:54:00:00:00:01 is that of enp1s0 and of enp1s0 on kvm-2"):
        statements.test_no_mac_is_on_another_host_too("kvm-1", together(view("kvm-1"), clone))


def test_no_mac_is_on_another_host_too__holds_for_a_guest_that_is_defined_on_both():
    runs = replace(view("kvm-1"), domains=(guest("web", MACS[0], host_vf="0000:01:10.0"),))
    sleeps = replace(one("kvm-2", 2), domains=(guest("web", MACS[0], runs=False),))
    for name in ("kvm-1", "kvm-2"):
        with collected_advice() as advice:
            statements.test_no_mac_is_on_another_host_too(name, together(runs, sleeps))
        assert advice == []


def test_no_mac_is_on_another_host_too__holds_until_another_guest_is_started():
    runs = replace(view("kvm-1"), domains=(guest("web", MACS[0]),))
    sleeps = replace(one("kvm-2", 2), domains=(guest("copy-of-web", MACS[0], runs=False),))
    with collected_advice() as advice:
        statements.test_no_mac_is_on_another_host_too("kvm-2", together(runs, sleeps))
    assert "guest copy-of-web" in advice[0] and "they collide once both are started" in advice[0]


def test_no_mac_is_on_another_host_too__holds_with_a_word_on_hosts_that_were_not_seen():
    blind = replace(one("kvm-3", 3), domains="kvm-3: not allowed to read '/etc/libvirt/qemu'")
    hosts = together(one("kvm-1", 1), blind, unseen=["kvm-4"])
    with collected_advice() as advice:
        statements.test_no_mac_is_on_another_host_too("kvm-1", hosts)
    assert advice == ["kvm-1: the comparison is incomplete, as these could not be seen: kvm-4, the guests of kvm-3"]
    with pytest.raises(CouldNotLook, match="kvm-3: the MACs of its guests are not known"):
        statements.test_no_mac_is_on_another_host_too("kvm-3", hosts)
    with pytest.raises(CouldNotLook, match="kvm-4: no route to host"):
        statements.test_no_mac_is_on_another_host_too("kvm-4", hosts)
    with pytest.raises(pytest.skip.Exception, match="one host only"):
        statements.test_no_mac_is_on_another_host_too("kvm-1", together(one("kvm-1", 1)))


def test_vf_settings_are_alike_in_the_group__broken_on_the_odd_one_of_three():
    odd = view("kvm-3", info={"trust": True, "vlan_list": [{"vlan": 7}]})
    hosts = together(view("kvm-1"), view("kvm-2"), odd)
    with pytest.raises(AssertionError) as broken:
        statements.test_vf_settings_are_alike_in_the_group("kvm-3", want(), hosts)
    assert "vlan of enp1s0 VF 0 is 7 here, 0 on kvm-1, kvm-2" in str(broken.value)
    assert "trust of enp1s0 VF 1 is on here, off on kvm-1, kvm-2" in str(broken.value)
    statements.test_vf_settings_are_alike_in_the_group("kvm-1", want(), hosts)


def test_vf_settings_are_alike_in_the_group__broken_on_both_when_two_differ():
    hosts = together(view("kvm-1"), view("kvm-2", info={"spoofchk": False}))
    for name, text in (("kvm-1", "on here, off on kvm-2"), ("kvm-2", "off here, on on kvm-1")):
        with pytest.raises(AssertionError, match=f"spoofchk of enp1s0 VF 0 is {text}"):
            statements.test_vf_settings_are_alike_in_the_group(name, want(), hosts)


def test_vf_settings_are_alike_in_the_group__holds_with_macs_of_their_own():
    hosts = together(one("kvm-1", 1), one("kvm-2", 2), unseen=["kvm-3"])
    with collected_advice() as advice:
        statements.test_vf_settings_are_alike_in_the_group("kvm-1", want(), hosts)
    assert advice == ["kvm-1: the comparison is incomplete, as these could not be seen: kvm-3"]


def test_vf_settings_are_alike_in_the_group__holds_for_nobody_without_company():
    with pytest.raises(pytest.skip.Exception, match="in no group"):
        statements.test_vf_settings_are_alike_in_the_group("kvm-1", want(None), together(one("kvm-1", 1)))
    with pytest.raises(pytest.skip.Exception, match="no other host of group blue"):
        statements.test_vf_settings_are_alike_in_the_group("kvm-1", want(), together(one("kvm-1", 1)))
    with pytest.raises(CouldNotLook, match=r"none of the others .*kvm-2"):
        hosts = together(one("kvm-1", 1), unseen=["kvm-2"])
        statements.test_vf_settings_are_alike_in_the_group("kvm-1", want(), hosts)
    short = replace(view("kvm-1"), pfs=found(infos=[vf_info(0)]))
    with pytest.raises(CouldNotLook, match=r"enp1s0 \('ip' reports 1 of 2 VFs of enp1s0\)"):
        statements.test_vf_settings_are_alike_in_the_group("kvm-1", want(), together(short, view("kvm-2")))


def test_the_group_runs_one_kernel_driver_and_firmware__broken_by_each_of_them():
    old = view("kvm-3", kernel="6.1.0", told=Firmware("igb", "5.4.6", "1.63"))
    hosts = together(view("kvm-1"), view("kvm-2"), old)
    with pytest.raises(AssertionError) as broken:
        statements.test_the_group_runs_one_kernel_driver_and_firmware("kvm-3", want(), hosts)
    for part in (
        "the kernel is 6.1.0 here, 6.12.117 on kvm-1, kvm-2",
        "the driver's version of enp1s0 is 5.4.6 here, the kernel's own on kvm-1, kvm-2",
        "the firmware of enp1s0 is 1.63 here, 2.1.0 on kvm-1, kvm-2",
    ):
        assert part in str(broken.value)
    statements.test_the_group_runs_one_kernel_driver_and_firmware("kvm-1", want(), hosts)


def test_the_group_runs_one_kernel_driver_and_firmware__holds_with_advice_on_the_rest():
    hosts = together(view("kvm-1"), view("kvm-2"), view("kvm-3", qemu="9.0"))
    with collected_advice() as advice:
        statements.test_the_group_runs_one_kernel_driver_and_firmware("kvm-3", want(), hosts)
    assert advice == ["kvm-3: qemu is 9.0 here, 10.0.2 on kvm-1, kvm-2"]


def test_the_group_runs_one_kernel_driver_and_firmware__holds_where_nobody_tells_his_firmware():
    mute = Firmware("igb", None, None)
    hosts = together(view("kvm-1", told=mute), view("kvm-2", told=mute))
    statements.test_the_group_runs_one_kernel_driver_and_firmware("kvm-1", want(), hosts)
    with pytest.raises(CouldNotLook, match="nothing tells the firmware of enp1s0 here"):
        hosts = together(view("kvm-1", told=mute), view("kvm-2"))
        statements.test_the_group_runs_one_kernel_driver_and_firmware("kvm-1", want(), hosts)


def test_hosts_of_other_groups_are_compared_with_nobody_here():
    hosts = side_by_side(
        [view("kvm-1"), view("kvm-2"), view("red-1", kernel="5.10")],
        {},
        {"kvm-1": "blue", "kvm-2": "blue", "red-1": "red"},
    )
    statements.test_the_group_runs_one_kernel_driver_and_firmware("kvm-1", want(), hosts)
    assert "red-1" not in hosts.apart


def test_what_is_odd_is_odd_against_the_most_common():
    assert oddities({"a": 1, "b": 1, "c": 2}) == {"c": "2 here, 1 on a, b"}
    assert oddities({"a": 1, "b": 2, "c": None}) == {"a": "1 here, 2 on b", "b": "2 here, 1 on a"}
    assert oddities({"a": 1, "b": 1}) == oddities({"a": None}) == oddities({}) == {}
    many = oddities({**{f"h{n}": 1 for n in range(9)}, "x": 2})
    assert many == {"x": "2 here, 1 on h0, h1, h2 and 6 more"}


def look(answers):
    """All hosts, from parsers' answers or errors by host and parser."""

    def read(name, parse):
        answer = answers[name].get(parse, answers[name].get("all"))
        if isinstance(answer, CouldNotLook):
            raise answer
        return answer if answer is not None else parse(Bundle.of(name))

    return look_at_all({name: want() for name in answers}, read)


def test_a_host_that_cannot_be_seen_takes_no_other_with_it():
    hosts = look(
        {
            "kvm-1": {pci.parse: found(), system.parse: SYSTEM, firmware.parse: {}},
            "kvm-2": {"all": CouldNotLook("kvm-2: no route to host")},
            "kvm-3": {libvirt.parse: CouldNotLook("kvm-3: denied")},
        }
    )
    assert isinstance(hosts, AllHosts)
    assert set(hosts.seen) == {"kvm-1", "kvm-3"} and hosts.unseen == {"kvm-2": "kvm-2: no route to host"}
    assert hosts.seen["kvm-3"].domains == "kvm-3: denied"


def test_a_thousand_hosts_of_64_vfs_are_compared_in_a_moment():
    (pf,) = view("kvm").pfs
    vfs = tuple(replace(pf.vfs[0], index=index, admin_mac=None) for index in range(64))
    views = [replace(view("kvm"), name=f"kvm-{n}", pfs=(replace(pf, mac=None, vfs=vfs),)) for n in range(999)]
    begun = time.process_time()
    hosts = together(*views, view("odd", (), kernel="5.10"))
    assert set(hosts.apart) == {"odd"} and hosts.shared == {}
    assert time.process_time() - begun < 10


TWO_HOSTS = """
hosts:
  kvm-1: {connect: "ssh://kvm-1", group: blue, pfs: {enp1s0: {vfs: 2}}}
  kvm-2: {connect: "ssh://kvm-2", group: blue, pfs: {enp1s0: {vfs: 2}}}
  kvm-3: {connect: "ssh://kvm-3", group: blue, pfs: {enp1s0: {vfs: 2}}}
"""


def test_rows_of_a_run_name_both_ends_and_whoever_is_missing(pytester, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    pytester.makeini("[pytest]\naddopts = -p no:testinfra -p no:pytest11.testinfra -p no:cacheprovider -W error\n")
    pytester.makefile(".yaml", inventory=TWO_HOSTS)
    (pytester.path / "b").mkdir()
    infos = json.dumps([{"ifname": "enp1s0", "vfinfo_list": [vf_info(0), vf_info(1)]}])
    for name, kernel in (("kvm-1", "6.12.117"), ("kvm-2", "6.1.0")):
        files = host_files() | {"/proc/sys/kernel/osrelease": f"{kernel}\n"}
        commands = {"ip -d -j link show": infos}
        Bundle.of(name, files=files, links=host_links(), commands=commands).save(pytester.path / f"b/{name}.vfb.gz")
    plugins = ["-p", "checks.plugin", "-p", "reports.plugin", "--run-folder", "run"]
    where = ["--inventory", "inventory.yaml", "--bundles", "b", str(ROOT / "checks/test_across_hosts.py")]
    result = pytester.runpytest_inprocess(*plugins, *where)
    result.assert_outcomes(passed=2, failed=4, errors=3)
    said = result.stdout.str()
    assert f"kvm-1: 52:54:00:00:00:01 is that of enp1s0 and of enp1s0 on kvm-2; {MACS[0]} is that of" in said
    assert "kvm-2: the kernel is 6.1.0 here, 6.12.117 on kvm-1" in said
    assert "kvm-1: the comparison is incomplete, as these could not be seen: kvm-3" in said
