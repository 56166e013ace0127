"""The second layer of kernel parameters: the entry that boots next, whichever boot loader starts it.

Which boot loader that is, is told by the firmware's own list (BootNext, BootOrder), then by what the boot loader of
this boot said of itself (LoaderInfo), then by the files that are there.
Sources: UEFI 2.10, 3.1; https://systemd.io/BOOT_LOADER_INTERFACE/; GRUB 2.12 manual; RHEL 7 administrator's guide 26.1.
"""

from __future__ import annotations

from collections.abc import Iterator

from checks.bundle import Bundle
from checks.facts import next_grub
from checks.facts.boot_entry import FIRMWARE, PARTITIONS, NextBoot, is_efi, is_recovery
from checks.facts.known import attempt
from checks.linux import efi_variables as efi
from checks.linux import systemd_boot, uki
from checks.linux.kernel_parameters import split
from checks.outcome import CouldNotLook
from checks.source import File, Names, Source

_LOADER_WISHES = ("LoaderEntryOneShot", "LoaderEntryDefault", "LoaderEntryLastBooted")
_BOOT_NUMBERS = "Boot[0-9A-F][0-9A-F][0-9A-F][0-9A-F]"
_ADDON_BYTES = 131_072

SOURCES: tuple[Source, ...] = (
    Names(FIRMWARE),
    *next_grub.SOURCES,
    *(
        File(path, binary=True, limit_bytes=16_384)
        for path in (
            *(efi.loader_variable(name) for name in ("LoaderInfo", *_LOADER_WISHES)),
            *(efi.firmware_variable(name) for name in ("BootNext", "BootOrder", _BOOT_NUMBERS)),
        )
    ),
    *(File(f"{root}/loader/entries/*.conf") for root in PARTITIONS),
    *(File(f"{root}/loader/loader.conf") for root in PARTITIONS),
    *(File(f"{root}/EFI/Linux/*.efi", binary=True, head=True) for root in PARTITIONS),
    *(
        File(f"{root}/{addons}/*.addon.efi", binary=True, head=True, limit_bytes=_ADDON_BYTES)
        for root in PARTITIONS
        for addons in ("EFI/Linux/*.efi.extra.d", "loader/addons")
    ),
)


def next_boot(bundle: Bundle) -> NextBoot:
    """The entry that boots next. Raises CouldNotLook when that is not known, or the entry is no Linux."""
    started = _program(bundle) if is_efi(bundle) else None
    if started is not None and (image := _image(bundle, started)) is not None:
        return _of_loader_entry(image)
    if _is_systemd_boot(bundle, started):
        return _by_systemd_boot(bundle)
    return next_grub.next_boot(bundle, started)


def _program(bundle: Bundle) -> str | None:
    """The first program that the firmware is told to start; None where it does not tell."""
    path = efi.firmware_variable
    numbers = [
        number
        for name in ("BootNext", "BootOrder")
        if not isinstance(data := attempt(lambda name=name: bundle.data(path(name))), CouldNotLook)  # type: ignore[misc]
        for number in efi.numbers(data)
    ]
    options = (attempt(lambda n=n: bundle.data(path(f"Boot{n:04X}"))) for n in numbers)  # type: ignore[misc]
    programs = (efi.program(data) for data in options if not isinstance(data, CouldNotLook))
    return next((program for program in programs if program), None)


def _variable(bundle: Bundle, name: str) -> str:
    data = attempt(lambda: bundle.data(efi.loader_variable(name)))
    return "" if isinstance(data, CouldNotLook) else efi.text(data) or ""


def _is_systemd_boot(bundle: Bundle, started: str | None) -> bool:
    folder = (started or "").lower()
    if folder.startswith("/efi/systemd/"):
        return True
    if folder and not folder.startswith("/efi/boot/"):
        return False
    info = _variable(bundle, "LoaderInfo")
    if info:
        return info.startswith("systemd-boot")
    return not next_grub.is_there(bundle) and next(_loader_entries(bundle), None) is not None


def _image(bundle: Bundle, program: str) -> systemd_boot.LoaderEntry | None:
    """The unified kernel image that the firmware starts by itself, if the program is one."""
    if not program.lower().startswith("/efi/linux/"):
        return None
    for root in PARTITIONS:
        for path in bundle.binaries(f"{root}/EFI/Linux/*.efi"):
            if path.removeprefix(root).lower() == program.lower():
                return _image_entry(bundle, root, path)
    return None


def _loader_entries(bundle: Bundle) -> Iterator[systemd_boot.LoaderEntry]:
    for root in PARTITIONS:
        for path, text in bundle.texts(f"{root}/loader/entries/*.conf").items():
            if (entry := systemd_boot.type_1(path, text)) is not None:
                yield entry
        for path in bundle.binaries(f"{root}/EFI/Linux/*.efi"):
            yield _image_entry(bundle, root, path)


def _image_entry(bundle: Bundle, root: str, path: str) -> systemd_boot.LoaderEntry:
    data = bundle.data(path)
    patterns = (f"{path}.extra.d/*.addon.efi", f"{root}/loader/addons/*.addon.efi")
    addons = [uki.read(head, addon) for pattern in patterns for addon, head in bundle.binaries(pattern).items()]
    lines = [addon.command_line for addon in addons if addon.command_line]
    return systemd_boot.type_2(path, uki.read(data or b"", path), lines)


def _by_systemd_boot(bundle: Bundle) -> NextBoot:
    entries = systemd_boot.in_order(_loader_entries(bundle))
    texts = [bundle.text(f"{root}/loader/loader.conf") for root in PARTITIONS]
    wanted = next((systemd_boot.loader_default(text) for text in texts if text is not None), "")
    chosen = systemd_boot.choose(entries, {name: _variable(bundle, name) for name in _LOADER_WISHES}, wanted)
    if chosen is None:
        folders = ", ".join(f"{root}/loader/entries" for root in PARTITIONS)
        raise CouldNotLook(f"{bundle.machine}: systemd-boot has no entry in {folders}, so the next boot is not known")
    if isinstance(chosen, str) or not chosen.linux:
        name = chosen if isinstance(chosen, str) else chosen.id
        raise CouldNotLook(f"{bundle.machine}: systemd-boot boots {name!r}, which is no Linux entry")
    return _of_loader_entry(chosen)


def _of_loader_entry(entry: systemd_boot.LoaderEntry) -> NextBoot:
    parameters = split(entry.parameters)
    return NextBoot(
        where=entry.path,
        title=entry.title or entry.id,
        release=entry.release,
        parameters=parameters,
        from_source=not entry.added,  # an addon is a source of its own
        recovery=is_recovery(parameters),
        loader="uki" if entry.image else "systemd-boot",
        file=entry.path,
    )
