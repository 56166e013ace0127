"""What decides the names of a guest's NICs beside its domain's XML: its PCI slots, .link files, rules, command line."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from checks.bundle import Bundle
from checks.facts import nics
from checks.facts.nics import Nic
from checks.linux.naming_scheme import Scheme
from checks.linux.net_id import Bus, Offers, offers, port_suffix
from checks.linux.nic_name_makers import (
    NAMING_RULE,
    LinkFile,
    NameRule,
    link_file,
    name_rules,
    named_by_rule,
    shipped,
)
from checks.source import Attributes, File, Links, Names, Source

_DEVICES = "/sys/bus/pci/devices"
_LINK_FOLDERS = ("/etc", "/run", "/usr/local/lib", "/usr/lib")
_RULE_FOLDERS = ("/etc/udev", "/run/udev", "/usr/local/lib/udev", "/usr/lib/udev")
# A .link file can hold a password (WakeOnLanPassword=).
_NAMING_LINES = r"^[[:space:]]*(\[|(NamePolicy|Name)[[:space:]]*=)"

SOURCES: tuple[Source, ...] = (
    Names(_DEVICES),
    Links(f"{_DEVICES}/*/physfn"),
    Attributes("/sys/bus/pci/slots/*/address"),
    Attributes(f"{_DEVICES}/*/firmware_node/sun"),
    Attributes(f"{_DEVICES}/*/acpi_index"),
    Attributes(f"{_DEVICES}/*/index"),
    Attributes("/sys/class/net/*/phys_port_name"),
    Attributes("/sys/class/net/*/dev_port"),
    *(File(f"{folder}/systemd/network/*.link", keep=_NAMING_LINES) for folder in _LINK_FOLDERS),
    *(File(f"{folder}/systemd/network/*.link.d/*.conf", keep=_NAMING_LINES) for folder in _LINK_FOLDERS),
    *(File(f"{folder}/rules.d/*.rules", keep=NAMING_RULE) for folder in _RULE_FOLDERS),
    File("/proc/cmdline"),
)


@dataclass(frozen=True, slots=True)
class Naming:
    """See the module. `suffixes`: by NIC, what its driver's port adds. `pinned`: net.naming_scheme= of the kernel."""

    bus: Bus
    vfs: frozenset[str]
    suffixes: Mapping[str, str]
    link_texts: Mapping[str, str]
    rules: tuple[NameRule, ...]
    pinned: str | None

    def rule_of(self, nic: Nic) -> NameRule | None:
        """The udev rule that gave the NIC its name."""
        return named_by_rule(self.rules, nic.name, nic.permanent_mac)

    def link_of(self, nic: Nic) -> LinkFile | None:
        """The .link file that udev took for the NIC; None when its text could not be had."""
        path = nic.property("ID_NET_LINK_FILE")
        if path is None:
            return shipped()
        path = f"/usr{path}" if path.startswith("/lib/") else path  # one is a link to the other
        drop_ins = (nic.property("ID_NET_LINK_FILE_DROPINS") or "").split(":")
        found = link_file(path, self.link_texts, [one for one in drop_ins if one])
        return shipped() if found is None and path == shipped().path else found

    def offers_to(self, nic: Nic, scheme: Scheme) -> Offers | None:
        """The names that the NIC's place in the running guest gives; None where there is no such place."""
        if nic.pci_address is None or nic.pci_address in self.vfs:
            return None
        return offers(nic.pci_path, self.bus, scheme, self.suffixes.get(nic.name, ""))

    def wanted_name(self, nic: Nic, scheme: Scheme) -> str | None:
        """The name that udev will try to give the NIC; None when it keeps the kernel's, or when that is not known."""
        if (rule := self.rule_of(nic)) is not None:
            return nic.name if not rule.is_literal else rule.name
        offered, link = self.offers_to(nic, scheme), self.link_of(nic)
        return link.name_of(offered, nic.permanent_mac) if offered and link else None


def parse(bundle: Bundle) -> Naming:
    """What decides the names of a guest's NICs.

    Source: sysfs-bus-pci (Documentation/ABI/testing), systemd.link(5), udev(7). Raises the bundle's own errors.
    """
    found = nics.parse(bundle)
    indexes = {**_numbers(bundle, "index"), **_numbers(bundle, "acpi_index")}
    links: dict[str, str] = {}
    rules: dict[str, str] = {}
    for folder in _LINK_FOLDERS:
        links |= bundle.texts(f"{folder}/systemd/network/*.link")
        links |= bundle.texts(f"{folder}/systemd/network/*.link.d/*.conf")
    for folder in _RULE_FOLDERS:
        rules |= bundle.texts(f"{folder}/rules.d/*.rules")
    return Naming(
        bus=Bus(
            functions=frozenset(bundle.names(_DEVICES) or ()),
            slots={_part(path, 5): text.strip() for path, text in bundle.texts("/sys/bus/pci/slots/*/address").items()},
            suns=_numbers(bundle, "firmware_node/sun"),
            indexes=indexes,
            # Function 0 of a device with one function can say that it has several: only its names show that.
            multifunction=frozenset(nic.pci_address for nic in found if nic.pci_address and _shows_function(nic)),
        ),
        vfs=frozenset(_part(path, 5) for path in bundle.links(f"{_DEVICES}/*/physfn")),
        suffixes={nic.name: _suffix(bundle, nic.name) for nic in found if nic.pci_address},
        link_texts=links,
        rules=name_rules(rules),
        pinned=_pinned(bundle.text("/proc/cmdline")),
    )


def _numbers(bundle: Bundle, attribute: str) -> dict[str, int]:
    texts = bundle.texts(f"{_DEVICES}/*/{attribute}")
    return {
        _part(path, 5): int(text.strip()) for path, text in texts.items() if text.strip().isdecimal() and len(text) < 12
    }


def _suffix(bundle: Bundle, name: str) -> str:
    port, number = (bundle.text(f"/sys/class/net/{name}/{attribute}") for attribute in ("phys_port_name", "dev_port"))
    return port_suffix((port or "").strip() or None, (number or "").strip() or None)


def _shows_function(nic: Nic) -> bool:
    path = nic.property("ID_NET_NAME_PATH") or ""
    return path.partition("s")[2].find("f0") > 0


def _pinned(cmdline: str | None) -> str | None:
    """Source: systemd, naming_scheme(): proc_cmdline_get_key("net.naming_scheme"); the last one wins."""
    given = [word.partition("=")[2] for word in (cmdline or "").split() if word.startswith("net.naming_scheme=")]
    return given[-1] if given and given[-1] else None


def _part(path: str, number: int) -> str:
    return path.split("/")[number]
