"""systemd's .link files as udevd will apply them to each PF, and .network files that somebody may rely on in vain."""

from __future__ import annotations

from dataclasses import dataclass, replace

from checks.bundle import Bundle
from checks.facts.persistence.found import Found, Host, links_of, texts_of
from checks.linux import systemd_link
from checks.linux.sriov_nic import Boot, SriovNic
from checks.linux.systemd_files import Setting, reading_order, settings
from checks.linux.vf_claims import Claim
from checks.source import Command, File, Links, Source

FOLDERS = tuple(f"{top}/systemd/network" for top in ("/etc", "/run", "/usr/local/lib", "/usr/lib"))
_FILES = tuple(f"{folder}/*.link" for folder in FOLDERS)
_DROP_INS = tuple(f"{folder}/*.link.d/*.conf" for folder in FOLDERS)
_NETWORKS = tuple(f"{folder}/*.network" for folder in FOLDERS)
_VERSION = "udevadm --version"
# The password of Wake-on-LAN stays on the host.
_DROPPED = "^[[:space:]]*WakeOnLanPassword"
_NETWORK_KEYS = r"^[[:space:]]*(\[|(VirtualFunction|Name|(Permanent)?MACAddress|Path|Driver|Type|Kind)[[:space:]]*=)"

SOURCES: tuple[Source, ...] = (
    *(File(pattern, drop=_DROPPED) for pattern in (*_FILES, *_DROP_INS)),
    *(Links(pattern) for pattern in (*_FILES, *_DROP_INS)),
    *(File(pattern, keep=_NETWORK_KEYS) for pattern in _NETWORKS),
    Command(_VERSION),
)
_TITLE = "systemd .link file"
Fate = tuple[bool | None, str, bool]
"""Of a file and a PF: whether it is the one that is applied, why not, whether it is meant for this PF."""
_ORDER = "only the first file that matches counts"


@dataclass(frozen=True, slots=True)
class _File:
    """A .link file and its drop-ins: what it says, and of that what it is for and what it makes, for every NIC."""

    settings: tuple[Setting, ...]
    conditions: systemd_link.Conditions
    vfs: systemd_link.Vfs | None


def read(bundle: Bundle, host: Host, found: Found) -> None:
    """What .link and .network files mean to do to every PF. Raises CouldNotLook."""
    texts, links = texts_of(bundle, _FILES), links_of(bundle, _FILES)
    order, hidden = reading_order(texts, links, FOLDERS)
    drop_ins = texts_of(bundle, _DROP_INS)
    parsed = {path: _file(_with_drop_ins(path, texts[path], drop_ins, bundle)) for path in order}
    version = _version(bundle.output(_VERSION))
    unread = [(item, _file(settings(item.path, texts.get(item.path, "")))) for item in hidden]
    networks = _networks(bundle) if host.nics else {}
    for nic in host.nics:
        for claim in _claims(nic, parsed, host, version):
            found.add(nic, claim)
        for item, own in unread:
            if own.vfs and systemd_link.fit(own.conditions, nic, "late", host.parameters).holds:
                found.add(nic, _dead(own.vfs, f"it is not read: {item.why}"))
        for path, conditions in networks.items():
            if systemd_link.fit(conditions, nic, "early", host.parameters).holds:
                found.add(nic, _network(path))


def _file(own: tuple[Setting, ...]) -> _File:
    return _File(own, systemd_link.conditions_of(own), systemd_link.wanted_vfs(own))


def _with_drop_ins(path: str, text: str, drop_ins: dict[str, str], bundle: Bundle) -> tuple[Setting, ...]:
    name = path.rpartition("/")[2]
    own = {p: t for p, t in drop_ins.items() if p.split("/")[-2] == f"{name}.d"}
    links = links_of(bundle, (f"{folder}/{name}.d/*.conf" for folder in FOLDERS)) if own else {}
    order, _ = reading_order(own, links, (f"{folder}/{name}.d" for folder in FOLDERS))
    return (*settings(path, text), *(s for p in order for s in settings(p, own[p])))


def _version(text: str | None) -> int | None:
    digits = (text or "").strip().split(" ")[0].split("~")[0].split("-")[0].split(".")[0]
    return int(digits) if digits.isascii() and digits.isdecimal() and len(digits) < 6 else None


def _claims(nic: SriovNic, parsed: dict[str, _File], host: Host, version: int | None) -> list[Claim]:
    """What becomes of every file that is about numbers of VFs, when this PF appears; in the order of their acting."""
    boots: tuple[Boot, ...] = ("late", "early")
    first = _fates(nic, parsed, host, "late")
    fates = {"late": _renamed(nic, parsed, host, first), "early": _fates(nic, parsed, host, "early")}
    claims = []
    for path, own in sorted(parsed.items(), key=lambda item: first[item[0]][0] is not True):
        vfs = own.vfs
        if vfs is None:
            continue
        late, early = fates["late"][path], fates["early"][path]
        reason = _refused(nic, vfs, version)
        if late[0] is False and early[0] is False:
            why = late[1] or early[1]
            if why:
                claims.append(_dead(vfs, why, meant=late[2] or early[2]))
        elif reason:
            claims.append(_dead(vfs, reason))
        elif version is None:
            claims.append(_alive(vfs, (None, f"'{_VERSION}' does not tell the version of systemd", late[2]), None, ()))
        elif late[0] == early[0]:
            claims.append(_alive(vfs, late, None, _advice(path, own.settings, nic)))
        else:
            for boot in boots:
                if fates[boot][path][0] is not False:
                    claims.append(_alive(vfs, fates[boot][path], boot, _advice(path, own.settings, nic)))
    return claims


def _fates(nic: SriovNic, parsed: dict[str, _File], host: Host, boot: Boot) -> dict[str, Fate]:
    """For every file: whether it is the one that is applied, why not, and whether it is meant for the PF."""
    fates: dict[str, Fate] = {}
    winner, doubtful = "", ""
    for path, own in parsed.items():
        fit = systemd_link.fit(own.conditions, nic, boot, host.parameters)
        if fit.holds is False:
            near = set(fit.keys) <= {"OriginalName", "Driver"} and bool(fit.keys)
            fates[path] = (False, "; ".join(fit.misses) if near else "", "OriginalName" in fit.keys and near)
        elif winner:
            fates[path] = (False, f"{winner} sorts before it and matches too; {_ORDER}", True)
        elif doubtful or fit.holds is None:
            fates[path] = (None, f"whether {doubtful or path} matches this NIC cannot be told", fit.holds is True)
        else:
            fates[path] = (True, "", True)
        winner = winner or (path if fit.holds else "")
        doubtful = doubtful or (path if fit.holds is None else "")
    return fates


def _renamed(nic: SriovNic, parsed: dict[str, _File], host: Host, first: dict[str, Fate]) -> dict[str, Fate]:
    """The fates of the late way: where udevd renames the NIC, a "move" follows, and files are compared once more.

    The file of that event is applied too, so OriginalName= may be the final name (link_apply_config: add, bind, move).
    """
    winner = next((path for path, fate in first.items() if fate[0]), None)
    names = systemd_link.given_names(parsed[winner].settings, nic) if winner else nic.names
    if not names:
        return first
    second = _fates(replace(nic, names=names), parsed, host, "early")
    if winner is None and not any(fate[0] is None for fate in first.values()):
        return first  # no file at all is for it
    certain = winner is not None
    return {path: _either(fate, second[path], certain=certain) for path, fate in first.items()}


def _either(first: Fate, second: Fate, *, certain: bool) -> Fate:
    """The fate of a file that is compared twice. `certain`: whether it is certain that the second time comes."""
    if first[0] or second[0] is False:
        return first
    if second[0] and not certain:
        return (None, "whether the NIC gets its name before this file is looked at cannot be told", True)
    return second


def _refused(nic: SriovNic, vfs: systemd_link.Vfs, version: int | None) -> str:
    """Why systemd, or the kernel, will not do what the file says."""
    if version is not None and version < systemd_link.SINCE:
        return f"systemd {version} does not make VFs by .link files; systemd {systemd_link.SINCE} was the first"
    if nic.totalvfs is None:
        return "the NIC has no SR-IOV capability"
    if vfs.count > nic.totalvfs:
        return f"{vfs.count} VFs are more than the {nic.totalvfs} of sriov_totalvfs, and systemd then makes none"
    if nic.driver == "bnxt_en" and vfs.count:
        return "bnxt_en refuses while the PF is down, as it is when it appears"
    return ""


def _advice(path: str, own: tuple[Setting, ...], nic: SriovNic) -> tuple[str, ...]:
    if systemd_link.names_the_nic(own) != "nothing":
        return ()
    return (
        f"{path} has no NamePolicy=, and {_ORDER}: instead of 99-default.link it decides about the name, so the NIC "
        f"will be called eth0 or the like and not {nic.name}; add NamePolicy=keep kernel database onboard slot path",
    )


def _alive(vfs: systemd_link.Vfs, fate: Fate, boot: Boot | None, advice: tuple[str, ...]) -> Claim:
    setting = vfs.setting
    return Claim(
        "link",
        _TITLE,
        setting.where,
        str(setting),
        (vfs.count,),
        effective=fate[0],
        reason=fate[1],
        advice=advice,
        boot=boot,
        grows=vfs.grows,
    )


def _dead(vfs: systemd_link.Vfs, reason: str, *, meant: bool = True) -> Claim:
    return Claim(
        "link",
        _TITLE,
        vfs.setting.where,
        str(vfs.setting),
        (vfs.count,),
        effective=False,
        reason=reason,
        meant=meant,
    )


def _networks(bundle: Bundle) -> dict[str, systemd_link.Conditions]:
    """What every .network file that is about VFs is for."""
    parsed = {path: settings(path, text) for path, text in texts_of(bundle, _NETWORKS).items()}
    return {
        path: systemd_link.conditions_of(own)
        for path, own in parsed.items()
        if any((s.section, s.key) == ("SR-IOV", "VirtualFunction") for s in own)
    }


def _network(path: str) -> Claim:
    reason = "systemd-networkd sets up VFs that are there, and never makes any; a .link file does"
    return Claim("other", "systemd .network file", path, "[SR-IOV]", (None,), effective=False, reason=reason)
