"""rc.local and every other place where a shell line or a list entry writes sriov_numvfs, services aside."""

from __future__ import annotations

import re
from collections.abc import Iterable

from checks.bundle import Bundle
from checks.facts.known import attempt
from checks.facts.persistence.found import Found, Host, links_of, texts_of
from checks.facts.persistence.places import Place, claim_on
from checks.facts.persistence.services import LIBVIRT, LINE, MASKS
from checks.linux import ifupdown
from checks.linux.sysfs_writes import ATTRIBUTE, listed_writes, shell_writes
from checks.outcome import CouldNotLook
from checks.source import Command, File, Links, Source

_KEEP = f"{LINE}|^[[:space:]]*exit"
_RC_LOCAL = ("/etc/rc.local", "/etc/rc.d/rc.local")
_EXECUTABLE = "find -L /etc/ -maxdepth 1 -name rc.local -perm /111"
_TMPFILES = tuple(f"{top}/tmpfiles.d/*.conf" for top in ("/etc", "/run", "/usr/local/lib", "/usr/lib"))  # noqa: S108
_SYSFS = ("/etc/sysfs.conf", "/etc/sysfs.d/*.conf")
_IFUPDOWN = ("/etc/network/interfaces", "/etc/network/interfaces.d/*")
_TUNED = ("/etc/tuned/*/tuned.conf", "/etc/tuned/profiles/*/tuned.conf", "/usr/lib/tuned/*/tuned.conf")
_ACTIVE = "/etc/tuned/active_profile"
_CRON = ("/etc/crontab", "/etc/cron.d/*")
_AT_BOOT = re.compile(r"\s*@reboot\s+(?P<user>\S+)\s+(?P<command>.+)")
_CRON_SERVICES = frozenset({"cron.service", "crond.service", "cronie.service"})
_HOOKS = (
    "/etc/network/if-*.d/*",
    "/etc/NetworkManager/dispatcher.d/*",
    "/etc/NetworkManager/dispatcher.d/*/*",
    "/etc/networkd-dispatcher/*/*",
    "/etc/libvirt/hooks/*",
    "/etc/libvirt/hooks/*/*",
)
_SYSV = "/etc/rc[S2345].d/S*"

SOURCES: tuple[Source, ...] = (
    *(File(pattern, keep=_KEEP) for pattern in (*_RC_LOCAL, *_TMPFILES, *_SYSFS, *_TUNED, *_CRON, *_HOOKS)),
    *(File(pattern, keep=f"{_KEEP}|{ifupdown.KEEP}") for pattern in _IFUPDOWN),
    File(_ACTIVE),
    Command(_EXECUTABLE),
    Links(_SYSV),
    *(Links(pattern) for pattern in MASKS),
)


def read(bundle: Bundle, host: Host, found: Found) -> None:
    """What scripts and lists do to the number of VFs of every PF. Raises CouldNotLook."""
    places = [
        *_rc_local(bundle, host),
        *_lists(bundle, host),
        *_ifupdown(bundle, host),
        *_cron(bundle, host),
        *_others(bundle),
    ]
    for place in places:
        for nic in host.nics:
            if claim := claim_on(place, nic, host):
                found.add(nic, claim)


def _rc_local(bundle: Bundle, host: Host) -> Iterable[Place]:
    texts = {path: text for path in _RC_LOCAL if (text := bundle.text(path))}
    if not any(ATTRIBUTE in text for text in texts.values()):
        return
    path, text = next((path, text) for path, text in texts.items() if ATTRIBUTE in text)
    lines = text.splitlines()
    end = next((n for n, line in enumerate(lines) if re.match(r"exit\b", line)), len(lines))
    late = shell_writes(lines[end:])
    if late:
        yield Place("rc.local", "rc.local", path, late, acts=False, reason="an exit stands before the line")
    writes = shell_writes(lines[:end])
    if not writes:
        return
    executable = attempt(lambda: bundle.output(_EXECUTABLE))
    mask = links_of(bundle, MASKS)
    advice = _late(host)
    acts: bool | None = True
    reason = ""
    if any(p.endswith("/rc-local.service") and to == "/dev/null" for p, to in mask.items()):
        acts, reason = False, "rc-local.service is masked"
    elif isinstance(executable, CouldNotLook) or executable is None:
        acts, reason = None, f"whether it may be executed cannot be told: {executable}"
    elif not executable.strip():
        acts, reason = False, f"it is not executable, so systemd does not run it: chmod +x {path}"
    yield Place("rc.local", "rc.local", path, writes, acts, reason, advice)


def _late(host: Host) -> tuple[str, ...]:
    late = "it runs last, so guests that start by themselves may find no VFs of {nic}"
    return (late,) if host.started & set(LIBVIRT) else ()


def _lists(bundle: Bundle, host: Host) -> Iterable[Place]:
    for path, text in texts_of(bundle, _TMPFILES).items():
        writes = listed_writes(text.splitlines(), tmpfiles=True)
        # tmpfiles.d(5): `w` writes "if the file exists". On kvm-1 (systemd 257) it did not: igb came 40 s later.
        reason = (
            "systemd-tmpfiles-setup.service waits for no driver and writes only where the file is there, and whether "
            "the PF is there by then cannot be told: it is if the initramfs loads its driver, and is not if udev does"
        )
        yield Place("tmpfiles", "tmpfiles.d", path, writes, None, reason)
    for path, text in texts_of(bundle, _SYSFS).items():
        writes = listed_writes(text.splitlines(), tmpfiles=False)
        if not writes:
            continue
        sysv = any(link.endswith("sysfsutils") for link in bundle.links(_SYSV))
        acts = "sysfsutils.service" in host.started or sysv
        reason = "" if acts else "no boot starts sysfsutils.service: it is not enabled, or not installed"
        yield Place("sysfsutils", "sysfsutils", path, writes, acts, reason)


def _ifupdown(bundle: Bundle, host: Host) -> Iterable[Place]:
    texts = texts_of(bundle, _IFUPDOWN)
    interfaces = ifupdown.parse(texts)
    sysv = any(link.endswith("networking") for link in bundle.links(_SYSV))
    service = ifupdown.SERVICE in host.started or sysv
    for stanza in interfaces.stanzas:
        if writes := shell_writes(stanza.commands):
            acts, reason = ifupdown.brought_up(interfaces, stanza, service=service)
            yield Place("ifupdown", "ifupdown", stanza.path, writes, acts, reason)
    for path in texts.keys() - interfaces.read:
        for stanza in ifupdown.alone(path, texts[path]).stanzas:
            if writes := shell_writes(stanza.commands):
                reason = f"{ifupdown.MAIN} does not read this file"
                yield Place("ifupdown", "ifupdown", path, writes, acts=False, reason=reason)


def _cron(bundle: Bundle, host: Host) -> Iterable[Place]:
    """Lines of crontab(5): `@reboot` is run once, when cron starts; what is run at other times makes no boot's VFs."""
    for path, text in texts_of(bundle, _CRON).items():
        at_boot = [found for line in text.splitlines() if (found := _AT_BOOT.fullmatch(line))]
        for found in at_boot:
            if writes := shell_writes([found["command"]]):
                acts, reason = _run_by_cron(path, found, host)
                yield Place("other", "cron", path, writes, acts, reason, _late(host) if acts else ())
        rest = [line for line in text.splitlines() if not _AT_BOOT.fullmatch(line)]
        if writes := shell_writes(rest):
            yield Place("other", "cron", path, writes, None, "when it runs is not judged")


def _run_by_cron(path: str, found: re.Match[str], host: Host) -> tuple[bool | None, str]:
    if found["user"] != "root":
        return False, f"it runs as {found['user']}, who may not write there"
    if not host.started & _CRON_SERVICES:
        return False, "no boot starts cron: it is not enabled, or not installed"
    if "%" in found["command"]:
        return None, "what a % makes of it cannot be told"
    if "." in path.rpartition("/")[2]:  # Debian's cron passes over such a file, and cronie does not
        return None, "whether this cron reads a file with a dot in its name cannot be told"
    return True, ""


def _others(bundle: Bundle) -> Iterable[Place]:
    active = (bundle.text(_ACTIVE) or "").split()
    for path, text in texts_of(bundle, _TUNED).items():
        if ATTRIBUTE in text and path.split("/")[-2] in active:
            writes = listed_writes(text.splitlines(), tmpfiles=False) or shell_writes(text.splitlines())
            yield Place("other", "tuned profile", path, writes, None, "when tuned applies it is not judged")
    for path, text in texts_of(bundle, _HOOKS).items():
        if ATTRIBUTE in text:
            yield Place("other", "script", path, shell_writes(text.splitlines()), None, "when it runs is not judged")
