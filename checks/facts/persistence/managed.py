"""Managers of whole fleets that own the VFs of a host: sriov-network-operator and OpenStack's os-net-config.

Sources: sriov-network-operator pkg/consts/constants.go and its systemd mode; os-net-config sriov_config.py.
"""

from __future__ import annotations

import re

from checks.bundle import Bundle
from checks.facts.persistence.found import Found, Host
from checks.linux.sriov_nic import SriovNic
from checks.linux.vf_claims import Claim
from checks.source import File, Names, Source

_OPERATOR = "/etc/sriov-operator"
_OPERATOR_PFS = f"{_OPERATOR}/pci"
_OPERATOR_FILE = f"{_OPERATOR}/sriov-interface-config.yaml"
_NET_CONFIG = "/etc/os-net-config/sriov_config.yaml"

SOURCES: tuple[Source, ...] = (
    Names(_OPERATOR),
    Names(_OPERATOR_PFS),
    File(_OPERATOR_FILE, keep=r"^[[:space:]]*(-[[:space:]]+)?(pciaddress|pciAddress|numvfs|numVfs|name)[[:space:]]*:"),
    File(_NET_CONFIG, keep=r"^[[:space:]]*(-[[:space:]]+)?(name|numvfs|device_type)[[:space:]]*:"),
)
_NUMBER = re.compile(r"numvfs\s*:\s*[\"']?([0-9]{1,5})[\"']?\s*$", re.I)
_MANAGED = "change the number there: its daemon applies it again and again, so no rule of your own lasts"


def read(bundle: Bundle, host: Host, found: Found) -> None:
    """Which PFs a manager owns. Raises CouldNotLook."""
    text = bundle.text(_OPERATOR_FILE)
    stored = bundle.names(_OPERATOR_PFS) or ()
    there = bool(bundle.names(_OPERATOR))
    own = bundle.text(_NET_CONFIG)
    for nic in host.nics:
        if nic.totalvfs is None:
            continue
        number = _number_for(text or "", nic)
        if number is not None or nic.address in stored:
            where = _OPERATOR_FILE if number is not None else f"{_OPERATOR_PFS}/{nic.address}"
            found.add(nic, _operator(where, number))
        elif there and text is None and not stored:
            reason = "it is on this host, and which PFs it manages cannot be told"
            found.add(nic, _operator(_OPERATOR, None, effective=None, reason=reason))
        if own and (number := _number_for(own, nic)) is not None:
            acts = True if "sriov_config.service" in host.started else None
            reason = "" if acts else "whether sriov_config.service is enabled cannot be told"
            claim = Claim(
                "operator", "os-net-config", _NET_CONFIG, f"numvfs: {number}", (number,), effective=acts, reason=reason
            )
            found.add(nic, claim)


def _operator(where: str, number: int | None, *, effective: bool | None = True, reason: str = "") -> Claim:
    text = "" if number is None else f"numVfs: {number}"
    writes = (None,) if number is None else (0, number)
    return Claim(
        "operator",
        "sriov-network-operator",
        where,
        text,
        writes,
        effective=effective,
        reason=reason,
        advice=(_MANAGED,),
        meant=effective is True,
    )


def _number_for(text: str, nic: SriovNic) -> int | None:
    """The number in the list entry that names the PF. An entry begins with a dash."""
    entry: list[str] = []
    for line in [*text.splitlines(), "- end:"]:
        if re.match(r"\s*-\s", line) and entry:
            number = next((int(m[1]) for one in entry if (m := _NUMBER.search(one))), None)
            named = any(re.search(rf":\s*[\"']?{re.escape(w)}[\"']?\s*$", one) for one in entry for w in _words(nic))
            if number is not None and named:
                return number
            entry = []
        entry.append(line)
    return None


def _words(nic: SriovNic) -> tuple[str, ...]:
    return (nic.address, *nic.names)
