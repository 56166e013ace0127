"""Libvirt's network XML, as far as VFs go: which network hands out VFs, and which ones.

Source: libvirt docs/formatnetwork.rst and src/conf/network_conf.c (11.3).
"""

from __future__ import annotations

from dataclasses import dataclass

from checks.linux.libvirt_xml import inner, name_of, pci_text, tree, vlans

# Options for dnsmasq, TXT records and metadata stay on the host. For <name>, see `domain_xml.KEEP`.
KEEP = (
    r"^ *<(/?(network|networkstatus|metadata|vlan)([ >]|/>)|/?forward[ >]|pf dev=|address type='pci' |tag id=)"
    r"|^ *<forward mode='[a-z]+'/>|^ ( |   )<name>"
)


@dataclass(frozen=True, slots=True)
class NetworkXml:
    """One XML text of a network. `mode`: of <forward>, None for an isolated network.

    A pool has mode "hostdev": `pf` is the interface whose VFs it hands out, all of them; or `addresses` lists VFs.
    A pool that is active lists the VFs of its `pf` as well.
    """

    name: str
    mode: str | None
    pf: str | None
    addresses: tuple[str, ...]
    vlans: tuple[int, ...]
    managed: bool


def read(text: str) -> NetworkXml:
    """What a <network>, or the <networkstatus> around one, says. Raises LibvirtXmlError for everything else."""
    network = inner(tree(text, "network"), "network")
    forward, pf = network.find("forward"), network.find("forward/pf")
    listed = network.iterfind("forward/address")
    return NetworkXml(
        name=name_of(network),
        mode=forward.get("mode", "nat") if forward is not None else None,
        pf=pf.get("dev") if pf is not None else None,
        addresses=tuple(pci_text(one) for one in listed if one.get("type") == "pci"),
        vlans=vlans(network),
        managed=forward is not None and forward.get("managed") == "yes",
    )
