"""An event on its way through udev's rules: what it carries, and the comparisons that a rule makes with it.

Source: systemd 252 and 257 src/udev/udev-rules.c (token_match_string, token_match_attr), udev-event.c (formats).
"""

from __future__ import annotations

import enum
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase

from checks.linux.udev_language import Rule, Token

_SUBSTITUTION = re.compile(
    r"%(?P<percent>%)|\$(?P<dollar>\$)"
    r"|(?:%(?P<letter>[knpbMmcPsENrSL])|\$(?P<word>kernel|number|devpath|id|driver|major|minor|result|parent|name|links"
    r"|root|sys|devnode|attr|env))(?:\{(?P<argument>[^}]*)\})?"
)
_LETTERS = {"k": "kernel", "n": "number", "p": "devpath", "b": "id", "s": "attr", "E": "env", "r": "root", "S": "sys"}


class Absent(enum.Enum):
    """An attribute that is certainly not there."""

    ABSENT = enum.auto()


ABSENT = Absent.ABSENT
Value = str | None
"""A text, or None for one that is not known here. What is missing is the empty text, as udevd compares it."""


@dataclass(frozen=True, slots=True)
class Device:
    """A device as rules see it. `names`: its possible kernel names (more than one when the order of probing decides).

    `driver`: empty when none is bound. `attributes`: those that are known; ABSENT for one that is known to be missing.
    """

    path: str
    names: tuple[str, ...]
    subsystem: str
    driver: str = ""
    attributes: Mapping[str, str | Absent] = field(default_factory=dict)

    def attribute(self, name: str) -> str | Absent | None:
        """The value of a sysfs attribute; None when it is not known."""
        if name in ("driver", "subsystem"):
            return (self.driver if name == "driver" else self.subsystem) or ABSENT
        return self.attributes.get(name)


@dataclass(frozen=True, slots=True)
class Event:
    """A uevent. `chain`: the device and its parents, nearest first. `builtins`: what each builtin would import.

    `database`: properties of the last time; `parameters`: the kernel's command line.
    """

    action: str
    chain: tuple[Device, ...]
    properties: Mapping[str, Value]
    builtins: Mapping[str, Mapping[str, Value]] = field(default_factory=dict)
    database: Mapping[str, str] = field(default_factory=dict)
    parameters: Mapping[str, str] = field(default_factory=dict)

    @property
    def device(self) -> Device:
        """The device that the event is about."""
        return self.chain[0]


@dataclass(slots=True)
class Run:
    """One event on its way through the rules. `set_at`: which rule set a property first."""

    event: Event
    properties: dict[str, Value]
    name: Value = ""
    opaque: bool = False
    tags: set[str] = field(default_factory=set)
    set_at: dict[str, Rule] = field(default_factory=dict)
    parent: Device | None = None


def compare_own(token: Token, run: Run) -> tuple[Value, bool | None]:  # noqa: PLR0911 - one case for each key
    """What a comparison finds, and whether it holds."""
    device = run.event.device
    match token.key:
        case "ACTION":
            return _compare(token, run.event.action)
        case "DEVPATH":
            return _compare(token, f"/{device.path}" if len(device.names) == 1 else None)
        case "KERNEL":
            return _compare_any(token, device.names)
        case "SUBSYSTEM":
            return _compare(token, device.subsystem)
        case "DRIVER":
            return _compare(token, device.driver)
        case "NAME":
            return _compare(token, run.name)
        case "ENV":
            return _compare(token, property_of(run, token.attribute or ""))
        case "ATTR":
            return _compare_attribute(token, device, run)
        case "TEST":
            value = device.attribute(token.value)
            return None, None if value is None else (value is not ABSENT) == (token.operator == "==")
        case "TAG":
            holds = token.operator == "==" if token.value in run.tags else None
            return None, holds
    return None, None


def compare_parent(token: Token, device: Device, run: Run) -> tuple[Value, bool | None]:
    """What a comparison with a parent finds in one of the devices up the chain, and whether it holds."""
    match token.key:
        case "KERNELS":
            return _compare_any(token, device.names)
        case "SUBSYSTEMS":
            return _compare(token, device.subsystem)
        case "DRIVERS":
            return _compare(token, device.driver)
        case "ATTRS":
            return _compare_attribute(token, device, run)
    return None, None


def _compare_attribute(token: Token, device: Device, run: Run) -> tuple[Value, bool | None]:
    name = substitute(token.attribute or "", run)
    value = None if name is None else device.attribute(name)
    if value is None:
        return None, None
    if value is ABSENT:
        return "", False  # for != too: token_match_attr() gives up where there is nothing to read
    text = str(value)
    return _compare(token, text if token.value.endswith(tuple(" \t\n\r")) else text.rstrip())


def _compare_any(token: Token, names: Sequence[str]) -> tuple[Value, bool | None]:
    verdicts = {verdict for name in names for _, verdict in [_compare(token, name)]}
    found = names[0] if len(names) == 1 else f"{names[0]} or the like"
    return found, verdicts.pop() if len(verdicts) == 1 else None


def _compare(token: Token, value: Value) -> tuple[Value, bool | None]:
    if value is None:
        return None, None
    text, pattern = (value.lower(), token.value.lower()) if token.any_case else (value, token.value)
    alternatives = pattern.split("|")
    matches = any(_glob(text, wanted) for wanted in alternatives)
    return value, matches == (token.operator == "==")


def _glob(text: str, pattern: str) -> bool:
    return fnmatchcase(text, pattern) if any(c in pattern for c in "*?[") else text == pattern


def property_of(run: Run, name: str) -> Value:
    """A property as it stands by now; empty when it is not set."""
    return run.properties.get(name, None if run.opaque else "")


def substitute(text: str, run: Run) -> Value:
    """The text with its %k, $attr{...} and the like put in; None when one of them is not known."""
    unknown = False

    def put_in(found: re.Match[str]) -> str:
        nonlocal unknown
        if found["percent"] or found["dollar"]:
            return found["percent"] or found["dollar"]
        word = found["word"] or _LETTERS.get(found["letter"], "?")
        value = _substitution(word, found["argument"] or "", run)
        unknown = unknown or value is None
        return value or ""

    result = _SUBSTITUTION.sub(put_in, text)
    return None if unknown else result


def _substitution(word: str, argument: str, run: Run) -> Value:  # noqa: PLR0911 - one case for each word
    device = run.event.device
    known_name = device.names[0] if len(device.names) == 1 else None
    match word:
        case "kernel":
            return known_name
        case "number":
            return None if known_name is None else re.search(r"\d*$", known_name)[0]  # type: ignore[index]
        case "devpath":
            return f"/{device.path}" if known_name is not None else None
        case "name":
            return run.name or known_name
        case "sys":
            return "/sys"
        case "root":
            return "/dev"
        case "env":
            return property_of(run, argument)
        case "id":
            return run.parent.names[0] if run.parent else ""
        case "driver":
            return run.parent.driver if run.parent else ""
        case "attr":
            value = device.attribute(argument)
            if value is ABSENT and run.parent is not None:
                value = run.parent.attribute(argument)
            return "" if value is ABSENT else value if value is None else str(value).rstrip()
    return None
