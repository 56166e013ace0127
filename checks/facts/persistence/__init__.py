"""Everything besides udev's rules that sets numbers of VFs at boot: found, read, and judged for every PF.

Each mechanism has a module: its sources, and a reader that makes claims. Where a mechanism cannot be looked at, that is
said of it alone.
Sources: see each module of `checks.linux` that they use.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from checks.bundle import Bundle
from checks.facts.known import attempt
from checks.facts.persistence import found, links, managed, netplan, network_manager, options, scripts, services
from checks.linux.vf_claims import Claim
from checks.outcome import CouldNotLook
from checks.source import Source

_READERS: tuple[tuple[str, found.Reader], ...] = (
    ("modprobe options", options.read),
    ("systemd .link files", links.read),
    ("netplan", netplan.read),
    ("NetworkManager", network_manager.read),
    ("services", services.read),
    ("scripts and lists", scripts.read),
    ("managers", managed.read),
)

SOURCES: tuple[Source, ...] = tuple(
    dict.fromkeys(
        source
        for module in (found, options, links, netplan, network_manager, services, scripts, managed)
        for source in module.SOURCES
    )
)


@dataclass(frozen=True, slots=True)
class Persistence:
    """Claims by the PF's address, and a sentence for each mechanism that could not be looked at."""

    claims: Mapping[str, tuple[Claim, ...]] = field(default_factory=dict)
    unknown: tuple[str, ...] = ()

    def of(self, address: str) -> tuple[Claim, ...]:
        """The claims on one PF."""
        return self.claims.get(address, ())


def parse(bundle: Bundle) -> Persistence:
    """Every claim on every PF. Raises CouldNotLook when the PFs themselves cannot be told."""
    host, all_found, unknown = found.host(bundle), found.Found(), []
    for name, read in _READERS:
        own = found.Found()
        failed = attempt(lambda read=read, own=own: read(bundle, host, own))  # type: ignore[misc]
        if isinstance(failed, CouldNotLook):
            unknown.append(f"{name}: {failed}")
            continue
        for address, claims in own.claims.items():
            all_found.claims.setdefault(address, []).extend(claims)
    return Persistence({address: tuple(claims) for address, claims in all_found.claims.items()}, tuple(unknown))
