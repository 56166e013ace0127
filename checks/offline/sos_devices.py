"""sysfs as far as a sosreport tells it: udev's database, libvirt's node devices and lspci stand in for its files.

`udevadm info --export-db` lists every device with its path, its driver and what the kernel says in `uevent`; a PCI
node device of libvirt has the VFs in the order of `virtfn*`, what `sriov_totalvfs` says as maxCount, and the IOMMU
group; lspci has offset and stride. What one of them does not have of every device is left out for all.
Sources: udevadm(8); Linux drivers/pci/pci-driver.c (pci_uevent); libvirt docs/formatnode.rst, src/util/virpci.c
(virPCIGetVirtualFunctions); pciutils ls-ecaps.c (cap_sriov); kernel/irq/proc.c (show_interrupts).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from xml.etree.ElementTree import Element

from checks.linux.libvirt_xml import LibvirtXmlError, pci_text, tree
from checks.linux.pci_address import PciAddress

DATABASE = "udevadm info --export-db"
NODE_DEVICE = "virsh -r nodedev-dumpxml pci_"
PCI_LIST = "lspci -nnvv"
INTERRUPTS = "/proc/interrupts"
_PCI, _NET, _GROUPS = "/sys/bus/pci/devices", "/sys/class/net", "/sys/kernel/iommu_groups"
_UEVENT = ("DRIVER", "PCI_CLASS", "PCI_ID", "PCI_SUBSYS_ID", "PCI_SLOT_NAME", "MODALIAS")
# Of the kernel, and not of the database in /run/udev/data.
_KERNELS = frozenset({"DEVPATH", "SUBSYSTEM", "INTERFACE", "IFINDEX", "DEVTYPE", "TAGS", "CURRENT_TAGS"})
_IDS = ("vendor", "device"), ("subsystem_vendor", "subsystem_device")
_NAME = re.compile(r"[A-Za-z0-9_.:@+-]{1,64}")
_VF_PLACE = re.compile(r"VF offset: (\d{1,5}), stride: (\d{1,5}), Device ID: ([0-9a-f]{4})")


@dataclass(slots=True)
class Sysfs:
    """What can be told: `texts` and `links` by path, `names` by folder, and the globs of which this is all there is."""

    texts: dict[str, bytes] = field(default_factory=dict)
    links: dict[str, str] = field(default_factory=dict)
    names: dict[str, list[str]] = field(default_factory=dict)
    whole: set[str] = field(default_factory=set)


def sysfs(database: bytes | None, nodes: Mapping[str, bytes] | None, pci_list: bytes | None) -> Sysfs:
    """The part of sysfs that the outputs tell; each is None where sos has it not, or not whole."""
    found = Sysfs()
    devices = list(_records(database or b""))
    if not devices:
        return found
    addresses = {one["PCI_SLOT_NAME"] for one in devices if one["SUBSYSTEM"] == "pci" and "PCI_SLOT_NAME" in one}
    drivers = {one["DEVPATH"]: f"{one['SUBSYSTEM']}/drivers/{one['DRIVER']}" for one in devices if "DRIVER" in one}
    for one in devices:
        match one["SUBSYSTEM"]:
            case "pci" if "PCI_SLOT_NAME" in one:
                _pci_device(one, found)
            case "net" if "INTERFACE" in one:
                _net_device(one, drivers, found)
            case "iommu":
                found.names.setdefault("/sys/class/iommu", []).append(one["DEVPATH"].rpartition("/")[2])
    found.names.setdefault("/sys/class/iommu", [])
    names = ("uevent", "class", *_IDS[0], *_IDS[1], "driver")
    found.whole |= {f"{_PCI}/*", *(f"{_PCI}/*/{name}" for name in names)}
    found.whole |= {f"{_NET}/*", f"{_NET}/*/ifindex", f"{_NET}/*/device/driver", "/run/udev/data/n*"}
    _functions(addresses, nodes or {}, pci_list, found)
    return found


def _records(database: bytes) -> Iterator[dict[str, str]]:
    """Each device's properties. One that does not say what it is, or where, or names what is no name, is none."""
    for block in database.decode("utf-8", "replace").split("\n\n"):
        pairs = (line[3:].partition("=") for line in block.splitlines() if line.startswith("E: "))
        one = {key: value for key, _, value in pairs}
        names = (one.get(key, "x") for key in ("SUBSYSTEM", "INTERFACE", "PCI_SLOT_NAME", "DRIVER"))
        if one.get("DEVPATH", "").startswith("/devices/") and "SUBSYSTEM" in one and all(map(_NAME.fullmatch, names)):
            yield one


def _pci_device(one: Mapping[str, str], found: Sysfs) -> None:
    place = f"{_PCI}/{one['PCI_SLOT_NAME']}"
    found.links[place] = f"../../..{one['DEVPATH']}"
    if "DRIVER" in one:
        found.links[f"{place}/driver"] = f"../../../../bus/pci/drivers/{one['DRIVER']}"
    found.texts[f"{place}/uevent"] = "".join(f"{key}={one[key]}\n" for key in _UEVENT if key in one).encode()
    if re.fullmatch(r"[0-9A-F]{1,6}", one.get("PCI_CLASS", "")):
        found.texts[f"{place}/class"] = f"0x{int(one['PCI_CLASS'], 16):06x}\n".encode()
    for key, names in zip(("PCI_ID", "PCI_SUBSYS_ID"), _IDS, strict=True):
        if ids := re.fullmatch(r"([0-9A-F]{4}):([0-9A-F]{4})", one.get(key, "")):
            found.texts |= {
                f"{place}/{name}": f"0x{text.lower()}\n".encode()
                for name, text in zip(names, ids.groups(), strict=True)
            }


def _net_device(one: Mapping[str, str], drivers: Mapping[str, str], found: Sysfs) -> None:
    place, index = f"{_NET}/{one['INTERFACE']}", one.get("IFINDEX", "")
    found.links[place] = f"../..{one['DEVPATH']}"
    if not re.fullmatch(r"[1-9][0-9]{0,9}", index):
        return
    found.texts[f"{place}/ifindex"] = f"{index}\n".encode()
    own = [f"E:{key}={value}\n" for key, value in one.items() if key not in _KERNELS]
    if "USEC_INITIALIZED" in one:  # else udev has no file of it
        found.texts[f"/run/udev/data/n{index}"] = "".join(own).encode()
    if driver := drivers.get(one["DEVPATH"].rpartition("/net/")[0]):
        found.links[f"{place}/device/driver"] = f"../../../bus/{driver}"


def _functions(addresses: set[str], nodes: Mapping[str, bytes], pci_list: bytes | None, found: Sysfs) -> None:
    """PFs, VFs and groups, if libvirt has a node device of every PCI device; else nothing."""
    read = {address: node for text in nodes.values() if (node := _node(text)) is not None for address in [_own(node)]}
    if set(read) != addresses:
        return
    for address, node in read.items():
        _function(address, node, found)
    found.whole |= {f"{_PCI}/*/{name}" for name in ("sriov_totalvfs", "sriov_numvfs", "physfn", "virtfn*")}
    found.whole.add(f"{_GROUPS}/*/devices/*")
    pfs = {path.split("/")[-2] for path in found.texts if path.endswith("/sriov_totalvfs")}
    places = _vf_places(pci_list or b"")
    if pfs <= set(places):
        for address in pfs:
            for name, value in zip(("sriov_offset", "sriov_stride"), places[address], strict=True):
                found.texts[f"{_PCI}/{address}/{name}"] = value + b"\n"
        found.whole |= {f"{_PCI}/*/sriov_offset", f"{_PCI}/*/sriov_stride"}


def _node(text: bytes) -> Element | None:
    try:
        node = tree(text.decode("utf-8", "replace"), "device").find("capability[@type='pci']")
    except LibvirtXmlError:
        return None
    return node


def _own(node: Element) -> str:
    """The address of a PCI node device, whose parts are decimal elements."""
    parts = [node.findtext(name, "") for name in ("domain", "bus", "slot", "function")]
    if not all(re.fullmatch(r"[0-9]{1,6}", part) for part in parts):
        return ""
    domain, bus, slot, function = map(int, parts)
    return f"{domain:04x}:{bus:02x}:{slot:02x}.{function:x}"


def _function(address: str, node: Element, found: Sysfs) -> None:
    place = f"{_PCI}/{address}"
    try:
        pf = node.find("capability[@type='virt_functions']")
        if pf is not None and re.fullmatch(r"[0-9]{1,5}", count := pf.get("maxCount", "")):
            vfs = [pci_text(one) for one in pf.iterfind("address")]
            found.texts[f"{place}/sriov_totalvfs"] = f"{count}\n".encode()
            found.texts[f"{place}/sriov_numvfs"] = f"{len(vfs)}\n".encode()
            found.links |= {f"{place}/virtfn{index}": f"../{vf}" for index, vf in enumerate(vfs)}
        if (owner := node.find("capability[@type='phys_function']/address")) is not None:
            found.links[f"{place}/physfn"] = f"../{pci_text(owner)}"
        group = node.find("iommuGroup")
        if group is not None and re.fullmatch(r"[0-9]{1,6}", number := group.get("number", "")):
            found.links[f"{_GROUPS}/{number}/devices/{address}"] = f"../../../../bus/pci/devices/{address}"
    except LibvirtXmlError:
        return


def _vf_places(pci_list: bytes) -> dict[str, tuple[bytes, bytes]]:
    """Offset and stride by address; lspci leaves out domain 0000 where there is no other."""
    found = {}
    for block in pci_list.decode("utf-8", "replace").split("\n\n"):
        name = block.strip().partition(" ")[0]
        address = PciAddress.parse(name if name.count(":") == 2 else f"0000:{name}")
        if address is not None and (place := _VF_PLACE.search(block)):
            found[str(address)] = (place[1].encode(), place[2].encode())
    return found


def interrupt_chips(text: bytes) -> dict[str, bytes]:
    """`/sys/kernel/irq/N/chip_name` of the interrupts that are in use: the word behind the counts of all processors."""
    head, *rows = text.decode("utf-8", "replace").splitlines() or [""]
    processors = len(re.findall(r"CPU\d+", head))
    found = {}
    for row in rows:
        number, _, rest = row.partition(":")
        words = rest.split()
        if number.strip().isdecimal() and len(words) > processors > 0:
            found[f"/sys/kernel/irq/{number.strip()}/chip_name"] = f"{words[processors]}\n".encode()
    return found
