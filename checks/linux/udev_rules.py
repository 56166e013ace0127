"""What udevd does with an event: rules applied one by one, "unknown" where only the running host could tell.

Source: systemd 252 and 257 src/udev/udev-rules.c (udev_rule_apply_token_to_event and the like for parents).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from checks.linux.udev_event import Event, Run, Value, compare_own, compare_parent, property_of, substitute
from checks.linux.udev_language import Rule, Token

_PARENT_KEYS = {"KERNELS", "SUBSYSTEMS", "DRIVERS", "ATTRS", "TAGS"}


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
        misses, applies = _match(rule, run, thorough=interesting(rule))
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


def _match(rule: Rule, run: Run, *, thorough: bool) -> tuple[tuple[Miss, ...], bool | None]:
    """Whether the rule applies, and which comparisons stand against it: all of them when `thorough`, else enough."""
    own = [token for token in rule.tokens if token.is_match and token.key not in _PARENT_KEYS and token.key != "IMPORT"]
    misses = _misses(own, lambda token: compare_own(token, run))
    of_parents = [token for token in rule.tokens if token.key in _PARENT_KEYS]
    run.parent = None
    if of_parents and (thorough or not any(miss.certain for miss in misses)):
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
        misses = _misses(tokens, lambda token, device=device: compare_parent(token, device, run))  # type: ignore[misc]
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
    found = [value for device in run.event.chain for value, _ in [compare_parent(token, device, run)] if value]
    return ", ".join(dict.fromkeys(found))


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
    before = property_of(run, token.attribute or "") if token.operator == "+=" else ""
    return None if value is None or before is None else f"{before} {value}" if before else value
