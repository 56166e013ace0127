"""What the sriov topology really is: on one running lab, which every test leaves as it found it."""

from __future__ import annotations

import re
import time

import pytest

from inventory.loading import load
from lab import images

pytestmark = pytest.mark.lab

ACTIVE = "/sys/class/net/bond0/bonding/active_slave"


def until(condition, seconds: float = 10):
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.05)
    return found


def test_the_inventory_it_writes_is_valid(sriov_lab):
    inventory = load(sriov_lab.inventory)
    assert inventory.hosts["kvm-1"].pfs["enp1s0"].persistence == "udev"
    assert inventory.guests["guest-1"].drill.permitted


def test_source_boot_entry_and_running_command_line_agree(sriov_lab):
    source = sriov_lab.output("kvm-1", ". /etc/default/grub; echo $GRUB_CMDLINE_LINUX").strip()
    entry = sriov_lab.output("kvm-1", "grep -m1 '^[[:space:]]*linux' /boot/grub/grub.cfg").split()
    running = sriov_lab.output("kvm-1", "cat /proc/cmdline").split()
    assert "intel_iommu=on" in source.split()
    assert running[0] == f"BOOT_IMAGE={entry[1]}", "not started by its own GRUB"
    assert running[1:] == entry[2:]
    assert set(source.split()) < set(running)
    assert running[1].startswith("root=UUID=")


def test_interrupts_are_remapped_and_every_vf_has_a_group_of_its_own(sriov_lab):
    assert "Enabled IRQ remapping" in sriov_lab.output("kvm-1", "dmesg | grep DMAR-IR")
    groups = sriov_lab.output("kvm-1", "readlink -f /sys/bus/pci/devices/0000:0[12]:10.[02]/iommu_group").split()
    members = [sriov_lab.output("kvm-1", f"ls {group}/devices").split() for group in groups]
    assert [len(group) for group in members] == [1, 1, 1, 1]


def test_libvirt_gave_one_vf_of_each_pf_to_the_guest(sriov_lab):
    drivers = sriov_lab.output(
        "kvm-1", "for vf in 0000:01:10.0 0000:02:10.0; do basename $(readlink /sys/bus/pci/devices/$vf/driver); done"
    )
    assert drivers.split() == ["vfio-pci", "vfio-pci"]
    assert "52:54:00:77:00:10" in sriov_lab.output("kvm-1", "ip link show enp1s0")
    assert "52:54:00:77:00:11" in sriov_lab.output("kvm-1", "ip link show enp2s0")


def test_the_guests_bond_is_as_its_inventory_says(sriov_lab):
    wanted = load(sriov_lab.inventory).guests["guest-1"].bonds["bond0"]
    options = "mode slaves fail_over_mac miimon num_grat_arp peer_notif_delay"
    read = f"cd /sys/class/net/bond0/bonding; for o in {options}; do cat $o; done"
    mode, slaves, fail_over_mac, *numbers = sriov_lab.output("guest-1", read).splitlines()
    assert mode.split()[0] == wanted.mode
    assert set(slaves.split()) == set(wanted.slaves)
    assert fail_over_mac.split()[0] == wanted.fail_over_mac
    assert [int(n) for n in numbers] == [wanted.miimon, wanted.num_grat_arp, wanted.peer_notif_delay]
    on_bond = sriov_lab.output("guest-1", "ip -o addr show dev bond0; ip -o addr show dev bond0.77")
    assert all(str(address) in on_bond for address in (*wanted.addresses, *wanted.vlans[77]))


def test_udev_loaded_the_driver_of_the_guests_vfs_by_itself(sriov_lab):
    asked_for = "grep -rs igbvf /etc/modules /etc/modules-load.d /usr/lib/modules-load.d /proc/cmdline; true"
    assert not sriov_lab.output("guest-1", asked_for)
    assert "igbvf" in sriov_lab.output("guest-1", "cat /proc/modules")


def test_ifenslave_changes_the_active_slave_and_names_a_wrong_one(sriov_lab):
    for nic in ("enp2s0", "enp1s0"):
        assert sriov_lab.output("guest-1", f"ifenslave -c bond0 {nic}; cat {ACTIVE}").strip() == nic
    wrong = sriov_lab.ssh("guest-1", "ifenslave -c bond0 nope")
    assert (wrong.returncode, "nope" in wrong.stderr) == (1, True)


def test_the_guest_answers_beside_its_bond_and_through_it(sriov_lab):
    assert sriov_lab.output("guest-1", "echo $SSH_CONNECTION").split()[2] == "192.168.78.21"
    assert sriov_lab.output("guest-1-inband", "echo $SSH_CONNECTION").split()[2] == "10.77.0.21"


def test_the_clocks_are_right_even_after_a_resume(sriov_lab):
    for node in ("kvm-1", "guest-1"):
        before = time.time()
        there = float(sriov_lab.output(node, "date +%s.%N"))
        assert before - 2 < there < time.time() + 2


def test_a_cut_wire_takes_the_pfs_carrier_and_comes_back(sriov_lab):
    def carrier():
        return sriov_lab.output("kvm-1", "cat /sys/class/net/enp2s0/carrier").strip()

    assert carrier() == "1"
    sriov_lab.fault("wire-cut", "kvm-1/enp2s0")
    try:
        until(lambda: carrier() == "0")
    finally:
        sriov_lab.mend("wire-cut", "kvm-1/enp2s0")
    until(lambda: carrier() == "1")


def test_its_consoles_tell_how_it_started(sriov_lab):
    def said(node, words):
        return words in sriov_lab.state.console_log(node).read_text(errors="replace")

    until(lambda: said("guest-1", "bond0: (slave enp1s0)"))
    until(lambda: said("guest-1", "(automatic login)"))


def test_the_manifest_names_the_emulator_that_runs_it(sriov_lab):
    manifest = images.host(print).manifest.read_text()
    version = re.search(r"^qemu-system-x86 \d+:(\d+)\.", manifest, flags=re.MULTILINE)
    assert version is not None
    assert int(version[1]) >= 10
    assert f"QEMU emulator version {version[1]}." in sriov_lab.output("kvm-1", "qemu-system-x86_64 --version")


@pytest.mark.long
def test_a_reboot_brings_vfs_and_guest_back(sriov_lab):
    def boot_id(path):
        return sriov_lab.ssh(path, "cat /proc/sys/kernel/random/boot_id").stdout.strip()

    before = {path: boot_id(path) for path in ("kvm-1", "guest-1-inband")}
    sriov_lab.ssh("kvm-1", "systemctl reboot")
    for path, old in before.items():
        until(lambda path=path, old=old: boot_id(path) not in ("", old), seconds=200)
    assert sriov_lab.output("kvm-1", "cat /sys/bus/pci/devices/0000:0[12]:00.0/sriov_numvfs").split() == ["2", "2"]
