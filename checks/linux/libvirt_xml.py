"""What all of libvirt's XML has in common: hostile text to a tree or to one error, numbers, addresses, VLANs.

Source: libvirt docs/formatdomain.rst, docs/formatnetwork.rst; src/conf/device_conf.c (11.3).
"""

from __future__ import annotations

import re
from xml.etree.ElementTree import Element, ParseError

from defusedxml.ElementTree import fromstring

_NUMBER = re.compile(r"0x[0-9a-fA-F]{1,8}|[0-9]{1,9}")


class LibvirtXmlError(ValueError):
    """The text is not the XML that was expected, or has values that libvirt never writes."""


def tree(text: str, kind: str) -> Element:
    """The <`kind`> in the text, alone or inside the <...status> of a running one. Raises LibvirtXmlError."""
    try:
        root: Element = fromstring(_balanced(text), forbid_dtd=True)
    except (ParseError, ValueError, LookupError) as error:
        raise LibvirtXmlError(f"not the XML of a {kind}: {str(error)[:120]}") from None
    if root.tag not in (kind, status_tag(kind)):
        raise LibvirtXmlError(f"<{root.tag[:40]}> is not a {kind}")
    return root


def inner(root: Element, kind: str) -> Element:
    """The <`kind`> itself. Raises LibvirtXmlError when a status holds none."""
    found = root if root.tag == kind else root.find(kind)
    if found is None:
        raise LibvirtXmlError(f"<{root.tag[:40]}> holds no {kind}")
    return found


def status_tag(kind: str) -> str:
    """What is around the XML of a running one in /run: <domstatus>, <networkstatus>."""
    return "domstatus" if kind == "domain" else f"{kind}status"


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


def name_of(element: Element) -> str:
    """The text of its <name>. Raises LibvirtXmlError when it has none."""
    name = (element.findtext("name") or "").strip()
    if not name:
        raise LibvirtXmlError(f"the {element.tag} has no name")
    return name


def number(element: Element, key: str) -> int:
    """An attribute, decimal or hex as libvirt takes it; 0 when it is left out, as libvirt does."""
    text = element.get(key, "0")
    if not _NUMBER.fullmatch(text):
        raise LibvirtXmlError(f"<{element.tag} {key}='{text[:40]}'> is not a number")
    return int(text, 16 if text.startswith("0x") else 10)


def pci_numbers(address: Element) -> tuple[int, int, int, int]:
    """Domain, bus, slot and function of an <address>."""
    return number(address, "domain"), number(address, "bus"), number(address, "slot"), number(address, "function")


def pci_text(address: Element) -> str:
    """A host's PCI address in the kernel's words."""
    domain, bus, slot, function = pci_numbers(address)
    return f"{domain:04x}:{bus:02x}:{slot:02x}.{function:x}"


def vlans(element: Element) -> tuple[int, ...]:
    """The ids in its <vlan>."""
    return tuple(number(tag, "id") for tag in element.iterfind("vlan/tag"))
