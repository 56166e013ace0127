"""What the inventory states of single VFs, against what their PF reports: wrong, as wanted, or not known."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from checks.facts.pci import Vf
from checks.paired_pfs import PairedPf
from inventory import model

Value = str | int | bool
# Key in the inventory, and name of the fact.
_SETTINGS = {
    "mac": "admin_mac",
    "vlan": "vlan",
    "vlan_qos": "qos",
    "spoofchk": "spoofchk",
    "trust": "trust",
    "link_state": "link_state",
    "max_tx_rate_mbps": "max_tx_rate_mbps",
    "min_tx_rate_mbps": "min_tx_rate_mbps",
}


@dataclass(frozen=True, slots=True)
class Setting:
    """One stated value of one VF. `found` is None where nothing reports it; `vf` where there is no such VF."""

    pf: PairedPf
    index: int
    vf: Vf | None
    name: str
    wanted: Value
    found: Value | None

    def __str__(self) -> str:
        return f"{label(self.pf, self.index)}: {self.name} is {word(self.found)}, wanted {word(self.wanted)}"


def settings(paired: Iterable[PairedPf]) -> Iterator[Setting]:
    """Every value that the inventory states, with what was found."""
    for p in paired:
        for index, wanted in p.wanted.vf.items():
            vf = next((one for one in (p.found.vfs if p.found else ()) if one.index == index), None)
            for name, value in stated(wanted).items():
                found: Value | None = getattr(vf, _SETTINGS[name], None)
                yield Setting(p, index, vf, name, value, found)


def stated(wanted: model.Vf) -> dict[str, Value]:
    """The settings that the inventory states of a VF."""
    return {name: getattr(wanted, name) for name in _SETTINGS if getattr(wanted, name) is not None}


def every_vf(paired: Iterable[PairedPf]) -> list[tuple[PairedPf, Vf]]:
    """The VFs of every wanted PF that is there."""
    return [(p, vf) for p in paired if p.found for vf in p.found.vfs]


def label(p: PairedPf, index: int) -> str:
    """How messages name a VF."""
    return f"{p.name} VF {index}"


def because(p: PairedPf, vf: Vf | None) -> str:
    """Why a value of the VF is not known."""
    if p.found is None or vf is None:
        return f" (there is no such {'PF' if p.found is None else 'VF'})"
    return f" ({p.found.incomplete})" if p.found.incomplete else f" (driver {p.found.driver} does not report it)"


def word(value: Value | None) -> str:
    """A value as `ip` spells it."""
    if value is None:
        return "unknown"
    return ("on" if value else "off") if isinstance(value, bool) else str(value)
