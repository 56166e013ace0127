"""What number of VFs several mechanisms leave behind, by the kernel's rules for sriov_numvfs (drivers/pci/iov.c)."""

from __future__ import annotations

import pytest

from checks.linux.vf_claims import Claim, count_after_boot, written


def claim(mechanism, *writes, **changes):
    return Claim(mechanism, mechanism, f"/{mechanism}", "", writes, **changes)


@pytest.mark.parametrize(
    ("present", "number", "after"),
    [(0, 2, 2), (2, 2, 2), (2, 3, 2), (2, 0, 0), (0, 0, 0), (None, 2, None), (None, 0, 0), (2, None, None)],
)
def test_a_write(present, number, after):
    assert written(present, number) == after


LINK, GROWS = claim("link", 2), claim("link", 4, grows=True)
NM, NONE, RC = claim("networkmanager", 0, 3), claim("networkmanager", 0, 0), claim("rc.local", 5)
UNIT, OTHER = claim("unit", 5), claim("unit", 6)


@pytest.mark.parametrize(
    ("claims", "udev", "number"),
    [
        ([], 0, 0),
        ([], 2, 2),
        ([], None, None),
        ([claim("modprobe", 7)], 0, 7),
        ([claim("modprobe", 7)], 2, 7),  # the rule comes second, and is refused
        ([claim("modprobe", 7)], None, None),
        ([LINK], 0, 2),
        ([LINK], 3, 2),  # whichever comes first, systemd takes away what is not its number
        ([claim("modprobe", 7), LINK], 0, 2),
        ([claim("link", 0)], 0, 0),
        ([claim("link", 0)], 3, None),
        ([GROWS], 0, 4),
        ([GROWS], 4, 4),
        ([GROWS], 6, None),
        ([NM], 2, 3),
        ([NONE], 2, 0),
        ([UNIT], 2, 2),  # refused: another number is there
        ([UNIT], 0, 5),
        ([UNIT, NM], 0, 3),  # NetworkManager last: 3; first: the unit is refused
        ([UNIT, OTHER], 0, None),  # who is first wins, and nobody knows who is
        ([UNIT, OTHER], 2, 2),
        ([RC, UNIT], 0, 5),
        ([RC, OTHER], 0, 6),  # rc.local runs last, and is refused
        ([RC, NONE], 2, 5),
        ([claim("unit", 0, 4)], 2, 4),
        ([claim("unit", None)], 0, None),
        ([claim("unit", 4, effective=False)], 2, 2),
        ([claim("unit", 4, effective=None)], 2, 2),  # acting or not, it changes nothing
        ([claim("unit", 4, effective=None)], 0, None),
        ([claim("unit", 4, effective=None)], 4, 4),
        ([claim("unit", 0, number) for number in range(9)], 0, None),
    ],
)
def test_the_number_after_boot(claims, udev, number):
    assert count_after_boot(claims, udev, "late") == number


def test_a_claim_of_one_way_of_booting():
    early = claim("link", 2, boot="early")
    assert (count_after_boot([early], 0, "late"), count_after_boot([early], 0, "early")) == (0, 2)
