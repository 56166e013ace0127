"""What machine this is: for the report's head and for comparisons between runs. Nothing here decides a statement."""

from __future__ import annotations

import re
from dataclasses import dataclass

from checks.bundle import Bundle
from checks.facts.known import attempt
from checks.outcome import CouldNotLook
from checks.source import Attributes, Command, File, Source

_DMI = ("sys_vendor", "product_name", "bios_vendor", "bios_version", "bios_date")

SOURCES: tuple[Source, ...] = (
    File("/proc/sys/kernel/hostname"),
    File("/proc/sys/kernel/osrelease"),
    File("/proc/sys/kernel/random/boot_id"),
    File("/etc/os-release"),
    File("/proc/cpuinfo", keep="^(vendor_id|CPU implementer|model name)[[:space:]]*:"),
    *(Attributes(f"/sys/class/dmi/id/{name}") for name in _DMI),
    Command("udevadm --version"),
    Command("libvirtd --version"),
    Command("qemu-system-x86_64 --version"),
)


@dataclass(frozen=True, slots=True)
class System:
    """The machine in words. None is what the machine does not tell."""

    hostname: str | None
    os: str | None
    kernel: str | None
    systemd: str | None
    libvirt: str | None
    qemu: str | None
    cpu: str | None
    product: str | None
    bios: str | None
    boot_id: str | None


def parse(bundle: Bundle) -> System:
    """What the machine says about itself. Raises nothing: what cannot be read is None."""
    return System(
        hostname=_line(bundle, "/proc/sys/kernel/hostname"),
        os=_after(r'^PRETTY_NAME="?([^"\n]*)"?$', _text(bundle, "/etc/os-release")),
        kernel=_line(bundle, "/proc/sys/kernel/osrelease"),
        systemd=_after(r"^(\d+\S*)", _output(bundle, "udevadm --version")),
        libvirt=_after(r"(\d+\.\d+\S*)\s*$", _output(bundle, "libvirtd --version")),
        qemu=_after(r"version\s+(\S+)", _output(bundle, "qemu-system-x86_64 --version")),
        cpu=_after(r"^model name\s*:\s*(.*)$", _text(bundle, "/proc/cpuinfo")),
        product=_joined(bundle, "sys_vendor", "product_name"),
        bios=_joined(bundle, "bios_vendor", "bios_version", "bios_date"),
        boot_id=_line(bundle, "/proc/sys/kernel/random/boot_id"),
    )


def _text(bundle: Bundle, path: str) -> str:
    text = attempt(lambda: bundle.text(path))
    return "" if text is None or isinstance(text, CouldNotLook) else text


def _output(bundle: Bundle, line: str) -> str:
    text = attempt(lambda: bundle.output(line))
    return "" if text is None or isinstance(text, CouldNotLook) else text


def _line(bundle: Bundle, path: str) -> str | None:
    return _text(bundle, path).strip() or None


def _after(pattern: str, text: str) -> str | None:
    found = re.search(pattern, text, re.MULTILINE)
    return (found.group(1).strip() or None) if found else None


def _joined(bundle: Bundle, *names: str) -> str | None:
    words = [_line(bundle, f"/sys/class/dmi/id/{name}") for name in names]
    return " ".join(word for word in words if word) or None
