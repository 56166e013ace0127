"""The names that the NICs of a domain must get by their places in its XML, for what is and for what is to come."""

from __future__ import annotations

from checks.facts.nics import Nic
from checks.linux.domain_xml import Definition, Interface
from checks.linux.nic_names import Prediction, predict


def scheme_name(nics: tuple[Nic, ...]) -> str | None:
    """The naming scheme that udev goes by, as it says itself.

    A NIC that could not be renamed has no properties: another one tells.
    """
    return next((found for nic in nics if (found := nic.property("ID_NET_NAMING_SCHEME"))), None)


def predictions(definition: Definition, scheme: str | None) -> list[tuple[Interface, Prediction | None]]:
    """Every NIC of the domain that has a MAC, with the name that follows from its place; None where none does."""
    interfaces = [one for one in definition.interfaces if one.mac]
    places = ((one.place, one.acpi_index) for one in interfaces)
    return list(zip(interfaces, predict(definition.layout, places, scheme), strict=True))
