"""Whether the VFs come back by themselves: what udev's rules and all else make of each PF at the next boot."""

from __future__ import annotations

import pytest

from checks.facts.pci import Pf
from checks.facts.persistence import Persistence
from checks.facts.udev import UdevRules
from checks.linux.sriov_forecast import Forecast
from checks.linux.sriov_misread import misread, remarks, second_opinion
from checks.linux.sriov_reasons import ATTRIBUTE
from checks.linux.vf_outlook import Outlook, attention, outlook, told
from checks.outcome import CouldNotLook, advise
from checks.paired_pfs import PairedPf, demand_presence, paired_pfs
from inventory.model import Host


def test_vfs_come_back_after_a_reboot(
    host_name: str, wanted_host: Host, pfs: tuple[Pf, ...], udev_rules: UdevRules, persistence: Persistence
) -> None:
    """Every wanted PF has its VFs again after the next boot, with nobody's help.

    Why: VFs live in the kernel only. A rule, a .link file or a service that was never tested by a reboot often makes
    none: it names the wrong driver, compares what is not set yet, is not enabled, or is undone by another mechanism.
    Fix: do what the message names for the one mechanism that you keep, and reboot to prove it.
    """
    paired = paired_pfs(wanted_host, pfs)
    broken, unknown, lucky = [], [], []
    for p, found in _found(paired):
        ahead, want = _ahead(found, udev_rules, persistence), p.wanted.vfs
        if ahead.numbers == {want}:
            lucky += [f"{p.name}: {text}" for text in attention(ahead)]
        elif None in ahead.numbers:
            unknown.append(f"{p.name}: {told(ahead, None)}")
        elif want in ahead.numbers and found.numvfs == want:
            lucky.append(f"{p.name}: {_luck(ahead, want)}")
        elif persistence.unknown and want not in ahead.numbers:
            unknown.append(f"{p.name}: {told(ahead, want)}; {'; '.join(persistence.unknown)}")
        else:
            broken.append(_broken(p, found, ahead))
    assert not broken, f"{host_name}: {'; '.join(broken)}"
    if unknown:
        raise CouldNotLook(f"{host_name}: {'; '.join(unknown)}")
    for message in lucky:
        advise(f"{host_name}: {message}")
    demand_presence(host_name, paired)


def test_one_mechanism_alone_sets_the_number_of_vfs(
    host_name: str, wanted_host: Host, pfs: tuple[Pf, ...], udev_rules: UdevRules, persistence: Persistence
) -> None:
    """No two rules or mechanisms set different numbers of VFs for one PF.

    Why: the first one wins or the last one, depending on who destroys VFs to change their number; it may change with
    any update. NetworkManager takes all VFs away for a profile with an [sriov] section and no total-vfs in it.
    Fix: keep one mechanism and take the others away; let no NetworkManager profile of the PF have an [sriov] section.
    """
    paired = paired_pfs(wanted_host, pfs)
    fights, twice, unknown = [], [], list(persistence.unknown)
    for p, found in _found(paired):
        ahead = _ahead(found, udev_rules, persistence)
        refused = dict.fromkeys(f"{a.rule.where} {a.result}" for a in ahead.expected.attempts if a.outcome == "busy")
        counts = {owner.count for owner in ahead.owners} - {None}
        listed = f"{p.name}: {'; '.join([*refused, *(owner.name for owner in ahead.owners)])}"
        if refused or len(counts) > 1:
            fights.append(listed)
        elif len(ahead.owners) > 1:
            twice.append(listed)
        if len(ahead.owners) + len(ahead.doubtful) > 1:
            unknown += [f"{p.name}: {claim} may be for it: {claim.reason}" for claim in ahead.doubtful]
    assert not fights, f"{host_name}: several set the number of VFs of one PF, wanted one: {', and '.join(fights)}"
    if unknown:
        raise CouldNotLook(f"{host_name}: {'; '.join(unknown)}")
    for message in twice:
        advise(f"{host_name}: several set the number of VFs of one PF; they agree today: {message}")
    demand_presence(host_name, paired)


def test_the_wanted_mechanism_sets_the_number_of_vfs(
    host_name: str, wanted_host: Host, pfs: tuple[Pf, ...], udev_rules: UdevRules, persistence: Persistence
) -> None:
    """No mechanism but the one that the inventory names sets the number of VFs of a PF.

    Why: who changes the number later looks where it is meant to be kept; what another file does then goes unseen.
    Fix: move the number to the wanted mechanism and take it out of the file named below, or name that in the inventory.
    """
    paired = [p for p in paired_pfs(wanted_host, pfs) if p.wanted.persistence != "any"]
    if not paired:
        pytest.skip("the inventory leaves open what makes the VFs (persistence: any)")
    others, unknown = [], []
    for p, found in _found(tuple(paired)):
        ahead, wanted = _ahead(found, udev_rules, persistence), p.wanted.persistence
        others += [
            f"{p.name} gets its VFs from {owner.name}, wanted from {wanted}"
            for owner in ahead.owners
            if owner.mechanism != wanted
        ]
        if not any(owner.mechanism == wanted for owner in ahead.owners):
            unknown += [
                f"{p.name}: {claim} may set it: {claim.reason}" for claim in ahead.doubtful if claim.mechanism != wanted
            ]
            unknown += [f"{p.name}: {sentence}" for sentence in persistence.unknown]
    assert not others, f"{host_name}: {'; '.join(others)}"
    if unknown:
        raise CouldNotLook(f"{host_name}: {'; '.join(unknown)}")
    demand_presence(host_name, paired)


def test_every_sriov_rule_is_read(host_name: str, wanted_host: Host, udev_rules: UdevRules) -> None:
    """udevd takes every rule about numbers of VFs as it is meant.

    Why: udevd drops a whole line for one wrong character, and a whole file for its name, and goes on; a comparison
    with one = compares nothing.
    Fix: correct the line as named below; `udevadm verify` (systemd 254 and later) sees some of it.
    """
    if not wanted_host.pfs:
        pytest.skip("the inventory names no PFs of this host")
    rules, forecasts = udev_rules.rules, udev_rules.forecasts
    wrong = misread(rules, udev_rules.unread, udev_rules.unread_texts, forecasts, udev_rules.systemd)
    differs = second_opinion(rules, udev_rules.complaint)
    assert not wrong, f"{host_name}: {'; '.join(wrong)}{f' ({differs})' if differs else ''}"
    for message in remarks(rules, forecasts, udev_rules.around):
        advise(f"{host_name}: {message}")
    if differs:
        advise(f"{host_name}: {differs}")


def _broken(p: PairedPf, found: Pf, ahead: Outlook) -> str:
    nic = f"{p.name} ({found.address}, driver {found.driver or 'none'})"
    lost = f"; the {found.numvfs} that run now are lost" if found.numvfs and ahead.numbers == {0} else ""
    return f"{nic} {told(ahead, p.wanted.vfs)}{lost}{_remedy(p, found, ahead)}"


def _remedy(p: PairedPf, found: Pf, ahead: Outlook) -> str:
    """What to do, for the mechanism that is wanted; a rule of udev's where that is left open."""
    want, mechanism = p.wanted.vfs, p.wanted.persistence
    manager = next((c for c in ahead.claims if c.mechanism == "operator"), None)
    if manager:
        return f"; {manager.title} manages this host: change the number there, a rule of your own would not last"
    right = [owner.name for owner in ahead.owners if owner.count == want]
    wrong = [owner.name for owner in ahead.owners if owner.count != want]
    if right and wrong:
        return f"; leave it to {right[0]}, and take its number out of {', '.join(wrong)}"
    if not want:
        return ""
    corrected = next((u for u in ahead.expected.unapplied if u.corrected), None)
    if corrected and mechanism in ("any", "udev"):
        return f"; corrected, {corrected.rule.where} reads {corrected.corrected}"
    write = f'ATTR{{device/{ATTRIBUTE}}}="{want}"'
    rule = f'a rule that works: ACTION=="add", SUBSYSTEM=="net", KERNELS=="{found.address}", {write}'
    echo = f"a line that works there: echo {want} > /sys/bus/pci/devices/{found.address}/{ATTRIBUTE}"
    remedies = {
        "any": rule,
        "udev": rule,
        "link": f"a file that works: /etc/systemd/network/10-{p.name}.link with [Match] Path=pci-{found.address} and "
        f"[Link] NamePolicy=keep kernel database onboard slot path, SR-IOVVirtualFunctions={want}",
        "networkmanager": f"in the profile of {p.name}: nmcli connection modify PROFILE sriov.total-vfs {want}",
        "netplan": f"in /etc/netplan, under ethernets: {p.name}: virtual-function-count: {want}",
        "unit": echo,
        "rc.local": echo,
    }
    return f"; {remedies[mechanism]}" if mechanism in remedies else ""


def _luck(ahead: Outlook, want: int) -> str:
    late = ahead.late == want
    when = "udev loads its driver and the initramfs does not" if late else "the initramfs loads its driver"
    attempts, boot = ahead.expected.attempts, "late" if late else "early"
    works = [f"{a.rule.where} at {a.event}" for a in attempts if a.outcome == "made"]
    works += [str(c) for c in ahead.claims if c.effective and c.boot in (None, boot)]
    sure = 'a rule with SUBSYSTEM=="net" and KERNELS is sure'
    if any(c.mechanism == "link" for c in ahead.claims):
        sure = "a .link file that matches by Path= is sure"
    return f"{want} VFs come back only when {when} ({', '.join(dict.fromkeys(works))}); {sure}"


def _ahead(found: Pf, udev_rules: UdevRules, persistence: Persistence) -> Outlook:
    forecasts: dict[str, Forecast] = {expected.address: expected for expected in udev_rules.forecasts}
    return outlook(forecasts[found.address], persistence.of(found.address))


def _found(paired: tuple[PairedPf, ...]) -> list[tuple[PairedPf, Pf]]:
    return [(p, p.found) for p in paired if p.found is not None]
