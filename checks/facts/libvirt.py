"""The domains of a host's libvirt: what is stored of them, what runs, which VFs they get and where in the guest.

Files are the cheap way (mode 0600, so root's); `virsh` is the way of a user in the group libvirt. Either is enough.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain
from xml.etree.ElementTree import Element, ParseError

from defusedxml.ElementTree import fromstring

from checks.bundle import Bundle, UnexpectedOutput
from checks.linux.nic_names import Controller, Layout, Place
from checks.outcome import CouldNotLook
from checks.source import Command, File, Names, Source

_STORED = "/etc/libvirt/qemu"
_RUNNING = "/run/libvirt/qemu"
_LIST = "virsh -c qemu:///system list --all --name"
_DUMP = "virsh -c qemu:///system dumpxml"
_DUMP_STORED = "virsh -c qemu:///system dumpxml --inactive"

# Domain XML can hold passwords (graphics, fw_cfg entries, qemu:arg, queries in URLs, metadata), so only lines of these
# elements leave the host. Libvirt prints one tag a line; an element is kept in all its forms, so the rest is still XML.
KEEP = (
    r"^ *<(/?(domstatus|domain|metadata|os|devices|interface|hostdev|controller|vlan|actual|video|model)([ >]|/>)"
    r"|name>|type |/?source>|source (network|bridge|dev|writeFiltering|startupPolicy)=|/?address[ >]"
    r"|mac address=|tag id=|acpi index=|teaming )"
)

SOURCES: tuple[Source, ...] = (
    Names(_STORED),
    Names(_RUNNING),
    File(f"{_STORED}/*.xml", keep=KEEP),
    File(f"{_RUNNING}/*.xml", keep=KEEP),
    Command(_LIST),
    Command(_DUMP, each_line_of=_LIST, keep=KEEP),
    Command(_DUMP_STORED, each_line_of=_LIST, keep=KEEP),
)

_NUMBER = re.compile(r"0x[0-9a-fA-F]{1,8}|[0-9]{1,9}")
_MAC = re.compile(r"([0-9a-f]{2}:){5}[0-9a-f]{2}")


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
class Domain:
    """A guest as libvirt knows it. `stored` is None for a transient one, `live` for one that does not run.

    `state`: libvirt's word (running, paused, ...) as far as it can be read; "shut off" when it does not run.
    """

    name: str
    state: str
    stored: Definition | None = None
    live: Definition | None = None

    @property
    def running(self) -> bool:
        """Whether it has its devices now."""
        return self.live is not None

    @property
    def current(self) -> Definition:
        """What counts now: the live definition, or the stored one of a domain that does not run."""
        found = self.live or self.stored
        return found if found is not None else Definition((), (), Layout(""))


def parse(bundle: Bundle) -> tuple[Domain, ...]:
    """Every domain of the system's libvirt, in name order; none where there is no libvirt.

    Source: libvirt docs/formatdomain.rst; src/conf/domain_conf.c (the files in /run hold <domstatus>).
    Raises UnexpectedOutput for XML that is none, or hostile; the errors of both ways when neither could be read.
    """
    try:
        return _from_files(bundle)
    except UnexpectedOutput:
        raise
    except CouldNotLook as files:
        try:
            return _from_virsh(bundle)
        except UnexpectedOutput:
            raise
        except CouldNotLook as virsh:
            raise CouldNotLook(f"{files}; and {virsh}") from None


def find(domains: tuple[Domain, ...], name: str) -> Domain | None:
    """The domain of that name."""
    return next((domain for domain in domains if domain.name == name), None)


def _from_files(bundle: Bundle) -> tuple[Domain, ...]:
    if bundle.names(_STORED) is None and bundle.names(_RUNNING) is None:
        return ()
    stored = (_root(text, path) for path, text in bundle.texts(f"{_STORED}/*.xml").items())
    running = (_root(text, path) for path, text in bundle.texts(f"{_RUNNING}/*.xml").items())
    return _joined(
        {_name(root): _definition(root) for root in stored},
        {
            _name(domain): (status.get("state", "running"), _definition(domain))
            for status in running
            if status.tag == "domstatus" and (domain := status.find("domain")) is not None
        },
    )


def _from_virsh(bundle: Bundle) -> tuple[Domain, ...]:
    if bundle.output(_LIST) is None:
        raise CouldNotLook(f"{bundle.machine}: there is no 'virsh' program")
    roots = [_root(text, f"'{_DUMP} {name}'") for name, text in bundle.outputs(_DUMP).items()]
    # A running domain has an id, and only that tells: https://libvirt.org/formatdomain.html
    live = {_name(root): ("running", _definition(root)) for root in roots if root.get("id") is not None}
    stored = [_root(text, f"'{_DUMP_STORED} {name}'") for name, text in bundle.outputs(_DUMP_STORED).items()]
    return _joined({_name(root): _definition(root) for root in stored}, live)


def _joined(stored: dict[str, Definition], live: dict[str, tuple[str, Definition]]) -> tuple[Domain, ...]:
    off: tuple[str, Definition | None] = ("shut off", None)
    names = sorted(stored.keys() | live.keys())
    return tuple(Domain(name, (one := live.get(name, off))[0], stored.get(name), one[1]) for name in names)


def _root(text: str, where: str) -> Element:
    try:
        root: Element = fromstring(_balanced(text), forbid_dtd=True)
    except (ParseError, ValueError, LookupError) as error:
        raise UnexpectedOutput(f"{where} is not the XML of a domain: {str(error)[:120]}") from None
    if root.tag not in ("domain", "domstatus"):
        raise UnexpectedOutput(f"{where} holds <{root.tag[:40]}>, not a domain")
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
        raise UnexpectedOutput("a domain's XML gives it no name")
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
        raise UnexpectedOutput(f"<mac address='{text[:40]}'/> is not a MAC address")
    return text.lower()


def _vlans(element: Element) -> tuple[int, ...]:
    return tuple(_number(tag, "id") for tag in element.iterfind("vlan/tag"))


def _number(element: Element, key: str) -> int:
    """An attribute, decimal or hex as libvirt takes it; 0 when it is left out, as libvirt does."""
    text = element.get(key, "0")
    if not _NUMBER.fullmatch(text):
        raise UnexpectedOutput(f"<{element.tag} {key}='{text[:40]}'> is not a number")
    return int(text, 16 if text.startswith("0x") else 10)
