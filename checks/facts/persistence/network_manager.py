"""NetworkManager's profiles and configuration. Only lines with the needed keys leave the host: no secrets."""

from __future__ import annotations

from checks.bundle import Bundle, CommandFailed
from checks.facts.known import attempt
from checks.facts.persistence.found import Found, Host, texts_of
from checks.linux import network_manager as nm
from checks.linux.sriov_nic import SriovNic
from checks.linux.vf_claims import Claim
from checks.outcome import CouldNotLook
from checks.source import Command, File, Source

_ETC = "/etc/NetworkManager/system-connections"
_PROFILES = (f"{_ETC}/*", *(f"{top}/NetworkManager/system-connections/*" for top in ("/run", "/usr/lib")))
_IFCFG = "/etc/sysconfig/network-scripts/ifcfg-*"
_MAIN = "/etc/NetworkManager/NetworkManager.conf"
_CONF_D = tuple(f"{top}/NetworkManager/conf.d/*.conf" for top in ("/usr/lib", "/run", "/etc"))
_KEEP = (
    r"^[[:space:]]*(\[[A-Za-z0-9-]+\]|(id|type|interface-name|autoconnect|autoconnect-priority|mac-address|total-vfs"
    r"|preserve-on-down)[[:space:]]*=)"
)
_KEEP_IFCFG = r"^[[:space:]]*(DEVICE|HWADDR|ONBOOT|TYPE|SRIOV_TOTAL_VFS)="
_KEEP_CONF = (
    r"^[[:space:]]*(\[[A-Za-z0-9.:_-]+\]|(unmanaged-devices[+-]?|managed|match-device|sriov-num-vfs|stop-match)"
    r"[[:space:]]*=)"
)
_INSECURE = f"find {_ETC}/ -maxdepth 1 -type f -perm /077"

SOURCES: tuple[Source, ...] = (
    *(File(pattern, keep=_KEEP) for pattern in _PROFILES),
    File(_IFCFG, keep=_KEEP_IFCFG),
    *(File(pattern, keep=_KEEP_CONF) for pattern in (_MAIN, *_CONF_D)),
    Command(_INSECURE),
)
_TITLE = "NetworkManager profile"
_SERVICE = "NetworkManager.service"
_SKIPPED = (".rpmnew", ".rpmsave", ".rpmorig", "~", ".swp", ".swo", ".dpkg-old", ".dpkg-new", ".dpkg-dist")


def read(bundle: Bundle, host: Host, found: Found) -> None:
    """What NetworkManager does to the number of VFs of every PF. Raises CouldNotLook."""
    profiles = [nm.profile(path, text) for path, text in texts_of(bundle, _PROFILES).items() if _is_profile(path)]
    old = [nm.ifcfg_profile(path, text) for path, text in bundle.texts(_IFCFG).items() if _is_profile(path)]
    settings = nm.configured(_configuration(bundle))
    insecure = _insecure(bundle) if any(p.total_vfs is not None for p in profiles) else frozenset()
    for nic in (n for n in host.nics if n.totalvfs is not None):
        reason, acts = _takes_part(nic, host, settings)
        own = _device_claim(nic, settings, acts=acts, reason=reason)
        claims = _profile_claims(nic, [*profiles, *old], insecure, acts=acts, reason=reason)
        if own and any(c.effective for c in claims):
            own = None  # the profile sets its own number afterwards
        for claim in (*([own] if own else ()), *claims):
            found.add(nic, claim)


def _is_profile(path: str) -> bool:
    name = path.rpartition("/")[2]
    if name.startswith(".") or name.endswith(_SKIPPED):
        return False
    return path.startswith("/etc/") or name.endswith(".nmconnection")


def _configuration(bundle: Bundle) -> list[str]:
    """The texts in the order of reading: /usr/lib and /run first, then the main file, then /etc."""
    names: dict[str, str] = {}
    texts: dict[str, str] = {}
    for pattern in _CONF_D:  # a later folder's file replaces those of the same name
        for path, text in bundle.texts(pattern).items():
            names[path.rpartition("/")[2]] = path
            texts[path] = text
    chosen = sorted(names.values(), key=lambda path: path.rpartition("/")[2])
    before = [path for top in ("/usr/lib/", "/run/") for path in chosen if path.startswith(top)]
    after = [path for path in chosen if path.startswith("/etc/")]
    main = bundle.text(_MAIN)
    return [*(texts[path] for path in before), main or "", *(texts[path] for path in after)]


def _insecure(bundle: Bundle) -> frozenset[str] | CouldNotLook:
    """Profiles that others than root may read: NetworkManager refuses those."""
    found = attempt(lambda: bundle.output(_INSECURE))
    if isinstance(found, CommandFailed) and "No such file" in found.stderr:
        return frozenset()
    return found if isinstance(found, CouldNotLook) else frozenset((found or "").replace("//", "/").split("\n"))


def _takes_part(nic: SriovNic, host: Host, settings: dict[tuple[str, str], str]) -> tuple[str, bool | None]:
    """Whether NetworkManager does anything to the PF at boot, and why not."""
    if _SERVICE not in host.started:
        return f"no boot starts {_SERVICE}: it is not enabled, or not installed", False
    spec = settings.get(("keyfile", "unmanaged-devices"), "")
    unmanaged = nm.matches_device(spec, nic) if spec else False
    if unmanaged:
        return f"unmanaged-devices={spec} tells NetworkManager to leave this NIC alone", False
    devices = {section for section, _ in settings if section.startswith("device")}
    for section in sorted(devices):
        match = settings.get((section, "match-device"), "*")
        if settings.get((section, "managed"), "").lower() in ("0", "no", "false", "off"):
            holds = nm.matches_device(match, nic)
            if holds is not False:
                return f"[{section}] managed=0 tells NetworkManager to leave this NIC alone", False if holds else None
    if nic.properties.get("NM_UNMANAGED") in ("1", "true"):
        return "the udev property NM_UNMANAGED tells NetworkManager to leave this NIC alone", False
    return ("", True) if unmanaged is False else ("whether unmanaged-devices means it cannot be told", None)


def _device_claim(
    nic: SriovNic, settings: dict[tuple[str, str], str], *, acts: bool | None, reason: str
) -> Claim | None:
    for (section, key), value in settings.items():
        if key != "sriov-num-vfs" or not value.isdecimal() or len(value) > 5:
            continue
        holds = nm.matches_device(settings.get((section, "match-device"), "*"), nic)
        if holds is not False:
            return Claim(
                "networkmanager",
                "NetworkManager.conf",
                f"[{section}]",
                f"{key}={value}",
                _enforced(int(value), nic),
                effective=acts if holds else None,
                reason=reason,
            )
    return None


def _profile_claims(
    nic: SriovNic,
    profiles: list[nm.Profile],
    insecure: frozenset[str] | CouldNotLook,
    *,
    acts: bool | None,
    reason: str,
) -> list[Claim]:
    refused = insecure if isinstance(insecure, frozenset) else frozenset()
    choice = nm.choose([p for p in profiles if p.path not in refused], nic)
    claims = []
    for one in profiles:
        if one.total_vfs is None or not nm.is_for(one, nic):
            continue
        why, effective = reason, acts
        if acts is False:
            pass
        elif one.path in refused:
            why, effective = "NetworkManager refuses a profile that others than root may read (chmod 600)", False
        elif one is not choice.profile:
            going = f"{choice.profile.path} goes first" if choice.profile else "it is not activated by itself"
            why = f"{going}; once somebody activates it, it sets {one.total_vfs} VFs"
            effective = False if choice.sure else None
        elif not choice.sure:
            why, effective = "which of several profiles is activated cannot be told", None
        elif isinstance(insecure, CouldNotLook):
            why, effective = f"whether NetworkManager accepts its mode cannot be told: {insecure}", None
        elif one.path.startswith("/etc/sysconfig/"):
            why, effective = "whether this NetworkManager still reads ifcfg files cannot be told", None
        advice = () if one.keeps_on_down or not one.total_vfs else (_ON_DOWN.format(path=one.path),)
        claims.append(
            Claim(
                "networkmanager",
                _TITLE,
                one.path,
                f"[sriov] total-vfs={one.total_vfs}",
                _enforced(one.total_vfs, nic),
                effective=effective,
                reason=why,
                advice=advice if effective else (),
            )
        )
    return claims


_ON_DOWN = (
    "NetworkManager destroys the VFs, under running guests too, when the profile {path} goes down; preserve-on-down=1 "
    "in its [sriov] section keeps them (NetworkManager 1.54 and later)"
)


def _enforced(number: int, nic: SriovNic) -> tuple[int, ...]:
    """NetworkManager takes away what is there first, and asks for no more than the PF can have."""
    return (0, number if nic.totalvfs is None else min(number, nic.totalvfs))
