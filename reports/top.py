"""The top of the page: may these machines go into service, and if not, what is to be done."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from reports import findings, hosts, matrix
from reports.readiness import READINESS, Machine
from reports.results import Results
from reports.rows import Link, Row
from reports.table import LIST_ALL_UP_TO, address, figure_anchor, plain, slug, story
from reports.text import shown


@dataclass(frozen=True, slots=True)
class Beside:
    """What the page says that is not in the results."""

    sections: Sequence[tuple[str, str]] = ()
    """See `reports.run_folder.SECTIONS`."""
    readings: Mapping[str, str] = field(default_factory=dict)
    """See `reports.run_folder.READINGS`."""
    digest: str = ""
    """Of results.json, so that a signed paper names the results that it is about."""


def top(results: Results, beside: Beside = Beside()) -> str:
    """Everything above the table of rows."""
    by_need = sorted(results.machines, key=lambda machine: READINESS.index(machine.readiness))
    drills, found = _figures(results.rows), findings.findings(results.machines)
    parts = [
        _state(results),
        *(f'<p class="vf-remark">{shown(remark)}</p>' for remark in results.run.remarks),
        _about(results, beside.digest),
        _contents(found, drills, [heading for heading, _ in beside.sections]),
        hosts.hosts(results.machines, beside.readings),
        hosts.signature(by_need) if results.state == "finished" else "",
        found,
        matrix.matrix(results),
        drills,
        *(_section(heading, html) for heading, html in beside.sections),
        '<h2 id="statements">Statements</h2>',
        _left_out(results.rows),
    ]
    worst = slug(by_need[0].readiness) if by_need else "vf-none"
    return f'<div class="vf-top {worst}">{"".join(parts)}</div>'


def title(results: Results) -> str:
    """The page's title: the answer in a few words, for a browser tab and a printed head."""
    by_need = sorted(results.machines, key=lambda machine: READINESS.index(machine.readiness))
    state = {"running": "still running, or cut off; ", "interrupted": "interrupted; "}.get(results.state, "")
    return f"vfproof: {state}{answer(by_need)}"


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
        f'<!DOCTYPE html><html lang="en"><head><meta charset="utf-8"><title>{shown(title(results))}</title>'
        f'<style>{css}</style></head><body><h1 id="title">{shown(title(results))}</h1>'
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


def _contents(found: str, drills: str, headings: Sequence[str]) -> str:
    places = {"hosts": "Hosts", **({"findings": "Findings"} if found else {}), "matrix": "At one look"}
    places |= {"drills": "Drills"} if drills else {}
    places |= {f"section-{plain(heading).lower()}": heading for heading in headings} | {"statements": "Statements"}
    links = "".join(f'<a href="#{place}">{shown(name)}</a>' for place, name in places.items())
    return f'<nav class="vf-contents" aria-label="Parts of this report">{links}</nav>'


def _about(results: Results, digest: str) -> str:
    run = results.run
    took = "" if run.finished is None else f", took {(run.finished - run.started).total_seconds():.0f} s"
    versions = ", ".join(f"{name} {number}" for name, number in run.versions.items())
    files = [run.inventory, "results.json", "results.jsonl" if results.state == "running" else "junit.xml"]
    about = {
        "Run": f"{_utc(run.started)}{took}, by {shown(run.user)} on {shown(run.controller)}",
        "Versions": shown(versions),
        "Files": " · ".join(f'<a href="{name}">{name}</a>' for name in files if name),
        **({"Results": f"results.json, SHA-256 <code>{digest}</code>"} if digest else {}),
        "Command": f"<details><summary>as it ran</summary><code>{shown(shlex.join(run.command_line))}</code></details>",
        **{shown(key): shown(value) for key, value in run.labels.items()},
    }
    return (
        '<dl class="vf-about">' + "".join(f"<dt>{key}</dt><dd>{value}</dd>" for key, value in about.items()) + "</dl>"
    )


def _utc(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%d %H:%M:%S UTC")


def _figures(rows: Sequence[Row]) -> str:
    """Every figure once, with the machine it is about."""
    machines: dict[Link, str] = {}
    for row in rows:
        for link in row.figures:
            machines.setdefault(link, row.machine)
    told = [_figure(link, machine) for link, machine in machines.items()]
    if not told:
        return ""
    head = '<h2 id="drills-head">Drills</h2>'
    return f'<section id="drills" aria-labelledby="drills-head">{head}{"".join(told)}</section>'


def _figure(link: Link, machine: str) -> str:
    source, caption = address(link.path), f"{shown(machine)}: {shown(link.label)}"
    image = f'<a href="{source}"><img src="{source}" alt="{caption}"></a>'
    return f'<figure id="{figure_anchor(link)}">{image}<figcaption>{caption}</figcaption></figure>'


def _section(heading: str, html: str) -> str:
    """What another room has to say; its HTML is taken as it is."""
    return (
        f'<section id="section-{plain(heading).lower()}" class="vf-section"><h2>{shown(heading)}</h2>{html}</section>'
    )


def _left_out(rows: Iterable[Row]) -> str:
    total = sum(1 for _ in rows)
    if total <= LIST_ALL_UP_TO:
        return ""
    return (
        f'<p class="vf-left-out">{total} statements were judged. Those that plainly hold or do not apply are counted '
        'above and listed in <a href="results.json">results.json</a>; here is the rest.</p>'
    )
