"""Whether this machine can carry a lab, asked before anything is built: programs, rights, memory, disk."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterable, Mapping
from pathlib import Path

from lab.state import cache_folder
from lab.topology import Topology

TUN = Path("/dev/net/tun")
_SBIN = "/usr/local/sbin:/usr/sbin:/sbin"

# program: Debian package
EVERY_LAB = {
    "unshare": "util-linux",
    "ip": "iproute2",
    "nft": "nftables",
    "socat": "socat",
    "ssh": "openssh-client",
    "ssh-keygen": "openssh-client",
    "mmdebstrap": "mmdebstrap",
    "mkfs.ext4": "e2fsprogs",
}
# mmdebstrap maps a range of user ids for itself (mmdebstrap(1), mode unshare)
WITHOUT_ROOT = {"newuidmap": "uidmap"}
BY_MACHINE: dict[str, dict[str, str]] = {
    "uml": {"linux.uml": "user-mode-linux", "depmod": "kmod"},
    "sriov-host": {},
    "nested": {},
}


class NotFit(Exception):  # noqa: N818 - reads as what it is
    """This machine cannot carry the lab; one sentence says what is missing and how to get it."""


def check_machine(topology: Topology) -> None:
    """Return when the lab can be tried. Raises `NotFit`."""
    check_programs(packages_of(topology))
    check_rights()
    check_memory(topology.memory_mib, Path("/proc/meminfo").read_text())
    check_cache(cache_folder())
    check_disk(topology.disk_mib, cache_folder(), shutil.disk_usage(cache_folder()).free)


def packages_of(topology: Topology) -> dict[str, str]:
    """Every program that the topology needs, with its Debian package."""
    needed = EVERY_LAB | (WITHOUT_ROOT if os.getuid() else {})
    for node in topology.nodes.values():
        needed |= BY_MACHINE[node.machine]
    return needed


def check_programs(needed: Mapping[str, str], search: str | None = None) -> None:
    """Raises `NotFit` with the exact apt command when a program is missing. `search` defaults to PATH and sbin."""
    path = f"{os.environ.get('PATH', '')}:{_SBIN}" if search is None else search
    missing = {program: package for program, package in needed.items() if not shutil.which(program, path=path)}
    if missing:
        packages = " ".join(sorted(set(missing.values())))
        raise NotFit(
            f"missing {_list(sorted(missing))}; install with: apt-get install --no-install-recommends {packages}"
        )


def check_rights() -> None:
    """Raises `NotFit` when there is neither root nor a user namespace, or no way to make taps."""
    if os.getuid() != 0:
        command = ["unshare", "--user", "--map-root-user", "--net", "true"]
        result = subprocess.run(command, capture_output=True, text=True, check=False)
        if result.returncode != 0:
            raise NotFit(
                f"unprivileged user namespaces are off here ({result.stderr.strip()}); run the lab as root, or turn "
                "them on with: sysctl kernel.unprivileged_userns_clone=1 kernel.apparmor_restrict_unprivileged_userns=0"
            )
    if not os.access(TUN, os.R_OK | os.W_OK):
        problem = "may not be opened by this user" if TUN.exists() else "does not exist"
        raise NotFit(f"{TUN} {problem}, and every wire of the lab ends in it; run the lab as root, or: chmod 666 {TUN}")


def check_memory(needed_mib: int, meminfo: str) -> None:
    """Raises `NotFit` when less is available, by the text of /proc/meminfo (proc_meminfo(5), MemAvailable)."""
    available = next(int(line.split()[1]) for line in meminfo.splitlines() if line.startswith("MemAvailable:")) // 1024
    if available < needed_mib:
        raise NotFit(f"{needed_mib} MiB of memory are needed and {available} MiB available")


def check_cache(folder: Path) -> None:
    """Make the cache's folder. Raises `NotFit` when this user may not."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise NotFit(f"{folder} cannot be made ({error.strerror}); VFPROOF_CACHE names another place") from None
    if not os.access(folder, os.W_OK | os.X_OK):
        raise NotFit(f"{folder} cannot be written by this user; VFPROOF_CACHE names another place")


def check_disk(needed_mib: int, folder: Path, free_bytes: int) -> None:
    """Raises `NotFit` when the cache's disk has less free."""
    free = free_bytes >> 20
    if free < needed_mib:
        raise NotFit(f"{needed_mib} MiB of disk are needed and {free} MiB free in {folder}; VFPROOF_CACHE moves it")


def _list(words: Iterable[str]) -> str:
    return ", ".join(words)
