"""A comparison in words, for a terminal: the worst first, by cause. What is the same on many machines is said once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby

from checks.compare.causes import Effect
from checks.compare.entries import Entry, entries
from checks.compare.outcomes import Shift, Verdict
from checks.compare.runs import Comparison
from checks.compare.timings import Side, Timing
from reports.text import printable

FEW = 5
LINE = 400
VERDICTS: dict[Verdict, str] = {
    "worse": "Worse",
    "attention": "Needs a look",
    "better": "Better",
    "otherwise": "Judged otherwise",
}
EFFECTS: dict[Effect, str] = {
    "breaks": "Facts: breaks something",
    "look": "Facts: changed, and an upgrade alone does not do that",
    "expected": "Facts: changed, as an upgrade does",
}


def lines(found: Comparison) -> Iterator[str]:
    """The whole comparison."""
    yield f"before: {found.before.folder} ({found.before.started:%Y-%m-%d %H:%M} UTC)"
    yield f"after:  {found.after.folder} ({found.after.started:%Y-%m-%d %H:%M} UTC)"
    for verdict, heading in VERDICTS.items():
        yield from _shifts(heading, [one for one in found.shifts if one.verdict == verdict])
    told = entries(found.changes)
    for effect, heading in EFFECTS.items():
        yield from _entries(heading, [one for one in told if one.effect == effect])
    yield from _wishes(found)
    yield from _timings(found.timings)
    for when, names in (("before", found.only_before), ("after", found.only_after)):
        if names:
            yield f"\nOnly {when}: {some(names)}"
    yield from (f"\nnote: {_line(remark)}" for remark in found.remarks)
    yield ""
    yield conclusion(found)


def conclusion(found: Comparison) -> str:
    """Whether anything got worse, in a sentence."""
    worse = sum(len(one.machines) for one in found.shifts if one.verdict == "worse")
    broken = sum(one.times for one in entries(found.changes) if one.effect == "breaks")
    slower = sum(one.said == "slower" for one in found.timings)
    parts = [
        _counted(worse, "statement came out worse", "statements came out worse"),
        _counted(broken, "fact breaks something", "facts break something"),
        _counted(slower, "timing of a drill got slower", "timings of drills got slower"),
    ]
    if found.worse:
        return f"WORSE: {', '.join(filter(None, parts))}"
    if found.shifts or found.changes:
        return "NOT WORSE: no statement came out worse, no fact breaks anything"
    return "THE SAME: every statement and every fact that is compared"


def timing(one: Timing) -> tuple[str, str]:
    """A series of a drill in words: what was measured, and what came of it."""
    seen_by = f" (seen by {one.observer})" if one.observer else ""
    what = f"{one.guest}: {one.fault}, {one.event}{seen_by}: {one.measure}"
    if one.p is None or one.noise_ms is None:
        return what, f"{one.said} ({one.before.n} before, {one.after.n} after)"
    return what, f"{one.said}: {_side(one.before)} → {_side(one.after)}; noise {one.noise_ms:.1f} ms, p = {one.p:.2g}"


def some(names: Sequence[str]) -> str:
    """The first of many names."""
    more = f" and {len(names) - FEW} more" if len(names) > FEW else ""
    return ", ".join(printable(name, 100) for name in names[:FEW]) + more


def _shifts(heading: str, found: Sequence[Shift]) -> Iterator[str]:
    if found:
        yield f"\n{heading}"
    for cause, of_it in groupby(found, key=lambda one: one.cause):
        yield f"  {cause}:"
        for one in of_it:
            yield f"    {one.before} → {one.after}: {_line(one.statement)} [{some(one.machines)}]"
            if one.because:
                yield f"      because: {_line(one.because)}"
            if one.message and one.verdict in ("worse", "attention"):
                yield from (f"      {_line(line)}" for line in one.message.splitlines())


def _entries(heading: str, found: Sequence[Entry]) -> Iterator[str]:
    if found:
        yield f"\n{heading}"
    for cause, of_it in groupby(found, key=lambda one: one.cause):
        yield f"  {cause}:"
        for one in of_it:
            number = f", {one.times} in all" if one.times > len(one.machines) else ""
            yield f"    {_line(one.text)} [{some(one.machines)}{number}]"
            if one.chains is not None and one.effect != "expected":
                yield from (
                    f"      {when} {_line(chain)}" for when, chain in zip(("was", "is "), one.chains, strict=True)
                )


def _wishes(found: Comparison) -> Iterator[str]:
    if found.wishes:
        yield "\nThe inventory wants otherwise"
    same: dict[str, list[str]] = {}
    for wish in found.wishes:
        same.setdefault(str(wish), []).append(wish.machine)
    yield from (f"    {_line(text)} [{some(machines)}]" for text, machines in same.items())


def _timings(found: Sequence[Timing]) -> Iterator[str]:
    if found:
        yield "\nTimings of drills"
    for one in found:
        what, said = timing(one)
        yield f"    {_line(what)}: {said}"


def _side(side: Side) -> str:
    return "nothing" if side.median is None else f"median {side.median:.1f} ms ({side.n})"


def _counted(number: int, one: str, more: str) -> str:
    return f"{number} {one if number == 1 else more}" if number else ""


def _line(text: str) -> str:
    return printable(" ".join(text.splitlines()), LINE)
