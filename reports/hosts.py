"""May these machines go into service: one line per host, and below it what stands in the way and what it is made of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from reports.readiness import FINDINGS, READINESS, Finding, Machine, in_words, plural
from reports.table import address, anchor, plain, slug
from reports.text import shown

MESSAGE_LIMIT = 600
OPEN_UP_TO = 2
"""So many hosts that are not ready show at once why; of more, their lines do, and the findings by cause below."""
NAMED_UP_TO = 6
HARDWARE = ("NIC", "driver", "firmware", "PFs", "VFs", "CPU", "product", "BIOS")
IN_LINE = ("NIC", "kernel")


def hosts(machines: Sequence[Machine], evidence: Mapping[str, str]) -> str:
    """The section of all hosts, those that need somebody first. `evidence`: address of what was read, by machine."""
    by_need = sorted(machines, key=lambda machine: READINESS.index(machine.readiness))
    open_ones = sum(machine.readiness != "ready" for machine in by_need) <= OPEN_UP_TO
    lines = "".join(
        _host(machine, evidence, is_open=len(by_need) == 1 or (open_ones and machine.readiness != "ready"))
        for machine in by_need
    )
    return f'<section id="hosts" aria-labelledby="hosts-head"><h2 id="hosts-head">Hosts</h2>{lines}</section>'


def _host(machine: Machine, evidence: Mapping[str, str], *, is_open: bool) -> str:
    guests = f'<span class="vf-with">with {shown(", ".join(machine.guests), 300)}</span>' if machine.guests else ""
    return "".join(
        [
            f'<details class="vf-machine {slug(machine.readiness)}" id="host-{plain(machine.name)}"',
            f' data-name="{shown(machine.name)}"{" open" if is_open else ""}><summary>',
            f'<span class="vf-badge">{machine.verdict}</span><h3>{shown(machine.name)}</h3>{guests}',
            f'<span class="vf-gist">{_gist(machine)}</span>',
            f'<span class="vf-counts">{_chips(machine.counts)}</span></summary>',
            f'<p class="vf-reason">{shown(machine.reason)}</p>' if machine.reason else "",
            _findings(machine),
            _facts(machine.facts),
            _read(machine, evidence),
            "</details>",
        ]
    )


def _gist(machine: Machine) -> str:
    """What fits the line: the worst finding, or, where nothing is in the way, what the host is."""
    if machine.readiness != "ready" and machine.findings:
        worst = machine.findings[0]  # of several statements, what they all say tells more than the first of them
        return shown(worst.statement if len(worst.rows) == 1 else worst.message, 160)
    return " · ".join(shown(machine.facts[key], 90) for key in IN_LINE if key in machine.facts)


def _chips(counts: Mapping[str, int]) -> str:
    told = ((slug(word), f"{number} {plural(word, number)}") for word, number in counts.items() if number)
    return " ".join(f'<span class="vf-chip {kind}">{text}</span>' for kind, text in told)


def _findings(machine: Machine) -> str:
    if not machine.findings:
        return ""
    hidden = len(machine.findings) - FINDINGS
    more = (
        f'<p class="vf-more">… and {hidden} more, in <a href="#statements">the statements</a></p>' if hidden > 0 else ""
    )
    lines = "".join(_finding(finding, machine) for finding in machine.findings[:FINDINGS])
    return f'<ol class="vf-findings">{lines}</ol>{more}'


def _finding(finding: Finding, machine: Machine) -> str:
    where = f"{shown(finding.machine)}: " if finding.machine not in ("", machine.name) else ""
    return (
        f'<li><span class="vf-word {slug(finding.outcome)}">{finding.outcome}</span> '
        f'<a href="#{anchor(finding.rows[0])}">{where}{shown(finding.statement, 300)}</a>'
        f'<div class="vf-message">{shown(finding.message, MESSAGE_LIMIT)}</div>{fix(finding.fix)}</li>'
    )


def fix(text: str) -> str:
    """What to do, where that is known."""
    return f'<div class="vf-fix"><b>Fix</b> {shown(text, MESSAGE_LIMIT)}</div>' if text else ""


def _facts(facts: Mapping[str, str]) -> str:
    """The hardware first, then what runs on it."""
    labels = [*(key for key in HARDWARE if key in facts), *(key for key in facts if key not in HARDWARE)]
    told = "".join(f"<div><dt>{shown(key, 40)}</dt><dd>{shown(facts[key], 400)}</dd></div>" for key in labels)
    return f'<dl class="vf-facts">{told}</dl>' if told else ""


def _read(machine: Machine, evidence: Mapping[str, str]) -> str:
    links = [
        f'<a href="{address(evidence[name])}">{shown(name)}</a>'
        for name in (machine.name, *machine.guests)
        if name in evidence
    ]
    return f'<p class="vf-read">Everything that was read: {", ".join(links)}</p>' if links else ""


def signature(machines: Sequence[Machine]) -> str:
    """Where somebody answers for it: empty on the screen, lines on paper."""
    told = (
        "; ".join(f"{machine.name}: {machine.verdict}" for machine in machines) if len(machines) <= NAMED_UP_TO else ""
    )
    counts: dict[str, int] = {word: sum(machine.readiness == word for machine in machines) for word in READINESS}
    lines = "".join(f"<div><dt>{label}</dt><dd></dd></div>" for label in ("Name", "Date", "Signature"))
    return (
        '<section class="vf-sign" aria-labelledby="sign-head"><h2 id="sign-head">Sign-off</h2>'
        f"<p>This report says: {shown(told or in_words(counts), 600)}.</p>"
        '<p class="vf-boxes"><span>☐ accepted for service</span><span>☐ accepted with the waivers above</span>'
        f'<span>☐ not accepted</span></p><dl class="vf-lines">{lines}</dl></section>'
    )
