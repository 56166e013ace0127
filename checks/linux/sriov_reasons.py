"""Why a rule that means to make VFs does not reach a PF, in words, and how it should read."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from checks.linux.udev_event import Event, Run, Value
from checks.linux.udev_language import Rule, Token
from checks.linux.udev_rules import Step

ATTRIBUTE = "sriov_numvfs"


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


def unapplied(rules: Iterable[Rule], driver: str, seen: Sequence[Seen]) -> tuple[Unapplied, ...]:
    """One reason for each of the rules that came to nothing for a PF with that driver, from what its events met."""
    found = []
    for rule in rules:
        if rule.problem:
            found.append(Unapplied(rule, f"udevd drops the line: {rule.problem}"))
        elif own := [one for one in seen if one.step.rule is rule]:
            found.append(_why_not(driver, min(own, key=_distance)))
    return tuple(found)


def _distance(seen: Seen) -> tuple[bool, bool, int, bool]:
    """How far a rule is from applying to an event: for the message, the nearest event is the one that was meant."""
    wrong_kind = any(miss.token.key in ("SUBSYSTEM", "ACTION") for miss in seen.step.misses)
    return (wrong_kind, seen.step.skipped_by is not None, len(seen.step.misses), seen.event.device.subsystem != "net")


def _why_not(driver: str, seen: Seen) -> Unapplied:
    rule, skipped_by = seen.step.rule, seen.step.skipped_by
    if skipped_by is not None:
        return Unapplied(rule, f"the GOTO of {skipped_by.where} jumps over it ({skipped_by.text})")
    if not any(ATTRIBUTE in f"{token.attribute}{token.value}" for token in rule.tokens if not token.is_match):
        return Unapplied(rule, f"it only compares {ATTRIBUTE} and writes nothing; a write takes a single '='")
    reason = "; ".join(_in_words(miss.token, miss.found, seen) for miss in seen.step.misses)
    return Unapplied(rule, reason, *_correct(rule, driver, seen.step))


def _in_words(token: Token, found: Value, seen: Seen) -> str:  # noqa: PLR0911 - one sentence for each cause
    """Why one comparison fails."""
    subsystem = seen.event.device.subsystem
    setter = seen.run.set_at.get(token.attribute or "") if token.key == "ENV" else None
    if found is None:
        return f"whether {token} holds cannot be told"
    if token.key == "DRIVER" and subsystem == "net":
        return f"a network device has no driver of its own, so {token} never holds; DRIVERS== looks at its parents"
    if token.key == "KERNEL" and len(seen.event.device.names) > 1:
        return f"the NIC is still called eth0 or the like when it appears, so {token} does not hold yet"
    if token.key == "ENV" and not found and setter is not None:
        return f"{token.name} is not set yet when this file is read: {setter.file} sets it and sorts after it"
    if token.key == "ENV" and not found:
        return f"{token.name} is not set at all"
    if token.key in ("ATTR", "ATTRS") and not found:
        return f"there is no {token.name} on the {subsystem} device"
    wish = "anything but " if token.operator == "!=" else ""
    return f"{token.name} is {found!r}, the rule wants {wish}{token.value!r}"


def _correct(rule: Rule, driver: str, step: Step) -> tuple[bool, str | None]:
    """Whether only the driver's name is wrong, and the rule with the right one."""
    tokens = [miss.token for miss in step.misses]
    if not driver or not all(m.found and m.token.operator == "==" and _names_driver(m.token) for m in step.misses):
        return False, None
    text = rule.text
    for token in tokens:
        text = text.replace(f'"{token.value}"', f'"{driver}"')
    return True, text


def _names_driver(token: Token) -> bool:
    return token.key == "DRIVERS" or (token.key == "ENV" and token.attribute == "ID_NET_DRIVER")
