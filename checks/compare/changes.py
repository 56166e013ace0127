"""What two runs differ in on one machine: its facts, and who its NICs are. Pure code."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from pydantic import Field

from checks.compare.causes import IDENTITY, MADE_UP, Cause, Effect, cause, effect
from checks.compare.features import Section
from checks.compare.identity import LINKS, NicIdentity, paired
from checks.outcome import CouldNotLook
from reports.rows import Shape

GONE, THERE = "gone", "there"
_BEHIND = frozenset(LINKS[link] for link in ("pf", "vf", "host_address", "shares", "group"))
_UNREAD = "could be read"


class Change(Shape):
    """One property of one machine that is not what it was."""

    machine: str
    section: str
    subject: str
    what: str
    before: str | None = Field(description="null when it was not there")
    after: str | None = Field(description="null when it is no longer there")
    cause: Cause = Field(description="what most likely changed it")
    effect: Effect = Field(
        description="expected: an upgrade changes this by itself, and nothing depends on it; breaks: something "
        "that was promised is gone; look: a person has to tell"
    )
    chain_before: str | None = Field(None, description="of a NIC: everything that it was known by")
    chain_after: str | None = None


def changes(
    machine: str, before: Mapping[str, Section], after: Mapping[str, Section], has_moved: frozenset[Cause]
) -> Iterator[Change]:
    """Every property of a machine that differs, section by section. `has_moved`: what has another version."""
    for section in dict.fromkeys([*before, *after]):
        old, new = before.get(section), after.get(section)
        if old is None or new is None:
            yield from _not_asked(machine, section, old, new)
        elif isinstance(old, CouldNotLook) or isinstance(new, CouldNotLook):
            yield from _unread(machine, section, old, new)
        else:
            for key in dict.fromkeys([*old, *new]):
                values = old.get(key), new.get(key)
                if values[0] != values[1]:
                    yield _change(machine, section, key, values, has_moved)


def identities(
    machine: str,
    before: Sequence[NicIdentity] | CouldNotLook,
    after: Sequence[NicIdentity] | CouldNotLook,
    has_moved: frozenset[Cause],
    moved_behind: frozenset[Cause],
) -> Iterator[Change]:
    """Every link of every NIC's chain that differs; a NIC that came or went is one change.

    `moved_behind`: what has another version on the host, where the links behind a guest's NIC are.
    """
    if isinstance(before, CouldNotLook) or isinstance(after, CouldNotLook):
        yield from _unread(machine, IDENTITY, before, after)
        return
    for old, new in paired(before, after):
        chains = {"chain_before": None if old is None else str(old), "chain_after": None if new is None else str(new)}
        for what, values in _links(old, new):
            key = _called(old, new), what
            why = moved_behind if what in _BEHIND else has_moved
            yield _change(machine, IDENTITY, key, values, why).model_copy(update=chains)


def _links(old: NicIdentity | None, new: NicIdentity | None) -> Iterator[tuple[str, tuple[str | None, str | None]]]:
    if old is None or new is None:
        yield "NIC", (THERE, None) if new is None else (None, THERE)
        return
    for link, called in LINKS.items():
        one, other = getattr(old, link), getattr(new, link)
        if one == other or (link == "name" and None in (one, other)):  # handed to a guest, or back: no name was given
            continue
        if link == "mac" and (old.random_mac or new.random_mac):
            called = MADE_UP  # noqa: PLW2901
        if called in _BEHIND and None in (one, other):
            continue  # one of the runs did not see behind it: the host was not looked at, or its groups were not
        if link == "group" and old.host_address:  # the host's own entry says so
            continue
        yield called, (None if one is None else str(one), None if other is None else str(other))


def _called(old: NicIdentity | None, new: NicIdentity | None) -> str:
    """The most lasting that it is known by: a MAC that somebody chose, its place as a VF, its address, its name."""
    one = old or new
    if one is None:
        return "NIC"
    if one.mac is not None and not one.random_mac:
        return f"NIC {one.mac}"
    if one.vf is not None:
        return f"VF {one.vf} of PF {one.pf}"
    return f"NIC at {one.address}" if one.address else f"NIC {one.name}"


def _change(
    machine: str, section: str, key: tuple[str, str], values: tuple[str | None, str | None], has_moved: frozenset[Cause]
) -> Change:
    subject, what = key
    return Change(
        machine=machine,
        section=section,
        subject=subject,
        what=what,
        before=values[0],
        after=values[1],
        cause=cause(section, what, values, has_moved),
        effect=effect(section, what, values),
    )


def _unread(machine: str, section: str, old: object, new: object) -> Iterator[Change]:
    """A section that one of the runs could not read is one change, and never a list of things that are gone."""
    told = [str(part) if isinstance(part, CouldNotLook) else "read" for part in (old, new)]
    if told[0] != told[1]:
        yield _aside(machine, section, _UNREAD, (told[0], told[1]), "settings")


def _not_asked(machine: str, section: str, old: Section | None, new: Section | None) -> Iterator[Change]:
    """A section that only one of the runs asked the machine for: another vfproof, or another role in the inventory."""
    told = tuple("no" if part is None else "yes" for part in (old, new))
    yield _aside(machine, section, "was asked for", (told[0], told[1]), "vfproof")


def _aside(machine: str, section: str, what: str, values: tuple[str, str], why: Cause) -> Change:
    return Change(
        machine=machine,
        section=section,
        subject=section,
        what=what,
        before=values[0],
        after=values[1],
        cause=why,
        effect="look",
    )
