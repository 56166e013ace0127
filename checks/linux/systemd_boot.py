"""Which entry systemd-boot takes: its entries in its order, and what loader.conf and the EFI variables ask for.

Sources: systemd 257 src/boot/boot.c (config_entry_compare, config_select_default_entry), man loader.conf;
the UAPI group's Boot Loader Specification and version format specification.
"""

from __future__ import annotations

import functools
import re
import shlex
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase

from checks.linux.uki import Uki

_TRIES = re.compile(r"\+(\d{1,9})(?:-(\d{1,9}))?(?=\.(?:conf|efi)$)")
_PIECE = re.compile(r"\d+|[a-zA-Z]+")
_LONGEST = 256
_OS_LINE = re.compile(r"^([A-Z_]+)=(.*)$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class LoaderEntry:
    """One line of systemd-boot's menu. `path`: its file. `image`: it is a unified kernel image, `added`: with addons.

    `linux`: it starts a Linux, and not a memory test or another system.
    """

    id: str
    path: str
    title: str
    release: str | None
    parameters: str
    sort_key: str = ""
    machine_id: str = ""
    version: str = ""
    tries_left: int | None = None
    image: bool = False
    added: bool = False
    linux: bool = True


def type_1(path: str, text: str) -> LoaderEntry | None:
    """The entry of a file below loader/entries; None for one that starts nothing."""
    fields: dict[str, list[str]] = {}
    for line in text.splitlines():
        words = line.strip().split(None, 1)
        if words and not words[0].startswith("#"):
            fields.setdefault(words[0], []).append(words[1] if len(words) > 1 else "")
    if not fields.keys() & {"linux", "uki", "efi"}:
        return None
    version = _first(fields, "version")
    return _counted(
        LoaderEntry(
            id=path.rsplit("/", 1)[-1],
            path=path,
            title=_first(fields, "title"),
            release=version or None,
            parameters=" ".join(fields.get("options", [])),
            sort_key=_first(fields, "sort-key"),
            machine_id=_first(fields, "machine-id"),
            version=version,
            linux=bool(fields.keys() & {"linux", "uki"}),
        )
    )


def type_2(path: str, uki: Uki, addons: Iterable[str] = ()) -> LoaderEntry:
    """The entry of a unified kernel image; the command lines of its addons follow its own."""
    system, lines = os_fields(uki.os_release or ""), tuple(addons)
    versions = ("IMAGE_VERSION", "VERSION", "VERSION_ID", "BUILD_ID")
    return _counted(
        LoaderEntry(
            id=path.rsplit("/", 1)[-1],
            path=path,
            title=system.get("PRETTY_NAME", ""),
            release=uki.release or None,
            parameters=" ".join([uki.command_line or "", *lines]).strip(),
            sort_key=system.get("IMAGE_ID") or system.get("ID", ""),
            version=next((system[name] for name in versions if system.get(name)), ""),
            image=True,
            added=bool(lines),
        )
    )


@functools.lru_cache(maxsize=256)  # the hosts of a run have few distributions
def os_fields(text: str) -> Mapping[str, str]:
    """The assignments of an os-release."""
    found = {}
    for name, raw in _OS_LINE.findall(text):
        try:
            words = shlex.split(raw)
        except ValueError:
            words = [raw.strip("\"'")]
        found[name] = words[0] if words else ""
    return found


def loader_default(text: str) -> str:
    """What loader.conf says with `default`: a pattern for ids; the last one counts."""
    found = [words[1] for line in text.splitlines() if len(words := line.split(None, 1)) == 2 and words[0] == "default"]
    return found[-1].strip() if found else ""


def in_order(entries: Iterable[LoaderEntry]) -> tuple[LoaderEntry, ...]:
    """The entries as the menu lists them."""
    return tuple(sorted(entries, key=functools.cmp_to_key(_compare)))


def choose(entries: Sequence[LoaderEntry], variables: Mapping[str, str], configured: str) -> LoaderEntry | str | None:
    """The entry that boots: the one-time wish, else the default in an EFI variable, else loader.conf's, else the first.

    `variables`: the boot loader's by name. A text in place of an entry: the wish is one for something that is no Linux
    entry, such as auto-windows. Patterns are matched without regard to case, as on the file system they lie on.
    """
    saved = variables.get("LoaderEntryLastBooted", "")
    wishes = [variables.get("LoaderEntryOneShot", ""), variables.get("LoaderEntryDefault", ""), configured]
    for pattern in [saved if wish == "@saved" else wish for wish in wishes]:
        wanted = pattern.lower()[:_LONGEST]
        found = next((one for one in entries if wanted and fnmatchcase(one.id.lower(), wanted)), None)
        if found is not None:
            return found
        if pattern.startswith("auto-"):
            return pattern
    return entries[0] if entries else None


def compare_versions(one: str, other: str) -> int:
    """Below, at or above zero, by the UAPI group's version format: '~' is less than the end, then '-', '^', '.'."""
    one, other = (re.sub(r"[^0-9a-zA-Z.~^-]", "\0", text[:_LONGEST]) for text in (one, other))
    while True:
        one, other = one.lstrip("\0"), other.lstrip("\0")
        for sign in ("~", "", "-", "^", "."):
            first = (not one) if not sign else one.startswith(sign)
            second = (not other) if not sign else other.startswith(sign)
            if first or second:
                if first != second:
                    return -1 if first else 1
                if not sign:
                    return 0
                one, other = one[1:], other[1:]
                break
        else:
            a, b = _piece(one), _piece(other)
            if a.isdecimal() != b.isdecimal():
                return 1 if a.isdecimal() else -1
            width = max(len(a), len(b)) if a.isdecimal() else 0
            if a.zfill(width) != b.zfill(width):
                return -1 if a.zfill(width) < b.zfill(width) else 1
            one, other = one[len(a) :], other[len(b) :]


def _piece(text: str) -> str:
    found = _PIECE.match(text)
    return found.group() if found else ""


def _key(entry: LoaderEntry) -> tuple[bool, bool, str, str]:
    return entry.tries_left == 0, not entry.sort_key, entry.sort_key, entry.machine_id if entry.sort_key else ""


def _compare(one: LoaderEntry, other: LoaderEntry) -> int:
    first, second = _key(one), _key(other)
    if first != second:
        return -1 if first < second else 1
    by_version = compare_versions(other.version, one.version) if one.sort_key else 0
    return by_version or compare_versions(other.id, one.id)


def _counted(entry: LoaderEntry) -> LoaderEntry:
    """Boot counting stands in the file's name (`+LEFT-DONE`) and is no part of the id."""
    found = _TRIES.search(entry.id)
    if found is None:
        return entry
    return replace(entry, id=_TRIES.sub("", entry.id), tries_left=int(found.group(1)))


def _first(fields: Mapping[str, list[str]], name: str) -> str:
    return fields.get(name, [""])[0].strip()
