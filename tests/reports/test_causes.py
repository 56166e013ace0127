"""Findings of many machines, by cause."""

import pytest

from reports.causes import causes, without_names
from reports.readiness import machines
from reports.rows import Row


def row(check, machine, message, outcome="broken"):
    return Row(id=f"checks/test_a.py::{check}[{machine}]", statement=f"{check} holds.", outcome=outcome,
               machine=machine, message=message, fix="repair it")  # fmt: skip


def found(rows, host_of=None):
    return causes(machines(rows, host_of or {}, {}))


def told(cause):
    return [(variant.message, [one.machine for one in variant.found]) for variant in cause.variants]


def test_the_same_rule_in_the_same_words_is_one_finding_naming_the_hosts():
    (cause,) = found([row("test_pf", f"kvm-{n}", f"kvm-{n}: eth0 has 1 VF, wanted 2") for n in range(40)])
    assert (cause.hosts, cause.fix) == (40, "repair it")
    assert told(cause) == [("⟨host⟩: eth0 has 1 VF, wanted 2", [f"kvm-{n}" for n in range(40)])]


def test_other_words_of_the_same_rule_are_told_beside():
    rows = [row("test_pf", "kvm-9", "kvm-9: eth1 has no VF")]
    rows += [row("test_pf", f"kvm-{n}", f"kvm-{n}: eth0 has no VF") for n in range(3)]
    (cause,) = found(rows)
    assert told(cause) == [
        ("⟨host⟩: eth0 has no VF", ["kvm-0", "kvm-1", "kvm-2"]),
        ("kvm-9: eth1 has no VF", ["kvm-9"]),
    ]


def test_a_guest_s_finding_is_of_its_host():
    rows = [row("test_bond", f"web-{n}", f"web-{n} on kvm-{n}: one slave") for n in range(2)]
    (cause,) = found(rows, {"web-0": "kvm-0", "web-1": "kvm-1"})
    assert told(cause) == [("⟨guest⟩ on ⟨host⟩: one slave", ["web-0", "web-1"])]
    assert [one.host.name for one in cause.found] == ["kvm-0", "kvm-1"]


def test_machines_that_cannot_be_reached_are_one_finding_whatever_would_have_been_asked_of_them():
    rows = [row(check, machine, f"{machine}: no answer", "could not look")
            for machine, checks in (("kvm-1", "abc"), ("kvm-2", "ab")) for check in checks]  # fmt: skip
    (cause,) = found(rows)
    assert told(cause) == [("⟨host⟩: no answer", ["kvm-1", "kvm-2"])]


def test_two_rules_in_the_same_words_on_other_machines_stay_two():
    assert len(found([row("test_a", "kvm-1", "kvm-1: no"), row("test_b", "kvm-2", "kvm-2: no")])) == 2


def test_the_worst_kind_comes_first_and_then_what_most_hosts_have():
    rows = [row("test_u", "kvm-1", "kvm-1: denied", "could not look"), row("test_a", "kvm-1", "kvm-1: no")]
    rows += [row("test_b", f"kvm-{n}", f"kvm-{n}: never") for n in (1, 2)]
    assert [cause.statement for cause in found(rows)] == ["test_b holds.", "test_a holds.", "test_u holds."]


@pytest.mark.parametrize(
    ("text", "without"),
    [
        ("kvm-1: no link", "H: no link"),
        ("kvm-10: as kvm-1", "kvm-10: as H"),
        ("kvm-1.lan and my-kvm-1 and kvm-1-a", "kvm-1.lan and my-kvm-1 and kvm-1-a"),
        ("(kvm-1), kvm-1.", "(H), H."),
    ],
)
def test_only_whole_names_are_taken_out(text, without):
    assert without_names(text, {"kvm-1": "H"}) == without
