"""netplan's YAML files, without what is not about VFs: lists, passwords and keys stay on the host."""

from __future__ import annotations

from checks.bundle import Bundle
from checks.facts.persistence.found import Found, Host, texts_of
from checks.linux import netplan
from checks.linux.sriov_nic import SriovNic
from checks.linux.vf_claims import Claim
from checks.source import File, Names, Source

_FILES = tuple(f"{folder}/*.yaml" for folder in netplan.FOLDERS[:3])
_GENERATORS = "/usr/lib/systemd/system-generators"
_WORDS = r"(virtual-function-count|embedded-switch-mode|set-name|link|macaddress|name|driver|version|renderer|match)"
_VALUE = r"[\"']?[A-Za-z0-9_.:*?-]*[\"']?"
# Lines that open a mapping (and nothing else), and lines of the known keys with plain values, in flow style too.
_KEEP = (
    r"^[[:space:]]*[\"']?[A-Za-z0-9_.:* -]+[\"']?:[[:space:]]*(&[A-Za-z0-9_-]+)?[[:space:]]*(#.*)?$"
    r"|^[[:space:]]*([{},[:space:]]|[\"']?[A-Za-z0-9_.-]+[\"']?:[[:space:]]*\{"
    rf"|{_WORDS}[[:space:]]*:[[:space:]]*{_VALUE})+(#.*)?$"
    r"|^[[:space:]]*<<:[[:space:]]*\*[A-Za-z0-9_-]+[[:space:]]*$"
)

SOURCES: tuple[Source, ...] = (
    *(File(pattern, keep=_KEEP) for pattern in _FILES),
    Names(_GENERATORS),
)


def read(bundle: Bundle, host: Host, found: Found) -> None:
    """How many VFs netplan makes of every PF. Raises CouldNotLook."""
    texts = texts_of(bundle, _FILES)
    if not any("virtual-function-count" in text or "link:" in text for text in texts.values()):
        return
    order = netplan.reading_order(texts)
    entries = netplan.netdefs({path: texts[path] for path in order})
    installed = "netplan" in (bundle.names(_GENERATORS) or ())
    for nic in (n for n in host.nics if n.totalvfs is not None):
        for entry in entries:
            fits = netplan.is_for(entry, nic)
            if fits is not False:
                found.add(nic, _claim(nic, entry, certain=fits is True, installed=installed))


def _claim(nic: SriovNic, entry: netplan.Netdef, *, certain: bool, installed: bool) -> Claim:
    number = entry.wanted
    counted = "" if entry.count is None else f"virtual-function-count: {entry.count}"
    linked = f"VFs of it: {', '.join(entry.vfs[:8])}" if entry.vfs else ""
    effective: bool | None = True if certain else None
    reason = "" if certain else f"whether the match of {entry.name} means this NIC cannot be told"
    if refused := _refused(nic, entry, number, installed=installed):
        effective, reason = False, refused
    return Claim(
        "netplan",
        "netplan",
        ", ".join(entry.paths),
        f"{entry.name}: {'; '.join(filter(None, (counted, linked)))}",
        (None,) if number is None else (0, number),
        effective=effective,
        reason=reason,
        meant=certain,
    )


def _refused(nic: SriovNic, entry: netplan.Netdef, number: int | None, *, installed: bool) -> str:  # noqa: PLR0911 - one for each reason
    if not installed:
        return f"netplan is not installed: there is no generator of it in {_GENERATORS}"
    if number is None:
        return f"netplan refuses the number {entry.count}"
    if len(entry.vfs) > number:
        return f"netplan refuses its files: {len(entry.vfs)} VFs have entries of their own, more than the {number}"
    if number > netplan.MOST:
        return f"netplan refuses more than {netplan.MOST} VFs"
    if nic.totalvfs is not None and number > nic.totalvfs:
        return f"netplan refuses it: {number} VFs are more than the {nic.totalvfs} of sriov_totalvfs"
    if number == 0:
        return "netplan does nothing for a count of 0; VFs that others made stay"
    return ""
