"""Driver version and firmware of every PF's interface, as `ethtool -i` prints them.

Source: ethtool(8); Linux 6.12 include/uapi/linux/ethtool.h (struct ethtool_drvinfo). Drivers of the kernel itself give
the kernel's release as their version.
"""

from __future__ import annotations

from dataclasses import dataclass

from checks.bundle import Bundle
from checks.facts.known import attempt
from checks.source import Command, Links, Source

_NETDEVS = "/sys/class/net"
_ETHTOOL = "ethtool -i"

SOURCES: tuple[Source, ...] = (
    Links(f"{_NETDEVS}/*"),
    # A host has a handful of PFs, and maybe hundreds of other interfaces; one process for each would take its time.
    Command(_ETHTOOL, each_match_of=f"{_NETDEVS}/*/device/sriov_totalvfs", keep="^(driver|version|firmware-version): "),
)
_NOTHING = frozenset({"", "n/a", "unknown"})


@dataclass(frozen=True, slots=True)
class Firmware:
    """What drives an interface; None is what its driver does not tell."""

    driver: str | None
    version: str | None
    firmware: str | None


def parse(bundle: Bundle) -> dict[str, Firmware]:
    """By interface name; interfaces of which nothing is told are left out. Raises nothing: it decides nothing alone."""
    links = attempt(lambda: bundle.links(f"{_NETDEVS}/*"))
    names = [path.rpartition("/")[2] for path in links] if isinstance(links, dict) else []
    texts = {name: attempt(lambda name=name: bundle.output(f"{_ETHTOOL} {name}")) for name in names}  # type: ignore[misc]
    return {name: _read(text) for name, text in texts.items() if isinstance(text, str) and text}


def _read(text: str) -> Firmware:
    said = {key: value.strip()[:100] for key, _, value in (line.partition(":") for line in text.splitlines())}
    return Firmware(*(_told(said.get(key, "")) for key in ("driver", "version", "firmware-version")))


def _told(value: str) -> str | None:
    return None if value.lower() in _NOTHING else value
