"""What a machine says about itself, on Debian 13's text; and that nothing it says is needed."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from checks.bundle import Bundle
from checks.facts import system


def test_parse_reads_versions_and_names():
    found = system.parse(
        Bundle.of(
            files={
                "/proc/sys/kernel/hostname": "kvm-1\n",
                "/proc/sys/kernel/osrelease": "6.12.107\n",
                "/etc/os-release": 'ID=debian\nPRETTY_NAME="Debian GNU/Linux 13 (trixie)"\n',
                "/proc/cpuinfo": "vendor_id\t: GenuineIntel\nmodel name\t: Intel(R) Xeon(R)\n",
                "/sys/class/dmi/id/sys_vendor": "QEMU\n",
                "/sys/class/dmi/id/product_name": "Standard PC\n",
            },
            commands={
                "udevadm --version": "257 (257.9-1~deb13u1)\n",
                "libvirtd --version": "libvirtd (libvirt) 11.3.0\n",
                "qemu-system-x86_64 --version": "QEMU emulator version 10.0.2 (Debian 1:10.0.2)\nCopyright\n",
            },
        )
    )
    assert (found.os, found.systemd, found.libvirt, found.qemu) == (
        "Debian GNU/Linux 13 (trixie)",
        "257",
        "11.3.0",
        "10.0.2",
    )
    assert (found.cpu, found.product, found.bios, found.boot_id) == ("Intel(R) Xeon(R)", "QEMU Standard PC", None, None)


@given(st.text(max_size=40))
def test_parse_raises_nothing(text):
    paths = ["/etc/os-release", "/proc/cpuinfo", "/proc/sys/kernel/hostname"]
    commands = {"udevadm --version": (1, "no"), "qemu-system-x86_64 --version": text}
    found = system.parse(Bundle.of(files=dict.fromkeys(paths, text), commands=commands, denied=["/sys/class/dmi"]))
    assert found.systemd is None
