"""Writes to sriov_numvfs in shell text and in the plain lists of tmpfiles.d and sysfs.conf, and which PF they mean.

No shell is run and none is imitated: a write is taken for certain only where one line says it all.
Sources: POSIX shell command language; man tmpfiles.d; sysfsutils' sysfs.conf.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from fnmatch import fnmatchcase

from checks.linux.sriov_nic import SriovNic

ATTRIBUTE = "sriov_numvfs"
_PATH = r"[^\s\"';&|()<>]*" + ATTRIBUTE
_SHELL = re.compile(
    r"(?:echo|printf)\s+(?:-n\s+|[\"']%[sdu](?:\\n)?[\"']\s+)?[\"']?(?P<number>[^\s\"'>|;&]{1,20})[\"']?\s*"
    r"(?:1?>>?\|?\s*|\|\s*(?:sudo\s+)?tee\s+(?:-a\s+)?(?:--\s+)?)[\"']?(?P<path>" + _PATH + ")"
)
_TMPFILES = re.compile(r"^w[!+-]*\s+(?P<path>\S+)(?:\s+\S+){4}\s+(?P<number>\S+)\s*$")
_SYSFS = re.compile(r"^(?P<path>[\w./:*-]+" + ATTRIBUTE + r")\s*=\s*(?P<number>\S+)\s*$")
_READ = re.compile(r"(?:\bcat\s|<\s?)[\"']?" + _PATH + "[\"']?")
_CONDITION = re.compile(r"(?:^|[\s;({])(?:if|for|while|until|case|then|else|do|test|\[{1,2})\s|&&|\|\||\)\s*echo")
_VAGUE = re.compile(r"[$%`{]")
_DEVICE = re.compile(r"/sys/(?:bus/pci/(?:devices|drivers/[^/]+)|devices(?:/[^/]+)*)/(?P<device>[^/]+)/" + ATTRIBUTE)
_NETDEV = re.compile(r"/sys/(?:class/net|devices(?:/[^/]+)*/net)/(?P<netdev>[^/]+)/device/" + ATTRIBUTE)
_LONGEST = 2000


@dataclass(frozen=True, slots=True)
class Write:
    """One write. `path`: as it is written there; None when the line does not tell. `number`: None likewise.

    `certain`: nothing on the line lets the write happen only sometimes.
    """

    path: str | None
    number: int | None
    certain: bool
    line: str


def shell_writes(lines: Iterable[str]) -> tuple[Write, ...]:
    """The writes in lines of a shell script that mention sriov_numvfs."""
    found: list[Write] = []
    for raw in lines:
        line = raw.strip()[:_LONGEST]
        if ATTRIBUTE not in line or line.startswith("#"):
            continue
        own = [
            Write(one["path"], _number(one["number"]), not raw[:1].isspace() and not _depends(line), line)
            for one in _SHELL.finditer(line)
        ]
        if not own and not _only_reads(line):
            own = [Write(_any_path(line), None, certain=False, line=line)]
        found += own
    return tuple(found)


def listed_writes(lines: Iterable[str], *, tmpfiles: bool) -> tuple[Write, ...]:
    """The writes of a tmpfiles.d or sysfs.conf file."""
    found = []
    for line in map(str.strip, lines):
        if ATTRIBUTE not in line or line.startswith("#"):
            continue
        one = (_TMPFILES if tmpfiles else _SYSFS).match(line[:_LONGEST])
        if one is None:
            continue
        path = one["path"] if one["path"].startswith("/") else f"/sys/{one['path']}"
        found.append(Write(path, _number(one["number"]), certain=True, line=line[:_LONGEST]))
    return tuple(found)


def is_for(write: Write, nic: SriovNic) -> bool | None:
    """Whether the write reaches the PF; None when its path does not tell."""
    if write.path is None or _VAGUE.search(write.path):
        return None
    path = re.sub(r"/+", "/", write.path)
    for pattern, group, known in ((_NETDEV, "netdev", nic.names), (_DEVICE, "device", (nic.address,))):
        if found := pattern.fullmatch(path):
            return any(fnmatchcase(name.lower(), found[group].lower()) for name in known)
    return None


def target(write: Write) -> str | None:
    """The netdev or the PCI address that the write's path names; None when it names none plainly."""
    for pattern, group in ((_NETDEV, "netdev"), (_DEVICE, "device")):
        found = pattern.fullmatch(re.sub(r"/+", "/", write.path or ""))
        if found and not re.search(r"[*?$%`{\[]", found[group]):
            return found[group]
    return None


def _depends(line: str) -> bool:
    """Whether anything on the line decides if a write happens, other than the write before it."""
    plain = re.sub(r"W[\"']?\s*&&\s*(?=W)", "", _SHELL.sub("W", line))
    return _CONDITION.search(re.sub(r"W[\"']?\s*\|\|\s*(true|:|exit\b)", "", plain)) is not None


def _only_reads(line: str) -> bool:
    """Whether every mention on the line is the argument of a read whose result goes nowhere near a file."""
    return ATTRIBUTE not in _READ.sub("", line) and not re.search(r"=\s*[\"']?/", line)


def _any_path(line: str) -> str | None:
    found = re.search("/sys/" + _PATH, line)
    return found[0] if found else None


def _number(text: str) -> int | None:
    """A number as sysfs takes it (kstrtou16, base 0)."""
    found = re.fullmatch(r"\+?(0[xX][0-9a-fA-F]{1,4}|0[0-7]{0,6}|[1-9][0-9]{0,4})", text)
    if found is None:
        return None
    digits = found[1]
    return int(digits, 16 if digits[:2] in ("0x", "0X") else 8 if digits[0] == "0" else 10)
