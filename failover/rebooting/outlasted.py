"""What of a host must be the same after a reboot as before it: names, places, drivers, settings, isolation."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from checks.facts.iommu import Iommu
from checks.facts.pci import Pf, Vf
from checks.vf_settings import word

_SETTINGS = ("admin_mac", "vlan", "qos", "spoofchk", "trust", "link_state", "max_tx_rate_mbps", "min_tx_rate_mbps")
_NAMES = {"admin_mac": "MAC", "qos": "VLAN priority", "link_state": "link state"}


@dataclass(slots=True)
class Differences:
    """What is not as it was. `luck`: what nobody sets, and so may be another at every boot."""

    wrong: list[str] = field(default_factory=list)
    unknown: list[str] = field(default_factory=list)
    luck: list[str] = field(default_factory=list)


def pairs(before: Iterable[Pf], after: Iterable[Pf]) -> Iterator[tuple[str, Pf, Pf | None]]:
    """Every network function, by what it was called, with what is at its address now."""
    now = {pf.address: pf for pf in after}
    return ((f"{pf.netdev or 'the NIC'} ({pf.address})", pf, now.get(pf.address)) for pf in before)


def vf_pairs(before: Pf, after: Pf) -> Iterator[tuple[str, Vf, Vf]]:
    """Every VF that was there and is there again, by its index; those that are lost are told elsewhere."""
    now = {vf.index: vf for vf in after.vfs}
    for vf in before.vfs:
        if vf.index in now:
            yield f"{before.netdev or before.address} VF {vf.index}", vf, now[vf.index]


def places(before: Iterable[Pf], after: Sequence[Pf], freed: Collection[str]) -> list[str]:
    """PFs and VFs with another name, address or driver. `freed`: VFs whose guest was to stay off, by address."""
    wrong = []
    for name, pf, found in pairs(before, after):
        if found is None:
            wrong.append(f"{name} is gone{_elsewhere(pf, after)}")
            continue
        wrong += _differs(name, pf.netdevs, found.netdevs, pf.driver, found.driver)
        for label, was, now in vf_pairs(pf, found):
            if was.address != now.address:
                wrong.append(f"{label} was at {was.address}, is at {now.address}")
            if not {was.address, now.address} & set(freed):
                wrong += _differs(label, (was.netdev,), (now.netdev,), was.driver, now.driver)
    return wrong


def _elsewhere(pf: Pf, after: Iterable[Pf]) -> str:
    return next((f"; {pf.netdev} is at {one.address} now" for one in after if pf.netdev in one.netdevs), "")


def _differs(
    name: str,
    names: tuple[str | None, ...],
    now_names: tuple[str | None, ...],
    driver: str | None,
    now_driver: str | None,
) -> Iterator[str]:
    if driver != now_driver:
        yield f"{name} had driver {driver or 'none'}, has {now_driver or 'none'}"
    elif names != now_names:
        yield f"{name} was called {_listed(names)}, is {_listed(now_names)}"


def _listed(names: tuple[str | None, ...]) -> str:
    return ", ".join(name for name in names if name) or "nothing"


def settings(before: Iterable[Pf], after: Iterable[Pf], owned: Collection[str], freed: Collection[str]) -> Differences:
    """Settings of VFs that are not as they were. `owned`: VFs whose MAC somebody sets; any other's may be random."""
    found = Differences()
    for _, pf, later in pairs(before, after):
        for label, was, now in () if later is None else vf_pairs(pf, later):
            if was.address in freed:
                continue
            for key in _SETTINGS:
                old, new = getattr(was, key), getattr(now, key)
                text = f"{label}: {_NAMES.get(key, key)} was {word(old)}, is {word(new)}"
                if old == new:
                    continue
                if old is None or new is None:
                    found.unknown.append(text)
                elif key == "admin_mac" and was.address not in owned:
                    found.luck.append(text)
                else:
                    found.wrong.append(text)
    return found


def company(before: Iommu, after: Iommu, pfs: Iterable[Pf], later: Iterable[Pf]) -> list[str]:
    """VFs that share their IOMMU group with more than before, and PFs and VFs that have lost it. Numbers may differ."""
    wrong = []
    for _, pf, found in pairs(pfs, later):
        if found is None:
            continue
        functions = [(f"{pf.netdev or pf.address}", pf.address, found.address)]
        functions += [(label, was.address, now.address) for label, was, now in vf_pairs(pf, found)]
        for label, was, now in functions:
            old, new = before.group_of(was), after.group_of(now)
            if old is not None and new is None:
                wrong.append(f"{label} ({now}) was in IOMMU group {old.number}, is in none")
            elif old is not None and new is not None and (more := sorted(set(new.members) - {*old.members, now})):
                wrong.append(f"{label} ({now}) now shares its IOMMU group {new.number} with {', '.join(more)}")
    return wrong
