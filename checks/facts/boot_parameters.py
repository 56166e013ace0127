"""The three layers of the kernel's parameters: what is configured, what the next boot uses, what runs.

Sources: Linux Documentation/admin-guide/kernel-parameters.rst; GRUB 2.12 manual; the Boot Loader Specification;
drivers/iommu/intel/Kconfig, and Debian's patch that splits the Intel default (INTGPU_OFF).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from checks.bundle import Bundle
from checks.facts.known import attempt, known
from checks.linux import grub
from checks.linux.grub_defaults import Setting, parse_defaults
from checks.linux.kernel_parameters import Parameter, split
from checks.outcome import CouldNotLook
from checks.source import File, Source

_DEFAULTS = "/etc/default/grub"
_DEFAULTS_D = "/etc/default/grub.d/*.cfg"
_GRUB_FOLDERS = ("/boot/grub", "/boot/grub2")
_BLS_FOLDERS = ("/boot/loader/entries", "/boot/efi/loader/entries", "/efi/loader/entries")
_CONFIGS = ("/boot/config-*", "/usr/lib/modules/*/config")
_ENVIRONMENT_KEEP = "^(saved_entry|next_entry|kernelopts|tuned_params)="

SOURCES: tuple[Source, ...] = (
    File("/proc/cmdline"),
    File("/proc/sys/kernel/osrelease"),
    File(_DEFAULTS),
    File(_DEFAULTS_D),
    File("/etc/kernel/cmdline"),
    *(File(f"{folder}/grub.cfg", keep=grub.KEEP) for folder in _GRUB_FOLDERS),
    *(File(f"{folder}/custom.cfg", keep=grub.KEEP) for folder in _GRUB_FOLDERS),
    *(File(f"{folder}/grubenv", keep=_ENVIRONMENT_KEEP) for folder in _GRUB_FOLDERS),
    *(File(f"{folder}/*.conf") for folder in _BLS_FOLDERS),
    *(File(path, keep="CONFIG_(INTEL_IOMMU_DEFAULT_ON|IOMMU_DEFAULT_|AMD_IOMMU|CMDLINE)") for path in _CONFIGS),
)


@dataclass(frozen=True, slots=True)
class NextBoot:
    """The entry that boots next. `where`: file and entry. `from_source`: whether the tools write it from `configured`.

    `recovery`: an entry that takes only part of the configured parameters.
    """

    where: str
    title: str
    release: str | None
    parameters: tuple[Parameter, ...]
    from_source: bool
    recovery: bool


@dataclass(frozen=True, slots=True)
class BootParameters:
    """All three layers. A part that could not be read is the reason why (see checks.facts.known).

    `configured`: parameters by the file:line that asks for them; None when there is no /etc/default/grub.
    `intel_default_on`: by kernel release, whether VT-d is on without a parameter, where its config tells.
    """

    running: tuple[Parameter, ...]
    running_release: str | None
    next_boot: NextBoot | CouldNotLook
    configured: Mapping[str, tuple[Parameter, ...]] | CouldNotLook | None
    configured_always: Mapping[str, tuple[Parameter, ...]] | CouldNotLook | None
    intel_default_on: Mapping[str, bool] | CouldNotLook


def parse(bundle: Bundle) -> BootParameters:
    """The kernel's parameters in three layers. Raises what reading /proc/cmdline raises, and nothing for the rest."""
    command_line = bundle.text("/proc/cmdline")
    if command_line is None:
        raise CouldNotLook(f"{bundle.machine}: there is no /proc/cmdline, so nobody knows how this kernel was started")
    settings = attempt(lambda: _settings(bundle))
    release = bundle.text("/proc/sys/kernel/osrelease")
    return BootParameters(
        running=split(command_line),
        running_release=release.strip() if release else None,
        next_boot=attempt(lambda: _next_boot(bundle)),
        configured=_configured(settings, "GRUB_CMDLINE_LINUX", "GRUB_CMDLINE_LINUX_DEFAULT"),
        configured_always=_configured(settings, "GRUB_CMDLINE_LINUX"),
        intel_default_on=attempt(lambda: _intel_defaults(bundle)),
    )


def _settings(bundle: Bundle) -> dict[str, Setting] | None:
    main = bundle.text(_DEFAULTS)
    if main is None:
        return None
    return parse_defaults([(_DEFAULTS, main), *bundle.texts(_DEFAULTS_D).items()])


def _configured(
    settings: Mapping[str, Setting] | CouldNotLook | None, *names: str
) -> Mapping[str, tuple[Parameter, ...]] | CouldNotLook | None:
    if settings is None or isinstance(settings, CouldNotLook):
        return settings
    found = {}
    for name in names:
        setting = settings.get(name)
        if setting is not None and setting.value is None:
            return CouldNotLook(f"{setting.where}: only a shell can tell the value of {name}")
        if setting is not None and setting.value:
            found[f"{setting.where} ({name})"] = split(setting.value)
    return found


def _next_boot(bundle: Bundle) -> NextBoot:
    """The entry of GRUB's menu that boots next.

    Raises CouldNotLook when there is no GRUB configuration, more than one, or none of its entries is a kernel.
    """
    texts = {f"{folder}/grub.cfg": bundle.text(f"{folder}/grub.cfg") for folder in _GRUB_FOLDERS}
    found = {path: text for path, text in texts.items() if text is not None}
    if len(found) != 1:
        raise CouldNotLook(_no_single_grub(bundle, tuple(found)))
    ((path, text),) = found.items()
    folder = path.rsplit("/", 1)[0]
    menu = grub.parse_menu(text + "\n" + (bundle.text(f"{folder}/custom.cfg") or ""))
    environment = grub.parse_environment(bundle.text(f"{folder}/grubenv") or "")
    bls = _bls_entries(bundle) if menu.bls_at is not None else {}
    at = menu.bls_at or 0
    entries = (*menu.entries[:at], *grub.newest_first(bls), *menu.entries[at:])
    default = grub.default_entry(menu, environment)
    entry = grub.choose(entries, default)
    if entry is None or entry.kernel is None:
        what = "has no entry" if entry is None else f"boots {entry.title!r}, which is no Linux entry"
        raise CouldNotLook(f"{bundle.machine}: {path} {what} (default {default!r}), so its parameters are not known")
    parameters = split(grub.expand(entry, {**menu.variables, **environment}))
    return NextBoot(
        where=bls.get(entry, f"{path}, entry {entry.title!r}"),
        title=entry.title,
        release=entry.release,
        parameters=parameters,
        from_source=entry not in bls,
        recovery=any(p.text in ("single", "recovery", "1", "s", "S", "rescue") for p in parameters),
    )


def _bls_entries(bundle: Bundle) -> dict[grub.Entry, str]:
    """The entries of the Boot Loader Specification with the path of each."""
    found: dict[grub.Entry, str] = {}
    for folder in _BLS_FOLDERS:
        for path, text in bundle.texts(f"{folder}/*.conf").items():
            found.setdefault(grub.parse_bls(path.rsplit("/", 1)[-1], text), path)
    return found


def _no_single_grub(bundle: Bundle, found: tuple[str, ...]) -> str:
    if found:
        return f"{bundle.machine}: both {' and '.join(found)} are there; which of them boots is not known from here"
    others = [folder for folder in _BLS_FOLDERS if bundle.texts(f"{folder}/*.conf")]
    if others:
        return (
            f"{bundle.machine}: {others[0]} has boot entries but there is no grub.cfg: systemd-boot chooses by EFI "
            "variables, which vfproof does not read yet"
        )
    return f"{bundle.machine}: no GRUB configuration in {' or '.join(_GRUB_FOLDERS)}, so the next boot is not known"


def _intel_defaults(bundle: Bundle) -> dict[str, bool]:
    texts = {path: text for pattern in _CONFIGS for path, text in bundle.texts(pattern).items()}
    found = {}
    for path, text in texts.items():
        release = path.split("/config-", 1)[-1] if path.startswith("/boot/") else path.split("/")[-2]
        if "CONFIG_INTEL_IOMMU_DEFAULT_ON" in text:
            # Debian's choice has three ways, and INTGPU_OFF is on for every device but the integrated GPU.
            on = re.search(r"^CONFIG_INTEL_IOMMU_DEFAULT_ON(_INTGPU_OFF)?=y", text, re.MULTILINE)
            found[release] = on is not None
    return found


def intel_default(boot: BootParameters, release: str | None) -> bool | None:
    """Whether the kernel of that release turns VT-d on by itself; None when its config does not tell."""
    return known(boot.intel_default_on).get(release or "")
