"""Changes as a person is told of them: what a NIC is known by in one entry, and the same on many machines once."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from checks.compare.causes import CAUSES, EFFECTS, IDENTITY, Cause, Effect
from checks.compare.changes import Change
from checks.compare.identity import LINKS

_MAC = re.compile(r"(?:[0-9a-f]{2}:){5}[0-9a-f]{2}")


@dataclass(frozen=True, slots=True)
class Entry:
    """One change, or all of one NIC's, on every machine that has it. `chains`: the first NIC's, before and after."""

    effect: Effect
    cause: Cause
    text: str
    machines: tuple[str, ...]
    times: int
    chains: tuple[str, str] | None


def entries(found: Iterable[Change]) -> tuple[Entry, ...]:
    """All of them, what breaks something first, then by cause."""
    same: dict[tuple[Effect, Cause, str], list[Sequence[Change]]] = {}
    for changes in _together(found):
        worst = min(changes, key=lambda one: EFFECTS.index(one.effect))
        same.setdefault((worst.effect, worst.cause, _text(changes, _anybody)), []).append(changes)
    told = [_entry(key, all_of_them) for key, all_of_them in same.items()]
    return tuple(sorted(told, key=lambda one: (EFFECTS.index(one.effect), CAUSES.index(one.cause))))


def _together(found: Iterable[Change]) -> Iterator[Sequence[Change]]:
    """Every change by itself, but the links of one NIC's chain together."""
    of_nics: dict[tuple[str, str], list[Change]] = {}
    for change in found:
        if change.section == IDENTITY:
            of_nics.setdefault((change.machine, change.subject), []).append(change)
        else:
            yield [change]
    yield from of_nics.values()


def _entry(key: tuple[Effect, Cause, str], found: Sequence[Sequence[Change]]) -> Entry:
    effect, cause, text = key
    first = found[0][0]
    if len(found) == 1:
        text = _text(found[0], str)
    is_a_nic = first.chain_before is not None or first.chain_after is not None
    chains = (first.chain_before or "was not there", first.chain_after or "is gone") if is_a_nic else None
    return Entry(effect, cause, text, tuple(dict.fromkeys(one[0].machine for one in found)), len(found), chains)


def _text(changes: Sequence[Change], subject: Callable[[str], str]) -> str:
    if subject is _anybody and all(one.what == LINKS["group"] for one in changes):
        return "NICs: another number of their IOMMU group, which is the order of discovery"
    links = []
    for one in changes:
        if one.section == IDENTITY and one.what == "NIC":
            links.append("is gone" if one.after is None else "is new")
        else:
            before, after = ("nothing" if value is None else value for value in (one.before, one.after))
            links.append(f"{one.what}: {before} → {after}")
    return f"{subject(changes[0].subject)}: {'; '.join(links)}"


def _anybody(subject: str) -> str:
    """A subject without what is each machine's own."""
    return _MAC.sub("…", subject)
