"""What strace saw of a gather, and what of it changes anything: files, mounts, modules, processes, network settings."""

from __future__ import annotations

import re
from collections.abc import Iterator

_CHANGES = """
    acct add_key adjtimex chmod chown clock_adjtime clock_settime delete_module fallocate fchmod fchmodat fchmodat2
    fchown fchownat finit_module fremovexattr fsetxattr ftruncate futimesat init_module ioperm iopl kexec_file_load
    kexec_load keyctl lchown link linkat lremovexattr lsetxattr mkdir mkdirat mknod mknodat mount mount_setattr
    move_mount pivot_root process_vm_writev ptrace quotactl reboot removexattr rename renameat renameat2 rmdir
    setdomainname sethostname setns settimeofday setxattr swapoff swapon symlink symlinkat truncate umount2 unlink
    unlinkat unshare utime utimensat utimes
"""
CHANGES = frozenset(_CHANGES.split())
# Those that change something only with some arguments.
_DEPENDS = "open openat openat2 creat ioctl kill tkill tgkill syslog sendto sendmsg bpf"
DEPENDS = frozenset(_DEPENDS.split())
_WATCHED = ",".join(f"?{name}" for name in sorted({*CHANGES, *DEPENDS, "socket"}))
OPTIONS = ("-f", "-qq", "-s", "64", "-e", "signal=none", "-e", f"trace={_WATCHED}")

_CALL = re.compile(r"^(\d+) +(\w+)\((.*)$")
_SOCKET = re.compile(r"AF_NETLINK, \S+, (NETLINK_\w+)\) = (\d+)$")
_WRITES = re.compile(r"\bO_(WRONLY|RDWR|CREAT|TRUNC|APPEND|TMPFILE)\b")
_NOWHERE = re.compile(r'"/dev/(null|tty|sgx_vepc)"')  # QEMU looks whether it has the last one, whatever it is asked
# Of SIOCETHTOOL strace does not tell the kind: tests/checks/test_reading_only.py looks at the command lines.
_ASKS = re.compile(
    r"^\d+, (TCGETS2?|FIONREAD|FIOCLEX|TIOCGWINSZ|TIOCGPGRP|TIOCGPTPEER|SIOCETHTOOL|SIOCGIF\w+|BTRFS_IOC_\w*INFO)\b"
)
_MESSAGE = re.compile(r"nlmsg_type=(\w+)")
# `ip` asks on every start whether the kernel knows RTM_NEWLINK, with an empty one for no interface: it changes nothing
# (iproute2 ip/iplink.c, iplink_have_newlink; the kernel answers ENODEV, EPERM or EINVAL).
_EMPTY = re.compile(
    r"nlmsg_len=32\b.*(ifi_index=0, ifi_flags=0, ifi_change=0\}\]|\"(\\\\x00){16}\"\]), (iov_len=)?32\b"
)
_READS_LOG = re.compile(r"SYSLOG_ACTION_(READ_ALL|SIZE_BUFFER|SIZE_UNREAD)")


def changes(log: str) -> list[str]:
    """The calls that change something, or try to; each once."""
    return list(dict.fromkeys(_changing(log)))


def _changing(log: str) -> Iterator[str]:
    protocols: dict[tuple[str, str], str] = {}
    for line in log.splitlines():
        match = _CALL.match(line)
        if match is None:  # the second half of a call that another process interrupted
            continue
        process, name, arguments = match.groups()
        if name == "socket" and (made := _SOCKET.match(arguments)):
            protocols[process, made[2]] = made[1]
        elif name in ("sendto", "sendmsg"):
            generic = protocols.get((process, arguments.partition(",")[0])) == "NETLINK_GENERIC"
            if not generic and _sets(arguments) and not _EMPTY.search(arguments):
                yield f"{name}({arguments}"
        elif name in CHANGES or (name in DEPENDS and not _harmless(name, arguments)):
            yield f"{name}({arguments}"


def _sets(arguments: str) -> bool:
    """Whether a netlink message is no question. rtnetlink(7) numbers them by fours: new, del, get, set.

    strace names them where it knows the socket. Generic netlink's types tell nothing: devlink's are not judged.
    """
    for found in _MESSAGE.findall(arguments):
        if found.startswith("0x"):
            return int(found, 16) >= 16 and int(found, 16) % 4 != 2
        if found.startswith(("RTM_NEW", "RTM_DEL", "RTM_SET")):
            return True
    return False


def _harmless(name: str, arguments: str) -> bool:
    match name:
        case "open" | "openat" | "openat2":
            return not _WRITES.search(arguments) or bool(_NOWHERE.search(arguments))
        case "ioctl":
            return bool(_ASKS.match(arguments))
        case "kill" | "tkill" | "tgkill":
            return bool(re.match(r"[\d, ]+, 0\)", arguments))
        case "syslog":
            return bool(_READS_LOG.match(arguments))
        case "bpf":
            return bool(re.match(r"BPF_\w*(GET|QUERY)\w*", arguments))
        case _:
            return False
