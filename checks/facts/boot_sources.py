"""The first layer of kernel parameters: what is configured, by the tool that writes the entries of this boot loader.

Sources: see checks.linux.boot_tools; kernel-install(8) and ukify(1) (/etc/kernel/cmdline, uki.conf); dracut.conf(5);
tuned's bootloader plugin (/etc/tuned/bootcmdline).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from checks.bundle import Bundle, UnexpectedOutput
from checks.facts.known import attempt
from checks.linux.boot_tools import Hints, Loader
from checks.linux.grub_defaults import Setting, parse_defaults
from checks.linux.kernel_parameters import Parameter, split
from checks.linux.systemd_boot import os_fields
from checks.outcome import CouldNotLook
from checks.source import File, Source

_DEFAULTS = "/etc/default/grub"
_DEFAULTS_D = "/etc/default/grub.d/*.cfg"
_TUNED = "/etc/tuned/bootcmdline"
_KERNEL_INSTALL = ("/etc/kernel/cmdline", "/usr/lib/kernel/cmdline")
_UKIFY = "/etc/kernel/uki.conf"
_DRACUT = "/etc/dracut.conf.d/*.conf"
_KERNELSTUB = "/etc/kernelstub/configuration"
_PROXMOX = "/etc/kernel/proxmox-boot-uuids"
_MKCONFIG = "/usr/sbin/grub2-mkconfig"
_OSTREE = "/run/ostree-booted"

SOURCES: tuple[Source, ...] = (
    File(_DEFAULTS),
    File(_DEFAULTS_D),
    File(_TUNED, keep="^TUNED_BOOT_CMDLINE="),
    *(File(path) for path in _KERNEL_INSTALL),
    File(_UKIFY, keep="^[[:space:]]*([[]|Cmdline[[:space:]]*=)"),
    File(_DRACUT, keep="^[[:space:]]*kernel_cmdline[+]?="),
    File(_KERNELSTUB),
    File(_PROXMOX),
    File(_MKCONFIG, keep="UPDATE_BLS_CMDLINE"),
    File(_OSTREE),
    File("/etc/os-release"),
)

Layer = Mapping[str, tuple[Parameter, ...]]


@dataclass(frozen=True, slots=True)
class Asked:
    """Parameters by the file:line that asks for them; `always`: those of recovery entries too. None: by no file."""

    all: Layer | CouldNotLook | None
    always: Layer | CouldNotLook | None


def asked(bundle: Bundle, loader: Loader | None, hints: Hints) -> Asked:
    """What the files ask for that the tools of this boot loader read; without one, /etc/default/grub if it is there."""
    if loader in ("grub", "grub-bls", None):
        if hints.ostree and loader == "grub-bls":
            return Asked(None, None)
        settings = attempt(lambda: _settings(bundle))
        names = ("GRUB_CMDLINE_LINUX", "TUNED_BOOT_CMDLINE")
        return Asked(_configured(settings, *names, "GRUB_CMDLINE_LINUX_DEFAULT"), _configured(settings, *names))
    found = attempt(lambda: _of_kernel_install(bundle, image=loader == "uki"))
    return Asked(found, found)


def hints(bundle: Bundle, *, kernelopts: bool) -> Hints:
    """What tells the distributions' tools apart. Raises nothing: what cannot be read is no hint."""
    system = os_fields(_or_empty(bundle, "/etc/os-release"))
    mkconfig = attempt(lambda: bundle.text(_MKCONFIG))
    return Hints(
        family=frozenset(f"{system.get('ID', '')} {system.get('ID_LIKE', '')}".lower().split()),
        mkconfig_spares_bls=None if mkconfig is None or isinstance(mkconfig, CouldNotLook) else bool(mkconfig.strip()),
        kernelopts=kernelopts,
        ostree=isinstance(attempt(lambda: bundle.text(_OSTREE)), str),
        proxmox=bool(_or_empty(bundle, _PROXMOX).strip()),
        kernelstub=bool(_or_empty(bundle, _KERNELSTUB).strip()),
        dracut=any(text.strip() for text in _texts_or_none(bundle, _DRACUT).values()),
    )


def _settings(bundle: Bundle) -> dict[str, Setting] | None:
    main = bundle.text(_DEFAULTS)
    if main is None:
        return None
    files = [(_DEFAULTS, main), *bundle.texts(_DEFAULTS_D).items()]
    return parse_defaults([*files, (_TUNED, bundle.text(_TUNED) or "")])


def _configured(settings: Mapping[str, Setting] | CouldNotLook | None, *names: str) -> Layer | CouldNotLook | None:
    if settings is None or isinstance(settings, CouldNotLook):
        return settings
    found = {}
    for name in names:
        setting = settings.get(name)
        if setting is not None and setting.value is None:
            return CouldNotLook(f"{setting.where}: only a shell can tell the value of {name}")
        # a variable that is left for GRUB to put in (tuned's \$tuned_params) says nothing here
        if setting is not None and (words := [p for p in split(setting.value or "") if not p.text.startswith("$")]):
            found[f"{setting.where} ({name})"] = tuple(words)
    return found


def _of_kernel_install(bundle: Bundle, *, image: bool) -> Layer | None:
    """The first that there is: what ukify or dracut put into an image, kernelstub's options, kernel-install's file."""
    if (options := bundle.text(_KERNELSTUB)) is not None:
        return {f"{_KERNELSTUB} (user.kernel_options)": _of_kernelstub(options)}
    if image:
        for path, text in [(_UKIFY, bundle.text(_UKIFY) or ""), *bundle.texts(_DRACUT).items()]:
            if (line := _assigned(text)) is not None and not line.startswith("@"):
                return {path: split(line)}
    for path in _KERNEL_INSTALL:
        if (line := bundle.text(path)) is not None:
            return {path: split(" ".join(_without_comments(line)))}
    return None


def _of_kernelstub(text: str) -> tuple[Parameter, ...]:
    try:
        options = json.loads(text)["user"]["kernel_options"]
        words = options if isinstance(options, list) else options.split()
        return split(" ".join(str(word) for word in words))
    except (ValueError, RecursionError, KeyError, TypeError, AttributeError):
        raise UnexpectedOutput(f"{_KERNELSTUB}: not the JSON that kernelstub writes") from None


def _assigned(text: str) -> str | None:
    """The value of ukify's `Cmdline=` or dracut's `kernel_cmdline="..."`; dracut's `+=` adds."""
    values = re.findall(r"^\s*(?:Cmdline|kernel_cmdline)\s*\+?=\s*(.*?)\s*$", text, re.MULTILINE)
    return " ".join(value.strip("\"'") for value in values).strip() if values else None


def _without_comments(text: str) -> Iterable[str]:
    return (line for line in text.splitlines() if not line.lstrip().startswith("#"))


def _or_empty(bundle: Bundle, path: str) -> str:
    text = attempt(lambda: bundle.text(path))
    return "" if text is None or isinstance(text, CouldNotLook) else text


def _texts_or_none(bundle: Bundle, pattern: str) -> Mapping[str, str]:
    found = attempt(lambda: bundle.texts(pattern))
    return {} if isinstance(found, CouldNotLook) else found
