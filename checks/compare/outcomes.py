"""Which statements came out otherwise, and what most likely did it. Pure code."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from pydantic import Field

from checks.compare.causes import CAUSES, EFFECTS, IDENTITY, VERSIONS, Cause
from checks.compare.changes import Change
from checks.compare.concerns import Concern, concern
from checks.compare.inventories import Wish
from reports.rows import Row, Shape

Verdict = Literal["worse", "attention", "better", "otherwise"]
VERDICTS: tuple[Verdict, ...] = ("worse", "attention", "better", "otherwise")
NOT_JUDGED = "not judged"
MESSAGE_CHARACTERS = 600
_BAD = ("broken", "could not look")


class Shift(Shape):
    """One statement whose outcome is not what it was, and the machines on which it is so for the same cause."""

    verdict: Verdict
    cause: Cause
    before: str = Field(description="outcome, or 'not judged'")
    after: str
    check: str = Field(description="pytest's node id without its parameters")
    statement: str
    machines: tuple[str, ...]
    because: str = Field("", description="what changed with it, on the first of them")
    message: str = Field("", description="what the later run says of the first of them")


@dataclass(frozen=True, slots=True)
class Ground:
    """Everything else that differs between two runs: what an outcome may be put down to.

    `moved`: by machine, what has another version. `host_of`: by guest. `new_vfproof`: the two runs are of two of them.
    """

    changes: Mapping[str, Sequence[Change]] = field(default_factory=dict)
    wishes: Mapping[str, Sequence[Wish]] = field(default_factory=dict)
    moved: Mapping[str, frozenset[Cause]] = field(default_factory=dict)
    host_of: Mapping[str, str] = field(default_factory=dict)
    new_vfproof: bool = False


class _Reason(NamedTuple):
    cause: Cause
    because: str = ""


def shifts(before: Iterable[Row], after: Iterable[Row], ground: Ground) -> tuple[Shift, ...]:
    """Every statement that came out otherwise, the worst first; machines with one shift and cause are one entry."""
    old, new = {row.id: row for row in before}, {row.id: row for row in after}
    checks = {_check(row) for row in old.values()}
    grouped: dict[tuple[str, str, str, Cause], list[tuple[Row, _Reason]]] = {}
    for node in dict.fromkeys([*old, *new]):
        was, now = old.get(node), new.get(node)
        words = (was.outcome if was else NOT_JUDGED, now.outcome if now else NOT_JUDGED)
        row = now or was
        if words[0] != words[1] and row is not None:
            reason = _reason(was, now, ground, is_new=_check(row) not in checks)
            grouped.setdefault((*words, _check(row), reason.cause), []).append((row, reason))
    found = [_shift(key, rows) for key, rows in grouped.items()]
    return tuple(sorted(found, key=lambda one: (VERDICTS.index(one.verdict), CAUSES.index(one.cause))))


def verdict(before: str, after: str) -> Verdict:
    """What it means that an outcome became another one."""
    if after in _BAD and before != "broken":
        return "worse" if before not in _BAD or after == "broken" else "attention"
    if before in _BAD and after in ("holds", "advice", "waived"):
        return "better"
    if (before, after) == ("broken", "could not look") or after in ("advice", "waived"):
        return "attention"
    return "better" if after == "holds" and before == "advice" else "otherwise"


def _check(row: Row) -> str:
    return row.id.partition("[")[0]


def _shift(key: tuple[str, str, str, Cause], rows: Sequence[tuple[Row, _Reason]]) -> Shift:
    before, after, check, cause = key
    first, reason = rows[0]
    return Shift(
        verdict=verdict(before, after),
        cause=cause,
        before=before,
        after=after,
        check=check,
        statement=first.statement,
        machines=tuple(dict.fromkeys(row.machine for row, _ in rows)),
        because=reason.because,
        message=(first.message or "; ".join(first.advice))[:MESSAGE_CHARACTERS] if after != NOT_JUDGED else "",
    )


def _reason(was: Row | None, now: Row | None, ground: Ground, *, is_new: bool) -> _Reason:
    row = now or was
    if row is None:
        return _Reason("unknown")
    concerned, machines = concern(row.area), [row.machine, *_its_host(row, ground)]
    wishes = [one for name in machines for one in ground.wishes.get(name, ()) if _is_about(one, concerned, row)]
    if waiver := _by_waiver(was, now, wishes):
        return waiver
    if was is None and is_new and ground.new_vfproof:
        return _Reason("vfproof", "the earlier one had no such statement")
    facts = sorted(_related(machines, concerned, ground), key=lambda change: _nearness(change, row))
    wish = next((one for one in wishes if f"wanted {one.after}" in row.message), None)
    if wish or (wishes and not facts):
        return _Reason("inventory", f"the inventory wants something else: {wish or wishes[0]}")
    if facts:
        also = f"; the inventory changed, too: {wishes[0]}" if wishes else ""
        return _Reason(facts[0].cause, told(facts[0]) + also)
    return _by_version(machines, concerned, ground)


def _by_waiver(was: Row | None, now: Row | None, wishes: Sequence[Wish]) -> _Reason | None:
    states = [None if row is None or row.waiver is None else row.waiver.state for row in (was, now)]
    if states[0] == states[1] or "counts" not in states:
        return None
    changed = next((one for one in wishes if one.key.startswith("waivers.")), None)
    if changed is not None:
        return _Reason("inventory", f"its waiver changed: {changed}")
    note = now.waiver if now is not None else None
    return _Reason("waiver", "" if note is None else str(note))


def _by_version(machines: Sequence[str], concerned: Concern | None, ground: Ground) -> _Reason:
    """No fact shows it, and yet it came out otherwise: what has another version may decide; else nobody knows."""
    has_moved = {cause for name in machines for cause in ground.moved.get(name, ())}
    for cause in concerned.versions if concerned else ():
        if cause in has_moved:
            version = next(
                (told(one) for name in machines for one in ground.changes.get(name, ()) if _is_version(one, cause)), ""
            )
            return _Reason(cause, version)
    if ground.new_vfproof:
        return _Reason("vfproof", "another version of it judged")
    return _Reason("unknown", "no fact that is compared changed with it")


def _its_host(row: Row, ground: Ground) -> Iterator[str]:
    if host := ground.host_of.get(row.machine):
        yield host


def _is_about(wish: Wish, concerned: Concern | None, row: Row) -> bool:
    if wish.key.startswith("waivers."):
        return wish.key.removeprefix("waivers.") in row.id
    return concerned is None or concerned.wants(wish.key)


def _related(machines: Sequence[str], concerned: Concern | None, ground: Ground) -> Iterator[Change]:
    for name in machines:
        for change in ground.changes.get(name, ()):
            if change.effect != "expected" and (concerned is None or change.section in concerned.sections):
                yield change


def _nearness(change: Change, row: Row) -> tuple[int, int, bool]:
    """What the message speaks of most first, then what breaks something, then what is about the machine itself."""
    values = re.findall(r"[\w:.-]{3,}", f"{change.before} {change.after}")
    told_of = (change.what in row.message, any(word in row.message for word in values))
    named = change.subject.rpartition(" ")[2] in row.message
    return (-2 * told_of[0] - 2 * told_of[1] - named, EFFECTS.index(change.effect), change.machine != row.machine)


def _is_version(change: Change, cause: Cause) -> bool:
    return change.cause == cause and change.effect == "expected" and change.section in (VERSIONS, "PFs and VFs")


def told(change: Change) -> str:
    """A change in one line: `VF 0 of PF 0000:3d:00.0: trust: True → False`."""
    if change.section == IDENTITY and change.what == "NIC":
        return f"{change.subject}: {change.chain_before or 'was not there'} → {change.chain_after or 'gone'}"
    before, after = ("nothing" if value is None else value for value in (change.before, change.after))
    return f"{change.subject}: {change.what}: {before} → {after}"
