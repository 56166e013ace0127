"""Findings of many machines, by what they have in common: the same rule on forty hosts is one finding."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from reports.readiness import FINDING_KINDS, Finding, FindingKind, Machine

HOST, GUEST = "⟨host⟩", "⟨guest⟩"


@dataclass(frozen=True, slots=True)
class Found:
    """A finding, and the host whose readiness it decides."""

    host: Machine
    finding: Finding

    @property
    def machine(self) -> str:
        """Whom it is about."""
        return self.finding.machine or self.host.name


@dataclass(frozen=True, slots=True)
class Variant:
    """Findings in the same words, once each machine's own names are out of them."""

    message: str
    """As it was said, where only one machine says it."""
    found: tuple[Found, ...]


@dataclass(frozen=True, slots=True)
class Cause:
    """One statement that several machines do not hold, or one sentence that all of them say."""

    outcome: FindingKind
    statement: str
    fix: str
    variants: tuple[Variant, ...]
    """Those of most machines first."""

    @property
    def found(self) -> tuple[Found, ...]:
        """All its findings."""
        return tuple(one for variant in self.variants for one in variant.found)

    @property
    def hosts(self) -> int:
        """How many hosts it is in the way of."""
        return len({one.host.name for one in self.found})


def causes(machines: Iterable[Machine]) -> tuple[Cause, ...]:
    """All findings of all machines: the worst kind first, and of a kind what most hosts have.

    A finding of one statement belongs to that statement. One of several (an unreachable machine) goes by its words.
    """
    grouped: dict[tuple[FindingKind, str], dict[str, list[Found]]] = {}
    for host in machines:
        names = _names(host)
        for finding in host.findings:
            words = without_names(finding.message, names)
            rule = check_of(finding.rows[0]) if len(finding.rows) == 1 else words
            grouped.setdefault((finding.outcome, rule), {}).setdefault(words, []).append(Found(host, finding))
    found = [_cause(kind, variants) for (kind, _), variants in grouped.items()]
    return tuple(sorted(found, key=lambda one: (FINDING_KINDS.index(one.outcome), -one.hosts)))


def check_of(node_id: str) -> str:
    """The check that a row is of: pytest's node id without its parameters."""
    return node_id.partition("[")[0]


def without_names(text: str, names: Mapping[str, str]) -> str:
    """The text with whole names replaced; a name inside a longer word stays (`kvm-1` in `kvm-10`, `kvm-1.lan`)."""
    if not names:
        return text
    longest_first = sorted(names, key=len, reverse=True)
    either = "|".join(map(re.escape, longest_first))
    return re.sub(rf"(?<![\w.-])(?:{either})(?![\w-]|\.\w)", lambda match: names[match[0]], text)


def _names(host: Machine) -> dict[str, str]:
    return {**dict.fromkeys(host.guests, GUEST), host.name: HOST}


def _cause(kind: FindingKind, variants: Mapping[str, Sequence[Found]]) -> Cause:
    ordered = sorted(variants.items(), key=lambda item: -len(item[1]))
    first = ordered[0][1][0].finding
    return Cause(
        outcome=kind,
        statement=first.statement,
        fix=first.fix,
        variants=tuple(
            Variant(words if len(found) > 1 else found[0].finding.message, tuple(found)) for words, found in ordered
        ),
    )
