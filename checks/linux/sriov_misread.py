"""Rules about numbers of VFs that udevd does not take as they are meant, and those that are for nothing here."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from checks.linux.sriov_correct import readable, stranger
from checks.linux.sriov_events import Surroundings
from checks.linux.sriov_forecast import Forecast
from checks.linux.sriov_reasons import ATTRIBUTE, problem_in_words
from checks.linux.udev_files import Unread
from checks.linux.udev_language import Rule, Token

# What the kernel and udev say of a NIC: nobody assigns these to make VFs.
_TOLD = ("ID_NET_", "ID_PATH", "ID_VENDOR_ID", "ID_MODEL_ID", "ID_BUS")
_MOST = 20


def misread(
    rules: Sequence[Rule],
    unread: Sequence[Unread],
    unread_texts: Mapping[str, str],
    forecasts: Sequence[Forecast],
    systemd: int | None,
) -> list[str]:
    """A sentence for every rule about numbers of VFs that is dropped, not read, or read as something else."""
    found = [
        *_dropped(rules, systemd),
        *_unread(unread, unread_texts),
        *_for_all(rules, forecasts),
        *_lost_gotos(rules),
    ]
    more = [f"and {len(found) - _MOST} more"] if len(found) > _MOST else []
    return found[:_MOST] + more


def _dropped(rules: Sequence[Rule], systemd: int | None) -> Iterator[str]:
    for rule in rules:
        if rule.problem and ATTRIBUTE in rule.text:
            better = readable(rule, systemd)
            yield f"{rule.where}: {problem_in_words(rule)}{f'; corrected, it reads {better}' if better else ''}"


def _unread(unread: Sequence[Unread], texts: Mapping[str, str]) -> Iterator[str]:
    for item in unread:
        lines = texts.get(item.path, "").splitlines()
        if any(ATTRIBUTE in line and not line.lstrip().startswith("#") for line in lines):
            yield f"{item.path} is not read: {item.why}{f'; {item.remedy}' if item.remedy else ''}"


def _for_all(rules: Sequence[Rule], forecasts: Sequence[Forecast]) -> Iterator[str]:
    for rule in rules:
        if ATTRIBUTE not in rule.text:
            continue
        for token in rule.tokens:
            if _is_told(token):
                reached = sorted({one.address for one in forecasts for a in one.attempts if a.rule is rule})
                here = f" (it reaches {' and '.join(reached)} here)" if reached else ""
                better = f'{token.name}=="{token.value}"'
                yield f"{rule.where}: {token} compares nothing, so the rule is for every NIC; write {better}{here}"


def _is_told(token: Token) -> bool:
    name = token.attribute or ""
    return token.key == "ENV" and token.operator == "=" and (name.startswith(_TOLD) or name == "INTERFACE")


def _lost_gotos(rules: Sequence[Rule]) -> Iterator[str]:
    about = {rule.file for rule in rules if ATTRIBUTE in rule.text}
    for rule in rules:
        if rule.lost_goto is not None and rule.file in about:
            label = f'LABEL="{rule.lost_goto}"'
            yield f"{rule.where}: no {label} follows, so udevd leaves the GOTO out, and what it should skip applies"


def remarks(rules: Sequence[Rule], forecasts: Sequence[Forecast], around: Surroundings) -> list[str]:
    """A sentence for every rule about numbers of VFs that is for a device which this host has not, or for a VF."""
    used = {id(attempt.rule) for one in forecasts for attempt in one.attempts}
    found = []
    for rule in rules:
        if ATTRIBUTE in rule.text and id(rule) not in used:
            strange = [f"{token}: {why}" for token in rule.tokens for why in [stranger(token, around)] if why]
            found += [f"{rule.where} is for nothing here; {strange[0]}"] if strange else []
    return found[:_MOST]


def second_opinion(rules: Sequence[Rule], complaint: str | None) -> str | None:
    """Where `udevadm verify` and we differ about a file that is about numbers of VFs, in words."""
    if complaint is None:
        return None
    about = {rule.file for rule in rules if ATTRIBUTE in rule.text}
    dropped = sorted({rule.where for rule in rules if ATTRIBUTE in rule.text and (rule.problem or rule.lost_goto)})
    if not complaint and dropped:
        return f"`udevadm verify` has nothing against {', '.join(dropped[:3])}"
    of = complaint.partition(":")[0]
    ours = {rule.file for rule in rules if rule.problem or rule.lost_goto}
    if of in about and of not in ours:
        return f"`udevadm verify` says {complaint[:200]!r}, and vfproof finds nothing wrong in that file"
    return None
