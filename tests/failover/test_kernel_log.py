"""What the kernel logged during a drill. The lines are of the lab's own guests (UML 6.1, `dmesg` as root)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from checks.local import LocalConnection
from failover.kernel_log import LONGEST_LINE, MOST_LINES, MOST_NOTED, KernelLog, Logged, noted, parse, told
from failover.places import CouldNotMeasure, Place

DMESG = """by=dmesg
[    4.120000] uml-vector uml-vector.0 ctl: tap: using vnet headers for tso and tx/rx checksum
[ 1119.040000] bond0: (slave eth0): link status definitely down, disabling slave
[ 1119.040000] bond0: (slave eth1): making interface the new active one
[ 1119.070000] bond00: (slave eth10): something of another bond
"""
JOURNAL = "by=journalctl\n[    7.250001] guest kernel: bond0: (slave eth0): link status up\n"


class Answers:
    """A place that gives one answer after the other."""

    def __init__(self, *answers: str | Exception) -> None:
        self._answers = list(answers)

    def run(self, script: bytes, deadline_s: float) -> str:
        assert b"kernel_log.sh" in script
        assert deadline_s
        answer = self._answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer


def log(*answers: str | Exception) -> Logged:
    of = KernelLog("guest-1", Answers(*answers), False, ("bond0", "eth0"))  # type: ignore[arg-type]
    of.begin()
    return of.end()


def test_only_what_came_since_the_beginning_is_kept() -> None:
    found = log("by=dmesg\n[    4.120000] uml-vector uml-vector.0 ctl: tap\n", DMESG)
    assert len(found.lines) == 3
    assert found.lines[0] == "[1119.040000] bond0: (slave eth0): link status definitely down, disabling slave"
    assert not found.why_not


def test_lines_of_the_bond_and_its_slaves_tell_something() -> None:
    assert [line[14:29] for line in log("by=dmesg\n", DMESG).telling] == ["bond0: (slave e"] * 2


def test_a_journal_is_read_too() -> None:
    assert log("by=journalctl\n", JOURNAL).telling == ("[7.250001] guest kernel: bond0: (slave eth0): link status up",)


def test_silence_tells_something_too() -> None:
    assert noted([log(DMESG, DMESG)]) == ["guest-1's kernel said nothing of bond0, eth0 meanwhile"]


@pytest.mark.parametrize(
    ("answers", "reason"),
    [
        (["denied=dmesg: read kernel buffer failed: Operation not permitted"], "may not be read: dmesg: read kernel"),
        ([CouldNotMeasure("guest-1: gone")], "could not be read: guest-1: gone"),
        (["by=dmesg\n", CouldNotMeasure("guest-1: gone")], "could not be read: guest-1: gone"),
    ],
)
def test_a_log_that_cannot_be_read_is_said(answers: list[str | Exception], reason: str) -> None:
    found = log(*answers)
    assert reason in found.why_not
    assert not found.lines
    assert noted([found]) == [f"guest-1: {found.why_not}"]
    assert reason in told([found])[0]


def test_both_length_and_number_are_bounded() -> None:
    text = "by=dmesg\n" + "".join(f"[ {number}.000001] bond0: {'x' * 9999}\n" for number in range(1, MOST_LINES + 1))
    found = log("by=dmesg\n", text)
    assert len(found.lines) == MOST_LINES
    assert found.why_not == f"only the last {MOST_LINES} lines were kept"
    assert max(map(len, found.lines)) < LONGEST_LINE + 20
    assert len(noted([found])) == MOST_NOTED + 2
    assert f"and {MOST_LINES - MOST_NOTED} more such lines" in noted([found])[-2]


@given(st.text())
def test_any_text_is_read(text: str) -> None:
    lines, why_not = parse(text)
    assert all(line.isprintable() for _, line in lines)
    assert not (lines and why_not)


def test_the_script_reads_this_machines_log_or_says_why_not() -> None:
    of = KernelLog("here", Place(LocalConnection("here")), False, ())
    of.begin()
    found = of.end()
    assert found.lines == () or found.lines[0].startswith("[")
    assert not found.why_not or "may not be read" in found.why_not
