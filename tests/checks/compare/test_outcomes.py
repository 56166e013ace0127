"""Statements that came out otherwise: what that means, and what it is put down to."""

from __future__ import annotations

from typing import Any

import pytest

from checks.compare.changes import Change
from checks.compare.concerns import areas
from checks.compare.inventories import Wish
from checks.compare.outcomes import Ground, shifts
from checks.listing import areas as areas_of_statements
from reports.rows import Outcome, WaiverNote
from tests.checks.compare.made_runs import GUEST, HOST, row

NOTHING = Ground()


def change(section: str, what: str, before: str, after: str, **more: Any) -> Change:
    told = {"machine": HOST, "subject": "PF 0000:01:00.0", "cause": "driver", "effect": "breaks", **more}
    return Change(section=section, what=what, before=before, after=after, **told)


@pytest.mark.parametrize(
    ("before", "after", "verdict"),
    [
        ("holds", "broken", "worse"),
        ("holds", "could not look", "worse"),
        ("does not apply", "broken", "worse"),
        ("could not look", "broken", "worse"),
        ("broken", "could not look", "attention"),
        ("holds", "advice", "attention"),
        ("broken", "holds", "better"),
        ("could not look", "holds", "better"),
        ("advice", "holds", "better"),
        ("holds", "does not apply", "otherwise"),
    ],
)
def test_what_a_shift_means(before: Outcome, after: Outcome, verdict: str) -> None:
    (shift,) = shifts([row("x", before)], [row("x", after)], NOTHING)
    assert shift.verdict == verdict
    assert not shifts([row("x", after)], [row("x", after)], NOTHING)


def test_a_statement_that_is_new_and_broken_is_worse_and_one_that_is_gone_is_named() -> None:
    new, gone = shifts([row("gone", "holds")], [row("new", "broken")], NOTHING)
    assert (new.verdict, new.before, new.after) == ("worse", "not judged", "broken")
    assert (gone.verdict, gone.before, gone.after) == ("otherwise", "holds", "not judged")


def test_the_same_shift_on_many_machines_is_one_entry_for_each_cause() -> None:
    names = [f"kvm-{number}" for number in range(40)]
    odd = {"kvm-7": [change("PFs and VFs", "trust", "True", "False", machine="kvm-7")]}
    before = [row("x", "holds", name) for name in names]
    after = [row("x", "broken", name, f"{name}: no VFs") for name in names]
    found = shifts(before, after, Ground(changes=odd))
    assert [(one.cause, len(one.machines), one.message) for one in found] == [
        ("driver", 1, "kvm-7: no VFs"),
        ("unknown", 39, "kvm-0: no VFs"),
    ]


def test_what_broke_it_is_the_fact_that_the_message_speaks_of() -> None:
    facts = [
        change("PFs and VFs", "driver", "i40e", "ice", cause="kernel"),
        change("PFs and VFs", "VFs", "4", "0", cause="firmware"),
        change("bonds", "mode", "active-backup", "802.3ad", cause="settings"),
    ]
    ground = Ground(changes={HOST: facts})
    (shift,) = shifts([row("x", "holds")], [row("x", "broken", message="0 VFs, wanted 4")], ground)
    assert (shift.cause, shift.because) == ("firmware", "PF 0000:01:00.0: VFs: 4 → 0")


def test_a_statement_that_got_worse_because_the_inventory_changed_is_said_to_be_that() -> None:
    wish = Wish(machine=HOST, key="pfs.enp1s0.vfs", before="2", after="3")
    (shift,) = shifts(
        [row("x", "holds")], [row("x", "broken", message="2 VFs, wanted 3")], Ground(wishes={HOST: [wish]})
    )
    assert (shift.verdict, shift.cause) == ("worse", "inventory")
    assert shift.because == "the inventory wants something else: pfs.enp1s0.vfs: 2 → 3"
    # a fact changed as well, but what was wanted is the inventory's new wish
    both = Ground(wishes={HOST: [wish]}, changes={HOST: [change("PFs and VFs", "trust", "True", "False")]})
    (shift,) = shifts([row("x", "holds")], [row("x", "broken", message="2 VFs, wanted 3")], both)
    assert shift.cause == "inventory"
    # what the inventory wants of something else is no reason
    other = Ground(wishes={HOST: [Wish(machine=HOST, key="kernel_parameters", before="a", after="b")]})
    (shift,) = shifts([row("x", "holds")], [row("x", "broken")], other)
    assert shift.cause == "unknown"


def test_a_guest_suffers_from_its_host() -> None:
    ground = Ground(changes={HOST: [change("PFs and VFs", "trust", "True", "False")]}, host_of={GUEST: HOST})
    (shift,) = shifts(
        [row("x", "holds", GUEST, area="guest_vfs")], [row("x", "broken", GUEST, area="guest_vfs")], ground
    )
    assert shift.cause == "driver"


def test_a_version_explains_where_no_fact_does() -> None:
    kernel = change("versions", "kernel", "6.1", "6.12", subject="machine", cause="kernel", effect="expected")
    ground = Ground(changes={HOST: [kernel]}, moved={HOST: frozenset({"kernel"})})
    (shift,) = shifts([row("x", "holds", area="iommu")], [row("x", "broken", area="iommu")], ground)
    assert (shift.cause, shift.because) == ("kernel", "machine: kernel: 6.1 → 6.12")
    (shift,) = shifts([row("x", "holds", area="vf_pools")], [row("x", "broken", area="vf_pools")], ground)
    assert shift.cause == "unknown", "libvirt has a say there, and the kernel none"


def test_a_statement_that_a_newer_vfproof_brought_is_put_down_to_that() -> None:
    (shift,) = shifts([row("x", "holds")], [row("x", "holds"), row("y", "broken")], Ground(new_vfproof=True))
    assert (shift.cause, shift.verdict) == ("vfproof", "worse")


def test_a_waiver_that_ran_out_is_named() -> None:
    by = {"by": "J. Doe", "until": "2026-10-31", "reason": "cabled in March"}
    before = row("x", "waived", waiver=WaiverNote(state="counts", **by))
    after = row("x", "broken", waiver=WaiverNote(state="expired", **by))
    (shift,) = shifts([before], [after], NOTHING)
    assert (shift.verdict, shift.cause) == ("worse", "waiver")
    assert "ran out" in shift.because


def test_of_every_area_of_statements_it_is_known_what_it_looks_at() -> None:
    files = {area.path.rpartition("test_")[2].removesuffix(".py") for area in areas_of_statements()}
    assert files <= areas()
