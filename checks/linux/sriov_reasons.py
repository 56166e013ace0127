"""Why a rule that means to make VFs does not reach a PF, in words, and how it should read."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

from checks.linux.udev_event import Event, Run, Value
from checks.linux.udev_language import NO_EFFECT, Rule, Token
from checks.linux.udev_rules import Step

ATTRIBUTE = "sriov_numvfs"
# The nearest ones, for a message that a person reads.
_MOST_REASONS = 20


class Corrects(Protocol):
    """What finds the rule that works, and what says more of the devices that a rule names."""

    def corrected(self, rule: Rule) -> str | None:
        """The rule as it should read; None when that is not known."""

    def stranger(self, token: Token) -> str | None:
        """What is wrong with the device that a comparison names; None when nothing is known against it."""


@dataclass(frozen=True, slots=True)
class Seen:
    """How a rule fared with one event of a PF."""

    event: Event
    step: Step
    run: Run


@dataclass(frozen=True, slots=True)
class Unapplied:
    """A rule that does not apply to a PF. `misses_driver`: the driver's name is all that is wrong with it."""

    rule: Rule
    reason: str
    misses_driver: bool = False
    corrected: str | None = None


def unapplied(rules: Iterable[Rule], driver: str, seen: Sequence[Seen], corrects: Corrects) -> tuple[Unapplied, ...]:
    """One reason for each of the rules that came to nothing for a PF with that driver, from what its events met."""
    nearest: dict[int, Seen] = {}
    for one in seen:
        key = id(one.step.rule)
        if key not in nearest or _distance(one) < _distance(nearest[key]):
            nearest[key] = one
    found: list[tuple[tuple[bool, bool, int, bool], Rule, Seen | None]] = []
    for rule in rules:
        if rule.problem:
            found.append(((False, False, 0, False), rule, None))
        elif own := nearest.get(id(rule)):
            found.append((_distance(own), rule, own))
    kept = sorted(found, key=lambda entry: entry[0])[:_MOST_REASONS] if len(found) > _MOST_REASONS else found
    return tuple(_explained(rule, own, driver, corrects) for _, rule, own in kept)


def problem_in_words(rule: Rule) -> str:
    """Why udevd drops a rule about numbers of VFs."""
    if rule.problem == NO_EFFECT and ATTRIBUTE in rule.text:
        return f"it only compares {ATTRIBUTE} and writes nothing; a write takes a single '='"
    return str(rule.problem)


def _explained(rule: Rule, own: Seen | None, driver: str, corrects: Corrects) -> Unapplied:
    if own is None:
        return Unapplied(rule, f"udevd drops the line: {problem_in_words(rule)}", corrected=corrects.corrected(rule))
    return _why_not(driver, own, corrects)


def _distance(seen: Seen) -> tuple[bool, bool, int, bool]:
    """How far a rule is from applying to an event: for the message, the nearest event is the one that was meant."""
    wrong_kind = any(miss.token.key in ("SUBSYSTEM", "ACTION") for miss in seen.step.misses)
    return (wrong_kind, seen.step.skipped_by is not None, len(seen.step.misses), seen.event.device.subsystem != "net")


def _why_not(driver: str, seen: Seen, corrects: Corrects) -> Unapplied:
    rule, skipped_by = seen.step.rule, seen.step.skipped_by
    if skipped_by is not None:
        return Unapplied(rule, f"the GOTO of {skipped_by.where} jumps over it ({skipped_by.text[:200]})")
    if not any(ATTRIBUTE in f"{token.attribute}{token.value}" for token in rule.tokens if not token.is_match):
        return Unapplied(rule, f"it only compares {ATTRIBUTE} and writes nothing; a write takes a single '='")
    both = _contradiction(rule)
    reason = both or "; ".join(_in_words(miss.token, miss.found, seen, corrects) for miss in seen.step.misses[:8])
    return Unapplied(rule, reason, _misses_driver(driver, seen.step), corrects.corrected(rule))


def _contradiction(rule: Rule) -> str | None:
    """Two comparisons of one rule that never hold together."""
    first: dict[tuple[str, bool], Token] = {}
    for token in rule.tokens:
        if token.operator != "==" or token.key in ("TEST", "PROGRAM", "IMPORT", "TAG", "TAGS"):
            continue
        before = first.setdefault((token.name, token.any_case), token)
        values, others = (set(one.value.split("|")) for one in (before, token))
        if before is not token and not any(c in before.value + token.value for c in "*?[") and not values & others:
            both = f'{token.name}=="{before.value}|{token.value}"'
            return f"{before} and {token} can never hold both; alternatives are written {both}"
    return None


def _in_words(token: Token, found: Value, seen: Seen, corrects: Corrects) -> str:  # noqa: PLR0911 - one sentence for each cause
    """Why one comparison fails."""
    subsystem = seen.event.device.subsystem
    setter = seen.run.set_at.get(token.attribute or "") if token.key == "ENV" else None
    if found is None:
        return f"whether {token} holds cannot be told"
    stranger = corrects.stranger(token)
    wish = "anything but " if token.operator == "!=" else ""
    if stranger is not None:
        return f"{token.name} is {found!r}, the rule wants {wish}{token.value!r}: {stranger}"
    if token.key == "DRIVER" and subsystem == "net":
        return f"a network device has no driver of its own, so {token} never holds; DRIVERS== looks at its parents"
    if _is_name(token) and len(seen.event.device.names) > 1:
        return f"the NIC is still called eth0 or the like when it appears, so {token} does not hold yet"
    if token.key == "ENV" and not found and setter is not None:
        return f"{token.name} is not set yet when this file is read: {setter.file} sets it and sorts after it"
    if token.key == "NAME" and not found:
        return f"{token.name} is not given yet when this file is read: 80-net-setup-link.rules gives it"
    if token.key == "ENV" and not found:
        return f"{token.name} is not set at all"
    if token.key in ("ATTR", "ATTRS") and not found:
        return f"there is no {token.name} on the {subsystem} device"
    return f"{token.name} is {found!r}, the rule wants {wish}{token.value!r}"


def _is_name(token: Token) -> bool:
    return token.key == "KERNEL" or (token.key == "ENV" and token.attribute == "INTERFACE")


def _misses_driver(driver: str, step: Step) -> bool:
    """Whether only the driver's name is wrong."""
    return bool(driver) and all(m.found and m.token.operator == "==" and names_driver(m.token) for m in step.misses)


def names_driver(token: Token) -> bool:
    """Whether a comparison is about the driver of a NIC."""
    return token.key == "DRIVERS" or (token.key == "ENV" and token.attribute == "ID_NET_DRIVER")
