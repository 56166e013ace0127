"""What is wrong, by cause: each finding once, with all machines that have it."""

from __future__ import annotations

from collections.abc import Sequence

from reports.causes import Cause, Found, Variant, causes
from reports.hosts import MESSAGE_LIMIT, fix
from reports.readiness import FINDINGS, Machine
from reports.table import anchor, slug
from reports.text import shown

VARIANTS = 5
"""So many wordings of one finding stand in the open; the others a click away."""


def findings(machines: Sequence[Machine]) -> str:
    """The section of all findings; empty where the hosts above have told each of them already."""
    found = causes(machines)
    told_above = all(cause.hosts == 1 for cause in found) and all(len(one.findings) <= FINDINGS for one in machines)
    if not found or (told_above and len(machines) == 1):
        return ""
    items = "".join(_cause(number, cause) for number, cause in enumerate(found, 1))
    return (
        '<section id="findings" aria-labelledby="findings-head"><h2 id="findings-head">Findings by cause</h2>'
        f'<ol class="vf-causes">{items}</ol></section>'
    )


def _cause(number: int, cause: Cause) -> str:
    hosts = f'<span class="vf-chip">{cause.hosts} hosts</span>' if cause.hosts > 1 else ""
    told = [_variant(variant) for variant in cause.variants]
    hidden = (
        f"<details><summary>{len(told) - VARIANTS} more wordings</summary>{''.join(told[VARIANTS:])}</details>"
        if len(told) > VARIANTS
        else ""
    )
    return (
        f'<li id="finding-{number}"><span class="vf-word {slug(cause.outcome)}">{cause.outcome}</span> {hosts} '
        f"<b>{shown(cause.statement, 300)}</b>{''.join(told[:VARIANTS])}{hidden}{fix(cause.fix)}</li>"
    )


def _variant(variant: Variant) -> str:
    message = f'<div class="vf-message">{shown(variant.message, MESSAGE_LIMIT)}</div>' if variant.message else ""
    machines = " ".join(_machine(one) for one in variant.found)
    return f'{message}<div class="vf-on">on {machines}</div>'


def _machine(one: Found) -> str:
    return f'<a href="#{anchor(one.finding.rows[0])}">{shown(one.machine)}</a>'
