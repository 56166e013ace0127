"""What udevd does with an event: rules applied one by one, "unknown" where only the running host could tell.

Source: systemd 252 and 257 src/udev/udev-rules.c (udev_rule_apply_token_to_event,
token_match_string, token_match_attr).
"""

from __future__ import annotations

import enum
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase

from checks.linux.udev_language import Rule, Token


class Absent(enum.Enum):
    """An attribute that is certainly not there."""

    ABSENT = enum.auto()


ABSENT = Absent.ABSENT
Value = str | None
"""A text, or None for one that is not known here. What is missing is the empty text, as udevd compares it."""

_PARENT_KEYS = {"KERNELS", "SUBSYSTEMS", "DRIVERS", "ATTRS", "TAGS"}
_SUBSTITUTION = re.compile(
    r"%(?P<percent>%)|\$(?P<dollar>\$)"
    r"|(?:%(?P<letter>[knpbMmcPsENrSL])|\$(?P<word>kernel|number|devpath|id|driver|major|minor|result|parent|name|links"
    r"|root|sys|devnode|attr|env))(?:\{(?P<argument>[^}]*)\})?"
)
_LETTERS = {"k": "kernel", "n": "number", "p": "devpath", "b": "id", "s": "attr", "E": "env", "r": "root", "S": "sys"}


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


@dataclass(frozen=True, slots=True)
class Miss:
    """A comparison that does not hold (`certain`), or of which that is not known. `found`: None when not known."""

    token: Token
    found: Value
    certain: bool


@dataclass(frozen=True, slots=True)
class Step:
    """How one rule fared. `applies` is None when that is not known. `skipped_by`: the GOTO that jumped over it."""

    rule: Rule
    applies: bool | None
    misses: tuple[Miss, ...] = ()
    skipped_by: Rule | None = None


Writer = Callable[[Rule, Token, Event, str, Value, bool], None]
"""Told of every assignment to an attribute and of every program: rule, token, event, path or kind, value, certain."""


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


def apply(
    rules: Sequence[Rule], event: Event, write: Writer, interesting: Callable[[Rule], bool]
) -> tuple[list[Step], Run]:
    """Send an event through the rules of all files in order.

    `write` is told of writes at once and of programs at the end, as udevd runs them. Steps of `interesting` rules are
    kept.
    """
    run = Run(event, dict(event.properties))
    programs: list[tuple[Rule, Token, Value, bool]] = []
    steps: list[Step] = []
    jump: Rule | None = None
    doubt: Rule | None = None
    for rule in rules:
        jump, doubt = _still(jump, rule), _still(doubt, rule)
        if rule.problem:
            continue
        if jump is not None:
            if interesting(rule):
                steps.append(Step(rule, applies=False, skipped_by=jump))
            continue
        misses, applies = _match(rule, run)
        applies = None if applies and doubt is not None else applies
        if interesting(rule):
            steps.append(Step(rule, applies, misses, skipped_by=doubt if applies is None and not misses else None))
        if applies is False:
            continue
        _assign(rule, run, write, programs, certain=applies is True)
        if rule.value_of("GOTO") is not None:
            jump, doubt = (rule, doubt) if applies else (None, doubt or rule)
    for rule, token, value, certain in programs:
        write(rule, token, event, "RUN", value, certain)
    return steps, run


def _still(jump: Rule | None, rule: Rule) -> Rule | None:
    """The jump that is still under way at `rule`: it ends at its label, and with its file."""
    if jump is None or rule.file != jump.file:
        return None
    return None if not rule.problem and rule.value_of("LABEL") == jump.value_of("GOTO") else jump


def _match(rule: Rule, run: Run) -> tuple[tuple[Miss, ...], bool | None]:
    own = [token for token in rule.tokens if token.is_match and token.key not in _PARENT_KEYS and token.key != "IMPORT"]
    misses = _misses(own, lambda token: _test(token, run))
    of_parents = [token for token in rule.tokens if token.key in _PARENT_KEYS]
    run.parent = None
    if of_parents:
        misses += _match_parents(of_parents, run)
    # Imports come after the comparisons, and only where those hold.
    if not any(miss.certain for miss in misses):
        known = not misses
        imports = [token for token in rule.tokens if token.key == "IMPORT"]
        misses += _misses(imports, lambda token: (None, _import(token, rule, run, certain=known)))
    applies = False if any(miss.certain for miss in misses) else None if misses else True
    return tuple(miss for miss in misses if miss.certain is (applies is False)), applies


def _misses(tokens: Iterable[Token], test: Callable[[Token], tuple[Value, bool | None]]) -> list[Miss]:
    tested = [(token, *test(token)) for token in tokens]
    return [Miss(token, found, certain=verdict is False) for token, found, verdict in tested if verdict is not True]


def _match_parents(tokens: list[Token], run: Run) -> list[Miss]:
    """All comparisons with parents must hold for one and the same device; the event's own counts as one."""
    best: list[Miss] | None = None
    for device in run.event.chain:
        misses = _misses(tokens, lambda token, device=device: _test_parent(token, device, run))  # type: ignore[misc]
        if not misses:
            run.parent = device
            return []
        if best is None or _badness(misses) < _badness(best):
            best = misses
    return [Miss(miss.token, _in_chain(miss.token, run), miss.certain) for miss in best or []]


def _badness(misses: list[Miss]) -> int:
    return sum(miss.certain for miss in misses)


def _in_chain(token: Token, run: Run) -> Value:
    """What the devices up the chain have, for the message."""
    found = [value for device in run.event.chain for value, _ in [_test_parent(token, device, run)] if value]
    return ", ".join(dict.fromkeys(found))


def _test(token: Token, run: Run) -> tuple[Value, bool | None]:  # noqa: PLR0911 - one case for each key
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
            return _compare(token, _property(run, token.attribute or ""))
        case "ATTR":
            return _compare_attribute(token, device, run)
        case "TEST":
            value = device.attribute(token.value)
            return None, None if value is None else (value is not ABSENT) == (token.operator == "==")
        case "TAG":
            holds = token.operator == "==" if token.value in run.tags else None
            return None, holds
    return None, None


def _test_parent(token: Token, device: Device, run: Run) -> tuple[Value, bool | None]:
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


def _property(run: Run, name: str) -> Value:
    return run.properties.get(name, None if run.opaque else "")


def _import(token: Token, rule: Rule, run: Run, *, certain: bool) -> bool | None:
    """Do what IMPORT does, and say whether it succeeds; None when only the host could tell."""
    event, command = run.event, token.value.split()
    found: Mapping[str, Value] | None = None
    if token.attribute == "builtin" and command:
        found = event.builtins.get(command[0])
    elif token.attribute == "db":
        found = {token.value: event.database[token.value]} if token.value in event.database else {}
    elif token.attribute == "cmdline":
        found = {token.value: event.parameters[token.value]} if token.value in event.parameters else {}
    elif token.attribute in ("program", "file", "parent"):
        run.opaque = True
    if found is None:
        return None
    for name, value in found.items():
        _set(run, rule, name, value if certain else None)
    if not certain:
        return None
    return bool(found) == (token.operator != "!=")


def _set(run: Run, rule: Rule, name: str, value: Value) -> None:
    run.properties[name] = value
    run.set_at.setdefault(name, rule)


def _assign(
    rule: Rule, run: Run, write: Writer, programs: list[tuple[Rule, Token, Value, bool]], *, certain: bool
) -> None:
    for token in rule.tokens:
        if token.is_match:
            continue
        value = substitute(token.value, run)
        match token.key:
            case "ENV":
                _set(run, rule, token.attribute or "", _joined(token, run, value) if certain else None)
            case "NAME":
                run.name = value if certain else None
            case "TAG" if certain:
                (run.tags.discard if token.operator == "-=" else run.tags.add)(token.value)
            case "ATTR":
                path = substitute(token.attribute or "", run)
                write(rule, token, run.event, path or token.attribute or "", value, certain and path is not None)
            case "RUN":
                if token.operator in ("=", ":=") and certain:
                    programs.clear()
                programs.append((rule, token, value, certain))


def _joined(token: Token, run: Run, value: Value) -> Value:
    before = _property(run, token.attribute or "") if token.operator == "+=" else ""
    return None if value is None or before is None else f"{before} {value}" if before else value


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
            return _property(run, argument)
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
