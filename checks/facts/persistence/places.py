"""Files with writes to sriov_numvfs, and what each of them means for a PF."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from checks.facts.persistence.found import Host
from checks.linux.sriov_nic import SriovNic
from checks.linux.sysfs_writes import Write, is_for, target
from checks.linux.vf_claims import Claim, Mechanism


@dataclass(frozen=True, slots=True)
class Place:
    """A file with writes, and whether the boot comes to it."""

    mechanism: Mechanism
    title: str
    where: str
    writes: Sequence[Write]
    acts: bool | None = True
    reason: str = ""
    advice: tuple[str, ...] = ()


def claim_on(place: Place, nic: SriovNic, host: Host) -> Claim | None:
    """What the writes of a place mean for a PF; None when none of them is for it."""
    reached = [(write, is_for(write, nic)) for write in place.writes]
    mine = [(write, fits) for write, fits in reached if fits is not False]
    if not mine:
        strange = [w for w in place.writes if (name := target(w)) and not _exists(name, host)]
        if not strange or nic.totalvfs is None:
            return None
        gone = ", ".join(dict.fromkeys(target(write) or "" for write in strange))
        return Claim(
            place.mechanism,
            place.title,
            place.where,
            strange[0].line,
            (strange[0].number,),
            effective=False,
            reason=f"there is no {gone} on this host",
            meant=False,
        )
    certain = all(fits for _, fits in mine)
    acts, reason = place.acts, place.reason
    if acts is not False and not certain:
        acts, reason = None, "which NIC the line means cannot be told"
    elif acts and not all(write.certain for write, _ in mine):
        acts, reason = None, "whether the line is reached cannot be told"
    numbers = tuple(write.number for write, _ in mine)
    if acts and nic.totalvfs is not None and all(n is not None and n > nic.totalvfs for n in numbers):
        acts, reason = False, f"{numbers[-1]} VFs are more than the {nic.totalvfs} of sriov_totalvfs"
    return Claim(
        place.mechanism,
        place.title,
        place.where,
        mine[-1][0].line,
        numbers,
        effective=acts,
        reason=reason,
        advice=tuple(text.format(nic=nic.name) for text in place.advice),
        meant=certain,
    )


def _exists(name: str, host: Host) -> bool:
    addresses = {nic.address.lower() for nic in host.nics}
    return name in host.netdevs or name.lower() in addresses
