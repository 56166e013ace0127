"""Everything besides udev rules that sets numbers of VFs at boot: found and named, as far as text tells.

What is found here is not yet judged like rules are: a maker says that something is there, and, where one line says it
all, for which PF and how many.
Sources: man systemd.link, tmpfiles.d; nm-settings (sriov); netplan's YAML reference; sriov-network-operator's daemon.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from checks.bundle import Bundle
from checks.facts.known import attempt
from checks.outcome import CouldNotLook
from checks.source import File, Names, Source

_NUMBER = r"0*([0-9]{1,5})"
_LINES = "sriov_numvfs"


@dataclass(frozen=True, slots=True)
class _Mechanism:
    """One place where numbers of VFs are kept. `keep`: the lines that leave the host. `found`: what makes it one."""

    name: str
    paths: tuple[str, ...]
    keep: str
    found: str


_LINK_KEYS = r"^[[:space:]]*(SR-IOVVirtualFunctions|VirtualFunction|(Permanent)?MACAddress|Path|Driver|OriginalName)"
_LINK_FOLDERS = tuple(f"{top}/systemd/network" for top in ("/etc", "/run", "/usr/lib"))
_MECHANISMS = (
    _Mechanism(
        "systemd .link file",
        tuple(
            f"{top}/systemd/network/*.link{sub}" for top in ("/etc", "/run", "/usr/lib") for sub in ("", ".d/*.conf")
        ),
        _LINK_KEYS,
        r"^\s*(?:SR-IOVVirtualFunctions|VirtualFunction)\s*=\s*" + _NUMBER,
    ),
    _Mechanism(
        "NetworkManager",
        ("/etc/NetworkManager/system-connections/*", "/run/NetworkManager/system-connections/*"),
        r"^(total-vfs|interface-name|mac-address)=",
        r"^total-vfs=" + _NUMBER,
    ),
    _Mechanism(
        "netplan",
        ("/etc/netplan/*.yaml", "/run/netplan/*.yaml", "/usr/lib/netplan/*.yaml"),
        r"^[[:space:]]*virtual-function-count:",
        r"^\s*virtual-function-count:\s*" + _NUMBER,
    ),
    _Mechanism(
        "modprobe option",
        ("/etc/modprobe.d/*.conf", "/run/modprobe.d/*.conf", "/usr/lib/modprobe.d/*.conf"),
        r"^[[:space:]]*options[[:space:]].*(max_vfs|num_vfs)=",
        r"^\s*options\s.*(?:max_vfs|num_vfs)=" + _NUMBER,
    ),
    _Mechanism(
        "systemd unit",
        ("/etc/systemd/system/*.service", "/run/systemd/system/*.service", "/usr/local/lib/systemd/system/*.service"),
        _LINES,
        _LINES,
    ),
    _Mechanism("tmpfiles.d", ("/etc/tmpfiles.d/*.conf", "/run/tmpfiles.d/*.conf"), _LINES, _LINES),
    _Mechanism("rc.local", ("/etc/rc.local", "/etc/rc.d/rc.local"), _LINES, _LINES),
    _Mechanism("ifupdown", ("/etc/network/interfaces", "/etc/network/interfaces.d/*"), _LINES, _LINES),
    _Mechanism("sysfsutils", ("/etc/sysfs.conf", "/etc/sysfs.d/*.conf"), _LINES, _LINES),
    _Mechanism("os-net-config", ("/etc/os-net-config/sriov_config.yaml",), "numvfs", r"numvfs:\s*" + _NUMBER),
)
_FOR_NIC = r"(interface-name|mac-address|MACAddress|PermanentMACAddress|Path|Driver|OriginalName)\s*="
_TARGET = re.compile(rf"{_FOR_NIC}|/sys/|class/net/|options\s")
_VAGUE = re.compile(r"[*?$\[%]")
_OPERATOR = "/etc/sriov-operator"

SOURCES: tuple[Source, ...] = (
    *(File(path, keep=mechanism.keep) for mechanism in _MECHANISMS for path in mechanism.paths),
    Names(_OPERATOR),
)


@dataclass(frozen=True, slots=True)
class VfMaker:
    """Something that sets a number of VFs at boot. `line`: the line that says so, with what its file says about the
    NIC it is for. `count`: the number it names; None when one line does not tell it.
    """

    mechanism: str
    path: str
    line: str
    count: int | None

    def concerns(self, *words: str | None) -> bool | None:
        """Whether it is for the NIC that any of the words means (a netdev, an address, a MAC, a driver).

        None when the text does not tell: it matches by a pattern, goes through a variable, or names nothing.
        """
        if any(word and re.search(rf"(?<![\w.:]){re.escape(word)}(?![\w.:-])", self.line, re.I) for word in words):
            return True
        return False if _TARGET.search(self.line) and not _VAGUE.search(self.line) else None


def parse(bundle: Bundle) -> tuple[tuple[VfMaker, ...], tuple[str, ...]]:
    """Every maker that is found, and a sentence for each mechanism that could not be looked for. Raises nothing."""
    makers: list[VfMaker] = []
    unknown: list[str] = []
    for mechanism in _MECHANISMS:
        for path in mechanism.paths:
            texts = attempt(lambda path=path: bundle.texts(path))  # type: ignore[misc]
            if isinstance(texts, CouldNotLook):
                unknown.append(f"{mechanism.name}: {texts}")
            else:
                makers += [maker for file, text in texts.items() for maker in _makers(mechanism, file, text)]
    operator = attempt(lambda: bundle.names(_OPERATOR))
    if isinstance(operator, CouldNotLook):
        unknown.append(f"sriov-network-operator: {operator}")
    elif operator:
        makers.append(VfMaker("sriov-network-operator", _OPERATOR, ", ".join(operator), None))
    return tuple(makers), tuple(unknown)


def _makers(mechanism: _Mechanism, path: str, text: str) -> Iterator[VfMaker]:
    lines = [line.strip() for line in text.splitlines() if not line.lstrip().startswith(("#", ";"))]
    # Where a file is about one NIC, the lines that say which one belong to every number in it.
    context = [line for line in lines if re.match(_FOR_NIC, line)]
    for line in lines:
        found = re.search(mechanism.found, line)
        if found is None:
            continue
        count = found.group(1) if found.groups() else _count(line)
        # [SR-IOV] VirtualFunction=i configures VF i, which takes i + 1 of them.
        extra = 1 if line.startswith("VirtualFunction") else 0
        number = None if count is None else int(count) + extra
        yield VfMaker(mechanism.name, path, ", ".join([line[:200], *context[:5]]), number)


def _count(line: str) -> str | None:
    """The number that a line writes to sriov_numvfs, by a shell, tmpfiles.d or sysfs.conf."""
    shell = re.search(rf"echo\s+(?:-n\s+)?[\"']?{_NUMBER}[\"']?\s*(?:>|\|)", line)
    plain = re.search(rf"sriov_numvfs[\"']?\s*(?:=|(?:\s+-){{4}})\s*{_NUMBER}\s*$", line)
    found = shell or plain
    return found.group(1) if found else None
