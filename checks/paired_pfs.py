"""The PFs that the inventory wants, each with the one found for it: where statements about PFs and VFs start."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import pytest

from checks.facts.pci import Pf, find
from checks.outcome import CouldNotLook
from inventory import model


@dataclass(frozen=True, slots=True)
class PairedPf:
    """A wanted PF and the one found for it; `found` is None when it is not there."""

    name: str
    wanted: model.Pf
    found: Pf | None


def paired_pfs(wanted_host: model.Host, pfs: Iterable[Pf]) -> tuple[PairedPf, ...]:
    """Every wanted PF with the one found for it, in the inventory's order. Does not apply where none is wanted."""
    if not wanted_host.pfs:
        pytest.skip("the inventory names no PFs of this host")
    known = tuple(pfs)
    return tuple(PairedPf(name, pf, find(known, name, pf.address)) for name, pf in wanted_host.pfs.items())


def demand_presence(host_name: str, paired: Iterable[PairedPf]) -> None:
    """What is not there cannot be judged, and is no reason to say that all is well: raises CouldNotLook."""
    if missing := [p.name for p in paired if p.found is None]:
        raise CouldNotLook(f"{host_name}: {', '.join(missing)} not found, so this cannot be said of them")
