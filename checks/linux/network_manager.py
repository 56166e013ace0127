"""NetworkManager: which connection profile it activates on a PF at boot, and what that does to the number of VFs.

NetworkManager sets the number while it activates a profile that has an [sriov] section, also when it is 0, and resets
it to 0 when it deactivates that profile. A profile without the section changes nothing.
Sources: NetworkManager 1.5x src/core/devices/nm-device.c (activate_stage1_device_prepare, _set_state_full),
src/libnm-platform/nm-linux-platform.c (link_set_sriov_params_async), man NetworkManager.conf (device list format).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

from checks.linux.sriov_nic import SriovNic

Keys = Mapping[tuple[str, str], str]
_SEPARATOR = re.compile(r"(?<!\\)[,;]")
_ETHERNET = ("ethernet", "802-3-ethernet")


@dataclass(frozen=True, slots=True)
class Profile:
    """A connection profile. `total_vfs`: None when it has no [sriov] section."""

    path: str
    name: str
    interface: str | None
    mac: str | None
    autoconnect: bool
    priority: int
    total_vfs: int | None
    keeps_on_down: bool
    conditional: bool
    ethernet: bool


def sections(text: str) -> dict[tuple[str, str], str]:
    """The keys of a key file by section; the last of a name counts. A section alone has the empty key."""
    found: dict[tuple[str, str], str] = {}
    section = ""
    for line in map(str.strip, text.splitlines()):
        if line.startswith("#"):
            continue
        if line.startswith("[") and line.endswith("]"):
            section = line[1:-1]
            found.setdefault((section, ""), "")
            continue
        key, equals, value = line.partition("=")
        if equals and section:
            found[section, key.strip()] = value.strip()
    return found


def profile(path: str, text: str) -> Profile:
    """A key file's profile."""
    keys = sections(text)
    kind = keys.get(("connection", "type"), "")
    own = "ethernet" if ("ethernet", "") in keys else "802-3-ethernet"
    total = _whole(keys.get(("sriov", "total-vfs"), "0")) or 0
    return Profile(
        path=path,
        name=keys.get(("connection", "id"), path.rpartition("/")[2]),
        interface=keys.get(("connection", "interface-name")),
        mac=keys.get((own, "mac-address")),
        autoconnect=keys.get(("connection", "autoconnect"), "true").lower() not in ("false", "no", "off", "0"),
        priority=_whole(keys.get(("connection", "autoconnect-priority"), "0")) or 0,
        total_vfs=total if ("sriov", "") in keys else None,
        keeps_on_down=keys.get(("sriov", "preserve-on-down"), "") == "1",
        conditional=("match", "") in keys,
        ethernet=kind in _ETHERNET,
    )


def ifcfg_profile(path: str, text: str) -> Profile:
    """An ifcfg file's profile, as NetworkManager's own plugin reads it."""
    pairs = (line.partition("=") for line in map(str.strip, text.splitlines()) if not line.startswith("#"))
    keys = {key.strip(): value.strip().strip("\"'") for key, equals, value in pairs if equals}
    return Profile(
        path=path,
        name=path.rpartition("/")[2],
        interface=keys.get("DEVICE"),
        mac=keys.get("HWADDR"),
        autoconnect=keys.get("ONBOOT", "yes").lower() in ("yes", "true", "y", "t", "1"),
        priority=0,
        total_vfs=_whole(keys["SRIOV_TOTAL_VFS"]) if "SRIOV_TOTAL_VFS" in keys else None,
        keeps_on_down=False,
        conditional=False,
        ethernet=keys.get("TYPE", "Ethernet").lower() == "ethernet",
    )


def is_for(wanted: Profile, nic: SriovNic) -> bool:
    """Whether a profile may be activated on the PF (conditions in [match] aside)."""
    if not wanted.ethernet or (wanted.interface and wanted.interface not in nic.names):
        return False
    macs = {_plain(mac) for mac in (nic.permanent_mac, nic.mac) if mac}
    return not wanted.mac or _plain(wanted.mac) in macs


@dataclass(frozen=True, slots=True)
class Choice:
    """The profile that is activated on a PF at boot. `sure`: False when another may be instead."""

    profile: Profile | None
    sure: bool
    others: tuple[Profile, ...] = ()


def choose(profiles: Iterable[Profile], nic: SriovNic) -> Choice:
    """The profile that NetworkManager activates by itself: the one of the highest priority."""
    fitting = [one for one in profiles if is_for(one, nic)]
    automatic = [one for one in fitting if one.autoconnect]
    if not automatic:
        return Choice(None, sure=True, others=tuple(fitting))
    top = max(one.priority for one in automatic)
    best = [one for one in automatic if one.priority == top]
    with_section = [one for one in best if one.total_vfs is not None]
    chosen = with_section[0] if with_section else best[0]
    # Among equals, the one that was last in use goes first, and that is not in any file of its configuration.
    sure = len(best) == 1 or len({one.total_vfs for one in best}) == 1
    others = tuple(one for one in fitting if one is not chosen)
    return Choice(chosen, sure and not any(one.conditional for one in best), others)


def configured(texts: Sequence[str]) -> dict[tuple[str, str], str]:
    """NetworkManager.conf and its conf.d, in the order of reading; a key with '+' adds to a list."""
    found: dict[tuple[str, str], str] = {}
    for text in texts:
        for (section, key), value in sections(text).items():
            if key.endswith("+"):
                before = found.get((section, key[:-1]), "")
                found[section, key[:-1]] = f"{before};{value}" if before else value
            else:
                found[section, key] = value
    return found


def matches_device(spec: str, nic: SriovNic) -> bool | None:
    """Whether a list of device specifications holds for the PF; None when one of them cannot be judged."""
    words = [word.strip() for word in _SEPARATOR.split(spec) if word.strip()]
    negative = [word.removeprefix("except:") for word in words if word.startswith("except:")]
    positive = [word for word in words if not word.startswith("except:")]
    refused = [_one_device(word, nic) for word in negative]
    if True in refused:
        return False
    taken = [_one_device(word, nic) for word in positive] or [bool(negative)]
    if True in taken:
        return None if None in refused else True
    return None if None in taken else False


def _one_device(word: str, nic: SriovNic) -> bool | None:  # noqa: PLR0911 - one case for each kind
    if word == "*":
        return True
    kind, colon, value = word.partition(":")
    macs = {_plain(mac) for mac in (nic.permanent_mac, nic.mac) if mac}
    match kind if colon else "":
        case "interface-name":
            if value.startswith("="):
                return value[1:] in nic.names
            return any(fnmatchcase(name, value.removeprefix("~").replace("[", "[[]")) for name in nic.names)
        case "mac":
            return _plain(value) in macs
        case "type":
            return value == "ethernet"
        case "driver":
            return value.partition("/")[0] == nic.driver
        case "s390-subchannels":
            return False
        case "dhcp-plugin":
            return None
    return word in nic.names or (len(_plain(word)) == 12 and _plain(word) in macs)


def _plain(mac: str) -> str:
    return re.sub(r"[^0-9a-f]", "", mac.lower())


def _whole(text: str) -> int | None:
    return int(text) if re.fullmatch(r"-?[0-9]{1,9}", text) else None
