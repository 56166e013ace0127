"""EFI variables as efivarfs shows them: what the firmware starts, and what the boot loader keeps there.

Every file begins with four bytes of attributes. Nothing in them is trusted: what does not fit is no answer (None).
Sources: UEFI 2.10, 3.1.3 (load options) and 10.3 (device paths); https://systemd.io/BOOT_LOADER_INTERFACE/.
"""

from __future__ import annotations

import struct

FOLDER = "/sys/firmware/efi/efivars"
_LOADER = "4a67b082-0a4c-41cf-b6c7-440b29bb8c4f"
_GLOBAL = "8be4df61-93ca-11d2-aa0d-00e098032b8c"
_ATTRIBUTES = 4
_ACTIVE = 1
_MEDIA, _FILE_PATH, _END = 4, 4, 0x7F
_MAX_NODES = 64


def loader_variable(name: str) -> str:
    """The path of a variable of the boot loader's interface, such as LoaderEntryDefault."""
    return f"{FOLDER}/{name}-{_LOADER}"


def firmware_variable(name: str) -> str:
    """The path of a variable of the firmware's own, such as BootOrder."""
    return f"{FOLDER}/{name}-{_GLOBAL}"


def text(data: bytes | None) -> str | None:
    """A string: UTF-16, up to its NUL."""
    if data is None or len(data) < _ATTRIBUTES:
        return None
    return _utf16(data[_ATTRIBUTES:])[0] or None


def numbers(data: bytes | None) -> tuple[int, ...]:
    """A list of 16-bit numbers: BootOrder, or BootNext with one."""
    body = (data or b"")[_ATTRIBUTES:]
    return tuple(struct.unpack(f"<{len(body) // 2}H", body[: len(body) // 2 * 2]))


def program(data: bytes | None) -> str | None:
    """The file that a load option (Boot0001) starts, as /EFI/debian/shimx64.efi; None if it is inactive or no file."""
    body = (data or b"")[_ATTRIBUTES:]
    if len(body) < 6:
        return None
    attributes, length = struct.unpack_from("<IH", body)
    if not attributes & _ACTIVE:
        return None
    _, used = _utf16(body[6:])
    return _file_path(body[6 + used :][:length])


def _file_path(nodes: bytes) -> str | None:
    """The parts of a path may stand in several nodes, one after the other."""
    found = ""
    for _ in range(_MAX_NODES):
        if len(nodes) < 4:
            break
        kind, subtype, length = struct.unpack_from("<BBH", nodes)
        if length < 4 or kind == _END:
            break
        if (kind, subtype) == (_MEDIA, _FILE_PATH):
            found = f"{found.rstrip('/')}/{_utf16(nodes[4:length])[0].replace(chr(92), '/').lstrip('/')}"
        nodes = nodes[length:]
    return found or None


def _utf16(data: bytes) -> tuple[str, int]:
    """The string up to its NUL, and how many bytes it took with it."""
    end = next((at for at in range(0, len(data) - 1, 2) if data[at : at + 2] == b"\0\0"), len(data) // 2 * 2)
    return data[:end].decode("utf-16-le", "replace"), end + 2
