"""Names of a guest's NICs: the wanted ones, and those that follow from its domain's XML.

Read from /sys/class/net and /run/udev/data of the guest, and from the domain's XML on its host.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from checks.facts.libvirt import Domain
from checks.facts.nics import Nic
from checks.handed_vfs import VF_DRIVERS
from checks.linux.domain_xml import Definition, Interface
from checks.linux.nic_names import Confidence, Prediction, predict, same_name, scheme_number
from checks.outcome import CouldNotLook, advise
from inventory import model

_PF_AND_VF_DRIVERS = frozenset({"mlx4_core", "mlx5_core", "bnxt_en", "nfp", "qede", "sfc", "hns3", "fm10k"})
_NEVER_A_VF = frozenset(
    {"virtio_net", "e1000", "e1000e", "rtl8139", "8139cp", "vmxnet3", "igb", "ixgbe", "i40e", "ice"}
)
_NEWEST_SCHEME = "v257"


def test_every_wanted_nic_is_there(guest_name: str, wanted_guest: model.Guest, guest_nics: tuple[Nic, ...]) -> None:
    """Every wanted NIC is there under its name, with its MAC, and is a VF where a VF is wanted.

    Why: network configuration goes by name; under another name a NIC gets no address, or that of its neighbour.
    Fix: pin the name with <acpi index='N'/> (then it is enoN) or an explicit guest <address> in the domain's XML.
    """
    if not wanted_guest.nics:
        pytest.skip("the inventory names no NIC of this guest")
    found = {nic.name: nic for nic in guest_nics}
    wrong = []
    for name, wanted in wanted_guest.nics.items():
        wrong += [f"{name}: {reason}" for reason in _differs(found.get(name), wanted, guest_nics)]
        driver = found[name].driver if name in found else None
        if wanted.pf is not None and driver and driver not in VF_DRIVERS | _PF_AND_VF_DRIVERS | _NEVER_A_VF:
            advise(f"{guest_name}: {name} is driven by {driver}, of which it is not known here whether it drives VFs")
    names = ", ".join(nic.name for nic in guest_nics if nic.pci_address)
    assert not wrong, f"{guest_name}: {'; '.join(wrong)}; NICs found: {names or 'none'} (/sys/class/net)"


def test_nic_names_follow_from_the_domain(
    guest_name: str, guest_nics: tuple[Nic, ...], guest_domain: Domain | None
) -> None:
    """Every NIC of the guest has the name that its place in the domain's XML gives it.

    Why: a name that does not follow from the XML hangs on something else, and may be another after an upgrade.
    Fix: find the rule or .link file that renames it; or pin the name with <acpi index='N'/> in the domain's XML.
    """
    definition = _running(guest_name, guest_domain)
    real = {nic.permanent_mac: nic for nic in guest_nics if nic.pci_address}
    if any(nic.ifnames_off for nic in real.values()):
        pytest.skip("the guest runs with net.ifnames=0: the kernel's order decides over its names, not their place")
    scheme = next((found for nic in real.values() if (found := nic.property("ID_NET_NAMING_SCHEME"))), None)
    wrong = []
    for interface, prediction in _predictions(definition, scheme):
        nic = real.get(interface.mac or "")
        if nic is None:
            wrong.append(f"no NIC with MAC {interface.mac} is in the guest")
        elif prediction is None:
            advise(f"{guest_name}: no name can be foretold for {nic.name}: the XML gives it no place that is known")
        elif not same_name(nic.name, prediction.name):
            text = _shown(nic, prediction)
            if _is_excused(nic, prediction):
                advise(f"{guest_name}: {text}")
            else:
                wrong.append(text)
    for text in _after_an_upgrade(definition, scheme):
        advise(f"{guest_name}: {text}")
    assert not wrong, f"{guest_name}: {'; '.join(wrong)}"


def _differs(nic: Nic | None, wanted: model.GuestNic, nics: tuple[Nic, ...]) -> Iterator[str]:
    holder = next((one for one in nics if one.pci_address and one.permanent_mac == wanted.mac), None)
    if nic is None:
        yield f"there is no such NIC{f'; its MAC {wanted.mac} is on {holder.name}' if holder else ''}"
        return
    if wanted.mac is not None and nic.permanent_mac != wanted.mac:
        instead = f", which is on {holder.name}" if holder else ""
        yield f"has MAC {nic.permanent_mac}, wanted {wanted.mac}{instead}"
    if wanted.pf is not None and (nic.driver is None or nic.driver in _NEVER_A_VF):
        yield f"is driven by {nic.driver or 'no driver'}, wanted a VF of {wanted.pf}"


def _running(guest_name: str, domain: Domain | None) -> Definition:
    if domain is None:
        raise CouldNotLook(f"{guest_name}: its host has no such domain, so nothing foretells the names of its NICs")
    if domain.live is None:
        raise CouldNotLook(f"{guest_name}: domain {domain.name} does not run; its stored XML may be another layout")
    return domain.live


def _predictions(definition: Definition, scheme: str | None) -> list[tuple[Interface, Prediction | None]]:
    interfaces = [one for one in definition.interfaces if one.mac]
    places = ((one.place, one.acpi_index) for one in interfaces)
    return list(zip(interfaces, predict(definition.layout, places, scheme), strict=True))


def _is_excused(nic: Nic, prediction: Prediction) -> bool:
    """Whether a name other than the predicted one is no fault: udev offers it too, an admin chose it, or who knows."""
    other = any(same_name(nic.name, name) for name in prediction.others)
    return other or _is_chosen(nic) or prediction.confidence is Confidence.LOW


def _is_chosen(nic: Nic) -> bool:
    """Whether the NIC's .link file is the site's own; what systemd ships lies in /usr/lib (/lib before usrmerge)."""
    link = nic.property("ID_NET_LINK_FILE")
    return link is not None and link.startswith(("/etc/", "/run/", "/usr/local/"))


def _shown(nic: Nic, prediction: Prediction) -> str:
    link = nic.property("ID_NET_LINK_FILE")
    offered = (f"{key}={value}" for key in ("ONBOARD", "SLOT", "PATH") if (value := nic.property(f"ID_NET_NAME_{key}")))
    by = f"; it is named by {link}" if link and _is_chosen(nic) else ""
    return (
        f"{nic.name} ({nic.permanent_mac}) should be {prediction.name}, for {prediction.because}"
        f"; udev offers {', '.join(offered) or 'nothing'}{by}"
    )


def _after_an_upgrade(definition: Definition, scheme: str | None) -> Iterator[str]:
    """What a guest's upgrade to systemd 257 would change: there the slot's number in ACPI counts on every bus."""
    number = scheme_number(scheme)
    if number is None or number >= (scheme_number(_NEWEST_SCHEME) or 0):
        return
    now, then = _predictions(definition, scheme), _predictions(definition, _NEWEST_SCHEME)
    for (interface, before), (_, after) in zip(now, then, strict=True):
        if before and after and (before.name != after.name or after.collides != before.collides):
            lost = ", and so does another NIC: one of them gets no name" if after.collides else ""
            yield f"{before.name} ({interface.mac}) will want the name {after.name} with systemd 257{lost}"
