"""What may name a NIC beside its place: .link files of the site, udev rules that set NAME, biosdevname.

Sources: systemd 257 src/udev/net/link-config.c (link_generate_new_name), man systemd.link; udev(7), NAME; the rules
that RHEL 7 (60-net.rules), biosdevname (71-biosdevname.rules) and prefixdevname bring.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from checks.linux.net_id import POLICY, Offers, fits
from checks.linux.systemd_files import settings

NAMING_RULE = '(^|[[:space:],])NAME:?="'
"""Lines of a rule file that set NAME, as `grep -E` finds them."""
_NAME = re.compile(r'(?:^|[\s,])NAME:?="([^"]*)"')
_MAC = re.compile(r'ATTRS?\{address\}=="([^"]*)"')
_FROM_POLICY = "$env{ID_NET_NAME}"  # 80-net-setup-link.rules: what the .link file said
_BIOSDEVNAME = re.compile(r"(em[0-9]+|p[0-9]+p[0-9]+)(_[0-9]+)?")
_KEPT = ("keep", "kernel", "database")
"""Words of a policy that give a guest's NIC no name: it has the kernel's own, and no hardware database knows it."""


@dataclass(frozen=True, slots=True)
class NameRule:
    """A line that sets NAME. `name` as written; `mac`: the only NIC it is for, where it says one."""

    path: str
    name: str
    mac: str | None

    @property
    def is_literal(self) -> bool:
        """Whether the name stands there, and is not worked out by udev or a program."""
        return not re.search(r"[%$]", self.name)


def name_rules(texts: Mapping[str, str]) -> tuple[NameRule, ...]:
    """Every line that sets NAME otherwise than systemd's own rule, in the order of their files."""
    found = []
    for path, text in sorted(texts.items(), key=lambda item: item[0].rpartition("/")[2]):
        for line in text.splitlines():
            name, mac = _NAME.search(line), _MAC.search(line)
            if name and name[1] and name[1] != _FROM_POLICY and not line.lstrip().startswith("#"):
                found.append(NameRule(path, name[1], mac[1].lower() if mac else None))
    return tuple(found)


def named_by_rule(rules: Iterable[NameRule], name: str, mac: str) -> NameRule | None:
    """The rule that gave a NIC its name, as far as a rule's text tells; None when no rule can have done it."""
    rules = [rule for rule in rules if rule.mac in (None, mac)]
    for rule in rules:
        if rule.is_literal and rule.name == name:
            return rule
    # A program's answer cannot be foretold; the names that biosdevname gives are known by their form.
    made = [rule for rule in rules if not rule.is_literal]
    if _BIOSDEVNAME.fullmatch(name):
        return next((rule for rule in made if "biosdevname" in rule.path), None)
    return next((rule for rule in made if "biosdevname" not in rule.path and _may_make(rule.name, name)), None)


def _may_make(pattern: str, name: str) -> bool:
    """Whether a name with substitutions in it (`$env{X}`, `lan%n`) can have become this one."""
    literal = [
        re.escape(part) for part in re.split(r"\$env\{[^}]*\}|\$[a-z]+(?:\{[^}]*\})?|%[a-zA-Z](?:\{[^}]*\})?", pattern)
    ]
    return any(literal) and re.fullmatch(".+".join(literal), name) is not None


@dataclass(frozen=True, slots=True)
class LinkFile:
    """What a .link file says about names: its policy, and the name it gives where no word of the policy has one."""

    path: str
    policy: tuple[str, ...]
    name: str | None

    def name_of(self, offered: Offers, mac: str) -> str | None:
        """The name that a NIC gets by it; None when it keeps the one of the kernel."""
        words = [word for word in self.policy if word not in _KEPT]
        for word in words:
            name = f"enx{mac.replace(':', '')}" if word == "mac" else offered.chosen((word,))
            if name and fits(name):
                return name
        return self.name


def link_file(path: str, texts: Mapping[str, str], drop_ins: Sequence[str] = ()) -> LinkFile | None:
    """The file and its drop-ins, later ones on top; None when its text is not there."""
    if path not in texts:
        return None
    policy: tuple[str, ...] = ()
    name: str | None = None
    for part in (path, *drop_ins):
        for setting in settings(part, texts.get(part, "")):
            if (setting.section, setting.key) == ("Link", "NamePolicy"):
                policy = tuple(setting.value.split())
            elif (setting.section, setting.key) == ("Link", "Name"):
                name = setting.value or None
    return LinkFile(path, policy, name)


def shipped() -> LinkFile:
    """What systemd's own file says: for a NIC that udev did not get to name, or where the text was not there."""
    return LinkFile("/usr/lib/systemd/network/99-default.link", ("keep", "kernel", "database", *POLICY), None)
