"""The rule that works, made from one that does not: every correction is tried on the PF before it is told."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from difflib import get_close_matches

from checks.linux.sriov_events import Port, Surroundings
from checks.linux.sriov_reasons import ATTRIBUTE, names_driver
from checks.linux.sriov_writes import number_of
from checks.linux.udev_language import KEYS, MATCH_ONLY, NO_EFFECT, Rule, Token, parse_file
from checks.linux.udev_match import is_glob
from checks.linux.udev_programs import writes

Tokens = tuple[Token, ...]
_MOST_ROUNDS = 6
_LONGEST = 2000
_ADDRESS = re.compile(r"[0-9a-f]{4}:[0-9a-f]{2}:[01][0-9a-f]\.[0-7]")
_TYPOGRAPHIC = str.maketrans(dict.fromkeys("\u201c\u201d\u201e\u00ab\u00bb\u2018\u2019", '"'))
_BARE = re.compile(r"""((?:[=!+\-:]=|=)\s*)([^\s"',{}=][^\s"',]*)""")
_ASSIGNED = re.compile(r"\b([A-Z]+)(\{[^}]*\})?\s*(\+=|-=|:=|=(?!=))")


def readable(rule: Rule, systemd: int | None = None) -> str | None:
    """A dropped line as udevd would take it; None when that cannot be told."""
    text = rule.text
    if len(text) > _LONGEST:
        return None
    for _ in range(_MOST_ROUNDS):
        parsed = parse_file(rule.file, text, systemd)
        if len(parsed) != 1:
            return None
        if parsed[0].problem is None:
            return text
        changed = _repaired(text, parsed[0].problem)
        if changed == text:
            return None
        text = changed
    return None


def _repaired(text: str, problem: str) -> str:  # noqa: PLR0911 - one repair for each problem
    """The text with the first problem that udevd would meet taken away."""
    if problem == NO_EFFECT:
        return re.sub(rf"(ATTRS?)\{{((?:[^}}]*/)?{ATTRIBUTE})\}}\s*==", r"ATTR{\2}=", text)
    if "byte order mark" in problem:
        return text.lstrip("\ufeff")
    if "ends after a backslash" in problem:
        return text.rstrip("\\ \t")
    if problem.startswith("a comment"):
        return re.sub(r'^((?:[^"#]|"[^"]*")*?)\s*#.*$', r"\1", text, flags=re.DOTALL)
    if "typographic" in problem:
        return text.translate(_TYPOGRAPHIC)
    if "single ones" in problem:
        return re.sub(r"(=\s*)'([^'\"]*)'", r'\1"\2"', text)
    if "has none" in problem:
        return _BARE.sub(r'\1"\2"', text)
    if "closing double quote" in problem:
        return text + '"'
    if problem.startswith("there is no key"):
        return re.sub(r"\b([A-Za-z]+)(?=\s*(?:\{[^}]*\})?\s*[=!+\-:])", _right_key, text)
    if "can only be compared" in problem:
        writes_vfs = re.sub(rf"ATTRS\{{((?:[^}}]*/)?{ATTRIBUTE})\}}(\s*=[^=])", r"ATTR{\1}\2", text)
        return writes_vfs if writes_vfs != text else _ASSIGNED.sub(_compared, text)
    return text


def _right_key(found: re.Match[str]) -> str:
    key = found[1]
    if key in KEYS:
        return key
    if key in ("SYSFS", "BUS", "ID"):
        return {"SYSFS": "ATTRS", "BUS": "SUBSYSTEMS", "ID": "KERNELS"}[key]
    near = get_close_matches(key.upper(), sorted(KEYS), 1, 0.6)
    return near[0] if near else key


def _compared(found: re.Match[str]) -> str:
    return f"{found[1]}{found[2] or ''}==" if found[1] in MATCH_ONLY else found[0]


def stranger(token: Token, around: Surroundings) -> str | None:
    """What is wrong with the device that a comparison names; None when nothing is known against it."""
    name = token.value
    if token.operator != "==" or is_glob(name) or "|" in name:
        return None
    if token.key in ("KERNEL", "KERNELS") and _ADDRESS.fullmatch(name):
        if name in around.vfs:
            return f"it is a VF of {around.vfs[name]}, and VFs have no VFs"
        if around.addresses and name not in around.addresses:
            return f"there is no PCI device {name} on this host"
    named = token.key in ("KERNEL", "NAME") or (token.key == "ENV" and token.attribute == "INTERFACE")
    if named and around.netdevs and not _ADDRESS.fullmatch(name) and name not in around.netdevs:
        return None if name.startswith("eth") else f"no NIC of this host is called {name}"
    return None


@dataclass(slots=True)
class Corrector:
    """Corrects rules for one PF. `works`: whether a rule in another's place makes VFs there."""

    port: Port
    around: Surroundings
    works: Callable[[Rule, Rule], bool]
    tries: int
    known: dict[int, str | None] = field(default_factory=dict)

    def corrected(self, rule: Rule) -> str | None:
        """The rule as it makes VFs on this PF; None when it is not known, or the rule is for another device."""
        if id(rule) not in self.known:
            self.known[id(rule)] = next((text for text in self._candidates(rule) if self._try(rule, text)), None)
        return self.known[id(rule)]

    def stranger(self, token: Token) -> str | None:
        """What is wrong with the device that a comparison names; None when nothing is known against it."""
        return stranger(token, self.around)

    def _try(self, rule: Rule, text: str) -> bool:
        if self.tries <= 0:
            return False
        self.tries -= 1
        parsed = parse_file(rule.file, text, self.around.systemd)
        return len(parsed) == 1 and parsed[0].problem is None and self.works(rule, parsed[0])

    def _candidates(self, rule: Rule) -> Iterator[str]:
        text = readable(rule, self.around.systemd)
        parsed = parse_file(rule.file, text, self.around.systemd) if text is not None else ()
        if text is None or len(parsed) != 1:
            return
        if text != rule.text:
            yield text
        tokens, every = parsed[0].tokens, parsed[0].tokens
        for change in self._changes():
            changed = change(tokens)
            if changed != tokens:
                yield _written(changed)
            every = change(every)
        if every != tokens:
            yield _written(every)

    def _changes(self) -> Sequence[Callable[[Tokens], Tokens]]:
        return (
            self._right_driver, self._right_path, _clean_number, _alternatives, self._early_property, _parents_driver,
            self._address_for_name, _at_bind, self._present_address, _attribute_for_program,
        )  # fmt: skip

    def _address(self) -> Token:
        return Token("KERNELS", None, "==", self.port.address)

    def _right_driver(self, tokens: Tokens) -> Tokens:
        driver = self.port.driver
        return tuple(
            replace(t, value=driver) if names_driver(t) and t.operator == "==" and driver else t for t in tokens
        )

    def _right_path(self, tokens: Tokens) -> Tokens:
        on_pci = any(t.key == "SUBSYSTEM" and t.value == "pci" for t in tokens)
        right = ATTRIBUTE if on_pci else f"device/{ATTRIBUTE}"
        return tuple(
            replace(t, attribute=right)
            if t.key == "ATTR"
            and not t.is_match
            and t.attribute
            and t.attribute.endswith(ATTRIBUTE)
            and t.attribute[0] != "["
            else t
            for t in tokens
        )

    def _early_property(self, tokens: Tokens) -> Tokens:
        """What is known from the start in place of a property that is set later, or not compared but assigned."""
        return tuple(
            (
                replace(t, key="DRIVERS", attribute=None, operator="==", value=self.port.driver)
                if names_driver(t)
                else self._address()
            )
            if t.key == "ENV" and (t.attribute or "").startswith("ID_")
            else t
            for t in tokens
        )

    def _address_for_name(self, tokens: Tokens) -> Tokens:
        names = {self.port.netdev}
        return tuple(
            self._address()
            if (t.key in ("KERNEL", "NAME") or t.attribute == "INTERFACE") and t.operator == "==" and t.value in names
            else t
            for t in tokens
        )

    def _present_address(self, tokens: Tokens) -> Tokens:
        return tuple(
            (replace(t, value=self.port.address) if _ADDRESS.fullmatch(t.value) else self._address())
            if self.stranger(t) is not None and self.around.vfs.get(t.value, self.port.address) == self.port.address
            else t
            for t in tokens
        )


def _written(tokens: Tokens) -> str:
    return ", ".join(str(replace(token, value=token.value.replace('"', '\\"'))) for token in tokens)


def _clean_number(tokens: Tokens) -> Tokens:
    """2 in place of " 2", 2VFs and the like; an octal number as it was meant."""

    def clean(token: Token) -> Token:
        if token.key != "ATTR" or token.is_match or not (token.attribute or "").endswith(ATTRIBUTE):
            return token
        digits = re.fullmatch(r"\D*?(\d{1,5})\D*", token.value)
        read = number_of(token.value)
        if digits is None or (read is not None and not read[1]):
            return token
        return replace(token, value=str(int(digits[1])))

    return tuple(clean(token) for token in tokens)


def _alternatives(tokens: Tokens) -> Tokens:
    """Comparisons of one thing with several values joined into one."""
    joined: dict[str, Token] = {}
    for position, token in enumerate(tokens):
        single = token.operator == "==" and token.key not in ("TEST", "PROGRAM", "IMPORT", "TAG", "TAGS")
        name = token.name if single else f"{position}"
        before = joined.get(name)
        if before is None:
            joined[name] = token
        elif token.value not in before.value.split("|"):
            joined[name] = replace(before, value=f"{before.value}|{token.value}")
    return tuple(joined.values())


def _parents_driver(tokens: Tokens) -> Tokens:
    return tuple(replace(t, key="DRIVERS") if t.key == "DRIVER" else t for t in tokens)


def _at_bind(tokens: Tokens) -> Tokens:
    """A PCI device is added before its driver is there; with the driver comes the event "bind"."""
    if not any(t.key == "SUBSYSTEM" and t.value == "pci" for t in tokens):
        return tokens
    return tuple(replace(t, value="add|bind") if t.key == "ACTION" and t.value == "add" else t for t in tokens)


def _attribute_for_program(tokens: Tokens) -> Tokens:
    """The write that udevd does itself, in place of a program that fails."""

    def done_by_udev(token: Token) -> Token:
        if token.key != "RUN" or ATTRIBUTE not in token.value:
            return token
        found = {text.strip() for text, _ in writes(token.value, {}).written}
        found = found or set(re.findall(r"echo\s+(?:-n\s+)?[\"']?(\d{1,5})[\"']?\s*>", token.value))
        return Token("ATTR", f"device/{ATTRIBUTE}", "=", found.pop()) if len(found) == 1 else token

    return tuple(done_by_udev(token) for token in tokens)
