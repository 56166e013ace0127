"""Which entry GRUB boots next, and with which parameters; and what /etc/default/grub asks for.

No interpreter of GRUB's script language: it reads the shape that grub-mkconfig writes (submenus, `set default`, BLS).
Sources: GRUB 2.12 grub-core/normal/menu.c (get_entry_number), util/grub.d/{00_header,10_linux}.in,
Fedora's grub-core/commands/blscfg.c; the Boot Loader Specification.
"""

from __future__ import annotations

import functools
import re
import shlex
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

_ITEM = re.compile(r"^\s*(menuentry|submenu)\s+(.*?)\{?\s*$")
_KERNEL = re.compile(r"^\s*(?:linux|linux16|linuxefi)\s+(\S+)\s*(.*)$")
_SET = re.compile(r"^\s*set\s+([A-Za-z_]\w*)=(.*)$")
_OTHER = re.compile(r"""^\s*(?:configfile|source)\s+["']?[^"']*/grub\.cfg["']?\s*$""")
_VARIABLE = re.compile(r"\$(?:\{(\w+)\}|(\w+))")
_RELEASE = re.compile(r"(?:vmlinuz|vmlinux|linux|kernel|Image|bzImage)-(.+)$")
_MAX_DEPTH = 8

KEEP = (
    r"^[[:space:]]*(menuentry|submenu|linux|linux16|linuxefi|function|blscfg|insmod[[:space:]]+blscfg"
    r"|configfile|source|set[[:space:]]+(default|kernelopts|tuned_params|fallback|prefix)=|})"
)
"""The lines of a grub.cfg that this module reads, as an extended regular expression. No passwords among them."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of the menu: a kernel with its parameters, a submenu with `children`, or something else with neither."""

    title: str
    id: str
    kernel: str | None = None
    parameters: str = ""
    children: tuple[Entry, ...] | None = None
    version: str | None = None

    @property
    def release(self) -> str | None:
        """The kernel's release as `uname -r` will say it; None when the file's name does not tell."""
        if self.version:
            return self.version
        name = (self.kernel or "").rsplit("/", 1)
        found = _RELEASE.match(name[-1])
        if found:
            return found.group(1)
        # kernel-install's layout: /<token>/<release>/linux
        return name[0].rsplit("/", 1)[-1] or None if name[-1] == "linux" and "/" in (self.kernel or "")[1:] else None


@dataclass(slots=True)
class _Open:
    """A block whose closing brace is still to come."""

    title: str
    id: str
    children: list[Entry] | None
    kernel: str | None = None
    parameters: str = ""


@dataclass(frozen=True, slots=True)
class Menu:
    """A grub.cfg: its entries in order, what `set default` says (in order), variables it sets, and where BLS comes.

    `passes_on`: it has no entries of its own and goes on to another grub.cfg, as those on an EFI system partition do.
    """

    entries: tuple[Entry, ...]
    defaults: tuple[str, ...]
    variables: Mapping[str, str] = field(default_factory=dict)
    bls_at: int | None = None
    passes_on: bool = False


def parse_menu(text: str) -> Menu:
    """The menu that a grub.cfg describes, from the lines that KEEP keeps. Unknown constructs are passed over."""
    root: list[Entry] = []
    blocks: list[_Open] = []
    defaults: list[str] = []
    variables: dict[str, str] = {}
    bls_at: int | None = None
    other = False
    for line in text.splitlines():
        if item := _ITEM.match(line):
            title, identifier = _names(item.group(2))
            blocks.append(_Open(title, identifier, [] if item.group(1) == "submenu" else None))
        elif line.strip().startswith("function"):
            blocks.append(_Open("", "", None))
        elif line.strip().startswith("}"):
            if blocks:
                _close(blocks, root)
        elif (kernel := _KERNEL.match(line)) and blocks:
            blocks[-1].kernel, blocks[-1].parameters = kernel.group(1), kernel.group(2)
        elif line.strip() == "blscfg" and bls_at is None:
            bls_at = len(root)
        elif _OTHER.match(line):
            other = True
        elif setting := _SET.match(line):
            name, value = setting.group(1), _unquote(setting.group(2))
            if name == "default":
                defaults.append(value)
            else:
                variables[name] = value
    while blocks:
        _close(blocks, root)
    return Menu(tuple(root), tuple(defaults), variables, bls_at, other and not root and bls_at is None)


def parse_environment(text: str) -> dict[str, str]:
    """The variables of a grubenv (`grub-editenv list` reads the same)."""
    lines = (line for line in text.splitlines() if not line.startswith("#"))
    return {name: value for line in lines for name, equals, value in [line.partition("=")] if equals}


def parse_bls(name: str, text: str) -> Entry:
    """One entry file of the Boot Loader Specification; `name` is its file's name."""
    fields: dict[str, list[str]] = {}
    for line in text.splitlines():
        key, _, value = line.strip().partition(" ")
        if key and not key.startswith("#"):
            fields.setdefault(key, []).append(value.strip())
    return Entry(
        title=" ".join(fields.get("title", [""])[:1]),
        id=name.removesuffix(".conf"),
        kernel=next(iter(fields.get("linux", [])), None),
        parameters=" ".join(fields.get("options", [])),
        version=next(iter(fields.get("version", [])), None) or None,
    )


def newest_first(entries: Iterable[Entry]) -> tuple[Entry, ...]:
    """BLS entries in the order that blscfg lists them: by file name, compared as versions, newest first."""
    return tuple(sorted(entries, key=lambda entry: _version_key(entry.id), reverse=True))


def expand(entry: Entry, variables: Mapping[str, str]) -> str:
    """The entry's parameters with variables ($kernelopts, $tuned_params) put in; unknown ones are empty, as in GRUB."""
    return _VARIABLE.sub(lambda found: variables.get(found.group(1) or found.group(2), ""), entry.parameters).strip()


def default_entry(menu: Menu, environment: Mapping[str, str]) -> str:
    """What GRUB's variable `default` will hold when the menu is shown.

    grub-mkconfig writes: the one-time `next_entry` of grubenv when it is set, else the configured value, which may be
    `${saved_entry}` of grubenv. An empty answer means the first entry.
    """
    chosen = ""
    for value in menu.defaults:
        if "next_entry" in value:
            if environment.get("next_entry"):
                return environment["next_entry"]
            continue
        chosen = _VARIABLE.sub(lambda found: environment.get(found.group(1) or found.group(2), ""), value)
    return chosen


def choose(entries: Sequence[Entry], default: str) -> Entry | None:
    """The entry that `default` means: a number, title or id, submenus parted by '>'; what is not found means the first.

    A submenu that is chosen itself boots its own first entry.
    """
    parts = [part.replace("\0", ">") for part in default.replace(">>", "\0").split(">")]
    for _ in range(_MAX_DEPTH):
        if not entries:
            return None
        entry = _pick(entries, parts.pop(0) if parts else "")
        if entry.children is None:
            return entry
        entries = entry.children
    return None


def _pick(entries: Sequence[Entry], wanted: str) -> Entry:
    if wanted.isascii() and wanted.isdecimal() and len(wanted) < 6:
        return entries[int(wanted)] if int(wanted) < len(entries) else entries[0]
    return next((entry for entry in entries if wanted and wanted in (entry.title, entry.id)), entries[0])


def _close(blocks: list[_Open], root: list[Entry]) -> None:
    block = blocks.pop()
    if not block.title and not block.id:
        return
    children = None if block.children is None else tuple(block.children)
    parent = next((b.children for b in reversed(blocks) if b.children is not None), root)
    parent.append(Entry(block.title, block.id, block.kernel, block.parameters, children))


@functools.lru_cache(maxsize=1024)  # distributions name their entries alike
def _names(words: str) -> tuple[str, str]:
    """Title and id of a menuentry or submenu line."""
    try:
        parts = shlex.split(words)
    except ValueError:
        parts = words.split()
    title, identifier = parts[0] if parts else "?", ""
    for option, value in zip(parts, [*parts[1:], ""], strict=True):
        if option in ("--id", "$menuentry_id_option"):
            identifier = value
        elif option.startswith("--id="):
            identifier = option.removeprefix("--id=")
    return title or "?", identifier


def _unquote(text: str) -> str:
    text = text.strip()
    return text[1:-1] if len(text) > 1 and text[0] == text[-1] and text[0] in "'\"" else text


def _version_key(name: str) -> tuple[tuple[int, int, str], ...]:
    """Orders as rpmvercmp does: runs of digits are numbers and beat letters, '~' comes before the end."""
    parts = re.findall(r"\d+|[a-zA-Z]+|~", name)
    keys = [(2, int(p), "") if p.isdecimal() else (-1, 0, "") if p == "~" else (1, 0, p) for p in parts]
    return (*keys, (0, 0, ""))
