"""Which tool of which distribution brings a changed source into the entry that boots.

Sources: RHEL 9.3 release notes, "Bootloader" (grub2-mkconfig leaves BLS entries alone without --update-bls-cmdline);
RHEL 7 system administrator's guide, 26.1 (grub.cfg of UEFI machines); SUSE's transactional-update(8);
kernel-install(8); Proxmox VE administration guide, "Host Bootloader"; kernelstub(1); rpm-ostree(1).
Where the running tools themselves tell what they can do, they are asked; a distribution's name is only the last hint.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Loader = Literal["grub", "grub-bls", "systemd-boot", "uki"]


_INSTALL = "kernel-install add $(uname -r) /boot/vmlinuz-$(uname -r)"


@dataclass(frozen=True, slots=True)
class Hints:
    """What tells the tools apart. `family`: ID and ID_LIKE of os-release.

    `mkconfig_spares_bls`: whether grub2-mkconfig knows --update-bls-cmdline, and so does nothing to entries without it;
    None when the program could not be looked into.
    """

    family: frozenset[str] = frozenset()
    mkconfig_spares_bls: bool | None = None
    kernelopts: bool = False
    ostree: bool = False
    proxmox: bool = False
    kernelstub: bool = False
    dracut: bool = False


def how_to_apply(loader: Loader, where: str, hints: Hints) -> str:
    """An order for a person. `where`: the grub.cfg that boots, or the file of the entry."""
    if loader == "grub":
        return _grub(where, hints)
    if loader == "grub-bls":
        return _bls(where, hints)
    known = (
        (hints.proxmox, "run proxmox-boot-tool refresh"),
        (hints.kernelstub, "run kernelstub --add-options '...' (it keeps them in /etc/kernelstub/configuration)"),
        (_is(hints, "suse", "opensuse", "sles"), "run sdbootutil update-all-entries"),
        (loader == "uki" and hints.dracut, "build the image anew: dracut --force --uefi"),
        (loader == "uki" and _is(hints, "arch"), "build the image anew: mkinitcpio -P"),
        (loader == "uki", f"build the image anew: {_INSTALL}"),
    )
    return next((order for applies, order in known if applies), f"run {_INSTALL}")


def _grub(where: str, hints: Hints) -> str:
    if _is(hints, "debian", "ubuntu"):
        return "run update-grub"
    if any("micro" in name for name in hints.family):
        return "run transactional-update grub.cfg, then reboot into the new snapshot"
    if _is(hints, "suse", "opensuse", "sles"):
        return f"run update-bootloader, or grub2-mkconfig -o {where}"
    if "/grub2/" in where or "/EFI/" in where:
        other = "; not -o /boot/grub2/grub.cfg, which nothing reads here" if "/EFI/" in where else ""
        return f"run grub2-mkconfig -o {where}{other}"
    return "run update-grub" if not hints.family else f"run grub-mkconfig -o {where}"


def _bls(where: str, hints: Hints) -> str:
    if hints.ostree:
        return "run rpm-ostree kargs --append-if-missing=..."
    if _is(hints, "suse", "opensuse", "sles"):
        return "run sdbootutil update-all-entries"
    if hints.kernelopts:
        return f"run grub2-mkconfig -o {where}: it writes $kernelopts into the grubenv beside it"
    if hints.mkconfig_spares_bls is False:
        return f"run grub2-mkconfig -o {where}"
    return (
        "run grubby --update-kernel=ALL --args=..., or grub2-mkconfig with --update-bls-cmdline: without that option "
        "it leaves these entries alone"
    )


def _is(hints: Hints, *names: str) -> bool:
    return any(one == name or one.startswith(f"{name}-") for one in hints.family for name in names)
