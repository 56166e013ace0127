"""The lab's images, made once and kept in the cache under a hash of all that made them.

`host` is the SR-IOV host's disk with the tree QEMU is run from; `guest` serves User-mode machines; `sriov-guest` is the
guest nested in the host. An entry is made in a folder of its own and renamed when whole, so an interrupted build leaves
nothing that looks finished.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from lab import qemu
from lab.assemble import RECIPES, SCRIPTS, lines_of
from lab.debian import bootstrap, own_debian
from lab.state import cache_folder, keys

Say = Callable[[str], None]
_LAB = Path(__file__).parent
_MADE_BY = tuple(_LAB / name for name in ("assemble.py", "debian.py", "grubdisk.py", "initrd.py", "tree.py"))
_SCRIPTS = ("define-guest", "first-boot", "ifenslave", "initrd-init")  # those that are put into an image
_FIRST_BOOT_S = 120
_FIRST_BOOT = "root=/dev/vda1 init=/usr/lib/vfproof/first-boot console=ttyS0,115200 mitigations=off panic=-1"


class ImageError(Exception):
    """An image cannot be made; the text says why in one sentence."""


@dataclass(frozen=True, slots=True)
class Image:
    """One entry of the cache."""

    folder: Path

    @property
    def disk(self) -> Path:
        """Raw disk, read only: machines write to overlays of it."""
        return self.folder / "disk.raw"

    @property
    def tree(self) -> Path:
        """Programs of the host's Debian, to be run from outside; the host's entry only."""
        return self.folder / "tree"

    @property
    def manifest(self) -> Path:
        """Installed packages and their versions, one a line."""
        return self.folder / "manifest"


def _recipe(*names: str) -> list[Path]:
    """Every file that a change of should make new images."""
    files = [*_MADE_BY, *(SCRIPTS / name for name in _SCRIPTS)]
    for name in names:
        files += [path for path in RECIPES.glob(f"{name}.*") if path.is_file()]
        files += [path for path in (RECIPES / name).rglob("*") if path.is_file()]
    return sorted(set(files))


def digest(*names: str) -> str:
    """The hash of what makes these images: recipes, scripts, our own code, and the keys that are put in."""
    total = hashlib.sha256()
    for path in _recipe(*names):
        total.update(f"{path.relative_to(_LAB)} {path.stat().st_mode & 0o100}\0".encode() + path.read_bytes())
    for key in sorted(keys().glob("*.pub")):
        total.update(key.read_bytes())
    total.update(own_debian().one_line("").encode())
    return total.hexdigest()[:16]


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def cached(kind: str, key: str, make: Callable[[Path], None]) -> Path:
    """The folder `kind`-`key` of the cache, made by `make` (given an empty folder) when it is not there yet.

    Whoever asks for the same at the same time waits. Older entries of the kind stay: a running lab may use them.
    """
    wanted = cache_folder() / f"{kind}-{key}"
    if wanted.is_dir():
        return wanted
    with _locked(cache_folder() / f"{kind}.lock"):
        if wanted.is_dir():
            return wanted
        with tempfile.TemporaryDirectory(dir=wanted.parent, prefix=f".making-{kind}-") as folder:
            made = Path(folder) / "entry"
            made.mkdir(mode=0o755)
            make(made)
            made.rename(wanted)
    return wanted


def assemble(kind: str, out: Path, *arguments: str, module: str = "lab.assemble") -> None:
    """Run `module` as root, or as the root of a user namespace with all of this user's subordinate ids.

    Raises `ImageError`.
    """
    command = [sys.executable, "-m", module, kind, "--keys", str(keys()), "--out", str(out), *arguments]
    if os.geteuid() != 0:
        command = ["unshare", "--user", "--map-root-user", "--map-auto", "--", *command]
    # mkfs.ext4 and depmod are in sbin, which a plain user's PATH lacks.
    environment = {
        **os.environ,
        "PATH": f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin",
        "PYTHONPATH": str(_LAB.parent),
    }
    result = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if result.returncode != 0:
        said = result.stderr.strip().splitlines()
        raise ImageError(f"the {kind} image could not be assembled: {said[-1] if said else result.returncode}")


def _packages(recipe: str) -> list[str]:
    return lines_of(RECIPES / f"{recipe}.packages")


def log_of(kind: str) -> Path:
    """Where the making of an image is told. Outside the entry's folder: it is for the time when there is none."""
    return cache_folder() / f"{kind}.log"


def guest(say: Say) -> Image:
    """The guest with no kernel of its own, made if need be. Raises `ImageError` or `DebianError`."""

    def make(out: Path) -> None:
        say("guest image: Debian by mmdebstrap")
        bootstrap(_packages("guest"), out / "base.tar", log_of("guest"))
        say("guest image: disk")
        assemble("guest", out, "--archive", str(out / "base.tar"))

    return Image(cached("guest", digest("guest"), make))


def host(say: Say) -> Image:
    """The SR-IOV host, made if need be. Raises `ImageError` or `DebianError`."""

    def make(out: Path) -> None:
        archive = out / "base.tar"
        say("host image: Debian by mmdebstrap")
        bootstrap(_packages("host"), archive, log_of("host"))
        say("host image: disk")
        assemble("host", out, "--archive", str(archive))
        archive.unlink()
        say("host image: first start, for update-grub")
        first_boot(Image(out), log_of("host-first-boot"))

    return Image(cached("host", digest("host"), make))


def sriov_guest(host_image: Image, guest_image: Image, say: Say) -> Image:
    """The guest nested in the host, with modules of the host's kernel, made if need be. Raises `ImageError`."""

    def make(out: Path) -> None:
        say("nested guest's image: disk")
        archive = guest_image.folder / "base.tar"
        assemble("sriov-guest", out, "--archive", str(archive), "--host-tree", str(host_image.tree))

    return Image(cached("sriov-guest", digest("host", "guest", "sriov-guest"), make))


def sriov(say: Say) -> tuple[Image, Image]:
    """The host's and the nested guest's images; what is missing is made, Debian's two trees side by side."""
    with ThreadPoolExecutor(max_workers=2) as pool:
        host_image, guest_image = pool.submit(host, say), pool.submit(guest, say)
        return host_image.result(), sriov_guest(host_image.result(), guest_image.result(), say)


def first_boot(image: Image, console: Path) -> None:
    """Start a new host with its kernel given from outside: `lab/guest/first-boot` writes grub.cfg and ends it.

    `console` takes what it prints. Raises `ImageError`.
    """
    console.unlink(missing_ok=True)
    machine = ["-machine", "q35", "-accel", qemu.accelerator(image.tree).argument, "-m", "1024"]
    disk = ["-drive", f"file={image.disk},format=raw,if=none,id=root,cache=unsafe", "-device", "virtio-blk,drive=root"]
    serial = ["-chardev", f"file,id=console,path={console}", "-serial", "chardev:console", "-no-reboot"]
    kernel = ["-kernel", str(image.folder / "vmlinuz"), "-initrd", str(image.folder / "initrd"), "-append", _FIRST_BOOT]
    try:
        qemu.run(image.tree, [*machine, *disk, *serial, *kernel], timeout_s=_FIRST_BOOT_S)
    except qemu.QemuError as error:
        raise ImageError(f"the host's first start failed: {error} (its console: {console})") from error
    if "first-boot: done" not in console.read_text(errors="replace"):
        raise ImageError(f"update-grub did not write a boot entry for the host (its console: {console})")
    shutil.copy(console, image.folder / "first-boot.console")
