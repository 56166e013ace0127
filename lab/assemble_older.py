"""Disks of machines that are to be upgraded: `python -m lab.assemble_older`, run as `lab.assemble` is."""

from __future__ import annotations

import argparse
import shutil
import sys
from pathlib import Path

from lab import grubdisk
from lab.assemble import (
    GUEST_MODULES,
    HOST_UUID,
    RECIPES,
    ROOT_MODULES,
    SCRIPTS,
    SRIOV_GUEST_UUID,
    _extract,
    _install,
    _mask,
    _module_tree,
    _overlay,
    _settle,
    _settle_guest,
    _write_manifest,
)
from lab.initrd import loading_order, write_initrd
from lab.tree import run_in_tree

_HOST_MIB = 3072  # two kernels, the older one's modules not compressed, and the newer one's packages
_GUEST_MIB = 1536


def assemble_older_kernel(archive: Path, host: Path, keys: Path, out: Path) -> None:
    """`out`: disk.raw of the host on an older kernel, with no grub.cfg yet; vmlinuz and initrd; `host`'s tree, by link.

    `host` is the ordinary host's image: the guest keeps that one's kernel, whatever the host itself runs.
    """
    tree = out / "unpacked"
    _extract(archive, tree)
    _settle(tree, "host", keys)
    _overlay(RECIPES / "older-kernel", tree)
    own = tree / "usr/lib/vfproof"
    for script in ("first-boot", "define-guest"):
        _install(SCRIPTS / script, own / script)
    for target, source in (("vmlinuz", "vmlinuz"), ("initrd.img", "initrd")):
        _install(host / source, own / target, 0o644)
    (own / "root-modules").write_text("".join(f"{module}\n" for module in ROOT_MODULES))
    modules = _module_tree(tree)
    initrd = tree / f"boot/initrd.img-{modules.name}"
    write_initrd(tree, modules, ROOT_MODULES, initrd)
    shutil.copyfile(initrd, out / "initrd")
    shutil.copyfile(tree / f"boot/vmlinuz-{modules.name}", out / "vmlinuz")
    shutil.copytree(tree / "usr/lib/grub/i386-pc", tree / "boot/grub/i386-pc", dirs_exist_ok=True)
    offset = grubdisk.FIRST_SECTOR * grubdisk.SECTOR
    grubdisk.make_ext4(tree, out / "disk.raw", size_mib=_HOST_MIB, uuid=HOST_UUID, offset=offset)
    grubdisk.install_grub(tree, out / "disk.raw")
    _write_manifest(tree, out)
    shutil.rmtree(tree)
    (out / "tree").symlink_to(host / "tree")


def assemble_older_systemd(archive: Path, host: Path, keys: Path, out: Path) -> None:
    """`out`: disk.raw of the nested guest on an older Debian, with the modules of the kernel that `host` has for it."""
    tree = out / "unpacked"
    _extract(archive, tree)
    _settle_guest(tree, keys)
    for recipe in ("sriov-guest", "older-systemd"):
        _overlay(RECIPES / recipe, tree)
    _mask(tree, "sriov-guest")
    source = _module_tree(host / "tree")
    _copy_modules(source, tree / "usr/lib/modules" / source.name)
    # Programs of this tree cannot be run from outside: Debian 12's loader is an absolute link. The host's can.
    run_in_tree(host / "tree", "usr/sbin/depmod", "-b", str(tree), source.name)
    grubdisk.make_ext4(tree, out / "disk.raw", size_mib=_GUEST_MIB, uuid=SRIOV_GUEST_UUID)
    _write_manifest(tree, out)
    shutil.rmtree(tree)


def _copy_modules(source: Path, target: Path) -> None:
    """The modules that a guest needs, and the lists from which depmod makes its index."""
    for path in (*loading_order(source, GUEST_MODULES), "modules.builtin", "modules.order"):
        (target / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source / path, target / path)


def main(arguments: list[str] | None = None) -> int:
    """Assemble what the command line names."""
    parser = argparse.ArgumentParser(prog="lab.assemble_older")
    parser.add_argument("kind", choices=("older-kernel", "older-systemd"))
    parser.add_argument("--archive", type=Path, required=True)
    parser.add_argument("--host", type=Path, required=True, help="the ordinary host's image")
    parser.add_argument("--keys", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    given = parser.parse_args(arguments)
    make = assemble_older_kernel if given.kind == "older-kernel" else assemble_older_systemd
    make(given.archive, given.host, given.keys, given.out)
    return 0


if __name__ == "__main__":
    sys.exit(main())
