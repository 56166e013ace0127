"""A host with one emulated 82576 PF (enp1s0, igb), as `kvm-1` of the lab has it, and files of mechanisms that make VFs.

udev's properties, 99-default.link and the links in .wants are those of the lab's Debian 13 (systemd 257); files for
netplan, NetworkManager, sysfsutils, sriov-network-operator and os-net-config follow those projects' documentation, for
no machine here has them.
"""

from __future__ import annotations

import functools
import subprocess

from checks.bundle import Bundle
from checks.contents import matches
from checks.facts import pci, persistence, udev
from checks.linux.sriov_nic import SriovNic
from checks.source import File
from tests.checks.test_vfs import PF, host_files, host_links
from tests.checks.udev_host import ETC, rule_files

DEFAULT_LINK = """\
[Match]
OriginalName=*

[Link]
NamePolicy=keep kernel database onboard slot path
AlternativeNamesPolicy=database onboard slot path mac
MACAddressPolicy=persistent
"""
USB_LINK = """\
[Match]
Path=*-usb-*
[Link]
NamePolicy=mac
"""
LINKS = "/etc/systemd/network"
UNITS = "/etc/systemd/system"
WANTS = f"{UNITS}/multi-user.target.wants"
NM = "/etc/NetworkManager/system-connections"
GENERATORS = "/usr/lib/systemd/system-generators"
EXECUTABLE = "find -L /etc/ -maxdepth 1 -name rc.local -perm /111"
INSECURE = f"find {NM}/ -maxdepth 1 -type f -perm /077"
NIC = SriovNic(
    address=PF,
    names=("enp1s0",),
    driver="igb",
    mac="52:54:00:00:00:01",
    permanent_mac="52:54:00:00:00:01",
    totalvfs=7,
    properties={"ID_PATH": f"pci-{PF}", "ID_NET_DRIVER": "igb", "ID_NET_NAME_PATH": "enp1s0"},
)


@functools.cache
def gathered(path, text):
    """What of a text leaves the host: the real grep, with the expression of the file's source."""
    sources = [one for one in persistence.SOURCES if isinstance(one, File) and matches(path, one.path)]
    for one in sources:
        which = ("-v", "-e", one.drop) if one.drop else ("-e", one.keep or "")
        argv = ["grep", "-aE", *which]
        done = subprocess.run(argv, input=text, capture_output=True, text=True, check=False, env={"LC_ALL": "C"})
        text = done.stdout
    return text


def bundle(
    files=None,
    rules=None,
    wants=(),
    systemd="257",
    links=None,
    names=None,
    executable="",
    commands=None,
    denied=(),
    sieved=True,
    **changes,
):
    """`rules`: files below /etc/udev/rules.d. `wants`: services that multi-user.target wants.

    `sieved`: files as the gather brings them, lines that stay on the host taken out.
    """
    all_files = host_files(**changes) | rule_files(257)
    all_files |= {f"{ETC}/{name}": text for name, text in (rules or {}).items()}
    properties = "".join(f"E:{key}={value}\n" for key, value in NIC.properties.items())
    all_files |= {
        "/sys/class/net/enp1s0/ifindex": "2\n",
        "/run/udev/data/n2": f"I:1000\n{properties}",
        f"/sys/bus/pci/devices/{PF}/uevent": f"DRIVER=igb\nPCI_ID=8086:10C9\nPCI_SLOT_NAME={PF}\n",
        "/proc/cmdline": "root=/dev/sda ro\n",
        "/usr/lib/systemd/network/73-usb-net-by-mac.link": USB_LINK,
        "/usr/lib/systemd/network/99-default.link": DEFAULT_LINK,
        **(files or {}),
    }
    if sieved:
        all_files = {path: gathered(path, text) for path, text in all_files.items()}
    all_links = host_links() | {
        "/lib": "usr/lib",
        **{f"{WANTS}/{name}": f"{UNITS}/{name}" for name in wants},
        **(links or {}),
    }
    commands = {"udevadm --version": f"{systemd}\n", EXECUTABLE: executable, INSECURE: "", **(commands or {})}
    return Bundle.of(files=all_files, links=all_links, names=names or {}, commands=commands, denied=denied)


def claims(files=None, **changes):
    """The claims on the PF."""
    found = persistence.parse(bundle(files, **changes))
    assert not found.unknown
    return found.of(PF)


def facts(files=None, **changes):
    """Everything that the statements ask for."""
    gathered = bundle(files, **changes)
    return {
        "pfs": pci.parse(gathered),
        "udev_rules": udev.parse(gathered),
        "persistence": persistence.parse(gathered),
    }
