"""The predictor against the names of booted guests, as docs/nic-names.md records them; no guest is booted here."""

from __future__ import annotations

from pathlib import Path

import pytest

from checks.linux.domain_xml import read
from checks.linux.nic_names import predict
from tests.lab.name_matrix import agrees
from tests.lab.name_topologies import TOPOLOGIES

DOCUMENT = Path(__file__).parents[2] / "docs" / "nic-names.md"


def recorded() -> list[list[str]]:
    """Rows of the table: guest, systemd and scheme, foretold, given, agree."""
    rows = [line.strip("| ").split(" | ") for line in DOCUMENT.read_text().splitlines() if line.startswith("| ")]
    return [row for row in rows if len(row) == 5 and row[0] in {one.title for one in TOPOLOGIES}]


@pytest.mark.parametrize("row", recorded(), ids=lambda row: f"{row[0]} {row[1]}")
def test_names_are_as_recorded(row):
    title, systemd, _, given, agree = row
    topology = next(one for one in TOPOLOGIES if one.title == title)
    definition = read(topology.xml()).definition
    places = [(one.place, one.acpi_index) for one in definition.interfaces]
    foretold = predict(definition.layout, places, systemd.rpartition(" ")[2])
    real = dict(enumerate(given.split(", ")))
    found = agrees({str(n): name for n, name in real.items()}, {str(n): one for n, one in enumerate(foretold)})
    assert found == (agree == "yes")
    assert found or topology.qemu_only


def test_every_layout_is_recorded_for_both_releases():
    found = {(row[0], row[1]) for row in recorded()}
    wanted = {(one.title, systemd) for one in TOPOLOGIES for systemd in ("252, v252", "257, v257")}
    missing = wanted - found
    assert not missing
    assert len(found) == len(recorded()) >= 60
