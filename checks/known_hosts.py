"""Whether a host's key is the one that somebody vouched for.

Source: sshd(8), SSH_KNOWN_HOSTS FILE FORMAT. Nothing is ever added here, whatever StrictHostKeyChecking says:
a report is worth nothing if another machine may have answered.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Literal

Trust = Literal["known", "unknown", "changed", "revoked"]


@dataclass(frozen=True, slots=True)
class Entry:
    """One usable line of a known_hosts file."""

    marker: str
    hosts: str
    kind: str
    key: str
    where: str


def entries(files: Sequence[Path]) -> tuple[Entry, ...]:
    """All entries of the files that exist and can be read, in order."""
    return tuple(entry for file in files if file.is_file() for entry in _entries(file))


def _entries(file: Path) -> Iterator[Entry]:
    for number, line in enumerate(file.read_text(errors="backslashreplace").splitlines(), 1):
        fields = line.split()
        marker = fields.pop(0) if fields and fields[0].startswith("@") else ""
        if len(fields) >= 3 and not fields[0].startswith("#"):
            yield Entry(marker, fields[0], fields[1], fields[2], f"{file}:{number}")


def names_host(entry: Entry, name: str) -> bool:
    """Whether the entry is for this name: hashed, plain, or a pattern with `*`, `?` and `!`."""
    if entry.hosts.startswith("|1|"):
        return _hash_matches(entry.hosts, name)
    patterns = entry.hosts.split(",")
    # `[` is an ordinary character here: it stands around a name with a port.
    refused = any(_glob(name, pattern[1:]) for pattern in patterns if pattern.startswith("!"))
    return not refused and any(_glob(name, pattern) for pattern in patterns if not pattern.startswith("!"))


def _glob(name: str, pattern: str) -> bool:
    return fnmatchcase(name, pattern.lower().replace("[", "[[]"))


def _hash_matches(hosts: str, name: str) -> bool:
    try:
        salt, digest = (base64.b64decode(part, validate=True) for part in hosts.split("|")[2:4])
    except (ValueError, binascii.Error):
        return False
    return hmac.compare_digest(hmac.new(salt, name.encode(), hashlib.sha1).digest(), digest)


def judge(known: Sequence[Entry], names: Sequence[str], kind: str, key: bytes) -> tuple[Trust, str]:
    """What is known of this key under these names, and where (file:line)."""
    shown = base64.b64encode(key).decode()
    for entry in known:
        if entry.marker == "@revoked" and entry.key == shown and any(names_host(entry, name) for name in names):
            return "revoked", entry.where
    plain = [entry for entry in known if not entry.marker]
    for entry in plain:
        if entry.key == shown and any(names_host(entry, name) for name in names):
            return "known", entry.where
    # Only the name that ssh would write counts as contradiction: without its port another service may live there.
    others = [entry for entry in plain if names_host(entry, names[0])]
    same_kind = [entry for entry in others if entry.kind == kind]
    if same_kind or others:
        return "changed", (same_kind or others)[0].where
    return "unknown", ""


def kinds_known(known: Sequence[Entry], names: Sequence[str]) -> list[str]:
    """Key types known for the host, so that it is asked for one of those first."""
    found = [entry.kind for entry in known if not entry.marker and any(names_host(entry, name) for name in names)]
    return list(dict.fromkeys(found))


def fingerprint(key: bytes) -> str:
    """As ssh prints it: SHA256 and base64 without padding."""
    return "SHA256:" + base64.b64encode(hashlib.sha256(key).digest()).decode().rstrip("=")
