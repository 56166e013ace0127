"""PCI Express links: what one can carry, and whether it runs below what both of its ends can do.

Source: Linux 6.12 drivers/pci/pci-sysfs.c (current_link_speed and others), include/linux/pci.h (PCIE_SPEED2MBS_ENC).
"""

from __future__ import annotations

import re
from dataclasses import dataclass

_SPEED = re.compile(r"(\d{1,3}(?:\.\d)?) GT/s(?: PCIe)?")
_WIDTHS = frozenset({1, 2, 4, 8, 12, 16, 32})


@dataclass(frozen=True, slots=True)
class Lanes:
    """Speed of one lane and number of lanes, as a link runs or as one end could."""

    gt_s: float
    width: int

    @property
    def mbps(self) -> int:
        """What it carries in one direction, less the line code: 8b/10b below 8 GT/s, 128b/130b and FLITs above."""
        share = 8 / 10 if self.gt_s < 8 else 128 / 130 if self.gt_s < 64 else 242 / 256
        return int(self.gt_s * 1000 * share * self.width)

    def __str__(self) -> str:
        return f"{self.gt_s:g} GT/s x{self.width}"


@dataclass(frozen=True, slots=True)
class PcieLink:
    """The link of a function: as it runs, and what the function and the port above it could do."""

    current: Lanes
    device: Lanes | None = None
    port: Lanes | None = None

    @property
    def possible(self) -> Lanes | None:
        """What both ends can do; None when one of them does not say."""
        if self.device is None or self.port is None:
            return None
        return Lanes(min(self.device.gt_s, self.port.gt_s), min(self.device.width, self.port.width))

    @property
    def degraded(self) -> bool:
        """Whether it runs below what both ends can do."""
        could = self.possible
        return could is not None and (self.current.gt_s < could.gt_s or self.current.width < could.width)


def lanes(speed: str | None, width: str | None) -> Lanes | None:
    """What two attributes say ("8.0 GT/s PCIe", "8"); None when they say nothing: "Unknown", 0 or 255 lanes."""
    found = _SPEED.fullmatch((speed or "").strip())
    number = (width or "").strip()
    if found is None or not number.isascii() or not number.isdecimal() or len(number) > 3:
        return None
    return Lanes(float(found.group(1)), int(number)) if int(number) in _WIDTHS and float(found.group(1)) > 0 else None
