"""Both upgrades as a user runs them, on the lab: minutes each, and a first time that builds their images."""

from __future__ import annotations

import json
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

pytestmark = [pytest.mark.lab, pytest.mark.long]

REPOSITORY = Path(__file__).parents[2]
KEPT = "test_no_two_nics_want_one_name"


@dataclass(frozen=True)
class Demo:
    """What a demo of an upgrade left."""

    status: int
    said: str
    folder: Path
    took_s: float

    def rows(self, when: str, outcome: str) -> dict[str, str]:
        """Statements with that outcome in one of the runs, and what they say."""
        rows = json.loads((self.folder / when / "results.json").read_text())["rows"]
        return {
            row["id"].rpartition("::")[2]: row["message"] or " ".join(row["advice"])
            for row in rows
            if row["outcome"] == outcome
        }

    def not_ready(self, when: str) -> list[str]:
        return [*self.rows(when, "broken"), *self.rows(when, "could not look")]

    @property
    def comparison(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads((self.folder / "comparison.json").read_text())
        return found

    def changed(self, section: str, what: str) -> list[tuple[str, str | None, str | None]]:
        """Machine, before and after of one kind of fact."""
        return [
            (one["machine"], one["before"], one["after"])
            for one in self.comparison["changes"]
            if (one["section"], one["what"]) == (section, what)
        ]


def _demo(topology: str, folder: Path) -> Demo:
    begun = time.monotonic()
    command = [str(REPOSITORY / "vfproof"), "demo", topology, f"--run-folder={folder}"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=3600, cwd=folder)
    return Demo(done.returncode, done.stdout + done.stderr, folder, time.monotonic() - begun)


@pytest.fixture(scope="module")
def of_the_host(tmp_path_factory: pytest.TempPathFactory) -> Demo:
    return _demo("upgrade", tmp_path_factory.mktemp("upgrade"))


@pytest.fixture(scope="module")
def of_the_guest(tmp_path_factory: pytest.TempPathFactory) -> Demo:
    return _demo("upgrade-guest", tmp_path_factory.mktemp("upgrade-guest"))


def test_a_host_is_ready_on_both_kernels_and_nothing_is_worse(of_the_host: Demo):
    assert of_the_host.status == 0, of_the_host.said
    assert not of_the_host.not_ready("before") + of_the_host.not_ready("after")
    assert not of_the_host.comparison["worse"]


def test_the_kernel_is_what_changed_and_on_the_host_alone(of_the_host: Demo):
    ((machine, before, after),) = of_the_host.changed("versions", "kernel")
    assert machine == "kvm-1"
    assert (before or "").startswith("6.1."), before
    assert (after or "").startswith("6.12."), after
    others = [one for one in of_the_host.comparison["changes"] if one["section"] == "versions"]
    assert {one["cause"] for one in others} == {"kernel"}


def test_names_and_addresses_outlive_the_upgrade_of_the_kernel(of_the_host: Demo):
    assert not of_the_host.changed("identity", "name")
    assert not of_the_host.changed("PFs and VFs", "VFs")


def test_the_collision_of_names_is_foretold_before_the_guests_upgrade(of_the_guest: Demo):
    assert not of_the_guest.not_ready("before"), of_the_guest.said
    said = of_the_guest.rows("before", "advice")[f"{KEPT}[guest-1]"]
    assert "ens3 will be wanted by" in said
    assert "with systemd 257" in said
    for mac in ("52:54:00:77:00:10", "52:54:00:77:00:11"):
        assert mac in said


def test_the_collision_of_names_is_found_after_it(of_the_guest: Demo):
    assert of_the_guest.status == 1, of_the_guest.said
    broken = of_the_guest.rows("after", "broken")
    assert "ens3 is wanted by" in broken[f"{KEPT}[guest-1]"]
    assert "test_every_bond_has_exactly_its_slaves[guest-1]" in broken
    worse = {one["check"].rpartition("::")[2] for one in of_the_guest.comparison["shifts"] if one["verdict"] == "worse"}
    assert KEPT in worse


def test_systemd_explains_the_name_that_is_gone(of_the_guest: Demo):
    ((machine, before, after),) = of_the_guest.changed("versions", "systemd")
    assert (machine, (before or "")[:3], (after or "")[:3]) == ("guest-1", "252", "257")
    renamed = [
        one for one in of_the_guest.comparison["changes"] if (one["section"], one["what"]) == ("identity", "name")
    ]
    assert {(one["cause"], one["effect"]) for one in renamed} == {("systemd", "breaks")}
    assert any((one["after"] or "").startswith("eth") for one in renamed), renamed
