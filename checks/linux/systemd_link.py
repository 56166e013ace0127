"""systemd's .link files: which one is for a NIC, and how many VFs it makes.

Sources: systemd 257 man systemd.link; src/udev/net/link-config.c, src/shared/net-condition.c and netif-sriov.c.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Literal

from checks.linux.sriov_nic import KERNEL_NAMES, Boot, SriovNic
from checks.linux.systemd_files import Setting

SINCE = 251
"""The first version of systemd whose .link files make VFs."""
_LIST_KEYS = ("Path", "Driver", "OriginalName", "Name", "Type", "Kind", "Property")
_MAC_KEYS = ("MACAddress", "PermanentMACAddress")
# What depends on more than the NIC. Only the kernel's command line is known here.
_CONDITIONS = ("Host", "Virtualization", "KernelVersion", "Version", "Credential", "Architecture", "Firmware")
_KEYS = frozenset({*_LIST_KEYS, *_MAC_KEYS, *_CONDITIONS, "KernelCommandLine"})
_WORD = re.compile(r'"([^"]*)"|\'([^\']*)\'|(\S+)')
_MOST = 0x7FFFFFFF
# udev's database has these, and when .link files are compared they are not there yet (ID_NET_DRIVER: since 255 it is).
_SET_LATER = frozenset({"ID_NET_DRIVER", "ID_NET_LINK_FILE", "ID_NET_LINK_FILE_DROPINS", "ID_NET_NAME"})

# Of NamePolicy=: the others leave a NIC its name. Drivers of PFs do not call their names predictable.
_MAKING_NAMES = frozenset({"database", "onboard", "slot", "path", "mac"})

Verdict = bool | None
Conditions = Mapping[str, tuple[str, ...]]
"""The words of every key of a [Match] section."""


@dataclass(frozen=True, slots=True)
class Fit:
    """Whether a file's [Match] section holds for a NIC; None when that cannot be told.

    `misses`: the comparisons that fail, in words; `keys`: their keys.
    """

    holds: Verdict
    misses: tuple[str, ...] = ()
    keys: tuple[str, ...] = ()


def fit(conditions: Conditions, nic: SriovNic, boot: Boot, parameters: Mapping[str, str]) -> Fit:
    """Whether a .link (or .network) file with these conditions is for the NIC when udevd sees it appear.

    In the late way of booting the NIC then still has the kernel's name; in the early way, and once udevd has renamed
    it, it has its final one.
    """
    if not conditions:
        return Fit(holds=False, misses=("it has no [Match] section, so systemd ignores the file",))
    verdicts: list[Verdict] = []
    misses, keys = [], []
    for key, words in conditions.items():
        found, verdict = _compare(key, words, nic, boot, parameters)
        verdicts.append(verdict)
        if verdict is False:
            misses.append(f"{key}={' '.join(words)} does not hold: {found}")
            keys.append(key)
    holds = False if False in verdicts else None if None in verdicts else True
    return Fit(holds, tuple(misses), tuple(keys))


def conditions_of(settings: Iterable[Setting]) -> Conditions:
    """What a file's [Match] section says: several assignments add up, and an empty one takes all back."""
    found: dict[str, list[str]] = {}
    for setting in settings:
        if setting.section != "Match" or setting.key not in _KEYS:
            continue
        if not setting.value:
            found.pop(setting.key, None)
            continue
        value, inverted = setting.value, False
        if setting.key in _LIST_KEYS and value.startswith("!"):
            value, inverted = value[1:], True
        words = [next(part for part in word.groups() if part is not None) for word in _WORD.finditer(value)]
        found.setdefault(setting.key, []).extend(f"!{word}" if inverted else word for word in words)
    return {key: tuple(words) for key, words in found.items() if words}


def _compare(  # noqa: PLR0911 - one case for each key
    key: str, words: tuple[str, ...], nic: SriovNic, boot: Boot, parameters: Mapping[str, str]
) -> tuple[str, Verdict]:
    """What there is to compare, in words, and whether the key holds."""
    match key:
        case "OriginalName":
            if boot == "late":
                return "the NIC is still called eth0 or the like then", _listed_alike(words, KERNEL_NAMES)
            return f"the NIC is called {nic.name}", _listed_alike(words, nic.names)
        case "Name":
            return f"the NIC is called {nic.name}", _listed_alike(words, nic.names)
        case "Driver":
            return f"the NIC's driver is {nic.driver or 'none'}", _listed(words, nic.driver)
        case "Path":
            path = nic.properties.get("ID_PATH")
            return f"the NIC's ID_PATH is {path}", None if path is None else _listed(words, path)
        case "Type":
            return f"the NIC's type is {nic.kind}", _listed(words, nic.kind)
        case "Kind":
            return "hardware has no kind", _listed(words, None)
        case "Property":
            return "udev's properties differ", _properties(words, nic.properties)
        case "MACAddress" | "PermanentMACAddress":
            mac = nic.permanent_mac if key == "PermanentMACAddress" else nic.permanent_mac or nic.mac
            return f"the NIC's MAC is {mac}", None if mac is None else _plain(mac) in map(_plain, words)
        case "KernelCommandLine":
            return "the kernel's command line lacks it", all(_parameter(word, parameters) for word in words)
    return "", None


def _listed(words: Sequence[str], value: str | None) -> bool:
    """A list of globs, as systemd matches it: any that is not negated, and none that is."""
    positive, matched = False, False
    for word in words:
        negated = word.startswith("!")
        positive = positive or not negated
        if value is not None and fnmatchcase(value, word[negated:]):
            if negated:
                return False
            matched = True
    return matched if positive else True


@functools.lru_cache(maxsize=4096)  # the names that the kernel may give a NIC are the same for each of them
def _listed_alike(words: tuple[str, ...], names: tuple[str, ...]) -> Verdict:
    """Whether a list of globs matches all of the names, or none; None when it is neither."""
    known = {_listed(words, name) for name in names}
    return known.pop() if len(known) == 1 else None


def _properties(words: Sequence[str], properties: Mapping[str, str]) -> Verdict:
    if not properties:
        return None
    unknown = False
    for word in words:
        name, _, value = word.removeprefix("!").partition("=")
        if name in _SET_LATER:
            unknown = True
        elif (name in properties and fnmatchcase(properties[name], value)) == word.startswith("!"):
            return False
    return None if unknown else True


def _parameter(word: str, parameters: Mapping[str, str]) -> bool:
    negated, word = word.startswith("!"), word.removeprefix("!")
    name, equals, value = word.partition("=")
    holds = name in parameters and (not equals or parameters[name] == value)
    return holds != negated


def _plain(mac: str) -> str:
    return re.sub(r"[^0-9a-f]", "", mac.lower())


@dataclass(frozen=True, slots=True)
class Vfs:
    """How many VFs a file asks for, by which line. `grows`: by [SR-IOV] sections alone, which never take VFs away."""

    count: int
    setting: Setting
    grows: bool


def wanted_vfs(settings: Iterable[Setting]) -> Vfs | None:
    """What a .link file says about numbers of VFs; None when it says nothing (or nothing that systemd takes)."""
    explicit: Vfs | None = None
    sections: dict[tuple[str, int], Vfs] = {}
    for setting in settings:
        if (setting.section, setting.key) == ("Link", "SR-IOVVirtualFunctions"):
            number = _number(setting.value)
            if number is not None:
                explicit = Vfs(number, setting, grows=False)
            elif not setting.value:
                explicit = None
        elif (setting.section, setting.key) == ("SR-IOV", "VirtualFunction"):
            number = _number(setting.value)
            if number is not None:  # VF i is the one after i others
                sections[setting.section_at] = Vfs(number + 1, setting, grows=True)
            elif not setting.value:
                sections.pop(setting.section_at, None)
    return explicit or max(sections.values(), key=lambda vfs: vfs.count, default=None)


def _number(text: str) -> int | None:
    """safe_atou32() of systemd: decimal, or hexadecimal and octal by their prefixes."""
    found = re.fullmatch(r"\+?(0[xX][0-9a-fA-F]{1,8}|0[0-7]{0,11}|[1-9][0-9]{0,9})", text)
    if found is None:
        return None
    digits = found[1]
    number = int(digits, 16 if digits[:2] in ("0x", "0X") else 8 if digits[0] == "0" else 10)
    return number if number < _MOST else None


def names_the_nic(settings: Iterable[Setting]) -> Literal["policy", "name", "nothing"]:
    """What a .link file says about the NIC's name. With nothing said, the NIC keeps the kernel's name."""
    given = {s.key for s in settings if s.section == "Link" and s.value}
    return "policy" if "NamePolicy" in given else "name" if "Name" in given else "nothing"


def given_names(settings: Iterable[Setting], nic: SriovNic) -> tuple[str, ...]:
    """What a NIC with the kernel's name is called after this file was applied; empty when it keeps that name.

    NamePolicy= comes first, and what it gives is the name that the NIC has today (link_generate_new_name).
    """
    last = {s.key: s.value for s in settings if s.section == "Link"}
    if not _MAKING_NAMES.isdisjoint(last.get("NamePolicy", "").split()):
        return nic.names
    return (last["Name"],) if last.get("Name") else ()
