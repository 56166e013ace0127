"""Module options that make VFs when a driver is loaded.

Sources: Linux 6.12 drivers/net/ethernet: intel/igb/igb_main.c (igb_probe_vfs), intel/ixgbe/ixgbe_main.c
(ixgbe_sw_init), mellanox/mlx4/main.c, emulex/benet/be_main.c; i40e, ice and mlx5 have no such option.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

_OPTION = {"igb": "max_vfs", "ixgbe": "max_vfs", "mlx4_core": "num_vfs", "be2net": "num_vfs"}
_WITHOUT = frozenset({"i40e", "ice", "mlx5_core", "bnxt_en", "iavf", "qede", "sfc"})
_LIMIT = {"igb": 7, "ixgbe": 63}


@dataclass(frozen=True, slots=True)
class Option:
    """One option of a driver that is about VFs. `where`: file and line, or the kernel's command line."""

    driver: str
    name: str
    value: str
    where: str
    text: str


def options(path: str, text: str) -> tuple[Option, ...]:
    """The options about VFs in a file of modprobe.d."""
    found = []
    lines = text.replace("\\\n", " ").splitlines()
    for line in lines:
        words = line.split()
        if len(words) < 3 or words[0] != "options":
            continue
        for word in words[2:]:
            name, equals, value = word.partition("=")
            if equals and name in ("max_vfs", "num_vfs"):
                found.append(Option(words[1].replace("-", "_"), name, value, path, line.strip()))
    return tuple(found)


def on_the_command_line(parameters: Iterable[tuple[str, str]]) -> tuple[Option, ...]:
    """The same, given to a driver by the kernel's command line (igb.max_vfs=7)."""
    found = []
    for name, value in parameters:
        driver, dot, option = name.partition(".")
        if dot and option in ("max_vfs", "num_vfs"):
            found.append(Option(driver.replace("-", "_"), option, value, "/proc/cmdline", f"{name}={value}"))
    return tuple(found)


def effect(option: Option) -> tuple[int | None, bool | None, str]:
    """The number of VFs that each PF of the driver gets, whether it gets any by this at all, and why not."""
    known = _OPTION.get(option.driver)
    if option.driver in _WITHOUT or (known is not None and known != option.name):
        return None, False, f"the driver {option.driver} of the kernel has no option {option.name} and ignores it"
    if known is None:
        return None, None, f"whether the driver {option.driver} has an option {option.name} is not known"
    if not re.fullmatch(r"[0-9]{1,5}", option.value):
        return None, None, f"{option.name}={option.value} gives ports different numbers"
    number, limit = int(option.value), _LIMIT.get(option.driver)
    if limit is None:
        return number, None, f"how many VFs {option.driver} makes of it depends on its ports"
    if number > limit and option.driver == "ixgbe":
        return 0, False, f"ixgbe takes at most {limit}, and makes none when more are asked for"
    return min(number, limit), True, ""


def last_for(found: Iterable[Option]) -> Mapping[str, Option]:
    """The one option that counts for each driver: the last."""
    return {option.driver: option for option in found}
