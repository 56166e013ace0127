"""What the names of a guest's NICs will be when its domain is started again, as the check foretells it. Pure code."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from checks.facts.known import known
from checks.facts.libvirt import Domain
from checks.facts.nics import Nic
from checks.foretold_names import predictions, scheme_name
from checks.linux.domain_xml import Interface
from checks.linux.nic_names import Confidence, Prediction
from failover.rebooting.facts import GuestFacts
from failover.rebooting.foretold import Foretold

_STATEMENT = "test_nic_names_survive_the_next_start"
GONE = "no such NIC"
Named = tuple[Interface, Prediction | None]


def foretell_names(domain: Domain | None, before: GuestFacts) -> Iterator[Foretold]:
    """The name that every NIC on a PCI bus will have, by its MAC; where udev gives none, nothing is foretold."""
    nics = [nic for nic in known(before.nics) if nic.pci_address]
    now, then = _by_mac(domain, "live", nics), _by_mac(domain, "stored", nics)
    for nic in nics:
        mac = nic.permanent_mac
        values, why = _fate(nic, now.get(mac), then.get(mac), stored=domain is not None and domain.stored is not None)
        yield Foretold(f"name of {mac}", _STATEMENT, values, why, partial(_name_of, mac))


def _by_mac(domain: Domain | None, kind: str, nics: list[Nic]) -> dict[str, Named]:
    definition = getattr(domain, kind, None)
    found = () if definition is None else predictions(definition, scheme_name(tuple(nics)))
    return {one.mac or "": (one, prediction) for one, prediction in found}


def _fate(nic: Nic, now: Named | None, then: Named | None, *, stored: bool) -> tuple[tuple[str, ...], str]:
    if nic.ifnames_off:
        return (), "the kernel's order decides over its name (net.ifnames=0)"
    if then is None and stored and now is not None:
        return (GONE,), "it is not in the stored XML"
    before, after = now[1] if now else None, then[1] if then else None
    if before is None or after is None:
        return (), "its domain's XML gives it no place that is known"
    if before.name == after.name:
        return (nic.name,), "the stored XML gives it the place that it has"
    if Confidence.LOW in (before.confidence, after.confidence):
        return (), f"the stored XML gives it another place, for which {after.name} is no more than likely"
    return (after.name,), f"the stored XML gives it another place: {after.because}"


def _name_of(mac: str, after: GuestFacts) -> str:
    return next((nic.name for nic in known(after.nics) if nic.pci_address and nic.permanent_mac == mac), GONE)
