"""Whether the VFs come back by themselves: what udev's rules and all else make of each PF at the next boot."""

from __future__ import annotations

import pytest

from checks.facts.pci import Pf
from checks.facts.udev import UdevRules
from checks.facts.vf_makers import VfMaker
from checks.linux.sriov_forecast import Forecast
from checks.linux.sriov_reasons import ATTRIBUTE
from checks.outcome import CouldNotLook, advise
from checks.paired_pfs import PairedPf, demand_presence, paired_pfs
from inventory.model import Host


def test_vfs_come_back_after_a_reboot(
    host_name: str, wanted_host: Host, pfs: tuple[Pf, ...], udev_rules: UdevRules
) -> None:
    """Every wanted PF has its VFs again after the next boot, with nobody's help.

    Why: VFs live in the kernel only. A rule that was never tested by a reboot often makes none: it names the wrong
    driver, compares what is not set yet, or is dropped by udevd without a word.
    Fix: put the corrected rule named below into /etc/udev/rules.d/, and reboot to prove it.
    """
    paired, forecasts = paired_pfs(wanted_host, pfs), _forecasts(udev_rules)
    broken, unknown, lucky = [], [], []
    for p, found in _found(paired):
        expected, want = forecasts[found.address], p.wanted.vfs
        numbers = {expected.late, expected.early}
        others = [m for sure in (True, False) for m in _makers_for(found, udev_rules, sure=sure)]
        others = others if p.wanted.persistence == "any" else []
        if numbers == {want} and (want or not others):
            continue
        if others and want not in numbers:
            unknown.append(f"{p.name}: {_names(others)} may make VFs there; vfproof does not judge it yet")
        elif None in numbers:
            unknown.append(f"{p.name}: {_told(expected, None)}")
        elif want in numbers and found.numvfs == want:
            lucky.append(f"{p.name}: {_luck(expected, want)}")
        else:
            broken.append(_broken(p, found, expected))
    assert not broken, f"{host_name}: {'; '.join(broken)}"
    if unknown:
        raise CouldNotLook(f"{host_name}: {'; '.join(unknown)}")
    for message in lucky:
        advise(f"{host_name}: {message}")
    demand_presence(host_name, paired)


def test_one_mechanism_alone_sets_the_number_of_vfs(
    host_name: str, wanted_host: Host, pfs: tuple[Pf, ...], udev_rules: UdevRules
) -> None:
    """No two rules or mechanisms set different numbers of VFs for one PF.

    Why: the first one wins or the last one, depending on who destroys VFs to change their number; it may change with
    any update.
    Fix: keep one mechanism and take the others away; give a NetworkManager profile of the PF no total-vfs.
    """
    paired, forecasts = paired_pfs(wanted_host, pfs), _forecasts(udev_rules)
    fights, twice, unknown = [], [], list(udev_rules.unknown_makers)
    for p, found in _found(paired):
        expected, others = forecasts[found.address], _makers_for(found, udev_rules, sure=True)
        unknown += [f"{p.name}: {_names([m])} may be for it" for m in _makers_for(found, udev_rules, sure=False)]
        refused = dict.fromkeys(f"{a.rule.where} {a.result}" for a in expected.attempts if a.outcome == "busy")
        rules = sorted({a.rule.where for a in expected.attempts if a.outcome == "made"})
        counts = {m.count for m in others} | ({expected.late, expected.early} - {0} if rules else set())
        listed = f"{p.name}: {'; '.join([*refused, *rules, *([_names(others)] if others else [])])}"
        if refused or (len(counts - {None}) > 1 and len(others) + len(rules) > 1):
            fights.append(listed)
        elif len(others) + len(rules) > 1:
            twice.append(listed)
    assert not fights, f"{host_name}: several set the number of VFs of one PF, wanted one: {', and '.join(fights)}"
    if unknown:
        raise CouldNotLook(f"{host_name}: {'; '.join(unknown)}")
    for message in twice:
        advise(f"{host_name}: several set the number of VFs of one PF; they agree today: {message}")
    demand_presence(host_name, paired)


def test_every_sriov_rule_is_read(host_name: str, wanted_host: Host, udev_rules: UdevRules) -> None:
    """udevd reads every rule that is about numbers of VFs.

    Why: udevd drops a whole line for one wrong character, and a whole file for its name, and goes on.
    Fix: correct the line as named below, and let `udevadm verify` (systemd 254 and later) look at it.
    """
    if not wanted_host.pfs:
        pytest.skip("the inventory names no PFs of this host")
    wrong = [f"{rule.where}: {rule.problem}" for rule in udev_rules.rules if rule.problem and ATTRIBUTE in rule.text]
    for item in udev_rules.unread:
        lines = udev_rules.unread_texts.get(item.path, "").splitlines()
        if any(ATTRIBUTE in line and not line.lstrip().startswith("#") for line in lines):
            wrong.append(f"{item.path} is not read: {item.why}")
    wrong += [
        f'{rule.where}: {token} compares nothing, so the rule is for every NIC; write {token.name}=="{token.value}"'
        for rule in udev_rules.rules
        if ATTRIBUTE in rule.text
        for token in rule.tokens
        if token.key == "ENV" and token.operator == "=" and token.attribute == "ID_NET_DRIVER"
    ]
    assert not wrong, f"{host_name}: {'; '.join(wrong)}"


def _broken(p: PairedPf, found: Pf, expected: Forecast) -> str:
    nic = f"{p.name} ({found.address}, driver {found.driver or 'none'})"
    return f"{nic} {_told(expected, p.wanted.vfs)}{_remedy(p, found, expected)}"


def _told(expected: Forecast, want: int | None) -> str:
    """How many VFs there will be, and all that is known about why."""
    late, early = ("an unknown number of" if n is None else str(n) for n in (expected.late, expected.early))
    said = f"will have {late} VFs after the next boot"
    if late != early:
        said = f"will have {late} VFs if udev loads its driver, and {early} if the initramfs does"
    reasons = [f"{u.rule.where} does not apply: {u.reason}" for u in expected.unapplied]
    reasons += dict.fromkeys(f"{a.rule.where} at {a.event} {a.result}" for a in expected.attempts)
    why = "; ".join(reasons) or "no udev rule is about it"
    return f"{said}{'' if want is None else f', wanted {want}'}: {why}"


def _remedy(p: PairedPf, found: Pf, expected: Forecast) -> str:
    if not p.wanted.vfs:
        return ""
    corrected = next((u for u in expected.unapplied if u.corrected), None)
    if corrected:
        return f"; corrected, {corrected.rule.where} reads {corrected.corrected}"
    rule = f'ACTION=="add", SUBSYSTEM=="net", KERNELS=="{found.address}", ATTR{{device/{ATTRIBUTE}}}="{p.wanted.vfs}"'
    return f"; a rule that works: {rule}"


def _luck(expected: Forecast, want: int) -> str:
    late = expected.late == want
    when = "udev loads its driver and the initramfs does not" if late else "the initramfs loads its driver"
    works = ", ".join(dict.fromkeys(f"{a.rule.where} at {a.event}" for a in expected.attempts if a.outcome == "made"))
    return f'{want} VFs come back only when {when} ({works}); a rule with SUBSYSTEM=="net" and KERNELS is sure'


def _forecasts(udev_rules: UdevRules) -> dict[str, Forecast]:
    return {expected.address: expected for expected in udev_rules.forecasts}


def _makers_for(found: Pf, udev_rules: UdevRules, *, sure: bool) -> list[VfMaker]:
    """Makers that certainly are for the PF, or those of which the text does not tell."""
    words = (*found.netdevs, found.address, found.mac, found.driver)
    return [m for m in udev_rules.makers if m.concerns(*words) is (True if sure else None)]


def _names(makers: list[VfMaker]) -> str:
    return ", ".join(f"{m.mechanism} {m.path} ({m.line})" for m in makers)


def _found(paired: tuple[PairedPf, ...]) -> list[tuple[PairedPf, Pf]]:
    return [(p, p.found) for p in paired if p.found is not None]
