"""May this machine go into service? Worked out from its rows and those of the guests on it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Literal

from pydantic import Field

from reports.rows import OUTCOMES, Row, Shape

Readiness = Literal["ready", "not ready", "not proven"]
READINESS: tuple[Readiness, ...] = ("not ready", "not proven", "ready")
FindingKind = Literal["broken", "could not look", "not run", "waived", "waiver", "advice"]
FINDING_KINDS: tuple[FindingKind, ...] = ("broken", "could not look", "not run", "waived", "waiver", "advice")
"""waived: a broken statement that somebody answers for; waiver: one that does nothing (any more)."""
FINDINGS = 3
NO_MACHINE = "(no machine)"


class Finding(Shape):
    """Something that stands between a machine and service."""

    outcome: FindingKind
    machine: str
    statement: str
    message: str
    fix: str = ""
    rows: tuple[str, ...] = Field(description="ids of the rows that say the same")


class Machine(Shape):
    """A host with the guests on it, or a machine that stands alone."""

    name: str
    readiness: Readiness
    reason: str = Field("", description="why not proven, where no finding says it")
    guests: tuple[str, ...] = ()
    counts: dict[str, int] = Field(description="rows by outcome, guests and drills included")
    findings: tuple[Finding, ...] = Field(description="all of them, the most important first")
    facts: dict[str, str] = Field(default_factory=dict, description="kernel, OS, NIC and the like, by label")

    @property
    def verdict(self) -> str:
        """The readiness, with what it is owed to: `ready, 1 waived`."""
        waived = self.counts.get("waived", 0)
        return f"{self.readiness}, {waived} waived" if waived and self.readiness == "ready" else self.readiness


def machines(
    rows: Sequence[Row],
    host_of: Mapping[str, str],
    facts: Mapping[str, Mapping[str, str]],
    *,
    incomplete: str = "",
) -> tuple[Machine, ...]:
    """Every machine that has a row, in the order of the rows; guests stand under the host that carries them.

    `incomplete` says why the run ended early: nothing is ready then.
    """
    by_top: dict[str, list[Row]] = {}
    for row in rows:
        by_top.setdefault(host_of.get(row.machine, row.machine or NO_MACHINE), []).append(row)
    return tuple(_machine(name, mine, facts.get(name, {}), incomplete) for name, mine in by_top.items())


def exit_status(rows: Iterable[Row]) -> int:
    """0 all holds, or is waived · 1 something is broken · 5 nothing was judged · 6 nothing broken, not all proven."""
    outcomes = {row.outcome for row in rows}
    if "broken" in outcomes:
        return 1
    if outcomes <= {"does not apply"}:
        return 5
    if "could not look" in outcomes or any(row.wanted_but_not_run for row in rows):
        return 6
    return 0


def counted(rows: Iterable[Row]) -> dict[str, int]:
    """How many rows have which outcome, the worst outcome first, zeros included."""
    outcomes = [row.outcome for row in rows]
    return {word: outcomes.count(word) for word in OUTCOMES}


def in_words(counts: Mapping[str, int]) -> str:
    """Counts as a person says them: `1 broken, 19 hold`."""
    return ", ".join(f"{number} {plural(word, number)}" for word, number in counts.items() if number)


def plural(word: str, number: int) -> str:
    """An outcome as the verb or noun that goes with the number."""
    if number == 1:
        return word
    return {"holds": "hold", "does not apply": "do not apply"}.get(word, word)


def _machine(name: str, rows: Sequence[Row], facts: Mapping[str, str], incomplete: str) -> Machine:
    readiness, reason = _judged(rows, incomplete)
    return Machine(
        name=name,
        readiness=readiness,
        reason=reason,
        guests=tuple(dict.fromkeys(row.machine for row in rows if row.machine not in ("", name))),
        counts=counted(rows),
        findings=_findings(name, rows),
        facts=dict(facts),
    )


def _judged(rows: Sequence[Row], incomplete: str) -> tuple[Readiness, str]:
    status = exit_status(rows)
    if status == 1:
        return "not ready", ""
    if incomplete:
        return "not proven", incomplete
    if status == 5:
        return "not proven", "nothing was judged: no statement applied"
    return ("ready", "") if status == 0 else ("not proven", "")


def _findings(machine: str, rows: Sequence[Row]) -> tuple[Finding, ...]:
    """The same words about the same machine are one finding: an unreachable host is not twenty of them."""
    grouped: dict[tuple[FindingKind, str, str], list[Row]] = {}
    for row in rows:
        if (kind := _kind(row)) is not None:
            grouped.setdefault((kind, row.machine, _words(kind, row) or row.id), []).append(row)
    found = [_finding(kind, same) for (kind, _, _), same in grouped.items()]
    return tuple(sorted(found, key=lambda one: (FINDING_KINDS.index(one.outcome), one.machine != machine)))


def _words(kind: FindingKind, row: Row) -> str:
    if kind in ("waived", "waiver"):
        return "\n".join(part for part in (str(row.waiver), row.message) if part)
    if kind == "advice":
        return "\n".join(row.advice) or row.message
    if kind == "not run":
        return row.wanted_but_not_run or ""
    return f"{row.message} ({row.waiver})" if row.waiver is not None else row.message


def _kind(row: Row) -> FindingKind | None:
    if row.outcome in ("broken", "could not look", "waived"):
        return row.outcome
    if row.waiver is not None:
        return "waiver"
    if row.outcome == "advice":
        return row.outcome
    return "not run" if row.wanted_but_not_run else None


def _finding(kind: FindingKind, same: Sequence[Row]) -> Finding:
    first = same[0]
    statement = first.statement if len(same) == 1 else f"{first.statement} And {len(same) - 1} more statements."
    return Finding(
        outcome=kind,
        machine=first.machine,
        statement=statement,
        message=_words(kind, first),
        fix=first.fix if kind in ("broken", "waived") else "",
        rows=tuple(row.id for row in same),
    )
