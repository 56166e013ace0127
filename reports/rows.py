"""One row per statement and machine: what was judged, what came out, and what shows it."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable
from functools import lru_cache
from typing import Literal, get_args

import pytest
from pydantic import BaseModel, ConfigDict, Field

from reports.text import printable

Outcome = Literal["broken", "could not look", "waived", "advice", "holds", "does not apply"]
OUTCOMES: tuple[Outcome, ...] = ("broken", "could not look", "waived", "advice", "holds", "does not apply")
"""The worst first."""

WaiverState = Literal["counts", "expired", "not needed", "no help"]
MESSAGE_LIMIT = 8000
LINE_LIMIT = 1000
MANY = 50
MEASURE_NAME = r"^[a-z][a-z0-9_]{0,60}$"
MESSAGE = "vfproof_message"
"""Attribute of a pytest report: the message without pytest's own explanation."""


class Shape(BaseModel):
    """A part of results.json. Readers must allow keys they do not know: a later version adds some."""

    model_config = ConfigDict(frozen=True)


class Link(Shape):
    """A file of the run folder."""

    label: str
    path: str = Field(description="relative to the run folder")
    place: str = Field("", description="id of the place in it, where it is a page")


class WaiverNote(Shape):
    """A waiver that the inventory has for a row, and what it does for it."""

    state: WaiverState = Field(
        description="counts: the row is broken and waived; expired; not needed: nothing is broken; "
        "no help: it could not be looked at, which no waiver excuses"
    )
    by: str
    until: str = Field(description="the last day on which it counts")
    reason: str

    def __str__(self) -> str:
        who = f"by {self.by}, until {self.until}: {self.reason}"
        return {
            "counts": f"waived {who}",
            "expired": f"the waiver ran out ({who})",
            "not needed": f"a waiver is not needed: nothing is broken here; take it out of the inventory ({who})",
            "no help": f"a waiver excuses only what is broken; this could not be looked at ({who})",
        }[self.state]


class Measure(Shape):
    """A number that a row measured, for dashboards."""

    name: str = Field(description="what and in which unit, such as drill_outage_seconds", pattern=MEASURE_NAME)
    of: str = Field("", description="of what, where a machine has several: the kind of drill")
    value: float = Field(allow_inf_nan=False)


class Row(Shape):
    """A statement about one machine, and what came out."""

    id: str = Field(description="pytest's node id")
    statement: str = Field(description="the statement in words")
    outcome: Outcome
    machine: str = Field("", description="name in the inventory; empty when the statement is about no machine")
    role: str = Field("", description="host, guest, drill or observer")
    message: str = Field("", description="what was found, wanted, where it was read, what to do; or why it was not")
    why: str = ""
    fix: str = ""
    advice: tuple[str, ...] = ()
    notes: tuple[str, ...] = Field((), description="what was measured")
    measured: tuple[Measure, ...] = Field((), description="the same as numbers")
    evidence: tuple[Link, ...] = ()
    figures: tuple[Link, ...] = ()
    wanted_but_not_run: str | None = Field(None, description="why something that the inventory wants was not run")
    waiver: WaiverNote | None = None
    duration_s: float = 0.0

    @property
    def area(self) -> str:
        """The question area: the file's name without `test_`."""
        return self.id.partition("::")[0].rpartition("/")[2].removesuffix(".py").removeprefix("test_")


_SAID = set(Row.model_fields)


def statement_properties(docstring: str | None, name: str) -> list[tuple[str, object]]:
    """A check's docstring as properties of its rows: the statement, `why` and `fix` where it has them."""
    return [*_statement_properties(docstring or "", name)]


@lru_cache(maxsize=1024)  # a check has a row for every machine
def _statement_properties(docstring: str, name: str) -> tuple[tuple[str, object], ...]:
    paragraphs = [" ".join(part.split()) for part in _paragraphs(docstring)]
    statement = next((part for part in paragraphs if not part.startswith(("Why:", "Fix:"))), "")
    properties: list[tuple[str, object]] = [("statement", statement or name.removeprefix("test_").replace("_", " "))]
    for key in ("Why", "Fix"):
        properties += [
            (key.lower(), part.partition(":")[2].strip()) for part in paragraphs if part.startswith(f"{key}:")
        ]
    return tuple(properties)


def row(nodeid: str, reports: Iterable[pytest.TestReport]) -> Row:
    """The row of one item from all its reports: several may say something, the worst outcome counts."""
    told = [(outcome(report), report) for report in reports]
    judged = [(word, report) for word, report in told if word is not None]
    worst: Outcome = min((word for word, _ in judged), key=OUTCOMES.index, default="could not look")
    wrong = {worst, "broken", "could not look", "waived"}
    messages = [message(report) for word, report in judged if word in wrong]
    properties = _Properties(told[-1][1].user_properties)
    if worst == "holds" and properties.all("advice"):  # given in the teardown
        worst = "advice"
    return Row.model_construct(  # of our own making, and a set of its fields' names for each row is as large as the row
        _SAID,
        id=bounded_line(nodeid),
        statement=properties.one("statement") or bounded_line(nodeid),
        outcome=worst,
        machine=properties.one("machine"),
        role=properties.one("role"),
        message=printable("\n".join(text for text in messages if text), MESSAGE_LIMIT),
        why=properties.one("why"),
        fix=properties.one("fix"),
        advice=properties.all("advice"),
        notes=properties.all("note"),
        measured=properties.measures(),
        evidence=properties.links("evidence"),
        figures=properties.links("figure"),
        wanted_but_not_run=properties.one("wanted-but-not-run") or None,
        waiver=properties.waiver(),
        duration_s=round(sum(report.duration for _, report in told), 4),
    )


def unloadable(nodeid: str, text: str) -> Row:
    """The row of a file of checks that could not even be loaded."""
    return Row(
        id=bounded_line(nodeid),
        statement=f"The checks in {bounded_line(nodeid)} can be loaded.",
        outcome="could not look",
        message=printable(text.strip(), MESSAGE_LIMIT),
    )


def outcome(report: pytest.TestReport) -> Outcome | None:
    """What this one report says; None for the uneventful setup or teardown around a judgement."""
    if report.failed:
        return "broken" if report.when == "call" else "could not look"
    if hasattr(report, "wasxfail"):  # known to be broken and accepted as that, or wrongly thought to be broken
        waived = any(key == "waiver" and value == "counts" for key, value in report.user_properties)
        return "waived" if waived else "advice"
    if report.skipped:
        return "does not apply"
    if report.when != "call":
        return None
    return "advice" if any(key == "advice" for key, _ in report.user_properties) else "holds"


def message(report: pytest.TestReport) -> str:
    """What the report has to say, in the check's own words."""
    if outcome(report) == "waived":
        return str(getattr(report, MESSAGE, ""))
    if hasattr(report, "wasxfail"):
        return f"expected to be broken: {report.wasxfail or 'no reason given'}"
    if report.skipped and isinstance(report.longrepr, tuple):
        return str(report.longrepr[2]).removeprefix("Skipped: ")
    if report.failed:
        return str(getattr(report, MESSAGE, "")) or report.longreprtext
    return ""


def message_of(error: BaseException) -> str:
    """An exception as the sentence it carries; a builtin one is a mistake in a check, and its kind is named."""
    if isinstance(error, pytest.FixtureLookupError):
        return f"a mistake in the checks: there is no fixture {error.argname!r}"
    text = str(error)
    if isinstance(error, AssertionError):
        return text.partition("\nassert ")[0]  # the rest is pytest's explanation of the expression
    if type(error).__module__ == "builtins" or not text:
        return f"{type(error).__name__}: {text}"
    return text


def bounded_line(text: str) -> str:
    """The text on one line that fits a table."""
    return printable(" ".join(text.splitlines()), LINE_LIMIT)


class _Properties:
    """User properties, which anything may have set to anything."""

    def __init__(self, pairs: Iterable[tuple[str, object]]) -> None:
        self._values: dict[str, list[object]] = {}
        for key, value in pairs:
            self._values.setdefault(key, []).append(value)

    def one(self, key: str) -> str:
        values = self._values.get(key)
        return _property(values[-1]) if values else ""

    def every(self, key: str) -> list[str]:
        return [_property(value) for value in self._values.get(key, ())]

    def all(self, key: str) -> tuple[str, ...]:
        values = self.every(key)
        hidden = len(values) - MANY
        return (*values[:MANY], *([f"… and {hidden} more"] if hidden > 0 else []))

    def waiver(self) -> WaiverNote | None:
        if "waiver" not in self._values:
            return None
        states: dict[str, WaiverState] = {word: word for word in get_args(WaiverState)}
        state = states.get(self.one("waiver"))
        if state is None:
            return None
        by, until, reason = (self.one(f"waiver-{key}") for key in ("by", "until", "reason"))
        return WaiverNote(state=state, by=by, until=until, reason=reason)

    def measures(self) -> tuple[Measure, ...]:
        """What a row measured; what is no number under a plain name is left out."""
        found = []
        for text in self.every("measured")[:MANY]:
            name, _, rest = text.partition("\t")
            of, _, value = rest.rpartition("\t")
            with contextlib.suppress(ValueError):
                found.append(Measure(name=name, of=of, value=float(value)))
        return tuple(found)

    def links(self, key: str) -> tuple[Link, ...]:
        pairs = [value.rpartition("\t") for value in self.every(key)[:MANY]]
        return tuple(_link(label, target) for label, _, target in pairs)


def _property(value: object) -> str:
    return printable(str(value), LINE_LIMIT * 2)


@lru_cache(maxsize=256)  # the rows of a machine have the same evidence
def _link(label: str, target: str) -> Link:
    path, _, place = target.partition("#")
    return Link(label=label or path, path=path, place=place)


def _paragraphs(docstring: str) -> list[str]:
    """Split at empty lines and before `Why:` and `Fix:`, which need no empty line between them."""
    parts: list[list[str]] = [[]]
    for line in (line.strip() for line in docstring.splitlines()):
        if not line or line.startswith(("Why:", "Fix:")):
            parts.append([])
        parts[-1].append(line)
    return [text for text in ("\n".join(part).strip() for part in parts) if text]
