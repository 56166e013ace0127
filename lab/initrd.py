"""A small initramfs: a static busybox, the modules of the root disk in loading order, one script."""

from __future__ import annotations

import gzip
import lzma
from collections.abc import Iterator
from pathlib import Path

BUSYBOX_APPLETS = ("sh", "mount", "insmod", "findfs", "usleep", "cat", "umount", "poweroff", "switch_root")
DIRECTORIES = ("bin", "dev", "proc", "sys", "root", "modules")
INIT_SCRIPT = Path(__file__).parent / "guest" / "initrd-init"

_DIRECTORY, _FILE, _LINK = 0o040755, 0o100755, 0o120777


class MissingModuleError(LookupError):
    """A kernel module is neither in the tree nor built into its kernel."""


def _normal(name: str) -> str:
    return name.replace("-", "_")


def _name_of(path: str) -> str:
    return _normal(Path(path).name.partition(".ko")[0])


def loading_order(module_tree: Path, wanted: tuple[str, ...]) -> list[str]:
    """Paths (relative to `module_tree`) of the wanted modules and all they need, in the order to load them.

    Soft dependencies are not followed: they name aliases (crc32c for ext4), so ask for such a module by its own name.
    Modules built into the kernel need no loading. Source: depmod(8): modules.dep, modules.builtin.
    Raises `MissingModuleError`.
    """
    needs: dict[str, list[str]] = {}
    paths: dict[str, str] = {}
    for line in (module_tree / "modules.dep").read_text().splitlines():
        path, _, rest = line.partition(":")
        paths[_name_of(path)] = path
        needs[_name_of(path)] = [_name_of(other) for other in rest.split()]
    builtin = {_name_of(line) for line in (module_tree / "modules.builtin").read_text().splitlines()}
    order: dict[str, None] = {}

    def visit(name: str) -> None:
        if name in builtin:
            return
        if name not in paths:
            raise MissingModuleError(f"{module_tree}: no kernel module {name}")
        if paths[name] in order:
            return
        for other in needs[name]:
            visit(other)
        order[paths[name]] = None

    for name in wanted:
        visit(_normal(name))
    return list(order)


def _member(index: int, name: str, mode: int, body: bytes) -> bytes:
    """One member of a cpio archive in "newc" form (Documentation/driver-api/early-userspace/buffer-format.rst)."""
    encoded = name.encode() + b"\0"
    fields = (index, mode, 0, 0, 1, 0, len(body), 0, 0, 0, 0, len(encoded), 0)
    header = b"070701" + b"".join(b"%08X" % field for field in fields) + encoded
    return header + b"\0" * (-len(header) % 4) + body + b"\0" * (-len(body) % 4)


def _entries(tree: Path, module_tree: Path, wanted: tuple[str, ...]) -> Iterator[tuple[str, int, bytes]]:
    for name in DIRECTORIES:
        yield name, _DIRECTORY, b""
    yield "init", _FILE, INIT_SCRIPT.read_bytes()
    yield "bin/busybox", _FILE, (tree / "usr/bin/busybox").read_bytes()
    for applet in BUSYBOX_APPLETS:
        yield f"bin/{applet}", _LINK, b"busybox"
    order = loading_order(module_tree, wanted)
    for path in order:
        body = (module_tree / path).read_bytes()
        plain = lzma.decompress(body) if path.endswith(".xz") else body
        yield f"modules/{_name_of(path)}.ko", _FILE, plain
    yield "modules/order", _FILE, "".join(f"{_name_of(path)}.ko\n" for path in order).encode()


def write_initrd(tree: Path, module_tree: Path, wanted: tuple[str, ...], out: Path) -> None:
    """Write to `out` an initramfs that loads `wanted` and starts the root disk named on the kernel's command line.

    `tree` is a Debian tree with busybox-static, `module_tree` its usr/lib/modules/VERSION. Raises `MissingModuleError`.
    """
    members = [_member(n, *entry) for n, entry in enumerate(_entries(tree, module_tree, wanted), start=1)]
    members.append(_member(0, "TRAILER!!!", 0, b""))
    out.write_bytes(gzip.compress(b"".join(members), compresslevel=6, mtime=0))
