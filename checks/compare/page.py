"""A comparison as HTML: a section for a run's own page, and a page by itself that needs nothing else."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from checks.compare.entries import Entry, entries
from checks.compare.outcomes import Shift
from checks.compare.runs import Comparison
from checks.compare.told import EFFECTS, VERDICTS, conclusion, some, timing
from reports.text import shown

_LIMIT = 2000
_CAUSE, _MACHINES = ("cause", "likely cause"), ("machines", "machines")
_HEADS = (_CAUSE, ("outcome", "outcome"), ("", "statement"), _MACHINES)
STYLE = """
.vf-compare { --line: #8884; --worse: #c62828; --attention: #9a5b00; --better: #2e7d32; }
@media (prefers-color-scheme: dark) {
  .vf-compare { --worse: #ef8078; --attention: #e0a050; --better: #81c784; }
}
.vf-compare table { border-collapse: collapse; table-layout: fixed; width: 100%; margin: .3rem 0 1rem; }
.vf-compare th, .vf-compare td {
  border: 0; border-bottom: 1px solid var(--line); padding: .35rem .6rem; text-align: left; vertical-align: top;
  overflow-wrap: anywhere;
}
.vf-compare th.cause { width: 13rem; }
.vf-compare th.outcome { width: 8rem; }
.vf-compare th.machines { width: 10rem; }
.vf-compare small { font-weight: 400; opacity: .8; display: block; white-space: pre-wrap; }
.vf-compare .cause { font-weight: 600; }
.vf-compare .worse, .vf-compare .breaks, .vf-compare .slower { color: var(--worse); font-weight: 600; }
.vf-compare .attention, .vf-compare .look { color: var(--attention); }
.vf-compare .better, .vf-compare .faster { color: var(--better); }
"""
_PAGE = """
:root { color-scheme: light dark; }
body { font: 15px/1.45 system-ui, sans-serif; margin: 2rem auto; max-width: 76rem; padding: 0 1rem; }
"""


def title(found: Comparison) -> str:
    """What the section is about."""
    return f"Compared with {found.before.folder}"


def section(found: Comparison) -> str:
    """The comparison without a page around it; its headings begin with h3. Every text of a machine is escaped."""
    parts = [
        f"<style>{STYLE}</style>",
        f'<div class="vf-compare"><p class="{"worse" if found.worse else "better"}">{shown(conclusion(found))}</p>',
        f"<p>Before: {shown(found.before.folder)}, {found.before.started:%Y-%m-%d %H:%M} UTC. "
        f"After: {shown(found.after.folder)}, {found.after.started:%Y-%m-%d %H:%M} UTC.</p>",
        *(f"<p>Note: {shown(remark, _LIMIT)}</p>" for remark in found.remarks),
        *_shifts(found),
        *_facts(found),
        *_timings(found),
        *_only(found),
        "</div>",
    ]
    return "".join(parts)


def page(found: Comparison) -> str:
    """The whole page."""
    verdict = "Something got worse" if found.worse else "Nothing got worse"
    return f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>{verdict}: two runs compared</title><style>{_PAGE}</style></head><body>
<h1>{verdict}</h1>{section(found)}</body></html>
"""


def _shifts(found: Comparison) -> Iterable[str]:
    for verdict, heading in VERDICTS.items():
        rows = [_shift(one) for one in found.shifts if one.verdict == verdict]
        yield from _table(f"Statements: {heading.lower()}", _HEADS, rows)


def _shift(one: Shift) -> str:
    because = f"<small>{shown(one.because, _LIMIT)}</small>" if one.because else ""
    message = f"<small>{shown(one.message, _LIMIT)}</small>" if one.verdict in ("worse", "attention") else ""
    return (
        f'<tr><td class="cause">{one.cause}{because}</td><td class="{one.verdict}">{one.before} → {one.after}</td>'
        f"<td>{shown(one.statement, _LIMIT)}{message}</td><td>{_machines(one.machines)}</td></tr>"
    )


def _facts(found: Comparison) -> Iterable[str]:
    told = entries(found.changes)
    for effect, heading in EFFECTS.items():
        rows = [_entry(one) for one in told if one.effect == effect]
        yield from _table(heading, (_CAUSE, ("", "what"), _MACHINES), rows)
    rows = [
        f'<tr><td class="cause">inventory</td><td>{shown(str(wish), _LIMIT)}</td><td>{shown(wish.machine)}</td></tr>'
        for wish in found.wishes
    ]
    yield from _table("The inventory wants otherwise", (_CAUSE, ("", "what"), _MACHINES), rows)


def _entry(one: Entry) -> str:
    chains = "" if one.chains is None else "<small>was {}\nis {}</small>".format(*map(shown, one.chains))
    number = f" ({one.times} in all)" if one.times > len(one.machines) else ""
    return (
        f'<tr><td class="cause">{one.cause}</td><td><span class="{one.effect}">{shown(one.text, _LIMIT)}</span>'
        f"{chains}</td><td>{_machines(one.machines)}{number}</td></tr>"
    )


def _timings(found: Comparison) -> Iterable[str]:
    rows = []
    for one in found.timings:
        what, said = timing(one)
        rows.append(
            f'<tr><td class="{one.said.partition(" ")[0]}">{one.said}</td><td>{shown(what)}</td><td>{said}</td></tr>'
        )
    yield from _table("Timings of drills", (("cause", ""), ("", "what"), ("", "before → after")), rows)


def _only(found: Comparison) -> Iterable[str]:
    for when, names in (("before", found.only_before), ("after", found.only_after)):
        if names:
            yield f"<p>Only {when}: {shown(', '.join(names), _LIMIT)}.</p>"


def _machines(names: Sequence[str]) -> str:
    return f'<span title="{shown(", ".join(names), _LIMIT)}">{shown(some(names))}</span>'


def _table(heading: str, heads: Sequence[tuple[str, str]], rows: Sequence[str]) -> Iterable[str]:
    if rows:
        head = "".join(f'<th scope="col" class="{kind}">{text}</th>' for kind, text in heads)
        yield f"<h3>{heading}</h3><table><thead><tr>{head}</tr></thead><tbody>{''.join(rows)}</tbody></table>"
