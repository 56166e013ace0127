"""Libvirt's domain XML, as far as VFs and NIC names go: hostile input to one kind of error.

Source: libvirt docs/formatdomain.rst and src/conf/domain_conf.c (11.3).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain
from xml.etree.ElementTree import Element

from checks.linux.libvirt_xml import LibvirtXmlError, inner, name_of, number, pci_numbers, pci_text, tree, vlans
from checks.linux.nic_names import Controller, Layout, Place

# Domain XML can hold passwords (graphics, fw_cfg entries, qemu:arg, queries in URLs, metadata), so only lines of these
# elements leave the host. Libvirt prints one tag a line; an element is kept in all its forms, so the rest is still XML.
# A <name> counts only where the domain's own stands: two blanks in, four inside a <domstatus>; metadata lies deeper.
KEEP = (
    r"^ *<(/?(domstatus|domain|metadata|os|devices|interface|hostdev|controller|vlan|actual|video|model|memtune)"
    r"([ >]|/>)|type |/?source>|source (network|bridge|dev|writeFiltering|startupPolicy)=|/?address[ >]"
    r"|mac address=|tag id=|acpi index=|teaming |(memory|hard_limit) unit=|driver name='(kvm|xen)'/>)"
    r"|^ ( |   )<name>"
)

_MAC = re.compile(r"([0-9a-f]{2}:){5}[0-9a-f]{2}")
_KIB = {"b": 1 / 1024, "bytes": 1 / 1024, "KB": 1000 / 1024, "k": 1, "KiB": 1, "MB": 1e6 / 1024, "M": 1024, "MiB": 1024}
_KIB |= {"GB": 1e9 / 1024, "G": 1 << 20, "GiB": 1 << 20, "TB": 1e12 / 1024, "T": 1 << 30, "TiB": 1 << 30}


@dataclass(frozen=True, slots=True)
class Interface:
    """One <interface>. `kind` in libvirt's word; a VF is handed over by "hostdev".

    `source`: PCI address of the host's VF. `network`: name of the libvirt network (a pool may hand out any of its VFs).
    `place`: where it sits in the guest. `managed`: libvirt itself takes the VF from its driver on the host.
    `legacy_driver`: <driver name='kvm'/> or 'xen', ways of before VFIO.
    """

    kind: str
    source: str | None = None
    mac: str | None = None
    vlans: tuple[int, ...] = ()
    place: Place | None = None
    managed: bool = False
    acpi_index: int | None = None
    network: str | None = None
    model: str | None = None
    teaming: str | None = None
    legacy_driver: str | None = None


@dataclass(frozen=True, slots=True)
class HostDevice:
    """A plain <hostdev> PCI device: libvirt sets neither MAC nor VLAN of it."""

    source: str
    managed: bool
    place: Place | None = None


@dataclass(frozen=True, slots=True)
class Definition:
    """One version of a domain: as it runs, or as it will start next.

    `occupied`: where in the guest every one of its PCI devices sits. `hard_limit_kib`: of <memtune>.
    """

    interfaces: tuple[Interface, ...]
    host_devices: tuple[HostDevice, ...]
    layout: Layout
    occupied: tuple[Place, ...] = ()
    memory_kib: int | None = None
    hard_limit_kib: int | None = None

    @property
    def hostdevs(self) -> tuple[Interface, ...]:
        """The interfaces that hand over a VF."""
        return tuple(one for one in self.interfaces if one.kind == "hostdev")

    @property
    def host_addresses(self) -> tuple[str, ...]:
        """Every PCI address of the host that this definition claims."""
        handed = (one.source for one in self.hostdevs if one.source)
        return tuple(chain(handed, (one.source for one in self.host_devices)))


@dataclass(frozen=True, slots=True)
class DomainXml:
    """One XML text of a domain. `state`: libvirt's word in the file of a running one, None elsewhere.

    `has_id`: only a running domain has an id, and in what `virsh dumpxml` prints nothing else tells.
    """

    name: str
    definition: Definition
    state: str | None
    has_id: bool


def read(text: str) -> DomainXml:
    """What a <domain>, or the <domstatus> around one, says. Raises LibvirtXmlError for everything else."""
    root = tree(text, "domain")
    domain = inner(root, "domain")
    return DomainXml(name_of(domain), _definition(domain), root.get("state"), has_id=domain.get("id") is not None)


def _definition(domain: Element) -> Definition:
    controllers = [_controller(one) for one in domain.iterfind("devices/controller") if one.get("type") == "pci"]
    kind = domain.find("os/type")
    video = domain.find("devices/video")
    return Definition(
        interfaces=tuple(_interface(one) for one in domain.iterfind("devices/interface")),
        host_devices=tuple(_host_devices(domain)),
        layout=Layout(
            machine=kind.get("machine", "") if kind is not None else "",
            controllers=tuple(controllers),
            video=_place(video) if video is not None else None,
        ),
        occupied=tuple(sorted(_occupied(domain), key=lambda place: (place.bus, place.slot, place.function))),
        memory_kib=_kib(domain.find("memory")),
        hard_limit_kib=_kib(domain.find("memtune/hard_limit")),
    )


def _occupied(domain: Element) -> Iterator[Place]:
    """Guest addresses of all devices. Of most devices only the <address> left the host, and stands in <devices>."""
    for device in domain.iterfind("devices/*"):
        address = device if device.tag == "address" else device.find("address")
        if address is not None and (place := _place_at(address)) is not None:
            yield place


def _kib(element: Element | None) -> int | None:
    """A size in KiB, which libvirt itself writes; the other units are those of hand-written files."""
    if element is None:
        return None
    text, unit = (element.text or "").strip(), element.get("unit", "KiB")
    if not re.fullmatch(r"[0-9]{1,18}", text) or unit not in _KIB:
        raise LibvirtXmlError(f"<{element.tag} unit='{unit[:20]}'>{text[:40]} is not a size")
    return int(int(text) * _KIB[unit])


def _interface(element: Element) -> Interface:
    # A VF out of a pool: the interface stays type 'network', and <actual> says what it got.
    actual = element.find("actual")
    given = actual if actual is not None else element
    source, mac, acpi, model = (element.find(tag) for tag in ("source", "mac", "acpi", "model"))
    teaming, driver = element.find("teaming"), element.find("driver")
    return Interface(
        kind=given.get("type", ""),
        source=_host_address(given),
        mac=_mac(mac),
        vlans=vlans(given) or vlans(element),
        place=_place(element),
        managed=given.get("managed") == "yes",
        acpi_index=number(acpi, "index") if acpi is not None else None,
        network=source.get("network") if source is not None else None,
        model=model.get("type") if model is not None else None,
        teaming=teaming.get("type") if teaming is not None else None,
        # 'vfio' is what there is anyway, and libvirt ignores it since 10.0.
        legacy_driver=driver.get("name") if driver is not None and driver.get("name") in ("kvm", "xen") else None,
    )


def _host_devices(domain: Element) -> Iterator[HostDevice]:
    for element in domain.iterfind("devices/hostdev"):
        address = _host_address(element) if element.get("type") == "pci" else None
        if address is not None:
            yield HostDevice(address, managed=element.get("managed") == "yes", place=_place(element))


def _controller(element: Element) -> Controller:
    return Controller(number(element, "index"), element.get("model", ""), _place(element))


def _host_address(element: Element) -> str | None:
    """The address inside <source>: the host's. The one beside it is the guest's."""
    address = element.find("source/address")
    if address is None or address.get("type", "pci") != "pci" or address.get("bus") is None:
        return None
    return pci_text(address)


def _place(element: Element) -> Place | None:
    address = element.find("address")
    return _place_at(address) if address is not None else None


def _place_at(address: Element) -> Place | None:
    if address.get("type") != "pci":
        return None
    domain, bus, slot, function = pci_numbers(address)
    return Place(bus, slot, function, multifunction=address.get("multifunction") == "on", domain=domain)


def _mac(element: Element | None) -> str | None:
    text = element.get("address") if element is not None else None
    if text is None:
        return None
    if not _MAC.fullmatch(text.lower()):
        raise LibvirtXmlError(f"<mac address='{text[:40]}'/> is not a MAC address")
    return text.lower()
