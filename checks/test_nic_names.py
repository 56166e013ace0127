"""Names of a guest's NICs: the wanted ones, and those that follow from its domain's XML.

Read from /sys/class/net and /run/udev/data of the guest, and from the domain's XML on its host.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from checks.facts import nic_naming
from checks.facts.libvirt import Domain
from checks.facts.nic_naming import Naming
from checks.facts.nics import Nic
from checks.foretold_names import predictions, scheme_name
from checks.handed_vfs import VF_DRIVERS
from checks.linux.domain_xml import Definition, Interface
from checks.linux.naming_scheme import scheme_of
from checks.linux.nic_names import Confidence, Prediction, same_name
from checks.machines import Facts
from checks.name_clashes import after_an_upgrade, shared, wishes
from checks.outcome import CouldNotLook, advise
from inventory import model

_PF_AND_VF_DRIVERS = frozenset({"mlx4_core", "mlx5_core", "bnxt_en", "nfp", "qede", "sfc", "hns3", "fm10k"})
_NEVER_A_VF = frozenset(
    {"virtio_net", "e1000", "e1000e", "rtl8139", "8139cp", "vmxnet3", "igb", "ixgbe", "i40e", "ice"}
)
_PIN = "pin the names with <acpi index='N'/> in the domain's XML"


@pytest.fixture
def guest_naming(guest_facts: Facts) -> Naming:
    """What decides over the names of the guest's NICs, as the guest shows it."""
    return guest_facts(nic_naming.parse)


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
    guest_name: str, guest_nics: tuple[Nic, ...], guest_naming: Naming, guest_domain: Domain | None
) -> None:
    """Every NIC of the guest has the name that its place in the domain's XML gives it.

    Why: a name that does not follow from the XML hangs on something else, and may be another after an upgrade.
    Fix: pin the name with <acpi index='N'/> in the domain's XML; or find the rule or .link file that renames it.
    """
    definition = _running(guest_name, guest_domain)
    real = _named_by_udev(guest_nics)
    scheme = scheme_name(guest_nics)
    wrong = []
    for interface, prediction in predictions(definition, scheme):
        nic = real.get(interface.mac or "")
        if nic is None:
            wrong.append(f"no NIC with MAC {interface.mac} is in the guest")
        elif (rule := guest_naming.rule_of(nic)) is not None:
            advise(f"{guest_name}: {nic.name} ({nic.permanent_mac}) is named by {rule.path}, and not by its place")
        elif prediction is None:
            advise(f"{guest_name}: no name can be foretold for {nic.name}: the XML gives it no place that is known")
        elif not _has_name(nic, _foretold(nic, prediction, guest_naming)[0]):
            text = _shown(nic, prediction, guest_naming)
            if _is_excused(nic, prediction, guest_naming, scheme):
                advise(f"{guest_name}: {text}")
            else:
                wrong.append(text)
    assert not wrong, f"{guest_name}: {'; '.join(wrong)}; {_PIN}"


def test_no_two_nics_want_one_name(guest_name: str, guest_nics: tuple[Nic, ...], guest_naming: Naming) -> None:
    """No two NICs of the guest want the same name from udev, now or with a newer systemd.

    Why: one of the two keeps the kernel's ethN, whichever came second, and its configuration finds no such NIC.
    Fix: give both an <acpi index='N'/> of their own in the domain's XML; or addresses with different slot numbers.
    """
    nics = tuple(_named_by_udev(guest_nics).values())
    if not nics:
        pytest.skip("the guest has no NIC on a PCI bus")
    name = scheme_name(guest_nics)
    scheme = scheme_of(name)
    if scheme is None:
        says = (
            f"its naming scheme {name} is not known here" if name else "udev shows no ID_NET_NAMING_SCHEME for its NICs"
        )
        raise CouldNotLook(f"{guest_name}: {says}, so nothing tells which names it gives")
    for text in after_an_upgrade(nics, guest_naming, scheme):
        advise(f"{guest_name}: {text}; {_PIN}")
    clashes = shared(wishes(nics, guest_naming, scheme))
    wrong = [f"{name} is wanted by {' and '.join(map(str, those))}" for name, those in clashes.items()]
    seen = f"naming scheme {scheme.name}, /sys/bus/pci/slots and firmware_node/sun"
    assert not wrong, f"{guest_name}: {'; '.join(wrong)}, and only one gets it ({seen}); {_PIN}"


def test_nic_names_survive_the_next_start(
    guest_name: str, guest_nics: tuple[Nic, ...], guest_domain: Domain | None
) -> None:
    """Every NIC of the guest keeps its name when its domain is started again.

    Why: what was plugged in while it ran, or was edited since, is elsewhere after the next start, or is not there.
    Fix: let the stored XML (virsh edit) say the same guest <address> and <acpi index> for every NIC as the running one.
    """
    live = _running(guest_name, guest_domain)
    real = _named_by_udev(guest_nics)
    if guest_domain is None or (stored := guest_domain.stored) is None:
        pytest.skip("the domain is transient: it ends with this run, and nothing is stored for a next one")
    scheme = scheme_name(guest_nics)
    now = {one.mac: (one, prediction) for one, prediction in predictions(live, scheme)}
    then = {one.mac: (one, prediction) for one, prediction in predictions(stored, scheme)}
    wrong = []
    for mac, (interface, prediction) in now.items():
        name = real[mac].name if mac in real else "the NIC"
        if mac not in then:
            wrong.append(f"{name} ({mac}) is not in the stored XML, so it is gone then")
        elif text := _moves(name, (interface, prediction), then[mac]):
            if prediction is None or then[mac][1] is None or prediction.confidence is Confidence.LOW:
                advise(f"{guest_name}: {text}")
            else:
                wrong.append(text)
    names = {nic.name: mac for mac, nic in real.items()}
    for mac in then.keys() - now.keys():
        _, prediction = then[mac]
        if prediction is not None and prediction.name in names:
            wrong.append(f"{prediction.name} goes to the new NIC {mac}; now it is {names[prediction.name]}")
    assert not wrong, f"{guest_name}: {'; '.join(wrong)} (stored and running XML of domain {guest_domain.name})"


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


def _named_by_udev(nics: tuple[Nic, ...]) -> dict[str, Nic]:
    """The NICs on a PCI bus by MAC. Skips the statement where udev gives no names."""
    found = {nic.permanent_mac: nic for nic in nics if nic.pci_address}
    if any(nic.ifnames_off for nic in found.values()):
        pytest.skip("the guest runs with net.ifnames=0: the kernel's order decides over its names, not their place")
    return found


def _foretold(nic: Nic, prediction: Prediction, naming: Naming) -> tuple[str | None, str]:
    """The NIC's name by its place, its driver and its .link file (None: it keeps the kernel's); and why."""
    port = naming.suffixes.get(nic.name, "")
    by_place = f"{prediction.name}{port}", f"for {prediction.because}"
    link = naming.link_of(nic)
    if link is None:
        return by_place
    name = link.name_of(prediction.offers.with_port(port), nic.permanent_mac)
    return by_place if name == by_place[0] else (name, f"so says {link.path}")


def _has_name(nic: Nic, name: str | None) -> bool:
    return same_name(nic.name, name) if name is not None else re.fullmatch(r"eth[0-9]+", nic.name) is not None


def _is_excused(nic: Nic, prediction: Prediction, naming: Naming, scheme: str | None) -> bool:
    """Whether a name other than the predicted one is no fault: udev offers it too, an admin chose it, or who knows."""
    if naming.link_of(nic) is None and _is_chosen(nic):
        return True
    other = any(same_name(nic.name, name) for name in prediction.others)
    return other or prediction.confidence is Confidence.LOW or _follows(nic, naming, scheme)


def _follows(nic: Nic, naming: Naming, scheme: str | None) -> bool:
    """Whether the name follows from what the guest sees, which then is not what the XML says (<qemu:commandline>)."""
    known = scheme_of(scheme)
    return known is not None and naming.wanted_name(nic, known) == nic.name


def _is_chosen(nic: Nic) -> bool:
    """Whether the NIC's .link file is the site's own."""
    link = nic.property("ID_NET_LINK_FILE")
    return link is not None and link.startswith(("/etc/", "/run/", "/usr/local/"))


def _shown(nic: Nic, prediction: Prediction, naming: Naming) -> str:
    link = nic.property("ID_NET_LINK_FILE")
    name, because = _foretold(nic, prediction, naming)
    offered = [f"{key}={value}" for key in ("ONBOARD", "SLOT", "PATH") if (value := nic.property(f"ID_NET_NAME_{key}"))]
    by = f"; it is named by {link}" if link and _is_chosen(nic) and naming.link_of(nic) is None else ""
    return (
        f"{nic.name} ({nic.permanent_mac}) should be {name or 'as the kernel calls it'}, {because}"
        f"; udev offers {', '.join(offered) or 'nothing'}{_slot_seen(nic, naming)}{by}"
    )


def _slot_seen(nic: Nic, naming: Naming) -> str:
    """A slot's number that counts, and that the XML may not say."""
    device = (nic.pci_address or "").rpartition(".")[0]
    numbers = (name for name, at in (naming.bus.slots or {}).items() if at == device and name.isdecimal() and int(name))
    return "".join(f"; /sys/bus/pci/slots/{number} is its slot" for number in numbers)


def _moves(
    name: str, now: tuple[Interface, Prediction | None], then: tuple[Interface, Prediction | None]
) -> str | None:
    """How a NIC's name changes with the next start; None when it stays."""
    (here, before), (there, after) = now, then
    if after is None:
        return f"{name} ({here.mac}) has no guest address in the stored XML: libvirt chooses one then"
    if before is None or before.name == after.name:
        return None
    return f"{name} ({here.mac}) is at {here.place} and will be at {there.place}: {before.name} becomes {after.name}"
