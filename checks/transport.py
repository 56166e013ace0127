"""The one way to a machine: from a connection string to an open connection.

Connection strings are Testinfra's: `ssh://user@host:port`, `paramiko://…`, a bare host, `local://`, `docker://name`,
and so on. Whatever goes over SSH is resolved as OpenSSH would (`ssh -G`), and the host's key is verified always.
Errors: see `checks.connection`.
"""

from __future__ import annotations

import urllib.parse
from dataclasses import dataclass

from checks.connection import (
    Answer,
    AuthenticationFailed,
    Connection,
    DeadlinePassed,
    HostKeyChanged,
    RemoteProcess,
    TooMuchOutput,
    TransportTrouble,
    UnknownHostKey,
    Unreachable,
)
from checks.elsewhere import BackendConnection
from checks.local import LocalConnection
from checks.ssh import SshConnection
from checks.ssh_link import open_link

__all__ = [
    "Answer",
    "AuthenticationFailed",
    "Connection",
    "DeadlinePassed",
    "HostKeyChanged",
    "RemoteProcess",
    "TooMuchOutput",
    "TransportTrouble",
    "UnknownHostKey",
    "Unreachable",
    "connect",
]

_SSH = ("ssh", "safe-ssh", "paramiko")


@dataclass(frozen=True, slots=True)
class Spec:
    """A connection string taken apart."""

    scheme: str
    host: str
    user: str | None
    password: str | None
    port: int | None
    ssh_config: str | None


def parse_spec(spec: str) -> Spec:
    """Take a connection string apart. Raises Unreachable for one that is none."""
    url = urllib.parse.urlsplit(spec if "://" in spec else f"ssh://{spec}")
    try:
        port = url.port
    except ValueError:
        raise Unreachable(f"{spec}: the port is no number between 0 and 65535") from None
    place = url.netloc.rpartition("@")[2]
    # urlsplit lowers the host's name, and ssh configurations may tell cases apart.
    host = place[1:].partition("]")[0] if place.startswith("[") else place.partition(":")[0]
    query = urllib.parse.parse_qs(url.query)
    unquoted = (None if part is None else urllib.parse.unquote(part) for part in (url.username, url.password))
    user, password = unquoted
    config = query.get("ssh_config", [None])[0]
    return Spec(url.scheme, urllib.parse.unquote(host), user, password, port, config)


def connect(spec: str, ssh_config: str | None = None, *, sudo: bool = False) -> Connection:
    """Open a connection. `sudo`: whether `sudo -n` may end what this connection started as root.

    Raises Unreachable, UnknownHostKey, HostKeyChanged, AuthenticationFailed.
    """
    wanted = parse_spec(spec)
    if wanted.scheme == "local":
        return LocalConnection(wanted.host or "this machine")
    if wanted.scheme == "qga":
        raise Unreachable(f"{spec}: a guest agent is reached through its guest's host, which only an inventory names")
    if wanted.scheme not in _SSH:
        return BackendConnection(spec, sudo=sudo)
    if not wanted.host:
        raise Unreachable(f"{spec}: it names no host")
    config = ssh_config or wanted.ssh_config
    return SshConnection(open_link(wanted.host, wanted.user, wanted.port, config, wanted.password), sudo=sudo)
