import pytest

from reports.readiness import counted, exit_status, in_words, machines
from reports.rows import Row

HOST_OF = {"guest-1": "kvm-1"}


def row(outcome="holds", machine="kvm-1", number=[0], **more):  # noqa: B006 - a counter: every row has an id of its own
    number[0] += 1
    return Row(
        id=f"checks/test_x.py::test_{number[0]}", statement="Something is so.", outcome=outcome, machine=machine, **more
    )


def one(*rows, incomplete=""):
    (machine,) = machines(rows, HOST_OF, {}, incomplete=incomplete)
    return machine


@pytest.mark.parametrize(
    ("outcomes", "readiness", "status"),
    [
        (["holds"], "ready", 0),
        (["holds", "advice", "does not apply"], "ready", 0),
        (["holds", "broken", "could not look"], "not ready", 1),
        (["holds", "could not look"], "not proven", 6),
        (["does not apply"], "not proven", 5),
    ],
)
def test_readiness_and_exit_status(outcomes, readiness, status):
    rows = [row(outcome) for outcome in outcomes]
    assert one(*rows).readiness == readiness
    assert exit_status(rows) == status


def test_nothing_judged_is_status_5():
    assert exit_status([]) == 5


def test_a_wanted_drill_that_did_not_run_proves_nothing():
    rows = [row(), row("does not apply", "guest-1", wanted_but_not_run="not permitted")]
    assert one(*rows).readiness == "not proven"
    assert exit_status(rows) == 6
    assert one(*rows).findings[0].message == "not permitted"


def test_a_guest_stands_under_its_host_and_decides_with_it():
    machine = one(row(), row("broken", "guest-1", message="no slave"))
    assert (machine.name, machine.guests, machine.readiness) == ("kvm-1", ("guest-1",), "not ready")
    assert machine.counts["broken"] == 1
    assert machine.findings[0].machine == "guest-1"


def test_a_guest_without_a_host_stands_alone():
    names = [machine.name for machine in machines([row(), row(machine="lone")], HOST_OF, {})]
    assert names == ["kvm-1", "lone"]


def test_one_broken_host_leaves_the_other_ready():
    judged = machines([row("broken"), row(machine="kvm-2")], HOST_OF, {})
    assert [machine.readiness for machine in judged] == ["not ready", "ready"]


def test_a_run_cut_off_proves_nothing_but_breaks_what_is_broken():
    assert one(row(), incomplete="cut off").readiness == "not proven"
    assert one(row(), incomplete="cut off").reason == "cut off"
    assert one(row("broken"), incomplete="cut off").readiness == "not ready"


def test_findings_come_by_weight_and_the_same_words_once():
    unreachable = [row("could not look", message="kvm-1: unreachable") for _ in range(20)]
    machine = one(row("advice", advice=("racy rule",)), *unreachable, row("broken", message="no VF", fix="make one"))
    assert [finding.outcome for finding in machine.findings] == ["broken", "could not look", "advice"]
    assert machine.findings[0].fix == "make one"
    assert len(machine.findings[1].rows) == 20
    assert "19 more" in machine.findings[1].statement


def test_of_equal_weight_the_hosts_own_findings_come_first():
    machine = one(row("broken", "guest-1", message="no slave"), row("broken", message="no VF"))
    assert [finding.machine for finding in machine.findings] == ["kvm-1", "guest-1"]


def test_facts_go_with_their_machine():
    (machine,) = machines([row()], {}, {"kvm-1": {"kernel": "6.12"}, "kvm-2": {"kernel": "6.1"}})
    assert machine.facts == {"kernel": "6.12"}


def test_counts_in_words():
    assert (
        in_words(counted([row(), row(), row("broken"), row("does not apply")])) == "1 broken, 2 hold, 1 does not apply"
    )
