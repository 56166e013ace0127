"""What sets the number of VFs of a PF at boot, besides udev's rules, and what number is there in the end.

Sources: Linux 6.12 drivers/pci/iov.c (sriov_numvfs_store: a number other than the present one is refused until it is
0); systemd src/shared/netif-sriov.c, NetworkManager nm-linux-platform.c and netplan's sriov.py, which write 0 first.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import permutations, product
from typing import Literal

from checks.linux.sriov_nic import Boot

Mechanism = Literal[
    "link",
    "networkmanager",
    "netplan",
    "unit",
    "modprobe",
    "rc.local",
    "sysfsutils",
    "tmpfiles",
    "ifupdown",
    "operator",
    "other",
]
_TOO_MANY = 5
_SHOWN = 160


@dataclass(frozen=True, slots=True)
class Claim:
    """One thing that means to set the number of VFs of one PF.

    `where`, `text`: the file and what stands there. `writes`: the numbers that it writes, in order; None is one that
    cannot be told. `effective`: whether it will act at the next boot; None when that cannot be told, or when it is not
    certain that it is for this PF. `reason`: why not. `boot`: the one way of booting in which it acts; None is both.
    `grows`: it never lowers the number. `meant`: it is certainly for this PF. `advice`: what deserves attention.
    """

    mechanism: Mechanism
    title: str
    where: str
    text: str
    writes: tuple[int | None, ...]
    effective: bool | None = True
    reason: str = ""
    advice: tuple[str, ...] = ()
    boot: Boot | None = None
    grows: bool = False
    meant: bool = True

    def __str__(self) -> str:
        text = self.text if len(self.text) <= _SHOWN else f"{self.text[:_SHOWN]}..."
        return f"{self.title} {self.where} ({text})" if text else f"{self.title} {self.where}"

    @property
    def count(self) -> int | None:
        """The number that it leaves; None when it cannot be told."""
        return self.writes[-1] if self.writes else None


def count_after_boot(claims: Iterable[Claim], udev: int | None, boot: Boot) -> int | None:
    """How many VFs there are after a boot, given what udev's rules alone would make. None when it cannot be told.

    A driver's own option comes first; .link files are read among the rules; of all others only the last is known:
    rc.local. Where the order, or whether something acts, does not matter, the number is certain all the same.
    """
    acting = [c for c in claims if c.effective is not False and c.boot in (None, boot)]
    first = [c for c in acting if c.mechanism == "modprobe"]
    links = [c for c in acting if c.mechanism == "link"]
    last = [c for c in acting if c.mechanism == "rc.local"]
    later = [c for c in acting if c.mechanism not in ("modprobe", "link", "rc.local")]
    if len(acting) > _TOO_MANY:
        return None
    counts: set[int | None] = set()
    for chosen in _subsets([*first, *links, *later, *last]):
        for order in permutations([c for c in later if c in chosen]):
            count = _made_by_udev(_one(first, chosen), udev, [c for c in links if c in chosen])
            for claim in (*order, *(c for c in last if c in chosen)):
                for number in claim.writes:
                    count = written(count, number)
            counts.add(count)
    return counts.pop() if len(counts) == 1 else None


def written(present: int | None, number: int | None) -> int | None:
    """The number of VFs after a write to sriov_numvfs, as the kernel takes it."""
    if number is None:
        return None
    if number == 0 or present in (0, number):
        return number
    return present  # None, or EBUSY: another number of VFs is there


def _subsets(claims: Sequence[Claim]) -> Iterator[list[Claim]]:
    """Every choice of those that act, where it is not certain whether they do."""
    for picks in product(*[((True,) if c.effective else (True, False)) for c in claims]):
        yield [claim for claim, pick in zip(claims, picks, strict=True) if pick]


def _one(claims: Sequence[Claim], chosen: Sequence[Claim]) -> Claim | None:
    return next((c for c in claims if c in chosen), None)


def _made_by_udev(option: Claim | None, udev: int | None, links: Sequence[Claim]) -> int | None:
    """The number once udevd is through with the PF. `links`: .link files in the order in which they are applied."""
    present = 0 if option is None else option.count
    # A rule writes once: where the driver has made VFs already, the kernel refuses another number.
    present = udev if present == 0 else present if udev is not None else None
    for number, link in enumerate(links):
        wanted = link.count
        if number and link.grows and None not in (wanted, present):
            present = max(present or 0, wanted or 0)
            continue
        if link.grows and (wanted is None or present is None or wanted < present):
            return None  # whether the rule or the .link file comes first decides
        if wanted == 0 and present != 0:
            return None
        present = wanted
    return present
