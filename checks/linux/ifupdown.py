"""ifupdown's /etc/network/interfaces: which commands run when an interface is brought up, and whether a boot does it.

Sources: interfaces(5) of Debian's ifupdown 0.8 (auto, allow-hotplug, source, mapping, pre-up, up), its
networking.service (`ifup -a`: interfaces marked auto) and 80-ifupdown.rules (ifup@.service: those of allow-hotplug).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase

MAIN = "/etc/network/interfaces"
SERVICE = "networking.service"
KEEP = r"^[[:space:]]*(auto|allow-(auto|hotplug)|iface|mapping|source|source-dir(ectory)?)[[:space:]]"
_COMMANDS = ("pre-up", "up", "post-up")
_STANZAS = ("mapping", "vlan")


@dataclass(slots=True)
class Stanza:
    """One `iface`: its file, and the commands that run when it comes up."""

    interface: str
    path: str
    commands: list[str] = field(default_factory=list)


@dataclass(slots=True)
class Interfaces:
    """All files together. `auto`, `hotplug`: names that are marked so; one with a `/` before it is a pattern.

    `sourced`: globs of the files that are read besides the main one; `read`: those that are. `mapped`: another name may
    stand for an interface.
    """

    stanzas: list[Stanza] = field(default_factory=list)
    auto: set[str] = field(default_factory=set)
    hotplug: set[str] = field(default_factory=set)
    sourced: list[str] = field(default_factory=list)
    read: set[str] = field(default_factory=set)
    mapped: bool = False


def parse(texts: Mapping[str, str]) -> Interfaces:
    """What the main file, and those that it reads, say. A file that nothing reads is left out."""
    found = Interfaces()
    _read(MAIN, texts.get(MAIN, ""), found)
    for path, text in texts.items():
        if path != MAIN and any(fnmatchcase(path, pattern) for pattern in found.sourced):
            _read(path, text, found)
    return found


def alone(path: str, text: str) -> Interfaces:
    """What one file says, whoever reads it."""
    found = Interfaces()
    _read(path, text, found)
    return found


def _read(path: str, text: str, found: Interfaces) -> None:
    own: Stanza | None = None
    found.read.add(path)
    for line in map(str.strip, text.splitlines()):
        word, *rest = line.split(None, 1) or [""]
        names = rest[0].split() if rest else []
        if word == "iface" and names:
            own = Stanza(names[0], path)
            found.stanzas.append(own)
        elif word in ("auto", "allow-auto"):
            found.auto |= set(names)
        elif word == "allow-hotplug":
            found.hotplug |= set(names)
        elif word in ("source", "source-directory", "source-dir") and names:
            found.sourced += [names[0] if word == "source" else f"{names[0].rstrip('/')}/*"]
        elif word in _STANZAS:
            own, found.mapped = None, found.mapped or word == "mapping"
        elif word in _COMMANDS and own is not None and rest:
            own.commands.append(rest[0])


def brought_up(interfaces: Interfaces, stanza: Stanza, *, service: bool) -> tuple[bool | None, str]:
    """Whether a boot brings the interface up, and why not. `service`: whether it starts networking.service."""
    name = stanza.interface
    if interfaces.mapped or re.search(r"[*?\[/]", name) or any(one.startswith("/") for one in interfaces.auto):
        return None, f"whether a mapping or a pattern leads to {name} cannot be told"
    if name in interfaces.auto:
        return (True, "") if service else (False, f"no boot starts {SERVICE}: it is not enabled, or not installed")
    if name in interfaces.hotplug:
        return None, f"whether udev tells ifupdown of {name} (allow-hotplug) cannot be told"
    return False, f"nothing brings {name} up at boot: there is no line 'auto {name}'"
