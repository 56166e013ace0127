"""What makes the VFs of a PF at the next boot, in the inventory's word."""

from __future__ import annotations

from dataclasses import dataclass

from checks.facts.pci import Pf
from checks.facts.udev import UdevRules


@dataclass(frozen=True, slots=True)
class Maker:
    """The word for `persistence:`, and what it stands on."""

    word: str
    because: str


def maker_of(pf: Pf, rules: UdevRules | None) -> Maker:
    """The one mechanism that makes the number of VFs that runs; "any" where it is not so clear, with the reason."""
    wanted = pf.numvfs or 0
    if rules is None:
        return Maker("any", "what makes its VFs at boot is not known; see the end")
    expected = next((one for one in rules.forecasts if one.address == pf.address), None)
    by_rules = {expected.late, expected.early} if expected else {0}
    words = (*pf.netdevs, pf.address, pf.mac, pf.driver)
    others = [maker for maker in rules.makers if maker.concerns(*words) is not False]
    named = ", ".join(f"{maker.mechanism} {maker.path}" for maker in others)
    if wanted and by_rules == {wanted}:
        made = [attempt.rule.where for attempt in expected.attempts if attempt.outcome == "made"] if expected else []
        because = ", ".join(dict.fromkeys(made))
        return Maker("any", f"{because}; and {named}") if others else Maker("udev", because)
    if others:
        return Maker("any", f"perhaps by {named}")
    if wanted:
        return Maker("any", f"BROKEN AT THE NEXT BOOT: nothing was found that makes {wanted} VFs then")
    later = sorted(number for number in by_rules if number)
    return Maker("any", f"a udev rule makes {later[-1]} at the next boot; which is wanted?" if later else "")
