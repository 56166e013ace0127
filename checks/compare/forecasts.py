"""What is foretold of a machine, as features: what the next boot brings, and what a failover of each bond costs."""

from __future__ import annotations

from collections.abc import Iterator

from checks.compare.facts import FactOf
from checks.facts import bonds, boot_parameters, nic_naming, nics, pci, persistence, udev
from checks.facts.known import attempt
from checks.linux.bond_prediction import Prediction, predicted
from checks.linux.bonding import Cause
from checks.linux.naming_scheme import scheme_of
from checks.linux.vf_outlook import Outlook, outlook
from checks.outcome import CouldNotLook

Key = tuple[str, str]
NO_END = "no end"
UNKNOWN = "not known"
OUTAGE, GARPS = "longest outage foretold", "gratuitous ARPs foretold"
VFS, SET_BY = "VFs after the next boot", "its VFs are set by"
NAME = "name after the next start"


def next_boot(fact: FactOf) -> Iterator[tuple[Key, str]]:
    """What the next boot brings: VFs of every PF and who sets them, the kernel and its parameters. Of hosts."""
    rules, claims = fact(udev.parse), fact(persistence.parse)
    forecasts = {one.address: one for one in rules.forecasts}
    for pf in fact(pci.parse):
        if not pf.totalvfs or pf.address not in forecasts:
            continue
        ahead = outlook(forecasts[pf.address], claims.of(pf.address))
        unsure = UNKNOWN if ahead.doubtful else None
        counts = dict.fromkeys(UNKNOWN if number is None else str(number) for number in (ahead.late, ahead.early))
        yield (f"PF {pf.address}", VFS), unsure or " or ".join(counts)
        yield (f"PF {pf.address}", SET_BY), _who(ahead)
    entry = attempt(lambda: fact(boot_parameters.parse).next_boot)
    if not isinstance(entry, CouldNotLook):
        yield ("next boot", "kernel"), entry.release or UNKNOWN
        yield ("next boot", "boot loader"), entry.loader
        for parameter in entry.parameters:
            if parameter.name != "BOOT_IMAGE":
                yield ("parameter of the next boot", parameter.name), parameter.value or "set"


def _who(ahead: Outlook) -> str:
    """Everything that sets the number, a rule of udev's with its text, which may change in its place."""
    texts = {attempt.rule.where: f"{attempt.rule.where}: {attempt.rule.text}" for attempt in ahead.expected.attempts}
    return "; ".join(sorted(texts.get(owner.name, owner.name) for owner in ahead.owners)) or "nobody"


def names(fact: FactOf) -> Iterator[tuple[Key, str]]:
    """The name that udev's rules, .link files and naming scheme give each NIC at the next start. Of guests."""
    naming, found = fact(nic_naming.parse), [nic for nic in fact(nics.parse) if nic.pci_address is not None]
    given = (nic.property("ID_NET_NAMING_SCHEME") for nic in found)  # a NIC that was not renamed has no properties
    scheme = scheme_of(next(filter(None, given), None))
    for nic in found:
        wanted = None if scheme is None or nic.ifnames_off else naming.wanted_name(nic, scheme)
        if wanted is not None:
            yield (f"NIC {nic.permanent_mac}", NAME), wanted


def failovers(fact: FactOf) -> Iterator[tuple[Key, str]]:
    """What neighbours see of a failover, by the bond's options alone."""
    for bond in fact(bonds.parse):
        drivers = [slave.driver for slave in bond.slaves]
        for cause in Cause:
            found = predicted(
                bond,
                cause,
                slave_drivers=drivers,
                over_bridge=bond.bridge is not None,
                bridge_arp_notify=bond.bridge_arp_notify,
            )
            if found is not None:
                yield (f"bond {bond.name}, {cause.value}", OUTAGE), _outage(found)
                yield (f"bond {bond.name}, {cause.value}", GARPS), _garps(found)


def _outage(found: Prediction) -> str:
    return NO_END if found.outage is None else f"{found.outage.high_ms:.0f} ms"


def _garps(found: Prediction) -> str:
    low, high = found.garps.usual.start, found.garps.usual.stop - 1
    apart = f", {found.garps.later_gap.high_ms:.0f} ms apart" if found.garps.later_gap else ""
    return (str(low) if low == high else f"{low} to {high}") + apart
