"""A disk that starts through its own GRUB (BIOS, i386-pc), made with no loop device, no mount and no root."""

from __future__ import annotations

import struct
import subprocess
from pathlib import Path

from lab.tree import run_in_tree

SECTOR = 512
FIRST_SECTOR = 2048  # where the partition starts; the gap before it takes GRUB's core image
MODULES = ("biosdisk", "part_msdos", "ext2")
_CODE_BYTES = 440  # of the MBR; what follows is the disk signature and the partition table
_LINUX = 0x83


class DiskError(Exception):
    """The boot sectors do not fit, or GRUB's tools refused."""


def partition_table(sectors: int) -> bytes:
    """An MBR's partition table (64 bytes): one active Linux partition from `FIRST_SECTOR` to the end of the disk."""
    # CHS fields at their maximum mean "use the LBA fields", which every BIOS since the 1990s does.
    entry = struct.pack(
        "<B3sB3sII", 0x80, b"\xfe\xff\xff", _LINUX, b"\xfe\xff\xff", FIRST_SECTOR, sectors - FIRST_SECTOR
    )
    return entry + bytes(48)


def make_ext4(tree: Path, image: Path, *, size_mib: int, uuid: str, offset: int = 0) -> None:
    """Write an ext4 file system with the content of `tree` into `image`, `offset` bytes from its start."""
    blocks_kib = size_mib * 1024 - offset // 1024
    with image.open("wb") as file:
        file.truncate(size_mib * 1024 * 1024)
    options = f"offset={offset},lazy_itable_init=1,lazy_journal_init=1,root_owner=0:0,nodiscard"
    command = ["mkfs.ext4", "-q", "-F", "-m", "0", "-U", uuid, "-E", options, "-d", str(tree), str(image)]
    result = subprocess.run([*command, f"{blocks_kib}k"], capture_output=True, text=True, check=False)
    if result.returncode != 0:
        raise DiskError(f"mkfs.ext4 could not make {image}: {result.stderr.strip()}")


def install_grub(tree: Path, image: Path) -> None:
    """Write GRUB's first sector, core image and a partition table to `image`, with the tools and files of `tree`.

    This is what grub-install does, less what needs the disk to be a device: grub-mkimage itself fills in where the
    core image continues (sector 2), and boot.img looks for it in sector 1 unless told otherwise.
    """
    modules = tree / "usr/lib/grub/i386-pc"
    core = image.with_suffix(".core")
    run_in_tree(
        tree, "usr/bin/grub-mkimage", "-O", "i386-pc", "-d", str(modules),
        "-p", "(hd0,msdos1)/boot/grub", "-o", str(core), *MODULES,
    )  # fmt: skip
    code = core.read_bytes()
    core.unlink()
    if len(code) > (FIRST_SECTOR - 1) * SECTOR:
        raise DiskError(f"GRUB's core image ({len(code)} bytes) does not fit before the first partition")
    boot = (modules / "boot.img").read_bytes()[:_CODE_BYTES]
    sectors = image.stat().st_size // SECTOR
    with image.open("r+b") as file:
        file.write(boot.ljust(446, b"\0") + partition_table(sectors) + b"\x55\xaa" + code)
