"""systemd's services: which file of a name counts, what its drop-ins add, whether the boot starts it, and its order.

Sources: man systemd.unit (unit file load path, template units, masking), systemd.service; systemd 257.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from checks.linux.systemd_files import reading_order

FOLDERS = (
    "/etc/systemd/system",
    "/run/systemd/system",
    "/run/systemd/generator",
    "/usr/local/lib/systemd/system",
    "/usr/lib/systemd/system",
    "/run/systemd/generator.late",
)
_WANTS = re.compile(r"^(?P<folder>.+)/(?P<target>[^/]+)\.(?:wants|requires)/(?P<unit>[^/]+)$")
_REACHED = re.compile(
    r"(?:default|graphical|multi-user|basic|sysinit|local-fs|network|network-pre|network-online|sysinit|machines"
    r"|remote-fs|cloud-config|cloud-init)\.target|.*\.device"
)
_COMMAND = re.compile(r"^Exec(?:Start|StartPre|StartPost)\s*=\s*(?P<command>.*)$")
_OTHER_KEY = re.compile(r"^(?P<key>[A-Za-z]+)\s*=\s*(?P<value>.*)$")
_CALL = re.compile(r"^[-@:+!|]*(?:/(?:usr/)?bin/(?:env\s+)?(?:ba|da)?sh\s+)?(?P<script>/[^\s\"';]+)")


@dataclass(frozen=True, slots=True)
class Service:
    """A service as its files' kept lines tell it. `commands`: of its start, in order, each with the file it is from.

    `keys`: every other key with all its values. `instances`: those of a template that the boot starts.
    """

    name: str
    path: str
    commands: tuple[tuple[str, str], ...]
    keys: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def words(self, key: str) -> tuple[str, ...]:
        """The words of a key that lists units."""
        return tuple(word for value in self.keys.get(key, ()) for word in value.split())


def services(texts: Mapping[str, str], links: Mapping[str, str], drop_ins: Mapping[str, str]) -> tuple[Service, ...]:
    """Every service that is not masked. `drop_ins`: the texts of all `NAME.service.d/*.conf`."""
    read, _ = reading_order({path: text or " " for path, text in texts.items()}, links, FOLDERS)
    added: dict[str, dict[str, str]] = {}
    for path, text in drop_ins.items():
        added.setdefault(path.split("/")[-2], {})[path] = text
    found = []
    for path in read:
        name = path.rpartition("/")[2]
        own = added.get(f"{name}.d", {})
        more, _ = reading_order(own, {}, (f"{folder}/{name}.d" for folder in FOLDERS)) if own else ((), ())
        found.append(_service(name, path, ((path, texts.get(path, "")), *((p, own[p]) for p in more))))
    return tuple(found)


@functools.lru_cache(maxsize=1024)  # the hosts of a run have the same units, most of them from one distribution
def _service(name: str, path: str, texts: tuple[tuple[str, str], ...]) -> Service:
    commands: list[tuple[str, str]] = []
    keys: dict[str, list[str]] = {}
    for file, text in texts:
        key = ""
        for line in map(str.strip, text.splitlines()):
            if line.startswith(("#", ";", "[")):
                continue
            if one := _COMMAND.match(line):
                key = "ExecStart"
                if one["command"]:
                    commands.append((file, one["command"]))
                elif line.split("=")[0].strip() == "ExecStart":
                    commands.clear()  # an empty assignment takes back those before it
            elif other := _OTHER_KEY.match(line):
                key = other["key"]
                keys.setdefault(key, []).append(other["value"])
            elif key in ("", "ExecStart"):
                commands.append((file, line))  # a continued line
    return Service(name, path, tuple(commands), {key: tuple(values) for key, values in keys.items()})


def started(wants: Iterable[str]) -> frozenset[str]:
    """The units that the boot starts, by the links in the .wants and .requires folders of what every boot reaches."""
    found = set()
    for path in wants:
        link = _WANTS.match(path)
        if link and link["folder"] in FOLDERS and _REACHED.fullmatch(link["target"]):
            found.add(link["unit"])
    return frozenset(found)


def wanted_by(wants: Iterable[str], unit: str) -> tuple[str, ...]:
    """Everything that wants a unit."""
    links = (_WANTS.match(path) for path in wants)
    return tuple(sorted({link["target"] for link in links if link and link["unit"] == unit}))


def instances(name: str, units: Iterable[str]) -> tuple[str, ...]:
    """What stands behind the @ in the units made from a template, of those given."""
    stem, at, end = name.partition("@")
    if not at:
        return ()
    return tuple(
        sorted(unit[len(stem) + 1 : -len(end)] for unit in units if unit.startswith(f"{stem}@") and unit.endswith(end))
    )


def expanded(command: str, instance: str) -> str:
    """A template's command with the instance put in."""
    plain = re.sub(r"\\x([0-9a-fA-F]{2})", lambda one: chr(int(one[1], 16)), instance.replace("-", "/"))
    return command.replace("%i", instance).replace("%I", plain).replace("%%", "%")


def script_of(command: str) -> str | None:
    """The path of the program or script that a command runs."""
    call = _CALL.match(command)
    return call["script"] if call else None
