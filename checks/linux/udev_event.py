"""An event on its way through udev's rules: what it carries, and the comparisons that a rule makes with it.

Source: systemd 252 and 257 src/udev/udev-rules.c (token_match_string, token_match_attr), udev-event.c (formats).
"""

from __future__ import annotations

import enum
import functools
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from checks.linux.udev_language import Rule, Token
from checks.linux.udev_match import matches

_SUBSTITUTION = re.compile(
    r"%(?P<percent>%)|\$(?P<dollar>\$)"
    r"|(?:%(?P<letter>[NsEknpdbMmcPDLrS])"
    r"|\$(?P<word>devnode|tempnode|attr|sysfs|env|kernel|number|driver|devpath|id|major|minor|result|parent|name|links"
    r"|root|sys))(?P<braces>\{(?P<argument>[^}]*)\}?)?"
)
_LETTERS = {
    "N": "devnode", "s": "attr", "E": "env", "k": "kernel", "n": "number", "p": "devpath", "d": "driver", "b": "id",
    "M": "major", "m": "minor", "c": "result", "P": "parent", "D": "name", "L": "links", "r": "root", "S": "sys",
}  # fmt: skip
_REFERENCE = re.compile(r"\[([^/\]]+)/([^\]]+)\]/?(.*)", re.DOTALL)


class Absent(enum.Enum):
    """An attribute that is certainly not there."""

    ABSENT = enum.auto()


ABSENT = Absent.ABSENT
Value = str | None
"""A text, or None for one that is not known here. What is missing is the empty text, as udevd compares it."""
Attribute = str | Absent | None
Live = Callable[[], Attribute]
"""An attribute that changes while a machine starts: asked for when a rule reads it."""


@dataclass(frozen=True, slots=True)
class Device:
    """A device as rules see it. `names`: its possible kernel names (more than one when the order of probing decides).

    `driver`: empty when none is bound. `attributes`: those that are known; ABSENT for one that is known to be missing.
    `there`: the names of all that is in its folder, so that every other is missing; None when those are not known.
    """

    path: str
    names: tuple[str, ...]
    subsystem: str
    driver: str = ""
    attributes: Mapping[str, str | Absent | Live] = field(default_factory=dict)
    there: frozenset[str] | None = None

    def attribute(self, name: str) -> Attribute:
        """The value of a sysfs attribute now; None when it is not known."""
        if name in ("driver", "subsystem"):
            return (self.driver if name == "driver" else self.subsystem) or ABSENT
        value = self.attributes.get(name)
        if value is None and self.there is not None and name.partition("/")[0] not in self.there:
            return ABSENT
        return value() if callable(value) else value


@dataclass(frozen=True, slots=True)
class Event:
    """A uevent. `chain`: the device and its parents, nearest first. `builtins`: what each builtin would import.

    `database`: properties of the last time, None when those are not known; `parameters`: the kernel's command line.
    `referred`: attributes of other devices by subsystem, name and attribute, as in [dmi/id]product_name.
    `of_parent`: properties of the device above.
    """

    action: str
    chain: tuple[Device, ...]
    properties: Mapping[str, Value]
    builtins: Mapping[str, Mapping[str, Value]] = field(default_factory=dict)
    database: Mapping[str, str] | None = field(default_factory=dict)
    parameters: Mapping[str, str] = field(default_factory=dict)
    referred: Callable[[str, str, str], Attribute] = lambda *_: None
    architecture: str | None = None
    of_parent: Mapping[str, Value] = field(default_factory=dict)

    @property
    def device(self) -> Device:
        """The device that the event is about."""
        return self.chain[0]


@dataclass(slots=True)
class Run:
    """One event on its way through the rules. `set_at`: which rule set a property first.

    `read`: attributes that a rule has read: udevd asks the kernel once for each, and keeps the answer for this event.
    """

    event: Event
    properties: dict[str, Value]
    name: Value = ""
    opaque: bool = False
    tags: set[str] = field(default_factory=set)
    set_at: dict[str, Rule] = field(default_factory=dict)
    parent: Device | None = None
    finals: set[str] = field(default_factory=set)
    read: dict[tuple[str, str], Attribute] = field(default_factory=dict)

    def attribute(self, device: Device, name: str) -> Attribute:
        """The value of an attribute as this event sees it; None when it is not known."""
        key = (device.path, name)
        if key not in self.read:
            self.read[key] = device.attribute(name)
        return self.read[key]


def compare_own(token: Token, run: Run) -> tuple[Value, bool | None]:  # noqa: PLR0911 - one case for each key
    """What a comparison finds, and whether it holds."""
    device = run.event.device
    match token.key:
        case "ACTION":
            return _compare(token, run.event.action)
        case "DEVPATH":
            return _compare_any(token, _paths(device))
        case "KERNEL":
            return _compare_any(token, device.names)
        case "SUBSYSTEM":
            return _compare(token, device.subsystem)
        case "DRIVER":
            return _compare(token, device.driver)
        case "NAME":
            return _compare(token, run.name)
        case "ENV" if token.attribute in ("INTERFACE", "DEVPATH") and run.properties.get(token.attribute, "") is None:
            return _compare_any(token, device.names if token.attribute == "INTERFACE" else _paths(device))
        case "ENV":
            return _compare(token, property_of(run, token.attribute or ""))
        case "ATTR":
            return _compare_attribute(token, device, run)
        case "CONST":
            return _compare(token, run.event.architecture if token.attribute == "arch" else None)
        case "TAG":
            has = any(matches(token.value, tag, any_case=token.any_case) for tag in run.tags)
            return ", ".join(sorted(run.tags)), has == (token.operator == "==")
        case "SYMLINK":
            return "", token.operator == "!="  # network and PCI devices have no device node to link to
    return None, None


def exists(token: Token, run: Run) -> tuple[Value, bool | None]:
    """Whether the file that TEST names is there."""
    device = run.event.device
    path = substitute(token.value, run)
    if path is None:
        return None, None
    path = path.removeprefix(f"/sys{_paths(device)[0]}/") if len(device.names) == 1 else path
    value = _referred(path, run)
    if not path.startswith(("/", "[")):
        value = run.attribute(device, path)
    if value is None or token.attribute:
        return None, None
    return ("is there", "is not there")[value is ABSENT], (value is not ABSENT) == (token.operator == "==")


def _paths(device: Device) -> list[str]:
    """Its possible DEVPATHs."""
    above = device.path.rpartition("/")[0]
    return [f"/{above}/{name}" for name in device.names]


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
    name = token.attribute or ""
    if name.startswith("["):
        value = _referred(name, run)
    else:
        # No %k and the like in a name that has none: most have none.
        plain = name if "$" not in name and "%" not in name else substitute(name, run)
        value = None if plain is None else run.attribute(device, plain)
    if value is None:
        return None, None
    if value is ABSENT:
        return "", False  # for != too: token_match_attr() gives up where there is nothing to read
    text = str(value).rstrip("\n")
    return _compare(token, text if token.value.endswith(tuple(" \t\n\r")) else text.rstrip())


def _referred(name: str, run: Run) -> Attribute:
    """The attribute that [subsystem/device]attribute means."""
    reference = _REFERENCE.fullmatch(name)
    return None if reference is None else run.event.referred(*reference.groups())


def _compare_any(token: Token, names: Sequence[str]) -> tuple[Value, bool | None]:
    found = names[0] if len(names) == 1 else f"{names[0]} or the like"
    return found, _of_any(token.value, token.operator, token.any_case, tuple(names))


@functools.lru_cache(maxsize=8192)  # the names that the kernel may give a NIC are the same for each of them
def _of_any(wanted: str, operator: str, any_case: bool, names: tuple[str, ...]) -> bool | None:  # noqa: FBT001
    verdicts = {matches(wanted, name, any_case=any_case) == (operator == "==") for name in names}
    return verdicts.pop() if len(verdicts) == 1 else None


def _compare(token: Token, value: Value) -> tuple[Value, bool | None]:
    if value is None:
        return None, None
    return value, matches(token.value, value, any_case=token.any_case) == (token.operator == "==")


def property_of(run: Run, name: str) -> Value:
    """A property as it stands by now; empty when it is not set."""
    return run.properties.get(name, None if run.opaque else "")


def substitute(text: str, run: Run) -> Value:
    """The text with its %k, $attr{...} and the like put in; None when one of them is not known."""
    if "$" not in text and "%" not in text:
        return text
    done, position = "", 0
    for found in _SUBSTITUTION.finditer(text):
        done, position = done + text[position : found.start()], found.end()
        if found["percent"] or found["dollar"]:
            done += found["percent"] or found["dollar"]
            continue
        word = found["word"] or _LETTERS[found["letter"]]
        argument = found["argument"] or ""
        if (found["braces"] and not (argument and found["braces"].endswith("}"))) or (
            word in ("attr", "sysfs", "env") and not argument
        ):
            return done  # an invalid format: udevd warns, and the text ends here
        value = _substitution(word, argument, run)
        if value is None:
            return None
        done += value
    return done + text[position:]


def _substitution(word: str, argument: str, run: Run) -> Value:  # noqa: PLR0911, PLR0912 - one case for each word
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
            return known_name if run.name == "" else run.name
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
        case "attr" | "sysfs":
            value = _referred(argument, run) if argument.startswith("[") else run.attribute(device, argument)
            if value is ABSENT and run.parent is not None:
                value = run.attribute(run.parent, argument)
            return "" if value is ABSENT else value if value is None else str(value).rstrip()
        case "major" | "minor":
            return "0"
        case "parent" | "links":
            return ""
        case "devnode" | "tempnode":
            return ""
    return None
