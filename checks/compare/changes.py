"""What two runs differ in: facts with their likely cause, and statements that came out otherwise. Pure code."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Literal

from pydantic import Field

from checks.compare.features import Features
from checks.outcome import CouldNotLook
from reports.rows import Row, Shape

Verdict = Literal["worse", "attention", "better", "otherwise"]
Cause = Literal["kernel", "systemd", "libvirt", "QEMU", "firmware", "settings", "machine"]
_BAD = ("broken", "could not look")
_CAUSES: dict[str, Cause] = {
    "os": "machine",
    "kernel": "kernel",
    "systemd": "systemd",
    "libvirt": "libvirt",
    "qemu": "QEMU",
    "cpu": "machine",
    "product": "machine",
    "bios": "firmware",
    "firmware": "firmware",
    "driver version": "kernel",
}
MESSAGE_CHARACTERS = 600


class Change(Shape):
    """One property of one machine that is not what it was."""

    machine: str
    section: str
    subject: str
    what: str
    before: str | None = Field(description="null when it was not there")
    after: str | None = Field(description="null when it is no longer there")
    cause: Cause = Field(description="what most likely changed it")
    expected: bool = Field(description="an upgrade changes this by itself, and nothing depends on it")


class Shift(Shape):
    """One statement whose outcome is not what it was, and the machines on which it is so."""

    verdict: Verdict
    before: str = Field(description="outcome, or 'not judged'")
    after: str
    check: str = Field(description="pytest's node id without its parameters")
    statement: str
    machines: tuple[str, ...]
    message: str = Field("", description="what the later run says of the first of them")


def changes(
    machine: str, before: Mapping[str, Features | CouldNotLook], after: Mapping[str, Features | CouldNotLook]
) -> Iterator[Change]:
    """Every property of a machine that differs, section by section."""
    moved = _moved(before.get("versions"), after.get("versions"))
    for section in dict.fromkeys([*before, *after]):
        old, new = before.get(section), after.get(section)
        if isinstance(old, CouldNotLook) or isinstance(new, CouldNotLook) or old is None or new is None:
            yield from _unreadable(machine, section, old, new)
            continue
        for key in dict.fromkeys([*old, *new]):
            if old.get(key) != new.get(key):
                subject, what = key
                cause = _cause(section, what, moved)
                values = old.get(key), new.get(key)
                yield Change(
                    machine=machine,
                    section=section,
                    subject=subject,
                    what=what,
                    before=values[0],
                    after=values[1],
                    cause=cause,
                    expected=_expected(section, what, values),
                )


def shifts(before: Iterable[Row], after: Iterable[Row]) -> tuple[Shift, ...]:
    """Every statement that came out otherwise, the worst first; machines with the same shift are one entry."""
    old = {row.id: row for row in before}
    new = {row.id: row for row in after}
    grouped: dict[tuple[str, str, str], list[Row]] = {}
    for node in dict.fromkeys([*old, *new]):
        was, now = old.get(node), new.get(node)
        words = (was.outcome if was else "not judged", now.outcome if now else "not judged")
        row = now or was
        if words[0] != words[1] and row is not None:
            grouped.setdefault((*words, node.partition("[")[0]), []).append(row)
    found = [_shift(key, rows) for key, rows in grouped.items()]
    order: Sequence[Verdict] = ("worse", "attention", "better", "otherwise")
    return tuple(sorted(found, key=lambda one: order.index(one.verdict)))


def _shift(key: tuple[str, str, str], rows: Sequence[Row]) -> Shift:
    before, after, check = key
    first = rows[0]
    return Shift(
        verdict=_verdict(before, after),
        before=before,
        after=after,
        check=check,
        statement=first.statement,
        machines=tuple(dict.fromkeys(row.machine for row in rows)),
        message=(first.message or "; ".join(first.advice))[:MESSAGE_CHARACTERS] if after != "not judged" else "",
    )


def _verdict(before: str, after: str) -> Verdict:
    if after in _BAD and before != "broken":
        return "worse" if before not in _BAD or after == "broken" else "attention"
    if before in _BAD and after in ("holds", "advice", "waived"):
        return "better"
    if (before, after) == ("broken", "could not look") or after in ("advice", "waived"):
        return "attention"
    return "better" if after == "holds" and before == "advice" else "otherwise"


def _unreadable(
    machine: str, section: str, old: Features | CouldNotLook | None, new: Features | CouldNotLook | None
) -> Iterator[Change]:
    """A section that one of the runs could not read is one change, and never a list of things that are gone."""
    told = [None if part is None else str(part) if isinstance(part, CouldNotLook) else "read" for part in (old, new)]
    if told[0] != told[1]:
        yield Change(
            machine=machine,
            section=section,
            subject=section,
            what="could be read",
            before=told[0],
            after=told[1],
            cause="settings",
            expected=False,
        )


def _moved(before: Features | CouldNotLook | None, after: Features | CouldNotLook | None) -> frozenset[Cause]:
    """Which of the things that explain others have another version."""
    if isinstance(before, CouldNotLook) or isinstance(after, CouldNotLook) or before is None or after is None:
        return frozenset()
    return frozenset(
        _CAUSES[what] for key in {**before, **after} if before.get(key) != after.get(key) for what in key[1:]
    )


def _cause(section: str, what: str, moved: frozenset[Cause]) -> Cause:
    """What most likely did it. systemd makes names out of what the kernel exports (systemd.net-naming-scheme(7))."""
    if what in _CAUSES:
        return _CAUSES[what]
    suspects: dict[str, tuple[Cause, ...]] = {
        "NICs": ("systemd", "kernel"),
        "IOMMU": ("kernel", "firmware"),
        "PFs and VFs": ("kernel", "firmware"),
    }
    if what == "name":
        return next((one for one in ("systemd", "kernel") if one in moved), "settings")
    return next((one for one in suspects.get(section, ()) if one in moved), "settings")


def _expected(section: str, what: str, values: tuple[str | None, str | None]) -> bool:
    return None not in values and (section == "versions" or what in ("driver version", "firmware"))
