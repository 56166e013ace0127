"""From a tar of Debian to a disk: `python -m lab.assemble`, run as root or as the root of a user namespace.

It only writes below the folder it is given: no mount, no loop device, nothing of the machine is changed.
"""

from __future__ import annotations

import argparse
import hashlib
import re
import shutil
import subprocess
import sys
from pathlib import Path

from lab import grubdisk
from lab.initrd import loading_order, write_initrd
from lab.tree import run_in_tree

RECIPES = Path(__file__).parent / "recipes"
SCRIPTS = Path(__file__).parent / "guest"
# Console first, so that whatever goes wrong is seen. ext4 asks for "crc32c", which is an alias.
ROOT_MODULES = ("virtio_pci", "virtio_console", "virtio_blk", "crc32c_generic", "ext4")
GUEST_MODULES = (*ROOT_MODULES, "virtio_net", "virtio_rng", "igbvf", "bonding", "8021q", "af_packet", "ipv6")
# Known beforehand, so that fstab and the generated boot entry name the root disk by it.
HOST_UUID = "7f0c2f6e-8d1b-4c55-9d3a-5b1f00770011"
GUEST_UUID = "7f0c2f6e-8d1b-4c55-9d3a-5b1f00770021"
SRIOV_GUEST_UUID = "7f0c2f6e-8d1b-4c55-9d3a-5b1f00770022"

_AUTOLOGIN = """[Unit]
After=ssh.service
[Service]
ExecStart=
ExecStart=-/sbin/agetty --autologin root --noreset --noclear --keep-baud 115200,57600,38400,9600 %I $TERM
"""


def _extract(archive: Path, tree: Path) -> None:
    tree.mkdir(parents=True, exist_ok=True)
    # A user namespace may make no device nodes; devtmpfs brings them at boot.
    command = ["tar", "-C", str(tree), "--numeric-owner", "--exclude=./dev/*", "-xpf", str(archive)]
    subprocess.run(command, check=True)


def _overlay(source: Path, tree: Path) -> None:
    """Copy the recipe's files; only the execute bit is the checkout's, the rest of the mode is ours."""
    for path in sorted(source.rglob("*")):
        target = tree / path.relative_to(source)
        if path.is_dir():
            target.mkdir(mode=0o755, parents=True, exist_ok=True)
        else:
            _install(path, target)


def _install(source: Path, target: Path, mode: int | None = None) -> None:
    target.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
    target.unlink(missing_ok=True)
    shutil.copyfile(source, target)
    target.chmod(mode or (0o755 if source.stat().st_mode & 0o100 else 0o644))


def _link(target: Path, to: str) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    target.unlink(missing_ok=True)
    target.symlink_to(to)


def lines_of(path: Path) -> list[str]:
    """The lines of a recipe file, without comments and empty ones."""
    return [line for raw in path.read_text().splitlines() if (line := raw.strip()) and not line.startswith("#")]


def _settle(tree: Path, recipe: str, keys: Path) -> None:
    """What both machines need: the recipe's files, units, keys, an identity, a console."""
    _overlay(RECIPES / recipe, tree)
    units = tree / "etc/systemd/system"
    _mask(tree, recipe)
    _link(
        units / "multi-user.target.wants/systemd-networkd.service", "/usr/lib/systemd/system/systemd-networkd.service"
    )
    _link(units / "default.target", "/usr/lib/systemd/system/multi-user.target")
    console = units / "serial-getty@.service.d/autologin.conf"
    console.parent.mkdir(parents=True, exist_ok=True)
    console.write_text(_AUTOLOGIN)
    for old in (tree / "etc/ssh").glob("ssh_host_*"):
        old.unlink()
    _install(keys / "host_ed25519", tree / "etc/ssh/ssh_host_ed25519_key", 0o600)
    _install(keys / "host_ed25519.pub", tree / "etc/ssh/ssh_host_ed25519_key.pub")
    _install(keys / "client_ed25519.pub", tree / "root/.ssh/authorized_keys", 0o600)
    (tree / "root/.ssh").chmod(0o700)
    _no_login_sessions(tree)
    # With an identity of its own the system does not take this for its very first boot (presets, ldconfig, hwdb).
    (tree / "etc/machine-id").write_text(hashlib.sha256(recipe.encode()).hexdigest()[:32] + "\n")


def _mask(tree: Path, recipe: str) -> None:
    for unit in lines_of(RECIPES / f"{recipe}.masked"):
        _link(tree / "etc/systemd/system" / unit, "/dev/null")


def _no_login_sessions(tree: Path) -> None:
    """Start no user manager at every login: under emulation that costs seconds, twice with the console's."""
    sessions = tree / "etc/pam.d/common-session"
    kept = [line for line in sessions.read_text().splitlines(keepends=True) if "pam_systemd.so" not in line]
    sessions.write_text("".join(kept))


def _module_tree(tree: Path) -> Path:
    (found,) = (tree / "usr/lib/modules").iterdir()
    return found


def _write_manifest(tree: Path, out: Path) -> None:
    """`out`/manifest: every package that was installed and its version, one a line, sorted."""
    status = (tree / "var/lib/dpkg/status").read_text()
    versions = re.findall(r"^Package: (\S+)\n(?:.+\n)*?Version: (\S+)", status, flags=re.MULTILINE)
    (out / "manifest").write_text("".join(f"{name} {version}\n" for name, version in sorted(versions)))


def _keep_programs(tree: Path) -> None:
    """Of the tree itself only programs, libraries and data stay: QEMU is run from it, the rest is on the disk."""
    for entry in tree.iterdir():
        if entry.name == "usr":
            continue
        if entry.is_dir() and not entry.is_symlink():
            shutil.rmtree(entry)
        else:
            entry.unlink()


def _depmod(tree: Path, version: str) -> None:
    run_in_tree(tree, "usr/sbin/depmod", "-b", str(tree), version)


def _keep_modules(tree: Path, wanted: tuple[str, ...]) -> None:
    """Leave only the wanted modules and what they need, and index them anew, so that udev finds them by alias."""
    modules = _module_tree(tree)
    keep = set(loading_order(modules, wanted))
    for path in (modules / "kernel").rglob("*.ko*"):
        if str(path.relative_to(modules)) not in keep:
            path.unlink()
    _depmod(tree, modules.name)


def assemble_host(archive: Path, keys: Path, out: Path) -> None:
    """`out`: disk.raw (starts by its own GRUB, but has no grub.cfg yet), vmlinuz, initrd, tree (to run QEMU from)."""
    tree = out / "tree"
    _extract(archive, tree)
    _settle(tree, "host", keys)
    for script in ("first-boot", "define-guest"):
        _install(SCRIPTS / script, tree / "usr/lib/vfproof" / script)
    modules = _module_tree(tree)
    initrd = tree / f"boot/initrd.img-{modules.name}"
    write_initrd(tree, modules, ROOT_MODULES, initrd)
    shutil.copyfile(initrd, out / "initrd")
    shutil.copyfile(tree / f"boot/vmlinuz-{modules.name}", out / "vmlinuz")
    # Where guest-1's XML finds kernel and initramfs, whatever their version.
    _link(tree / "usr/lib/vfproof/vmlinuz", f"/boot/vmlinuz-{modules.name}")
    _link(tree / "usr/lib/vfproof/initrd.img", f"/boot/{initrd.name}")
    shutil.copytree(tree / "usr/lib/grub/i386-pc", tree / "boot/grub/i386-pc", dirs_exist_ok=True)
    offset = grubdisk.FIRST_SECTOR * grubdisk.SECTOR
    grubdisk.make_ext4(tree, out / "disk.raw", size_mib=2048, uuid=HOST_UUID, offset=offset)
    grubdisk.install_grub(tree, out / "disk.raw")
    _write_manifest(tree, out)
    _keep_programs(tree)


def assemble_guest(archive: Path, keys: Path, out: Path) -> None:
    """`out`: disk.raw, one file system with no kernel modules, for machines that bring their own kernel."""
    tree = out / "tree"
    _extract(archive, tree)
    _settle_guest(tree, keys)
    grubdisk.make_ext4(tree, out / "disk.raw", size_mib=1024, uuid=GUEST_UUID)
    _write_manifest(tree, out)
    shutil.rmtree(tree)


def assemble_sriov_guest(archive: Path, host_tree: Path, keys: Path, out: Path) -> None:
    """`out`: disk.raw, the same with the modules of the host's kernel and the network of guest-1."""
    tree = out / "tree"
    _extract(archive, tree)
    shutil.copytree(host_tree / "usr/lib/modules", tree / "usr/lib/modules", symlinks=True)
    _settle_guest(tree, keys)
    _overlay(RECIPES / "sriov-guest", tree)
    _mask(tree, "sriov-guest")
    _keep_modules(tree, GUEST_MODULES)
    grubdisk.make_ext4(tree, out / "disk.raw", size_mib=1024, uuid=SRIOV_GUEST_UUID)
    shutil.rmtree(tree)


def _settle_guest(tree: Path, keys: Path) -> None:
    _settle(tree, "guest", keys)
    _install(SCRIPTS / "ifenslave", tree / "usr/sbin/ifenslave")


def main(arguments: list[str] | None = None) -> int:
    """Assemble what the command line names."""
    parser = argparse.ArgumentParser(prog="lab.assemble")
    parser.add_argument("kind", choices=("host", "guest", "sriov-guest"))
    parser.add_argument("--archive", type=Path, required=True)
    parser.add_argument("--host-tree", type=Path)
    parser.add_argument("--keys", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    given = parser.parse_args(arguments)
    if given.kind == "host":
        assemble_host(given.archive, given.keys, given.out)
    elif given.kind == "guest":
        assemble_guest(given.archive, given.keys, given.out)
    else:
        assemble_sriov_guest(given.archive, given.host_tree, given.keys, given.out)
    return 0


if __name__ == "__main__":
    sys.exit(main())
