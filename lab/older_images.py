"""Images of machines that are to be upgraded, made only when a topology asks for them.

`older-kernel` is the SR-IOV host on the kernel of the Debian release before, with the newer kernel's packages in it;
`older-systemd` the guest nested in the ordinary host, of that release, with the newer systemd's packages.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

from lab import images
from lab.assemble import RECIPES, lines_of
from lab.debian import RELEASE
from lab.images import Image, assemble, cached, first_boot, log_of
from lab.upgradable import CARRY_SCRIPT, Mixed, bootstrap

Say = Callable[[str], None]
OLDER_RELEASE = "bookworm"
KERNEL = "linux-image-amd64"
SYSTEMD = ("systemd", "systemd-sysv", "udev")
_LAB = Path(__file__).parent
_MADE_BY = (CARRY_SCRIPT, *(_LAB / name for name in ("assemble_older.py", "older_images.py", "upgradable.py")))


def _digest(*names: str) -> str:
    """The hash of what makes such an image, the ordinary images that it leans on included."""
    total = hashlib.sha256(images.digest(*names).encode())
    for path in _MADE_BY:
        total.update(path.read_bytes())
    return total.hexdigest()[:16]


def host_on_older_kernel() -> Mixed:
    """The host's packages, but for the kernel, which is the older release's; the newer one is carried."""
    packages = lines_of(RECIPES / "host.packages")
    swapped = tuple(f"{KERNEL}/{OLDER_RELEASE}" if name == KERNEL else name for name in packages)
    return Mixed(RELEASE, OLDER_RELEASE, swapped, carried_from=RELEASE, carried=(KERNEL,))


def older_kernel(host: Image, say: Say) -> Image:
    """The host before the upgrade of its kernel, made if need be; `host` is the ordinary one.

    Raises `lab.images.ImageError` or `lab.debian.DebianError`.
    """

    def make(out: Path) -> None:
        archive = out / "base.tar"
        say("image of the host on an older kernel: Debian by mmdebstrap")
        bootstrap(host_on_older_kernel(), archive, log_of("older-kernel"))
        say("image of the host on an older kernel: disk")
        where = ("--archive", str(archive), "--host", str(host.folder))
        assemble("older-kernel", out, *where, module="lab.assemble_older")
        archive.unlink()
        say("image of the host on an older kernel: first start, for update-grub")
        first_boot(Image(out), log_of("older-kernel-first-boot"))

    return Image(cached("older-kernel", _digest("host", "older-kernel"), make))


def guest_of_older_release() -> Mixed:
    """The guest's packages as the older release has them; the newer systemd and udev are carried."""
    packages = tuple(lines_of(RECIPES / "guest.packages"))
    return Mixed(OLDER_RELEASE, RELEASE, packages, carried_from=RELEASE, carried=SYSTEMD)


def older_systemd(host: Image, say: Say) -> Image:
    """The nested guest before the upgrade of its systemd, made if need be; `host` is the ordinary host.

    Raises `lab.images.ImageError` or `lab.debian.DebianError`.
    """

    def make(out: Path) -> None:
        archive = out / "base.tar"
        say("image of the guest on an older systemd: Debian by mmdebstrap")
        bootstrap(guest_of_older_release(), archive, log_of("older-systemd"))
        say("image of the guest on an older systemd: disk")
        where = ("--archive", str(archive), "--host", str(host.folder))
        assemble("older-systemd", out, *where, module="lab.assemble_older")
        archive.unlink()

    return Image(cached("older-systemd", _digest("host", "guest", "sriov-guest", "older-systemd"), make))
