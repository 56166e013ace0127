"""A PF as the mechanisms that make VFs tell it from others."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

Boot = Literal["late", "early"]
"""Who loads the driver of a PF: udev, or the initramfs before udevd starts (see sriov_forecast)."""
KERNEL_NAMES = tuple(f"eth{number}" for number in range(32))


@dataclass(frozen=True, slots=True)
class SriovNic:
    """A PF. `names`: of its netdevs; `mac`: the one in use, `permanent_mac`: the hardware's; `properties`: udev's."""

    address: str
    names: tuple[str, ...]
    driver: str
    mac: str | None = None
    permanent_mac: str | None = None
    totalvfs: int | None = None
    properties: Mapping[str, str] = field(default_factory=dict)
    kind: str = "ether"

    @property
    def name(self) -> str:
        """The name of its first netdev, or its address where it has none."""
        return self.names[0] if self.names else self.address
