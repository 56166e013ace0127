"""A comparison in words, for a terminal. What is the same on many machines is said once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from checks.compare.changes import Change, Shift
from checks.compare.runs import Comparison

FEW = 5
_HEADINGS = {
    "worse": "Worse",
    "attention": "Needs a look",
    "better": "Better",
    "otherwise": "Judged otherwise",
}


def lines(found: Comparison) -> Iterator[str]:
    """The whole comparison, the worst first."""
    yield f"before: {found.before.folder} ({found.before.started:%Y-%m-%d %H:%M} UTC)"
    yield f"after:  {found.after.folder} ({found.after.started:%Y-%m-%d %H:%M} UTC)"
    for verdict, heading in _HEADINGS.items():
        yield from _shifts(heading, [one for one in found.shifts if one.verdict == verdict])
    yield from _changes("Changed, and nothing should have", [one for one in found.changes if not one.expected])
    yield from _changes("Changed, as an upgrade does", [one for one in found.changes if one.expected])
    for when, names in (("before", found.only_before), ("after", found.only_after)):
        if names:
            yield f"\nOnly {when}: {_some(names)}"
    yield ""
    yield _conclusion(found)


def _conclusion(found: Comparison) -> str:
    worse = sum(len(one.machines) for one in found.shifts if one.verdict == "worse")
    if worse:
        return f"WORSE: {worse} statement{'' if worse == 1 else 's'} that held no longer do{'es' if worse == 1 else ''}"
    if found.shifts or found.changes:
        return "NOT WORSE: no statement that held is broken now"
    return "THE SAME: every statement and every fact that is compared"


def _shifts(heading: str, found: Sequence[Shift]) -> Iterator[str]:
    if found:
        yield f"\n{heading}"
    for one in found:
        yield f"  {one.before} → {one.after}: {one.statement} [{_some(one.machines)}]"
        if one.message and one.verdict in ("worse", "attention"):
            yield from (f"      {line}" for line in one.message.splitlines())


def _changes(heading: str, found: Sequence[Change]) -> Iterator[str]:
    """By cause; the same change of several machines is one line."""
    if found:
        yield f"\n{heading}"
    for cause in dict.fromkeys(one.cause for one in found):
        yield f"  {cause}:"
        same: dict[tuple[str, str, str | None, str | None], list[str]] = {}
        for one in found:
            if one.cause == cause:
                same.setdefault((one.subject, one.what, one.before, one.after), []).append(one.machine)
        for (subject, what, before, after), machines in same.items():
            change = f"{_value(before)} → {_value(after)}"
            yield f"    {subject}: {what}: {change} [{_some(tuple(machines))}]"


def _value(text: str | None) -> str:
    return "nothing" if text is None else text


def _some(names: Sequence[str]) -> str:
    more = f" and {len(names) - FEW} more" if len(names) > FEW else ""
    return ", ".join(names[:FEW]) + more
