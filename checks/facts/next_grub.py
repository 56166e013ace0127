"""The entry of GRUB's menu that boots next: which grub.cfg is read, with its environment and its BLS entries.

Sources: GRUB 2.12 manual; RHEL 7 system administrator's guide 26.1 (grub.cfg on the EFI system partition); Debian's
and Red Hat's grub.cfg there since, which only points to the one in /boot; Fedora's grub-core/commands/blscfg.c.
"""

from __future__ import annotations

from checks.bundle import Bundle, Denied
from checks.facts.boot_entry import PARTITIONS, NextBoot, is_efi, is_recovery
from checks.facts.known import attempt
from checks.linux import grub
from checks.linux.kernel_parameters import split
from checks.outcome import CouldNotLook
from checks.source import File, Source

_GRUB_FOLDERS = ("/boot/grub", "/boot/grub2")
_EFI_GRUB = ("/boot/efi/EFI/*", "/efi/EFI/*")
_ENVIRONMENT_KEEP = "^(saved_entry|next_entry|kernelopts|tuned_params)="

SOURCES: tuple[Source, ...] = (
    *(File(f"{folder}/grub.cfg", keep=grub.KEEP) for folder in (*_GRUB_FOLDERS, *_EFI_GRUB)),
    *(File(f"{folder}/custom.cfg", keep=grub.KEEP) for folder in (*_GRUB_FOLDERS, *_EFI_GRUB)),
    *(File(f"{folder}/grubenv", keep=_ENVIRONMENT_KEEP) for folder in (*_GRUB_FOLDERS, *_EFI_GRUB)),
)


def next_boot(bundle: Bundle, started: str | None) -> NextBoot:
    """The entry of GRUB's menu. Raises CouldNotLook when no menu, or more than one, is there, or no Linux boots."""
    path, text = _menu(bundle, started)
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
        recovery=is_recovery(parameters),
        loader="grub-bls" if entry in bls else "grub",
        file=path,
        kernelopts="kernelopts" in entry.parameters,
    )


def _menu(bundle: Bundle, started: str | None) -> tuple[str, str]:
    """The grub.cfg that is read at boot: on EFI it may lie beside GRUB itself, whole or as a pointer to the other."""
    if is_efi(bundle) and (whole := _whole_efi_menu(bundle, started)) is not None:
        return whole
    texts = {f"{folder}/grub.cfg": bundle.text(f"{folder}/grub.cfg") for folder in _GRUB_FOLDERS}
    found = {path: text for path, text in texts.items() if text is not None}
    if len(found) > 1:
        named = {path: text for path, text in found.items() if path.rsplit("/", 1)[0] in _prefixes(bundle)}
        found = named if len(named) == 1 else found
    if len(found) > 1:
        raise CouldNotLook(
            f"{bundle.machine}: both {' and '.join(found)} are there; which of them boots is not known from here"
        )
    if not found:
        raise CouldNotLook(
            f"{bundle.machine}: no GRUB configuration in {' or '.join(_GRUB_FOLDERS)}, so the next boot is not known"
        )
    ((path, text),) = found.items()
    return path, text


def is_there(bundle: Bundle) -> bool:
    """Whether there is a grub.cfg, or a place for one where this user may not look."""
    menus = (attempt(lambda path=path: bundle.text(f"{path}/grub.cfg")) for path in _GRUB_FOLDERS)  # type: ignore[misc]
    return any(menus) or bool(_efi_menus(bundle))


def _efi_menus(bundle: Bundle) -> dict[str, str]:
    """Every grub.cfg on the EFI system partition; none where this user may not look."""
    try:
        return {path: text for folder in _EFI_GRUB for path, text in bundle.texts(f"{folder}/grub.cfg").items()}
    except Denied:
        return {}


def _whole_efi_menu(bundle: Bundle, started: str | None) -> tuple[str, str] | None:
    """The grub.cfg beside the GRUB that starts, if it has entries of its own (RHEL 7 and 8)."""
    if all(attempt(lambda f=folder: bundle.text(f"{f}/grub.cfg")) is None for folder in _GRUB_FOLDERS):  # type: ignore[misc]
        for folder in _EFI_GRUB:
            bundle.texts(f"{folder}/grub.cfg")  # there is no other: not being allowed to look means not to know
    vendor = (started or "").lower().rpartition("/")[0].removeprefix("/efi/")
    menus = _efi_menus(bundle)
    beside = {path: text for path, text in menus.items() if vendor and path.split("/")[-2].lower() == vendor}
    others = {path: text for path, text in menus.items() if path.split("/")[-2].lower() != "boot"}
    whole = {path: text for path, text in (beside or others or menus).items() if not _is_pointer(text)}
    if len(whole) > 1:
        raise CouldNotLook(f"{bundle.machine}: {' and '.join(whole)} are there; which of them boots is not known")
    return next(iter(whole.items()), None)


def _is_pointer(text: str) -> bool:
    return not text.strip() or grub.parse_menu(text).passes_on


def _prefixes(bundle: Bundle) -> set[str]:
    """The folders that pointers on the EFI system partition name, such as ($root)'/boot/grub'."""
    found = (grub.parse_menu(text).variables.get("prefix", "") for text in _efi_menus(bundle).values())
    names = {prefix.rstrip("'\"").rsplit("/", 1)[-1] for prefix in found}
    return {folder for folder in _GRUB_FOLDERS if folder.rsplit("/", 1)[-1] in names}


def _bls_entries(bundle: Bundle) -> dict[grub.Entry, str]:
    """The entries of the Boot Loader Specification with the path of each: GRUB lists one folder of them."""
    for root in PARTITIONS:
        if texts := bundle.texts(f"{root}/loader/entries/*.conf"):
            return {grub.parse_bls(path.rsplit("/", 1)[-1], text): path for path, text in reversed(texts.items())}
    return {}
