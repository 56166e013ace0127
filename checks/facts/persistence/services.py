"""systemd's services that write sriov_numvfs, themselves or by a script that they call."""

from __future__ import annotations

import re
from collections.abc import Iterable

from checks.bundle import Bundle
from checks.facts.persistence.found import Found, Host, links_of, texts_of
from checks.facts.persistence.places import Place, claim_on
from checks.linux import systemd_units as units
from checks.linux.sysfs_writes import ATTRIBUTE, Write, shell_writes
from checks.source import File, Links, Source

_OWN_UNITS = tuple(f"{folder}/*.service" for folder in units.FOLDERS if not folder.startswith("/usr/lib"))
_LIB_UNITS = "/usr/lib/systemd/system/*.service"
_DROP_INS = tuple(f"{folder}/*.service.d/*.conf" for folder in units.FOLDERS)
_SCRIPTS = (
    "/usr/local/sbin/*",
    "/usr/local/bin/*",
    "/usr/local/libexec/*",
    "/opt/*.sh",
    "/opt/*/*.sh",
    "/opt/*/*/*.sh",
    "/etc/init.d/*",
    "/root/*.sh",
)
# A call of a script of the site's own with arguments that are a NIC, an address, or a small number.
_CALL = (
    r"^[[:space:]]*Exec(Start|StartPre|StartPost)[[:space:]]*=[[:space:]]*[-@:+!|]*(/(usr/)?bin/(env )?(ba|da)?sh )?"
    r"/(usr/local|opt|etc|root|srv)/[A-Za-z0-9_./+-]+"
    r"( (e[a-z0-9]{2,14}|ib[a-z0-9]{1,13}|[0-9]{1,3}|[0-9a-f:]{5,12}\.[0-7]|%[iI]|start|up))*[[:space:]]*$"
)
_UNIT_KEYS = (
    r"^[[:space:]]*(After|Requires|BindsTo|Wants|User|Condition[A-Za-z]+|Assert[A-Za-z]+)[[:space:]]*="
    r"|^[[:space:]]*Exec(Start|StartPre|StartPost)[[:space:]]*=[[:space:]]*$"
)
# A program that only mentions the name must not send its bytes: nothing but printable text around it.
LINE = rf"^[[:print:][:space:]]*{ATTRIBUTE}[[:print:][:space:]]*$"
MASKS = tuple(f"{folder}/*.service" for folder in ("/etc/systemd/system", "/run/systemd/system"))

SOURCES: tuple[Source, ...] = (
    *(File(pattern, keep=f"{LINE}|{_CALL}|{_UNIT_KEYS}") for pattern in (*_OWN_UNITS, *_DROP_INS)),
    File(_LIB_UNITS, keep=f"{LINE}|{_CALL}"),
    *(File(pattern, keep=LINE) for pattern in _SCRIPTS),
    *(Links(pattern) for pattern in MASKS),
)
LIBVIRT = ("libvirtd.service", "virtqemud.service")
_AFTER_NICS = re.compile(
    r"sys-subsystem-net-devices-.+\.device|sys-devices-.+\.device|systemd-udev-settle\.service|network\.target"
    r"|network-online\.target|(systemd-networkd|NetworkManager|ifupdown)-wait-online\.service|systemd-networkd\.service"
    r"|NetworkManager\.service|networking\.service"
)


def read(bundle: Bundle, host: Host, found: Found) -> None:
    """What services do to the number of VFs of every PF. Raises CouldNotLook."""
    for place in _services(bundle, host):
        for nic in host.nics:
            if claim := claim_on(place, nic, host):
                found.add(nic, claim)


def _services(bundle: Bundle, host: Host) -> Iterable[Place]:
    texts = texts_of(bundle, (*_OWN_UNITS, _LIB_UNITS))
    drop_ins = texts_of(bundle, _DROP_INS)
    masks = {path: to for path, to in links_of(bundle, MASKS).items() if to == "/dev/null"}
    scripts = {path: text for path, text in texts_of(bundle, _SCRIPTS).items() if text}
    for service in units.services(texts, masks, drop_ins):
        template = "@." in service.name
        for instance in units.instances(service.name, host.started) if template else ("",):
            name = service.name.replace("@.", f"@{instance}.") if template else service.name
            if place := _service(service, name, instance, scripts, host):
                yield place
    about = {path: text for path, text in texts.items() if ATTRIBUTE in text}
    for path in masks:
        name = path.rpartition("/")[2]
        for lower, text in about.items():
            if lower.endswith(f"/{name}"):
                yield Place("unit", "systemd unit", lower, _unit_writes(text), acts=False, reason=f"{path} masks it")


def _unit_writes(text: str) -> tuple[Write, ...]:
    lines = [line.strip() for line in text.splitlines() if not line.strip().startswith(("ExecStop", "ExecReload", ";"))]
    return shell_writes(lines)


def _service(service: units.Service, name: str, instance: str, scripts: dict[str, str], host: Host) -> Place | None:
    writes: list[Write] = []
    where = service.path
    for file, command in service.commands:
        command = units.expanded(command, instance) if instance else command  # noqa: PLW2901
        script = units.script_of(command)
        own = shell_writes([command])
        if not own and script in scripts:
            own, where = shell_writes(scripts[script].splitlines()), f"{file} calls {script}"
        elif own and file != service.path:
            where = file
        writes += own
    if not writes:
        return None
    acts, reason = _is_started(service, name, host)
    return Place("unit", "systemd unit", where, writes, acts, reason, _order(service, name, host) if acts else ())


def _is_started(service: units.Service, name: str, host: Host) -> tuple[bool | None, str]:
    user = service.keys.get("User", ("root",))[-1]
    if user not in ("root", "0", ""):
        return False, f"it runs as {user}, who may not write there"
    if name not in host.started:
        by = units.wanted_by(host.wants, name)
        if not by:
            return False, f"no boot starts it: systemctl enable {name}"
        return None, f"whether a boot reaches {', '.join(by)}, which wants it, cannot be told"
    conditions = [
        f"{key}={value}"
        for key, values in service.keys.items()
        if key.startswith(("Condition", "Assert"))
        for value in values
        if not (key == "ConditionPathExists" and value.startswith("/sys/"))
    ]
    if conditions:
        return None, f"whether {', '.join(conditions)} holds at boot cannot be told"
    return True, ""


def _order(service: units.Service, name: str, host: Host) -> tuple[str, ...]:
    """What its place among the other services leaves to luck."""
    found = []
    after = {*service.words("After"), *service.words("BindsTo"), *service.words("Requires")}
    after |= {target for target in units.wanted_by(host.wants, name) if target.endswith(".device")}
    if not any(_AFTER_NICS.fullmatch(word) for word in after):
        found.append(
            f"{name} waits for no NIC and may run before {{nic}} is there; add "
            "After= and BindsTo=sys-subsystem-net-devices-{nic}.device"
        )
    return tuple(found)
