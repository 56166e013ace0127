"""The rows of the page, as the cells that pytest-html takes."""

from __future__ import annotations

import re
from collections.abc import Sequence
from urllib.parse import quote

from reports.rows import OUTCOMES, Link, Outcome, Row
from reports.text import shown

# pytest-html's filters know only pytest's words, and read them from the first cell, which is hidden.
PYTEST_WORDS: dict[Outcome, str] = {
    "broken": "Failed",
    "could not look": "Error",
    "waived": "XFailed",
    "advice": "Passed",
    "holds": "Passed",
    "does not apply": "Skipped",
}
LABELS = {
    "passed": "hold",
    "failed": "broken",
    "error": "could not look",
    "skipped": "do not apply",
    "xfailed": "waived",
}
LIST_ALL_UP_TO = 500
"""Above this many rows, those that plainly hold are counted in the matrix only: the page stays light."""

HEADER = (
    '<th class="sortable col-result" data-column-type="result" hidden>Result</th>',
    '<th class="sortable col-testId" data-column-type="testId" hidden>Id</th>',
    '<th class="sortable" data-column-type="outcome">Outcome</th>',
    '<th class="sortable" data-column-type="machine">Machine</th>',
    "<th>Statement</th>",
    "<th>Evidence</th>",
    '<th class="sortable" data-column-type="duration">Time</th>',
)


def cells(row: Row, *, duration_cell: str, extra_links: str = "") -> list[str]:
    """A row as table cells. The two given come from pytest-html and are kept as they are."""
    rank, word = OUTCOMES.index(row.outcome), row.outcome
    return [
        f'<td class="col-result" hidden>{PYTEST_WORDS[row.outcome]}</td>',
        f'<td class="col-testId" hidden>{anchor(row.id)}</td>',
        f'<td class="col-outcome"><span data-rank="{rank}" class="vf-word {slug(word)}">{word}</span></td>',
        f'<td class="col-machine">{shown(row.machine) or "–"}</td>',
        f'<td class="col-statement" title="{shown(row.id)}">{story(row)}</td>',
        f'<td class="col-links">{figure_links(row.figures)}{links(row)}{extra_links}</td>',
        duration_cell,
    ]


def story(row: Row) -> str:
    """What the row has to say: statement, what was found, why it matters, what to do, what was measured."""
    parts = [f'<div class="vf-statement">{shown(row.statement)}</div>']
    parts += [f'<div class="vf-message">{shown(row.message, 8000)}</div>'] if row.message else []
    parts += [f'<div class="vf-advice"><b>Advice</b> {shown(text)}</div>' for text in row.advice]
    if row.wanted_but_not_run:
        parts.append(f'<div class="vf-not-run"><b>Wanted, but not run</b> {shown(row.wanted_but_not_run)}</div>')
    if row.waiver is not None:
        parts.append(f'<div class="vf-waiver"><b>Waiver</b> {shown(str(row.waiver))}</div>')
    if row.outcome in ("broken", "waived"):
        parts += [f'<div class="vf-why"><b>Why</b> {shown(row.why)}</div>'] if row.why else []
        parts += [f'<div class="vf-fix"><b>Fix</b> {shown(row.fix)}</div>'] if row.fix else []
    if row.notes:
        parts.append("<ul class=vf-notes>" + "".join(f"<li>{shown(note)}</li>" for note in row.notes) + "</ul>")
    return "".join(parts)


def links(row: Row) -> str:
    """Files of the run folder as relative links; whose they are is said only where it is another machine."""
    return "".join(
        f'<a href="{address(link.path, link.place)}">{shown(link.label.removeprefix(f"{row.machine}: "))}</a>'
        for link in row.evidence
    )


def figure_links(figures: Sequence[Link]) -> str:
    """Figures stand once, above the rows, whatever number of statements they bear out."""
    return "".join(f'<a href="#{figure_anchor(link)}">{shown(link.label)}</a>' for link in figures)


def figure_anchor(link: Link) -> str:
    """The id of a figure in the page."""
    return "figure-" + plain(link.path)


def address(path: str, place: str = "") -> str:
    """A path inside the run folder as a relative URL: with its colons quoted it can name no other scheme or server."""
    target = quote(path.lstrip("/"), errors="replace")
    return f"{target}#{quote(place, errors='replace')}" if place else target


def anchor(node_id: str) -> str:
    """A node id as the id of its row in the page: stable, so a link to it stays good."""
    return "row-" + plain(node_id)


def slug(words: str) -> str:
    """An outcome or readiness as a CSS class."""
    return "vf-" + words.replace(" ", "-")


def is_listed(row: Row, total: int) -> bool:
    """Whether the row is worth a line in a page of so many rows."""
    says_more = bool(row.notes or row.figures or row.wanted_but_not_run or row.waiver)
    return total <= LIST_ALL_UP_TO or says_more or row.outcome not in ("holds", "does not apply")


def plain(name: str) -> str:
    """A name as a part of an id in the page."""
    return re.sub(r"[^A-Za-z0-9]+", "-", name).strip("-")
