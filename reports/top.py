"""The top of the page: may these machines go into service, and if not, what is to be done."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

from reports.readiness import FINDINGS, READINESS, Finding, Machine, counted, in_words, plural
from reports.results import Results
from reports.rows import OUTCOMES, Link, Row
from reports.table import LIST_ALL_UP_TO, address, anchor, figure_anchor, is_listed, plain, slug, story
from reports.text import shown

MESSAGE_LIMIT = 600
SYMBOLS = {"broken": "✕", "could not look": "?", "waived": "≈", "advice": "!", "holds": "✓", "does not apply": "–"}


def top(results: Results, sections: Sequence[tuple[str, str]] = ()) -> str:
    """Everything above the table of rows. `sections`: see `reports.run_folder.SECTIONS`."""
    by_need = sorted(results.machines, key=lambda machine: READINESS.index(machine.readiness))
    return "".join(
        [
            '<div class="vf-top">',
            _state(results),
            *(f'<p class="vf-remark">{shown(remark)}</p>' for remark in results.run.remarks),
            f'<p class="vf-answer {slug(by_need[0].readiness) if by_need else ""}">{shown(answer(by_need))}</p>',
            _about(results),
            *(_machine(machine) for machine in by_need),
            _matrix(results),
            _figures(results.rows),
            *(_section(heading, html) for heading, html in sections),
            "<h2>Statements</h2>",
            _left_out(results.rows),
            "</div>",
        ]
    )


def title(results: Results) -> str:
    """The page's title: the answer in a few words, for a browser tab and a printed head."""
    by_need = sorted(results.machines, key=lambda machine: READINESS.index(machine.readiness))
    return "vfproof: " + ("interrupted; " if results.state == "interrupted" else "") + answer(by_need)


def answer(machines: Sequence[Machine]) -> str:
    """One sentence for all machines: `kvm-2 is not ready; 9 machines are ready`."""
    if not machines:
        return "nothing was judged"
    said = []
    for word in READINESS:
        names = [machine.name for machine in machines if machine.readiness == word]
        waived = sum(machine.counts.get("waived", 0) for machine in machines if machine.readiness == word)
        told = f"{word}, {waived} waived" if word == "ready" and waived else word
        if names:
            said.append(f"{names[0]} is {told}" if len(names) == 1 else f"{len(names)} machines are {told}")
    return "; ".join(said)


def so_far(results: Results, css: str) -> str:
    """A whole page that needs no end of the run: what the folder shows while it goes on, or after it was cut off."""
    told = [row for row in results.rows if row.outcome not in ("holds", "does not apply")]
    lines = "".join(
        f'<tr><td><span class="vf-word {slug(row.outcome)}">{row.outcome}</span></td><td>{shown(row.machine)}</td>'
        f"<td>{story(row)}</td></tr>"
        for row in told
    )
    return (
        '<!DOCTYPE html><html lang="en"><head><meta charset="utf-8"><title>vfproof: running or cut off</title>'
        f'<style>{css}</style></head><body><h1 id="title">vfproof: running, or cut off</h1>'
        f'<div class="summary">{top(results)}</div><table id="results-table">{lines}</table></body></html>'
    )


def _state(results: Results) -> str:
    judged, collected = len(results.rows), results.run.collected
    if results.state == "running":
        return (
            f'<p class="vf-interrupted"><b>This run is still going on, or was cut off.</b> {judged} of {collected} '
            "statements were judged when this page was written. If no vfproof runs any more, it was killed before its "
            "end, and nothing here is an acceptance. Every row it judged is in "
            '<a href="results.jsonl">results.jsonl</a>.</p>'
        )
    if results.state == "interrupted":
        return (
            f'<p class="vf-interrupted"><b>This run did not come to its end: {shown(results.run.ended_by)}.</b> '
            f"{judged} of {collected} statements were judged; nothing here is an acceptance.</p>"
        )
    if results.run.deselected:
        return (
            f'<p class="vf-interrupted"><b>A part only:</b> {results.run.deselected} statements were left out on the '
            f"command line, and {collected} judged. What is said below is said of those.</p>"
        )
    return ""


def _about(results: Results) -> str:
    run = results.run
    took = "" if run.finished is None else f", took {(run.finished - run.started).total_seconds():.0f} s"
    versions = ", ".join(f"{name} {number}" for name, number in run.versions.items())
    files = [run.inventory, "results.json", "results.jsonl" if results.state == "running" else "junit.xml"]
    about = {
        "Run": f"{_utc(run.started)}{took}, by {shown(run.user)} on {shown(run.controller)}",
        "Command": f"<code>{shown(shlex.join(run.command_line), 500)}</code>",
        "Versions": shown(versions),
        "Files": " · ".join(f'<a href="{name}">{name}</a>' for name in files if name),
        **{shown(key): shown(value) for key, value in run.labels.items()},
    }
    return (
        '<dl class="vf-about">' + "".join(f"<dt>{key}</dt><dd>{value}</dd>" for key, value in about.items()) + "</dl>"
    )


def _utc(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%d %H:%M:%S UTC")


def _machine(machine: Machine) -> str:
    guests = f'<span class="vf-with">with {shown(", ".join(machine.guests), 300)}</span>' if machine.guests else ""
    facts = " · ".join(
        f"<span>{shown(key, 40)} <b>{shown(value, 200)}</b></span>" for key, value in machine.facts.items()
    )
    hidden = len(machine.findings) - FINDINGS
    return "".join(
        [
            f'<section class="vf-machine {slug(machine.readiness)}"><header>',
            f'<span class="vf-badge">{machine.verdict}</span><h3>{shown(machine.name)}</h3>{guests}',
            f'<span class="vf-counts">{_chips(machine.counts)}</span></header>',
            f'<p class="vf-facts">{facts}</p>' if facts else "",
            f'<p class="vf-reason">{shown(machine.reason)}</p>' if machine.reason else "",
            '<ol class="vf-findings">' if machine.findings else "",
            *(_finding(finding, machine) for finding in machine.findings[:FINDINGS]),
            "</ol>" if machine.findings else "",
            f'<p class="vf-more">… and {hidden} more below</p>' if hidden > 0 else "",
            "</section>",
        ]
    )


def _chips(counts: Mapping[str, int]) -> str:
    told = ((slug(word), f"{number} {plural(word, number)}") for word, number in counts.items() if number)
    return "".join(f'<span class="vf-chip {kind}">{text}</span>' for kind, text in told)


def _finding(finding: Finding, machine: Machine) -> str:
    where = f"{shown(finding.machine)}: " if finding.machine not in ("", machine.name) else ""
    fix = f'<div class="vf-fix"><b>Fix</b> {shown(finding.fix, MESSAGE_LIMIT)}</div>' if finding.fix else ""
    return (
        f'<li><span class="vf-word {slug(finding.outcome)}">{finding.outcome}</span> '
        f'<a href="#{anchor(finding.rows[0])}">{where}{shown(finding.statement, 300)}</a>'
        f'<div class="vf-message">{shown(finding.message, MESSAGE_LIMIT)}</div>{fix}</li>'
    )


def _figures(rows: Sequence[Row]) -> str:
    """Every figure once, with the machine it is about."""
    machines: dict[Link, str] = {}
    for row in rows:
        for link in row.figures:
            machines.setdefault(link, row.machine)
    told = [_figure(link, machine) for link, machine in machines.items()]
    return "<h2>Drills</h2>" + "".join(told) if told else ""


def _figure(link: Link, machine: str) -> str:
    source, caption = address(link.path), f"{shown(machine)}: {shown(link.label)}"
    image = f'<a href="{source}"><img src="{source}" alt="{caption}"></a>'
    return f'<figure id="{figure_anchor(link)}">{image}<figcaption>{caption}</figcaption></figure>'


def _section(heading: str, html: str) -> str:
    """What another room has to say; its HTML is taken as it is."""
    return (
        f'<section id="section-{plain(heading).lower()}" class="vf-section"><h2>{shown(heading)}</h2>{html}</section>'
    )


def _matrix(results: Results) -> str:
    """Machines by question areas: where it hurts, at one look."""
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
    head = "".join(f"<th>{shown(area.replace('_', ' '))}</th>" for area in areas)
    body = "".join(
        f"<tr><th>{shown(name) or '–'}</th>"
        + "".join(_cell(cells.get((name, area), ()), len(rows)) for area in areas)
        + "</tr>"
        for name in names
    )
    head = f"<thead><tr><th></th>{head}</tr></thead>"
    return f'<h2>At one look</h2><table class="vf-matrix">{head}<tbody>{body}</tbody></table>{_legend()}'


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
    told = symbols or SYMBOLS["does not apply"]
    target = f'href="#{anchor(worst.id)}" ' if is_listed(worst, total) else ""
    link = f'<a {target}aria-label="{in_words(counts)}">{told}</a>'
    return f'<td class="{slug(worst.outcome)}" title="{in_words(counts)}">{link}</td>'


def _left_out(rows: Iterable[Row]) -> str:
    total = sum(1 for _ in rows)
    if total <= LIST_ALL_UP_TO:
        return ""
    return (
        f'<p class="vf-left-out">{total} statements were judged. Those that plainly hold or do not apply are counted '
        'above and listed in <a href="results.json">results.json</a>; here is the rest.</p>'
    )
