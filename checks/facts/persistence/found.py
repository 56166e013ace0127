"""What the readers of all mechanisms share: the PFs they look for, and how they hand over what they found."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from checks.bundle import Bundle
from checks.facts import nics, pci
from checks.facts.known import attempt
from checks.linux.kernel_parameters import split
from checks.linux.sriov_nic import SriovNic
from checks.linux.systemd_units import started
from checks.linux.vf_claims import Claim
from checks.outcome import CouldNotLook
from checks.source import Attributes, File, Links, Source

_UNIT_FOLDERS = ("/etc/systemd/system", "/run/systemd/system", "/usr/lib/systemd/system", "/run/systemd/generator*")
WANTS = tuple(f"{folder}/*.{kind}/*" for folder in _UNIT_FOLDERS for kind in ("wants", "requires"))

SOURCES: tuple[Source, ...] = (
    *pci.SOURCES,
    Attributes("/sys/class/net/*/ifindex"),
    File("/run/udev/data/n*", keep="^E:"),
    File("/proc/cmdline"),
    *(Links(pattern) for pattern in WANTS),
)


@dataclass(frozen=True, slots=True)
class Host:
    """What every reader needs to know. `started`: the units that a boot starts, or why they are not known."""

    nics: tuple[SriovNic, ...]
    netdevs: frozenset[str]
    parameters: Mapping[str, str]
    wants: tuple[str, ...]
    started: frozenset[str]


@dataclass(slots=True)
class Found:
    """Claims by the address of their PF."""

    claims: dict[str, list[Claim]] = field(default_factory=dict)

    def add(self, nic: SriovNic, claim: Claim) -> None:
        """Note a claim on a PF."""
        self.claims.setdefault(nic.address, []).append(claim)


Reader = Callable[[Bundle, Host, Found], None]
"""Finds the claims of one mechanism. May raise CouldNotLook."""


def host(bundle: Bundle) -> Host:
    """The PFs and what starts at boot. Raises CouldNotLook."""
    links = attempt(lambda: nics.links_by_name(bundle))
    permanent = {} if isinstance(links, CouldNotLook) else {name: link.permaddr for name, link in links.items()}
    wants = tuple(path for pattern in WANTS for path in bundle.links(pattern))
    parameters = {p.name: p.value or "" for p in split(bundle.text("/proc/cmdline") or "")}
    found = [_nic(bundle, pf, permanent) for pf in pci.parse(bundle)]
    netdevs = frozenset(path.split("/")[-1] for path in bundle.links("/sys/class/net/*"))
    return Host(tuple(found), netdevs, parameters, wants, started(wants))


def _nic(bundle: Bundle, pf: pci.Pf, permanent: Mapping[str, str | None]) -> SriovNic:
    name = pf.netdev
    index = bundle.text(f"/sys/class/net/{name}/ifindex") if name else None
    known = index is not None and index.strip().isdecimal()
    text = bundle.text(f"/run/udev/data/n{index.strip()}") if known and index else None
    pairs = (line.removeprefix("E:").partition("=") for line in (text or "").splitlines())
    return SriovNic(
        address=pf.address,
        names=pf.netdevs,
        driver=pf.driver or "",
        mac=pf.mac,
        permanent_mac=(permanent.get(name) if name else None) or pf.mac,
        totalvfs=pf.totalvfs,
        properties={key: value for key, equals, value in pairs if equals},
    )


def texts_of(bundle: Bundle, patterns: Iterable[str]) -> dict[str, str]:
    """The texts of all files that any of the globs finds."""
    return {path: text for pattern in patterns for path, text in bundle.texts(pattern).items()}


def links_of(bundle: Bundle, patterns: Iterable[str]) -> dict[str, str]:
    """The targets of all links that any of the globs finds."""
    return {path: target for pattern in patterns for path, target in bundle.links(pattern).items()}
