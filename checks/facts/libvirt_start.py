"""When libvirt starts at boot: after what, and whether that includes the units that make VFs."""

from __future__ import annotations

from dataclasses import dataclass

from checks.bundle import Bundle
from checks.source import Command, Links, Source

_SHOW = "systemctl show -p Id -p ActiveState -p UnitFileState -p After libvirtd.service virtqemud.service"
_WANTED = "/etc/systemd/system/*.wants/*"
_UNITS = ("/etc/systemd/system/*.service", "/run/systemd/system/*.service", "/usr/local/lib/systemd/system/*.service")

SOURCES: tuple[Source, ...] = (Command(_SHOW), Links(_WANTED))  # the units' texts: checks.facts.persistence


@dataclass(frozen=True, slots=True)
class LibvirtStart:
    """`after`: what each of libvirt's daemons that start guests is ordered after, by the daemon's unit.

    `makers`: enabled units that write sriov_numvfs.
    """

    after: dict[str, frozenset[str]]
    makers: tuple[str, ...]


def parse(bundle: Bundle) -> LibvirtStart:
    """The order that systemd has loaded. Nothing is in `after` where systemd is not, or no daemon starts at boot.

    Source: systemctl(1), show; systemd.unit(5), After=. It shows units that are not installed as well, as inactive.
    """
    after = {}
    for block in (bundle.output(_SHOW) or "").split("\n\n"):
        values = dict(line.split("=", 1) for line in block.splitlines() if "=" in line)
        starts = values.get("ActiveState") == "active" or values.get("UnitFileState", "").startswith("enabled")
        if starts and "Id" in values:
            after[values["Id"]] = frozenset(values.get("After", "").split())
    enabled = {path.rpartition("/")[2] for path in bundle.links(_WANTED)}
    return LibvirtStart(after, tuple(sorted(enabled & set(_makers(bundle)))))


def _makers(bundle: Bundle) -> list[str]:
    found = []
    for pattern in _UNITS:
        for path, text in bundle.texts(pattern).items():
            lines = (line.strip() for line in text.splitlines())
            if any("sriov_numvfs" in line and not line.startswith(("#", ";")) for line in lines):
                found.append(path.rpartition("/")[2])
    return found
