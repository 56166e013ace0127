"""udev's naming schemes: what each of them takes into account for a NIC on the PCI bus.

Sources: systemd.net-naming-scheme(7) of systemd 257; the schemes of RHEL 8 and 9 and of SLES 15 by that page there. A
scheme is read from the machine (ID_NET_NAMING_SCHEME), never guessed from a version.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

_NAME = re.compile(r"v([0-9]{3})")
_RHEL = re.compile(r"rhel-([0-9]{1,2})\.([0-9]{1,2})")
_RHEL_BASE = {8: 239, 9: 250}  # what rhel-10.* does with _SUN is not known
_OLDEST, _NEWEST_KNOWN = 238, 260
SUN_SINCE = 257


@dataclass(frozen=True, slots=True)
class Scheme:
    """One scheme. `number`: of the systemd version whose scheme it is, or is built on.

    `zero_index`: an index of 0 names. `wide_index`: one above 16383 does. `skips_bridges`: a slot that holds a bridge
    names no NIC behind it, but (`multifunction_behind_bridges`) for functions of a device with several.
    `sun`: the slot's number in ACPI (_SUN) goes before the slot's directory in sysfs.
    """

    name: str
    number: int
    zero_index: bool
    wide_index: bool
    skips_bridges: bool
    multifunction_behind_bridges: bool
    sun: bool


def scheme_of(name: str | None) -> Scheme | None:
    """The scheme of that name; None for none, and for one that is not known here."""
    if name and (found := _NAME.fullmatch(name)):
        number = int(found[1])
        return _upstream(name, number) if _OLDEST <= number <= _NEWEST_KNOWN else None
    if name == "sle15-sp3":
        return replace(_upstream(name, 238), skips_bridges=True)
    if name and (found := _RHEL.fullmatch(name)) and (base := _RHEL_BASE.get(int(found[1]))):
        minor = int(found[2])
        return Scheme(
            name,
            base,
            zero_index=base == 250,
            wide_index=base == 250 or minor >= 7,
            skips_bridges=base == 250 or minor >= 4,
            multifunction_behind_bridges=base == 250,
            sun=False,
        )
    return None


def _upstream(name: str, number: int) -> Scheme:
    return Scheme(
        name,
        number,
        zero_index=number >= 240,
        wide_index=number >= 249,
        skips_bridges=number >= 247,
        multifunction_behind_bridges=251 <= number < 255,
        sun=number >= SUN_SINCE,
    )
