"""A comparison as one HTML page that needs nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from checks.compare.changes import Change, Shift
from checks.compare.runs import Comparison
from reports.text import printable

_STYLE = """
:root { color-scheme: light dark; --line: #8884; --worse: #c62828; --attention: #b26a00; --better: #2e7d32; }
body { font: 15px/1.45 system-ui, sans-serif; margin: 2rem auto; max-width: 76rem; padding: 0 1rem; }
table { border-collapse: collapse; width: 100%; }
th, td { border-bottom: 1px solid var(--line); padding: .35rem .6rem; text-align: left; vertical-align: top; }
.worse { color: var(--worse); font-weight: 600; }
.attention { color: var(--attention); } .better { color: var(--better); }
td { overflow-wrap: anywhere; } small { opacity: .75; display: block; white-space: pre-wrap; }
"""


def page(found: Comparison) -> str:
    """The whole page. Every text of a machine is escaped."""
    verdict = "Something got worse" if found.worse else "Nothing got worse"
    return f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>{verdict}: two runs compared</title><style>{_STYLE}</style></head><body>
<h1 class="{"worse" if found.worse else "better"}">{verdict}</h1>
<p>Before: {_told(found.before.folder)}, {found.before.started:%Y-%m-%d %H:%M} UTC.
After: {_told(found.after.folder)}, {found.after.started:%Y-%m-%d %H:%M} UTC.</p>
<h2>Statements that came out otherwise</h2>{_shifts(found.shifts)}
<h2>Facts that changed</h2>{_changes(found.changes)}{_only(found)}
</body></html>
"""


def _shifts(found: Sequence[Shift]) -> str:
    rows = [
        f'<tr><td class="{one.verdict}">{one.before} → {one.after}</td><td>{_told(one.statement)}'
        f"<small>{_told(one.message)}</small></td><td>{_told(', '.join(one.machines))}</td></tr>"
        for one in found
    ]
    return _table(("outcome", "statement", "machines"), rows)


def _changes(found: Sequence[Change]) -> str:
    ordered = sorted(found, key=lambda one: (one.expected, one.cause))
    rows = [
        f"<tr><td>{one.cause}{'' if not one.expected else '<small>as an upgrade does</small>'}</td>"
        f"<td>{_told(one.machine)}</td><td>{_told(one.subject)}: {_told(one.what)}</td>"
        f"<td>{_told(one.before)}</td><td>{_told(one.after)}</td></tr>"
        for one in ordered
    ]
    return _table(("likely cause", "machine", "what", "before", "after"), rows)


def _only(found: Comparison) -> str:
    parts = [
        f"<p>Only {when}: {_told(', '.join(names))}.</p>"
        for when, names in (("before", found.only_before), ("after", found.only_after))
        if names
    ]
    return "".join(parts)


def _table(heads: Sequence[str], rows: Sequence[str]) -> str:
    if not rows:
        return "<p>None.</p>"
    head = "".join(f"<th>{text}</th>" for text in heads)
    return f"<table><thead><tr>{head}</tr></thead><tbody>{''.join(rows)}</tbody></table>"


def _told(text: str | None) -> str:
    return "–" if text is None else escape(printable(text, 2000))
