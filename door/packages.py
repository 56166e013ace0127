"""What the lab and the tests need of the machine itself, as Debian packages.

Missing                 they are not there and may not be installed: one sentence with the command that does it
"""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from door.progress import step

SEARCH = f"{os.environ.get('PATH', os.defpath)}:/usr/local/sbin:/usr/sbin:/sbin"  # as a plain user's PATH may lack them
UNATTENDED = {"DEBIAN_FRONTEND": "noninteractive"}
INSTALL = ("apt-get", "install", "--yes", "--quiet=2", "--no-install-recommends")


class Missing(Exception):  # noqa: N818 - what is so, in the words of the sentence
    """Something of the machine's own is missing. The text is for a person."""


@dataclass(frozen=True, slots=True)
class Package:
    """A Debian package, and a program of it by which other systems can tell."""

    name: str
    program: str


LAB = (
    Package("e2fsprogs", "mkfs.ext4"),
    Package("iproute2", "ip"),
    Package("iputils-ping", "ping"),
    Package("kmod", "depmod"),
    Package("mmdebstrap", "mmdebstrap"),
    Package("nftables", "nft"),
    Package("openssh-client", "ssh"),
    Package("socat", "socat"),
    Package("tcpdump", "tcpdump"),
    Package("uidmap", "newuidmap"),
    Package("user-mode-linux", "linux.uml"),
    Package("util-linux", "nsenter"),
)
TESTS = (
    *LAB,
    Package("busybox", "busybox"),
    Package("chromium", "chromium"),
    Package("openssh-server", "sshd"),
    Package("poppler-utils", "pdftotext"),
    Package("shellcheck", "shellcheck"),
    Package("strace", "strace"),
    Package("sudo", "visudo"),
)


def provide(packages: Sequence[Package], purpose: str) -> None:
    """See to it that all of them are there: installed by apt when this is root. apt's configuration is left alone.

    Raises `Missing`, with the exact command when this is a Debian.
    """
    if shutil.which("dpkg-query") is None or shutil.which("apt-get") is None:
        programs = [package.program for package in packages if shutil.which(package.program, path=SEARCH) is None]
        if programs:
            raise Missing(f"{purpose} needs {', '.join(programs)}, which this system does not have; install them first")
        return
    names = missing(packages)
    if not names:
        return
    if os.geteuid() != 0:
        command = shlex.join(["sudo", "apt-get", "install", "--no-install-recommends", *names])
        raise Missing(f"{purpose} needs Debian packages that are not installed; run: {command}")
    with step(f"installing Debian packages: {', '.join(names)}"):
        _install(names)


def missing(packages: Iterable[Package]) -> list[str]:
    """Names of those that dpkg does not have installed."""
    names = [package.name for package in packages]
    command = ["dpkg-query", "--show", "--showformat=${Package} ${db:Status-Abbrev}\n", *names]
    answer = subprocess.run(command, capture_output=True, text=True, check=False)
    return [name for name in names if name not in installed(answer.stdout)]


def installed(answer: str) -> set[str]:
    """The installed ones among dpkg-query's lines of name and state; `ii` and `hi` are installed (dpkg-query(1))."""
    words = [line.split() for line in answer.splitlines()]
    return {line[0] for line in words if len(line) == 2 and line[1] in {"ii", "hi"}}


def _install(names: Sequence[str]) -> None:
    """apt-get install; its lists are brought up to date only when it fails without that."""
    result = _apt(*INSTALL, *names)
    if result.returncode != 0 and _apt("apt-get", "update", "--quiet=2").returncode == 0:
        result = _apt(*INSTALL, *names)
    if result.returncode != 0:
        said = " ".join(result.stderr.split()[-60:]) or f"status {result.returncode}"
        raise Missing(f"apt-get could not install {' '.join(names)}: {said}")


def _apt(*command: str) -> subprocess.CompletedProcess[str]:
    # no terminal: apt and debconf must not ask
    return subprocess.run(
        command, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL, env={**os.environ, **UNATTENDED}
    )
