"""Machines by question areas: where it hurts, at one look."""

from __future__ import annotations

from collections.abc import Sequence

from reports.readiness import counted, in_words
from reports.results import Results
from reports.rows import OUTCOMES, Row
from reports.table import anchor, is_listed, slug
from reports.text import shown

SYMBOLS = {"broken": "✕", "could not look": "?", "waived": "≈", "advice": "!", "holds": "✓", "does not apply": "–"}


def matrix(results: Results) -> str:
    """The section with the table; a cell leads to its worst row, where the page has that."""
    rows = results.rows
    areas = list(dict.fromkeys(row.area for row in rows))
    hosts_first = [name for machine in results.machines for name in (machine.name, *machine.guests)]
    told = {row.machine for row in rows}
    names = [name for name in dict.fromkeys([*hosts_first, *told]) if name in told]
    if not areas:
        return ""
    cells: dict[tuple[str, str], list[Row]] = {}
    for row in rows:
        cells.setdefault((row.machine, row.area), []).append(row)
    head = "".join(f'<th scope="col"><span>{shown(area.replace("_", " "))}</span></th>' for area in areas)
    body = "".join(
        f'<tr><th scope="row">{shown(name) or "–"}</th>'
        + "".join(_cell(cells.get((name, area), ()), len(rows)) for area in areas)
        + "</tr>"
        for name in names
    )
    return (
        '<section id="matrix" aria-labelledby="matrix-head"><h2 id="matrix-head">At one look</h2>'
        '<div class="vf-wide" role="region" aria-labelledby="matrix-head" tabindex="0"><table class="vf-matrix">'
        "<caption>Statements by machine and subject</caption>"
        f"<thead><tr><td></td>{head}</tr></thead><tbody>{body}</tbody></table></div>{_legend()}</section>"
    )


def _legend() -> str:
    return '<p class="vf-legend">' + " · ".join(f"{symbol} {word}" for word, symbol in SYMBOLS.items()) + "</p>"


def _cell(rows: Sequence[Row], total: int) -> str:
    if not rows:
        return "<td></td>"
    counts = counted(rows)
    worst = min(rows, key=lambda row: OUTCOMES.index(row.outcome))
    symbols = " ".join(
        f"{SYMBOLS[word]}{number}" for word, number in counts.items() if number and word != "does not apply"
    )
    told, words = symbols or SYMBOLS["does not apply"], in_words(counts)
    if not is_listed(worst, total):
        return f'<td class="{slug(worst.outcome)}" title="{words}">{told}</td>'
    link = f'<a href="#{anchor(worst.id)}" aria-label="{words}">{told}</a>'
    return f'<td class="{slug(worst.outcome)}" title="{words}">{link}</td>'
