"""Libvirt's domain XML, as far as VFs and NIC names go: hostile input to one kind of error.

Source: libvirt docs/formatdomain.rst and src/conf/domain_conf.c (11.3).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain
from xml.etree.ElementTree import Element, ParseError

from defusedxml.ElementTree import fromstring

from checks.linux.nic_names import Controller, Layout, Place

# Domain XML can hold passwords (graphics, fw_cfg entries, qemu:arg, queries in URLs, metadata), so only lines of these
# elements leave the host. Libvirt prints one tag a line; an element is kept in all its forms, so the rest is still XML.
KEEP = (
    r"^ *<(/?(domstatus|domain|metadata|os|devices|interface|hostdev|controller|vlan|actual|video|model)([ >]|/>)"
    r"|name>|type |/?source>|source (network|bridge|dev|writeFiltering|startupPolicy)=|/?address[ >]"
    r"|mac address=|tag id=|acpi index=|teaming )"
)

_NUMBER = re.compile(r"0x[0-9a-fA-F]{1,8}|[0-9]{1,9}")
_MAC = re.compile(r"([0-9a-f]{2}:){5}[0-9a-f]{2}")


class DomainXmlError(ValueError):
    """The text is not the XML of a domain, or has values that libvirt never writes."""


@dataclass(frozen=True, slots=True)
class Interface:
    """One <interface>. `kind` in libvirt's word; a VF is handed over by "hostdev".

    `source`: PCI address of the host's VF. `network`: name of the libvirt network (a pool may hand out any of its VFs).
    `place`: where it sits in the guest. `managed`: libvirt itself takes the VF from its driver on the host.
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


@dataclass(frozen=True, slots=True)
class HostDevice:
    """A plain <hostdev> PCI device: libvirt sets neither MAC nor VLAN of it."""

    source: str
    managed: bool


@dataclass(frozen=True, slots=True)
class Definition:
    """One version of a domain: as it runs, or as it will start next."""

    interfaces: tuple[Interface, ...]
    host_devices: tuple[HostDevice, ...]
    layout: Layout

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
    """What a <domain>, or the <domstatus> around one, says. Raises DomainXmlError for everything else."""
    root = _root(text)
    domain = root if root.tag == "domain" else root.find("domain")
    if domain is None:
        raise DomainXmlError(f"<{root.tag[:40]}> holds no domain")
    return DomainXml(_name(domain), _definition(domain), root.get("state"), has_id=domain.get("id") is not None)


def _root(text: str) -> Element:
    try:
        root: Element = fromstring(_balanced(text), forbid_dtd=True)
    except (ParseError, ValueError, LookupError) as error:
        raise DomainXmlError(f"not the XML of a domain: {str(error)[:120]}") from None
    if root.tag not in ("domain", "domstatus"):
        raise DomainXmlError(f"<{root.tag[:40]}> is not a domain")
    return root


def _balanced(text: str) -> str:
    """The text without closing tags of <source> elements whose opening line stayed on the host."""
    kept, opened = [], 0
    for line in text.splitlines():
        tag = line.strip()
        if tag.startswith("<source") and not tag.endswith(("/>", "</source>")):
            opened += 1
        elif tag == "</source>":
            if not opened:
                continue
            opened -= 1
        kept.append(line)
    return "\n".join(kept)


def _name(domain: Element) -> str:
    name = (domain.findtext("name") or "").strip()
    if not name:
        raise DomainXmlError("the domain has no name")
    return name


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
    )


def _interface(element: Element) -> Interface:
    # A VF out of a pool: the interface stays type 'network', and <actual> says what it got.
    actual = element.find("actual")
    given = actual if actual is not None else element
    source, mac, acpi, model = (element.find(tag) for tag in ("source", "mac", "acpi", "model"))
    teaming = element.find("teaming")
    return Interface(
        kind=given.get("type", ""),
        source=_host_address(given),
        mac=_mac(mac),
        vlans=_vlans(given) or _vlans(element),
        place=_place(element),
        managed=given.get("managed") == "yes",
        acpi_index=_number(acpi, "index") if acpi is not None else None,
        network=source.get("network") if source is not None else None,
        model=model.get("type") if model is not None else None,
        teaming=teaming.get("type") if teaming is not None else None,
    )


def _host_devices(domain: Element) -> Iterator[HostDevice]:
    for element in domain.iterfind("devices/hostdev"):
        address = _host_address(element) if element.get("type") == "pci" else None
        if address is not None:
            yield HostDevice(address, managed=element.get("managed") == "yes")


def _controller(element: Element) -> Controller:
    return Controller(_number(element, "index"), element.get("model", ""), _place(element))


def _host_address(element: Element) -> str | None:
    """The address inside <source>: the host's. The one beside it is the guest's."""
    address = element.find("source/address")
    if address is None or address.get("type", "pci") != "pci" or address.get("bus") is None:
        return None
    domain, bus, slot, function = (_number(address, key) for key in ("domain", "bus", "slot", "function"))
    return f"{domain:04x}:{bus:02x}:{slot:02x}.{function:x}"


def _place(element: Element) -> Place | None:
    address = element.find("address")
    if address is None or address.get("type") != "pci":
        return None
    domain, bus, slot, function = (_number(address, key) for key in ("domain", "bus", "slot", "function"))
    return Place(bus, slot, function, multifunction=address.get("multifunction") == "on", domain=domain)


def _mac(element: Element | None) -> str | None:
    text = element.get("address") if element is not None else None
    if text is None:
        return None
    if not _MAC.fullmatch(text.lower()):
        raise DomainXmlError(f"<mac address='{text[:40]}'/> is not a MAC address")
    return text.lower()


def _vlans(element: Element) -> tuple[int, ...]:
    return tuple(_number(tag, "id") for tag in element.iterfind("vlan/tag"))


def _number(element: Element, key: str) -> int:
    """An attribute, decimal or hex as libvirt takes it; 0 when it is left out, as libvirt does."""
    text = element.get(key, "0")
    if not _NUMBER.fullmatch(text):
        raise DomainXmlError(f"<{element.tag} {key}='{text[:40]}'> is not a number")
    return int(text, 16 if text.startswith("0x") else 10)
