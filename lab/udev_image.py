"""A Debian kernel and an initramfs with nothing but udev: what `lab.udev_machine` boots, made once per release.

mmdebstrap only extracts the packages; this module picks the files that udev needs out of the tar. Nothing is installed,
so no package's script runs, and there is no hardware database (it is compiled by a script).
"""

from __future__ import annotations

import hashlib
import lzma
import os
import re
import subprocess
import tarfile
import tempfile
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from lab.assemble import RECIPES, SCRIPTS, lines_of
from lab.debian import DebianError, own_debian, proxy_options
from lab.images import ImageError, cached
from lab.initrd import MissingModuleError
from lab.initrd import _member as cpio_member
from lab.tree import run_in_tree

Say = Callable[[str], None]
RELEASES = {"bookworm": 252, "trixie": 257}
"""Debian's releases, and the version of systemd in them."""
MODULES = ("virtio_pci", "virtio_net", "e1000", "e1000e", "igb", "igbvf", "8139cp")
_PACKAGES = RECIPES / "udev-machine.packages"
_INIT = SCRIPTS / "udev-machine-init"
_MADE_BY = (_PACKAGES, _INIT, Path(__file__), Path(__file__).parent / "initrd.py")
# In Debian 12 packages still ship files in /lib, which is a link to /usr/lib on every installed system.
_MERGED = re.compile(r"(?:\./)?(?:usr/)?(bin|sbin|lib64|lib)/(.+)")
_WANTED = re.compile(
    r"usr/lib/udev/(?!hwdb).*|etc/udev/.*|usr/lib/systemd/(systemd-udevd|network/[^/]*\.link)"
    r"|usr/s?bin/(udevadm|busybox|grep|kmod|modprobe|ip)|usr/lib64/.*"
    r"|usr/lib/x86_64-linux-gnu/(systemd/)?[^/]*\.so(\.[^/]*)?"
)
_MODULE = re.compile(r"usr/lib/modules/[^/]+/kernel/.*\.ko(\.xz)?")
_INDEX = re.compile(r"usr/lib/modules/[^/]+/modules\.(builtin|order)")
_DIRECTORIES = ("dev", "proc", "sys", "run", "tmp", "root", "usr/local/bin", "etc/udev/rules.d", "etc/systemd/network")
_DIRECTORY, _FILE, _LINK = 0o040755, 0o100000, 0o120777


@dataclass(frozen=True, slots=True)
class Member:
    """One member of an initramfs: path without a leading slash, mode with its type, content or a link's target."""

    path: str
    mode: int
    body: bytes = b""


def archive(members: Iterable[Member]) -> bytes:
    """A cpio archive of these, their folders before them. The kernel unpacks several such archives one after another.

    Not compressed: an emulated processor takes far longer to unpack it than QEMU to read it.
    """
    found = {member.path: member for member in members}
    folders = {str(folder) for path in found for folder in PurePosixPath(path).parents} - {".", *found}
    entries = [*(Member(folder, _DIRECTORY) for folder in folders), *found.values()]
    ordered = sorted(entries, key=lambda member: member.path)
    packed = [cpio_member(number, one.path, one.mode, one.body) for number, one in enumerate(ordered, start=1)]
    return b"".join([*packed, cpio_member(0, "TRAILER!!!", 0, b"")])


def file_member(path: str, text: str, mode: int = 0o644) -> Member:
    """A text file, for an archive."""
    return Member(path.lstrip("/"), _FILE | mode, text.encode())


@dataclass(frozen=True, slots=True)
class UdevImage:
    """One entry of the cache."""

    release: str
    folder: Path

    @property
    def kernel(self) -> Path:
        """The release's own kernel."""
        return self.folder / "vmlinuz"

    @property
    def initrd(self) -> Path:
        """Udev, kernel modules of NICs, busybox."""
        return self.folder / "initrd"


def udev_image(release: str, qemu_tree: Path, say: Say) -> UdevImage:
    """The image of a Debian release, made if need be (10 s). `qemu_tree`: a tree with kmod, for depmod.

    Raises `ImageError` or `DebianError`.
    """
    total = hashlib.sha256(f"{release} {own_debian().one_line(release)}".encode())
    for path in _MADE_BY:
        total.update(path.read_bytes())

    def make(out: Path) -> None:
        say(f"udev machine of {release}: packages by mmdebstrap")
        with tempfile.TemporaryDirectory(dir=out.parent, prefix="packages-") as folder:
            packages = Path(folder) / "packages.tar"
            _extract(release, packages)
            _write(packages, qemu_tree, out)

    return UdevImage(release, cached(f"udev-{release}", total.hexdigest()[:16], make))


def _extract(release: str, out: Path) -> None:
    command = [
        "mmdebstrap", f"--mode={'root' if os.geteuid() == 0 else 'unshare'}", "--variant=extract", "--format=tar",
        '--aptopt=APT::Install-Recommends "false"', '--aptopt=Acquire::Languages "none"',
        *(f"--aptopt={option}" for option in proxy_options()),
        f"--include={','.join(lines_of(_PACKAGES))}", release, str(out), own_debian().one_line(release),
    ]  # fmt: skip
    result = subprocess.run(
        command,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "LC_ALL": "C"},
    )
    if result.returncode != 0:
        said = result.stderr.splitlines()
        complaint = next((line for line in said if line.startswith("E:")), said[-1] if said else "nothing was said")
        raise DebianError(f"mmdebstrap could not fetch udev of Debian {release}: {complaint}")


def _write(packages: Path, qemu_tree: Path, out: Path) -> None:
    with tarfile.open(packages) as tar:
        members = {_installed(one.name): one for one in tar.getmembers() if not one.isdir()}
        kernels = [path for path in members if path.startswith("boot/vmlinuz-")]
        if len(kernels) != 1:
            raise ImageError(f"wanted one kernel in the packages, found {len(kernels)}")
        (out / "vmlinuz").write_bytes(_body(tar, members[kernels[0]]))
        chosen = [_member(path, one, _body(tar, one)) for path, one in members.items() if _WANTED.fullmatch(path)]
        chosen += _modules(tar, members, qemu_tree)
    merged = [Member(name, _LINK, f"usr/{name}".encode()) for name in ("bin", "sbin", "lib", "lib64")]
    folders = [Member(name, _DIRECTORY) for name in _DIRECTORIES]
    init = Member("init", _FILE | 0o755, _INIT.read_bytes())
    (out / "initrd").write_bytes(archive([*folders, *merged, init, *chosen]))


def _installed(path: str) -> str:
    """Where a file of a package lies on an installed system."""
    merged = _MERGED.fullmatch(path)
    return f"usr/{merged[1]}/{merged[2]}" if merged else path.removeprefix("./")


def _body(tar: tarfile.TarFile, one: tarfile.TarInfo) -> bytes:
    if one.issym():
        return one.linkname.encode()
    reader = tar.extractfile(one)
    return reader.read() if reader is not None else b""


def _member(path: str, one: tarfile.TarInfo, body: bytes) -> Member:
    return Member(path, _LINK if one.issym() else _FILE | (one.mode & 0o777), body)


def _modules(tar: tarfile.TarFile, members: dict[str, tarfile.TarInfo], qemu_tree: Path) -> Iterator[Member]:
    """The wanted modules, all they need, and an index made of just these, so that udev finds them by alias."""
    paths = {_module_name(path): path for path in members if _MODULE.fullmatch(path)}
    index = {path: _body(tar, one) for path, one in members.items() if _INDEX.fullmatch(path)}
    builtin = {
        _module_name(line)
        for path, body in index.items()
        if path.endswith(".builtin")
        for line in body.decode(errors="replace").splitlines()
    }
    bodies: dict[str, bytes] = {}
    waiting = list(MODULES)
    while waiting:
        name = waiting.pop().replace("-", "_")
        if name not in paths and name not in builtin:
            raise MissingModuleError(f"no kernel module {name} in the packages")
        if name in paths and paths[name] not in bodies:
            body = _body(tar, members[paths[name]])
            bodies[paths[name]] = lzma.decompress(body) if paths[name].endswith(".xz") else body
            waiting += _needs(bodies[paths[name]])
    plain = index | {path.removesuffix(".xz"): body for path, body in bodies.items()}
    with tempfile.TemporaryDirectory() as folder:
        for path, body in plain.items():
            target = Path(folder) / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(body)
        (Path(folder) / "lib").symlink_to("usr/lib")
        version = PurePosixPath(next(iter(bodies))).parts[3]
        run_in_tree(qemu_tree, "usr/sbin/depmod", "-b", folder, version)
        for file in (Path(folder) / "usr").rglob("*"):
            if file.is_file():
                yield Member(str(file.relative_to(folder)), _FILE | 0o644, file.read_bytes())


def _module_name(path: str) -> str:
    return PurePosixPath(path).name.partition(".ko")[0].replace("-", "_")


def _needs(module: bytes) -> list[str]:
    """Names of the modules that one needs. Source: modinfo(8), field `depends` of section .modinfo."""
    found = re.search(rb"\0depends=([^\0]*)\0", module)
    return [name for name in found[1].decode().split(",") if name] if found else []
