"""The three layers of the kernel's parameters: what is configured, what the next boot uses, what runs.

Sources: Linux Documentation/admin-guide/kernel-parameters.rst; drivers/iommu/intel/Kconfig, and Debian's patch that
splits the Intel default (INTGPU_OFF); arch/x86/Kconfig and arch/arm64/Kconfig (CMDLINE).
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, replace

from checks.bundle import Bundle, UnexpectedOutput
from checks.facts import boot_sources, next_boot
from checks.facts.boot_entry import NextBoot
from checks.facts.boot_sources import Layer
from checks.facts.known import attempt, known
from checks.linux.boot_tools import how_to_apply
from checks.linux.kernel_parameters import Parameter, split
from checks.outcome import CouldNotLook
from checks.source import File, Source

__all__ = ["BootParameters", "NextBoot", "config_of", "intel_default", "parse"]

_CONFIG_LINES = "CONFIG_(INTEL_IOMMU_DEFAULT_ON|IOMMU_DEFAULT_|AMD_IOMMU|CMDLINE)"
_RUNNING_CONFIG = "/proc/config.gz"
_MOST_CONFIG = 4 * 1024 * 1024
_CONFIGS = ("/boot/config-*", "/usr/lib/modules/*/config")

SOURCES: tuple[Source, ...] = (
    File("/proc/cmdline"),
    File("/proc/sys/kernel/osrelease"),
    *boot_sources.SOURCES,
    *next_boot.SOURCES,
    *(File(path, keep=_CONFIG_LINES) for path in _CONFIGS),
    File(_RUNNING_CONFIG, binary=True),
)


@dataclass(frozen=True, slots=True)
class BootParameters:
    """All three layers. A part that could not be read is the reason why (see checks.facts.known).

    `configured`: parameters by the file:line that asks for them; None when no file does. `configured_always`: those
    that recovery entries get too. `how_to_apply`: an order that brings them into the entry.
    `configs`: by kernel release, the lines of its config that matter here.
    """

    running: tuple[Parameter, ...]
    running_release: str | None
    next_boot: NextBoot | CouldNotLook
    configured: Layer | CouldNotLook | None
    configured_always: Layer | CouldNotLook | None
    configs: Mapping[str, str] | CouldNotLook
    how_to_apply: str


def parse(bundle: Bundle) -> BootParameters:
    """The kernel's parameters in three layers. Raises what reading /proc/cmdline raises, and nothing for the rest."""
    command_line = bundle.text("/proc/cmdline")
    if command_line is None:
        raise CouldNotLook(f"{bundle.machine}: there is no /proc/cmdline, so nobody knows how this kernel was started")
    release = bundle.text("/proc/sys/kernel/osrelease")
    configs = attempt(lambda: _configs(bundle, release.strip() if release else ""))
    following = attempt(lambda: next_boot.next_boot(bundle))
    found = None if isinstance(following, CouldNotLook) else following
    hints = boot_sources.hints(bundle, kernelopts=found is not None and found.kernelopts)
    asked = boot_sources.asked(bundle, found.loader if found else None, hints)
    return BootParameters(
        running=split(command_line),
        running_release=release.strip() if release else None,
        next_boot=_with_built_in(found, configs) if found else following,
        configured=asked.all,
        configured_always=asked.always,
        configs=configs,
        how_to_apply=how_to_apply(found.loader, found.file, hints) if found else "regenerate the boot entries",
    )


def intel_default(boot: BootParameters, release: str | None) -> bool | None:
    """Whether the kernel of that release turns VT-d on by itself; None when its config does not tell.

    Debian's choice has three ways, and INTGPU_OFF is on for every device but the integrated GPU.
    """
    config = config_of(boot, release)
    if config is None or "CONFIG_INTEL_IOMMU_DEFAULT_ON" not in config:
        return None
    return re.search(r"^CONFIG_INTEL_IOMMU_DEFAULT_ON(_INTGPU_OFF)?=y", config, re.MULTILINE) is not None


def config_of(boot: BootParameters, release: str | None) -> str | None:
    """The config of the kernel of that release, as far as it matters here; None where there is none.

    Raises the reason for which no config can be read.
    """
    return known(boot.configs).get(release or "")


def _configs(bundle: Bundle, running: str) -> dict[str, str]:
    texts = {path: text for pattern in _CONFIGS for path, text in bundle.texts(pattern).items()}
    found = {
        path.split("/config-", 1)[-1] if path.startswith("/boot/") else path.split("/")[-2]: text
        for path, text in texts.items()
    }
    packed = None if running in found else bundle.data(_RUNNING_CONFIG)
    return found if packed is None else {**found, running: _unpacked(packed)}


def _unpacked(packed: bytes) -> str:
    """The lines of a gzipped config, as far as they matter here and are no more than any kernel's."""
    try:
        text = zlib.decompressobj(wbits=zlib.MAX_WBITS | 16).decompress(packed, _MOST_CONFIG)
    except zlib.error as error:
        raise UnexpectedOutput(f"{_RUNNING_CONFIG}: not gzip ({error})") from None
    lines = text.decode("utf-8", "replace").splitlines()
    return "".join(f"{line}\n" for line in lines if re.search(_CONFIG_LINES, line))


def _with_built_in(following: NextBoot, configs: Mapping[str, str] | CouldNotLook) -> NextBoot:
    """The entry with what its kernel has built in: before the boot loader's words, or in place of them."""
    config = "" if isinstance(configs, CouldNotLook) else configs.get(following.release or "", "")
    line = re.search(r'^CONFIG_CMDLINE="(.*)"$', config, re.MULTILINE)
    if line is None or not line.group(1).strip():
        return following
    # what is built in is a source of its own, so from now on the entry is not only what the files ask for
    following = replace(following, from_source=False)
    built_in = split(line.group(1).replace('\\"', '"'))
    if re.search(r"^CONFIG_CMDLINE_(OVERRIDE|FORCE)=y", config, re.MULTILINE):
        return replace(following, parameters=built_in)
    if re.search(r"^CONFIG_CMDLINE_(BOOL|EXTEND)=y", config, re.MULTILINE) or not following.parameters:
        return replace(following, parameters=built_in + following.parameters)
    return following
