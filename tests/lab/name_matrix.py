"""Names foretold and names given: guests booted for it, judged as `./vfproof check` would judge them.

`python -m tests.lab.name_matrix` boots them all and prints the table of docs/nic-names.md.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from checks.bundle import Bundle
from checks.facts import nic_naming, nics
from checks.facts.libvirt import Domain
from checks.facts.nic_naming import Naming
from checks.facts.nics import Nic
from checks.gather import script
from checks.linux.domain_xml import read
from checks.linux.nic_names import Prediction, predict
from checks.stream import Envelope
from lab import images
from lab.udev_image import RELEASES, UdevImage, udev_image
from lab.udev_machine import Machine, boot
from tests.lab.name_topologies import TOPOLOGIES, Topology

HEAD = "| guest | systemd, scheme | foretold from the XML | given | agree |"
_SOURCES = (*nics.SOURCES, *nic_naming.SOURCES)
_OLDER = {"bookworm": "v238", "trixie": "v255"}
"""Schemes of older systemds that the releases can still follow (net.naming_scheme=)."""


@dataclass(frozen=True)
class Booted:
    """A guest that ran: its XML as a running domain, and what it showed."""

    topology: Topology
    release: str
    domain: Domain
    nics: tuple[Nic, ...]
    naming: Naming

    @property
    def scheme(self) -> str:
        return next(found for nic in self.nics if (found := nic.property("ID_NET_NAMING_SCHEME")))

    def given(self) -> dict[str, str]:
        """Names by MAC."""
        return {nic.permanent_mac: nic.name for nic in self.nics if nic.pci_address}

    def foretold(self) -> dict[str, Prediction | None]:
        """Predictions by MAC, from the XML and the guest's own scheme."""
        assert self.domain.live is not None
        found = self.domain.live.interfaces
        places = [(one.place, one.acpi_index) for one in found]
        predictions = predict(self.domain.live.layout, places, self.scheme)
        return {one.mac or "": prediction for one, prediction in zip(found, predictions, strict=True)}

    def rows(self) -> list[str]:
        """Lines of the table."""
        given, foretold = self.given(), self.foretold()
        names = [_foretold_text(foretold[mac]) for mac in given if mac in foretold]
        real = [given[mac] for mac in given if mac in foretold]
        agree = "yes" if agrees(given, foretold) else "no"
        systemd = f"{RELEASES[self.release]}, {self.scheme}"
        return [f"| {self.topology.title} | {systemd} | {', '.join(names)} | {', '.join(real)} | {agree} |"]


def _foretold_text(prediction: Prediction | None) -> str:
    return "nothing" if prediction is None else f"{prediction.name}{' or none' if prediction.collides else ''}"


def agrees(given: Mapping[str, str], foretold: Mapping[str, Prediction | None]) -> bool:
    """Every NIC has the foretold name; of NICs that want the same, one has it and the others the kernel's."""
    single = {mac: one.name for mac, one in foretold.items() if one and not one.collides}
    clashes: dict[str, list[str]] = {}
    for mac, one in foretold.items():
        if one and one.collides:
            clashes.setdefault(one.name, []).append(given[mac])
    one_each = all(
        sorted(n == name for n in names) == [False] * (len(names) - 1) + [True]
        and all(n == name or n.startswith("eth") for n in names)
        for name, names in clashes.items()
    )
    return None not in foretold.values() and one_each and all(given[mac] == name for mac, name in single.items())


def tree() -> Path:
    """Where QEMU is run from."""
    return images.host(print).tree


def image(release: str) -> UdevImage:
    return udev_image(release, tree(), print)


def run(topology: Topology, release: str, *, scheme: str | None = None, files: Mapping[str, str] = {}) -> Booted:
    """Boot it, and gather from it as from any guest."""
    envelope = Envelope("guest", datetime.now(UTC), secrets.token_hex(16), _SOURCES)
    answer = boot(
        image(release),
        tree(),
        Machine(topology.machine, topology.qemu()),
        ask=script(_SOURCES, envelope.boundary, sudo=False).decode(),
        files=files,
        cmdline=f"net.naming_scheme={scheme}" if scheme else "",
    )
    bundle = Bundle(envelope, answer.encode())
    definition = read(topology.xml()).definition
    domain = Domain("guest", "running", stored=definition, live=definition)
    return Booted(topology, release, domain, nics.parse(bundle), nic_naming.parse(bundle))


def cases() -> Iterable[tuple[Topology, str, str | None]]:
    """The whole matrix: every layout on both releases, and those with bridges by older schemes too."""
    for topology in TOPOLOGIES:
        for release in RELEASES:
            yield topology, release, None
            if any("bridge" in one.model for one in topology.bridges):
                yield topology, release, _OLDER[release]


def main() -> None:
    """Print the table."""
    with ThreadPoolExecutor(max_workers=2) as pool:
        found = pool.map(lambda case: run(case[0], case[1], scheme=case[2]).rows(), cases())
        print(HEAD, "|---|---|---|---|---|", sep="\n")
        for rows in found:
            print("\n".join(rows), flush=True)


if __name__ == "__main__":
    main()
