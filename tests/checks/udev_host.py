"""A host with one emulated 82576 PF and udev's own rules for network devices, cut down to what properties come from.

The lines are what 50-udev-default, 75-net-description and 80-net-setup-link of systemd 252 (Debian 12) and 257
(Debian 13) do to network devices.
"""

from __future__ import annotations

from checks.bundle import Bundle
from checks.facts import pci, udev
from tests.checks.test_vfs import PF, host_files, host_links

ETC, LIB = "/etc/udev/rules.d", "/usr/lib/udev/rules.d"
DESCRIPTION = """\
ACTION=="remove", GOTO="net_end"
SUBSYSTEM!="net", GOTO="net_end"
SUBSYSTEMS=="usb", IMPORT{builtin}="usb_id"
SUBSYSTEMS=="pci", ENV{ID_BUS}="pci", ENV{ID_VENDOR_ID}="$attr{vendor}", ENV{ID_MODEL_ID}="$attr{device}"
IMPORT{builtin}="net_id"
LABEL="net_end"
"""
SETUP_LINK = """\
SUBSYSTEM!="net", GOTO="net_setup_link_end"
IMPORT{builtin}="path_id"
ACTION=="remove", GOTO="net_setup_link_end"
IMPORT{builtin}="net_setup_link"
NAME=="", ENV{ID_NET_NAME}!="", NAME="$env{ID_NET_NAME}"
LABEL="net_setup_link_end"
"""
DEFAULT = {
    252: 'ACTION=="remove", GOTO="default_end"\nSUBSYSTEM=="tty", GROUP="tty"\nLABEL="default_end"\n',
    257: 'ACTION=="remove", GOTO="default_end"\nSUBSYSTEM=="net", IMPORT{builtin}="net_driver"\nLABEL="default_end"\n',
}
DRIVERS_RULE = 'ACTION=="add", SUBSYSTEM=="net", KERNELS=="0000:01:00.0", ATTR{device/sriov_numvfs}="2"\n'


def rule_files(systemd=257):
    return {
        f"{LIB}/50-udev-default.rules": DEFAULT[systemd],
        f"{LIB}/75-net-description.rules": DESCRIPTION,
        f"{LIB}/80-net-setup-link.rules": SETUP_LINK,
    }


def bundle(
    rules=None, systemd=257, driver="igb", more=None, links=None, denied=(), commands=None, names=None, **changes
):
    """`rules`: files below /etc/udev/rules.d by name, or whole paths."""
    files = host_files(**changes) | rule_files(systemd)
    files |= {name if name.startswith("/") else f"{ETC}/{name}": text for name, text in (rules or {}).items()}
    files |= {
        "/sys/class/net/enp1s0/ifindex": "2\n",
        "/run/udev/data/n2": "I:1000\nE:ID_NET_NAME=enp1s0\nE:ID_NET_DRIVER=igb\nE:ID_NET_NAME_PATH=enp1s0\n",
        f"/sys/bus/pci/devices/{PF}/uevent": f"DRIVER={driver}\nPCI_ID=8086:10C9\nPCI_SLOT_NAME={PF}\n",
        "/sys/bus/pci/devices/0000:00:02.0/class": "0x060400\n",
        "/proc/cmdline": "root=/dev/sda ro\n",
    }
    all_links = host_links(driver=driver) | {
        "/sys/bus/pci/devices/0000:00:02.0": "../../../devices/pci0000:00/0000:00:02.0",
        "/sys/bus/pci/devices/0000:00:02.0/driver": "../../../bus/pci/drivers/pcieport",
        "/lib": "usr/lib",
        **(links or {}),
    }
    told = {"udevadm --version": f"{systemd} ({systemd}.1)\n", **(commands or {})}
    return Bundle.of(files=files | (more or {}), links=all_links, denied=denied, commands=told, names=names or {})


def forecast_of(rules, **changes):
    """What the rules make of the PF."""
    (only,) = udev.parse(bundle(rules, **changes)).forecasts
    return only


def facts(rules=None, **changes):
    gathered = bundle(rules, **changes)
    return pci.parse(gathered), udev.parse(gathered)
