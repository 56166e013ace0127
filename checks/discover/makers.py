"""What makes the VFs of a PF at the next boot, in the inventory's word."""

from __future__ import annotations

from dataclasses import dataclass

from checks.facts.pci import Pf
from checks.facts.persistence import Persistence
from checks.facts.udev import UdevRules
from checks.linux.vf_outlook import outlook


@dataclass(frozen=True, slots=True)
class Maker:
    """The word for `persistence:`, and what it stands on."""

    word: str
    because: str


def maker_of(pf: Pf, rules: UdevRules | None, persistence: Persistence | None) -> Maker:
    """The one mechanism that makes the number of VFs that runs; "any" where it is not so clear, with the reason."""
    wanted = pf.numvfs or 0
    expected = next((one for one in rules.forecasts if one.address == pf.address), None) if rules else None
    if expected is None or persistence is None:
        return Maker("any", "what makes its VFs at boot is not known; see the end")
    ahead = outlook(expected, persistence.of(pf.address))
    named = ", ".join(owner.name for owner in ahead.owners)
    words = {owner.mechanism for owner in ahead.owners}
    doubtful = ", ".join(map(str, ahead.doubtful))
    if wanted and ahead.numbers == {wanted}:
        word = words.pop() if len(words) == 1 and not doubtful else "any"
        because = f"{named}; and {doubtful}" if doubtful else named
        return Maker("any" if word == "other" else word, because)
    if doubtful:
        return Maker("any", f"perhaps by {doubtful}")
    later = sorted(number for number in ahead.numbers if number)
    if wanted:
        return Maker("any", f"BROKEN AT THE NEXT BOOT: nothing was found that makes {wanted} VFs then")
    return Maker("any", f"{named} makes {later[-1]} at the next boot; which is wanted?" if later else "")
