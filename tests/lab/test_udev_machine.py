"""The small machine that lives in its initramfs: devices and files in, what a script printed out."""

from __future__ import annotations

import pytest

from lab import images
from lab.udev_image import RELEASES, Member, archive, file_member, udev_image
from lab.udev_machine import Machine, UdevMachineError, boot

# After 80-net-setup-link.rules, which sets ID_NET_DRIVER.
ONE_VF = 'ACTION=="add", SUBSYSTEM=="net", ENV{ID_NET_DRIVER}=="igb", ATTR{device/sriov_numvfs}="1"\n'
# An emulated PF needs the window below 4 GiB for its VFs, and a bus of their own: both are there behind a root port.
PF = ("-device", "pcie-root-port,id=rp,chassis=1,addr=4", "-device", "igb,bus=rp,romfile=")


@pytest.fixture(scope="module")
def tree():
    return images.host(print).tree


def test_an_archive_has_folders_before_what_is_in_them():
    text = archive([file_member("/etc/udev/rules.d/10-x.rules", "x"), Member("etc/link", 0o120777, b"udev")])
    names = [
        b"etc\0",
        b"etc/link\0",
        b"etc/udev\0",
        b"etc/udev/rules.d\0",
        b"etc/udev/rules.d/10-x.rules\0",
        b"TRAILER",
    ]
    assert [text.index(name) for name in names] == sorted(text.index(name) for name in names)
    assert text.count(b"070701") == len(names)


@pytest.mark.lab
def test_a_rule_file_makes_vfs_in_the_machine(tree):
    image = udev_image("bookworm", tree, print)
    answer = boot(
        image,
        tree,
        Machine("q35,kernel-irqchip=split", PF),
        ask="udevadm --version; uname -r; cat /sys/bus/pci/devices/0000:01:00.0/sriov_numvfs; ls -1 /sys/class/net\n",
        files={"/etc/udev/rules.d/81-vfs.rules": ONE_VF},
    )
    version, kernel, numvfs, *rest = answer.splitlines()
    assert (int(version), numvfs) == (RELEASES["bookworm"], "1")
    assert kernel.startswith("6.1.")
    assert {"enp1s0", "enp1s0v0"} <= set(rest)


@pytest.mark.lab
def test_a_machine_that_qemu_refuses_says_why(tree):
    image = udev_image("bookworm", tree, print)
    with pytest.raises(UdevMachineError, match="no-such-nic"):
        boot(image, tree, Machine("pc", ("-device", "no-such-nic")), ask="true")


@pytest.mark.lab
def test_a_script_that_fails_gives_no_answer(tree):
    image = udev_image("bookworm", tree, print)
    with pytest.raises(UdevMachineError, match=r"its script ended with 3\n"):
        boot(image, tree, Machine("pc"), ask="echo half; exit 3")
