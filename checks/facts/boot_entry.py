"""What the second layer of kernel parameters is about: one entry of a boot loader's menu, the one that boots next."""

from __future__ import annotations

from dataclasses import dataclass

from checks.bundle import Bundle
from checks.linux.boot_tools import Loader
from checks.linux.kernel_parameters import Parameter

FIRMWARE = "/sys/firmware/efi"
PARTITIONS = ("/boot", "/boot/efi", "/efi")
"""Where an EFI system partition, or the boot partition beside it, may be mounted."""


@dataclass(frozen=True, slots=True)
class NextBoot:
    """The entry that boots next. `where`: file and entry. `from_source`: whether the tools write it from `configured`.

    `recovery`: an entry that takes only part of the configured parameters. `file`: what the tools have to write.
    """

    where: str
    title: str
    release: str | None
    parameters: tuple[Parameter, ...]
    from_source: bool
    recovery: bool
    loader: Loader
    file: str
    kernelopts: bool = False


def is_efi(bundle: Bundle) -> bool:
    """Whether the machine was started by EFI firmware."""
    return bool(bundle.names(FIRMWARE))


def is_recovery(parameters: tuple[Parameter, ...]) -> bool:
    """Whether an entry is one for repairs."""
    return any(p.text in ("single", "recovery", "1", "s", "S", "rescue") for p in parameters)
