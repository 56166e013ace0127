"""What udevd does with an event: rules applied one by one, "unknown" where only the running host could tell.

Source: systemd 252 and 257 src/udev/udev-rules.c (udev_rule_apply_token_to_event and the like for parents).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from checks.linux.udev_event import Event, Run, Value, compare_own, compare_parent, exists, property_of, substitute
from checks.linux.udev_language import Rule, Token
from checks.linux.udev_match import is_glob, matches

_PARENT_KEYS = {"KERNELS", "SUBSYSTEMS", "DRIVERS", "ATTRS", "TAGS"}
# After the comparisons with the device and its parents, in udevd's order (the enumeration of token types).
_LATE_KEYS = {name: rank for rank, name in enumerate((
    "TEST", "PROGRAM", "IMPORT{file}", "IMPORT{program}", "IMPORT{builtin}", "IMPORT{db}", "IMPORT{cmdline}",
    "IMPORT{parent}", "RESULT",
))}  # fmt: skip
_VALUE_BYTES = 512  # UDEV_NAME_SIZE: udevd refuses what is longer
_ASSIGNMENTS = {name: rank for rank, name in enumerate(("TAG", "ENV", "NAME", "ATTR", "RUN{builtin}", "RUN"))}


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
        jump = None if jump is None else _still(jump, rule)
        doubt = None if doubt is None else _still(doubt, rule)
        if rule.problem:
            continue
        if jump is not None:
            if interesting(rule):
                steps.append(Step(rule, applies=False, skipped_by=jump))
            continue
        if not interesting(rule) and _for_others(_parts_of(rule), event):
            continue
        misses, applies = _match(rule, run, thorough=interesting(rule))
        applies = None if applies and doubt is not None else applies
        if interesting(rule):
            steps.append(Step(rule, applies, misses, skipped_by=doubt if applies is None and not misses else None))
        if applies is False:
            continue
        _assign(rule, run, write, programs, certain=applies is True)
        if rule.goto is not None:
            jump, doubt = (rule, doubt) if applies else (None, doubt or rule)
    for rule, token, value, certain in programs:
        write(rule, token, event, "RUN", value, certain)
    return steps, run


def _still(jump: Rule, rule: Rule) -> Rule | None:
    """The jump that is still under way at `rule`: it ends at its label, and with its file."""
    if rule.file != jump.file:
        return None
    return None if not rule.problem and rule.label == jump.goto else jump


@dataclass(frozen=True, slots=True)
class _Parts:
    """The tokens of a rule, sorted out as udevd takes them."""

    rule: Rule
    own: tuple[Token, ...]
    of_parents: tuple[Token, ...]
    late: tuple[Token, ...]
    assigned: tuple[Token, ...]
    actions: frozenset[str] | None
    subsystems: frozenset[str] | None


_MOST_KEPT = 50_000
_parts: dict[int, _Parts] = {}


def _parts_of(rule: Rule) -> _Parts:
    """Worked out once for a rule, which is one and the same for all events, and for all hosts with that file."""
    found = _parts.get(id(rule))
    if found is None:
        if len(_parts) > _MOST_KEPT:
            _parts.clear()
        # It holds the rule, so that no other can get its id.
        found = _parts[id(rule)] = _sorted_out(rule)
    return found


def _sorted_out(rule: Rule) -> _Parts:
    compared = [token for token in rule.tokens if token.is_match]
    late = sorted(
        (pair for token in compared if (pair := (_late(token), token))[0] is not None), key=lambda p: p[0] or 0
    )
    assigned = [pair for token in rule.tokens if not token.is_match and (pair := (_rank(token), token))[0] is not None]
    return _Parts(
        rule,
        own=tuple(token for token in compared if token.key not in _PARENT_KEYS and _late(token) is None),
        of_parents=tuple(token for token in compared if token.key in _PARENT_KEYS),
        late=tuple(token for _, token in late),
        assigned=tuple(token for _, token in sorted(assigned, key=lambda pair: pair[0] or 0)),
        actions=_only(compared, "ACTION"),
        subsystems=_only(compared, "SUBSYSTEM"),
    )


def _only(compared: Iterable[Token], key: str) -> frozenset[str] | None:
    """The values that a rule wants of a key, where it says so in plain words; None where it takes some looking."""
    for token in compared:
        if token.key == key and token.operator == "==" and not token.any_case and not is_glob(token.value):
            return frozenset(token.value.split("|"))
    return None


def _for_others(parts: _Parts, event: Event) -> bool:
    """Whether the rule is plainly about other events: most are, and udevd looks no further, either."""
    if parts.actions is not None and event.action not in parts.actions:
        return True
    return parts.subsystems is not None and event.device.subsystem not in parts.subsystems


def _match(rule: Rule, run: Run, *, thorough: bool) -> tuple[tuple[Miss, ...], bool | None]:
    """Whether the rule applies, and which comparisons stand against it: all of them when `thorough`, else enough."""
    parts = _parts_of(rule)
    misses = _misses(parts.own, lambda token: compare_own(token, run))
    of_parents = parts.of_parents
    refused = any(miss.certain for miss in misses)
    if of_parents and (thorough or not refused):
        before = run.parent
        misses += _match_parents(of_parents, run)
        run.parent = before if refused else run.parent
    for token in parts.late:
        # udevd stops at the first that does not hold, and so imports nothing after it.
        if any(miss.certain for miss in misses):
            break
        known = not misses
        misses += _misses([token], lambda token, known=known: _test(token, rule, run, certain=known))  # type: ignore[misc]
    if not misses:
        return (), True
    applies = False if any(miss.certain for miss in misses) else None
    return tuple(miss for miss in misses if miss.certain is (applies is False)), applies


def _late(token: Token) -> int | None:
    return _LATE_KEYS.get(token.name if token.key == "IMPORT" else token.key)


def _test(token: Token, rule: Rule, run: Run, *, certain: bool) -> tuple[Value, bool | None]:
    """TEST, PROGRAM, IMPORT and RESULT. What a program answers, only the host could tell."""
    if token.key == "TEST":
        return exists(token, run)
    return None, _import(token, rule, run, certain=certain) if token.key == "IMPORT" else None


def _misses(tokens: Iterable[Token], test: Callable[[Token], tuple[Value, bool | None]]) -> list[Miss]:
    tested = [(token, *test(token)) for token in tokens]
    return [Miss(token, found, certain=verdict is False) for token, found, verdict in tested if verdict is not True]


def _match_parents(tokens: Sequence[Token], run: Run) -> list[Miss]:
    """All comparisons with parents must hold for one and the same device; the event's own counts as one."""
    best: list[Miss] | None = None
    for device in run.event.chain:
        misses = _misses(tokens, lambda token, device=device: compare_parent(token, device, run))  # type: ignore[misc]
        if not misses:
            run.parent = device
            return []
        if best is None or _badness(misses) < _badness(best):
            best = misses
    run.parent = None
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
    known = True
    match token.attribute:
        case "builtin" | "program" if command and (token.attribute == "builtin" or command[0] in event.builtins):
            found = event.builtins.get(command[0])
        case "db":
            known = event.database is not None
            found = {token.value: None} if event.database is None else _one(event.database, token.value)
        case "cmdline":
            found = _one(event.parameters, token.value)
        case "parent":
            found = _from_parent(token.value, run)
        case _:
            run.opaque = True
    if found is None:
        return None
    for name, value in found.items():
        _set(run, rule, name, value if certain else None)
    if not certain or not known:
        return None
    succeeds = bool(found) or token.attribute == "parent"
    return succeeds == (token.operator != "!=")


def _one(table: Mapping[str, str], name: str) -> Mapping[str, Value]:
    return {name: table[name]} if name in table else {}


def _from_parent(pattern: str, run: Run) -> Mapping[str, Value]:
    """What the device above gives: what the kernel says of it, and what rules set, which is not known here."""
    wanted = substitute(pattern, run)
    if wanted is None:
        run.opaque = True
        return {}
    known = {name: value for name, value in run.event.of_parent.items() if matches(wanted, name)}
    if not known and not is_glob(wanted):
        return {wanted: None}
    run.opaque = run.opaque or not known
    return known


def _set(run: Run, rule: Rule, name: str, value: Value) -> None:
    run.properties[name] = value
    run.set_at.setdefault(name, rule)


def _assign(
    rule: Rule, run: Run, write: Writer, programs: list[tuple[Rule, Token, Value, bool]], *, certain: bool
) -> None:
    """Do what the rule assigns, in udevd's order, whatever the order in the line."""
    for token in _parts_of(rule).assigned:
        if token.key in run.finals:
            continue
        if token.operator == ":=" and token.key in ("NAME", "RUN") and certain:
            run.finals.add(token.key)
        value = substitute(token.value, run)
        match token.key:
            case "ENV":
                joined = _joined(token, run, value)
                if joined is None or len(joined.encode("utf-8", "surrogateescape")) < _VALUE_BYTES:
                    _set(run, rule, token.attribute or "", joined if certain else None)
            case "NAME" if run.event.device.subsystem == "net":
                run.name = value if certain else None
            case "TAG" if certain and value is not None:
                _tag(token, run, value)
            case "ATTR":
                # Nothing is put into the name of an attribute that is written, other than of one that is compared.
                write(rule, token, run.event, token.attribute or "", value, certain)
            case "RUN":
                if token.operator in ("=", ":=") and certain:
                    programs.clear()
                programs.append((rule, token, value, certain))


def _rank(token: Token) -> int | None:
    return _ASSIGNMENTS.get(token.name if token.name == "RUN{builtin}" else token.key)


def _tag(token: Token, run: Run, value: str) -> None:
    if token.operator in ("=", ":="):
        run.tags.clear()
    (run.tags.discard if token.operator == "-=" else run.tags.add)(value)


def _joined(token: Token, run: Run, value: Value) -> Value:
    before = property_of(run, token.attribute or "") if token.operator == "+=" else ""
    return None if value is None or before is None else f"{before} {value}" if before else value
