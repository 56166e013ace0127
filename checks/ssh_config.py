"""How OpenSSH would reach a host: asked from OpenSSH itself (`ssh -G`), so that every keyword keeps its meaning.

Source: ssh(1) -G, ssh_config(5).
"""

from __future__ import annotations

import getpass
import os
import shlex
import socket
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from checks.connection import Unreachable

_CONNECT_TIMEOUT_S = 10.0


@dataclass(frozen=True, slots=True)
class SshTarget:
    """Where to connect, as whom, through what, and what to trust. `command` is the ssh command line for a person."""

    asked: str
    hostname: str
    user: str
    port: int
    config: str | None
    identity_files: tuple[Path, ...]
    known_hosts_files: tuple[Path, ...]
    host_key_alias: str | None
    proxy_command: str | None
    proxy_jump: tuple[str, ...]
    identities_only: bool
    agent: str | None
    connect_timeout_s: float

    @property
    def known_as(self) -> tuple[str, ...]:
        """Names under which a known_hosts file may hold its key; the first is the one that ssh would write."""
        if self.host_key_alias:
            return (self.host_key_alias,)
        name = self.hostname.lower()
        return (name,) if self.port == 22 else (f"[{name}]:{self.port}", name)

    @property
    def command(self) -> str:
        """What a person types to reach it."""
        words = ["ssh", *(["-F", self.config] if self.config else [])]
        words += [*(["-p", str(self.port)] if self.port != 22 else []), f"{self.user}@{self.asked}"]
        return shlex.join(words)


def resolve(host: str, user: str | None, port: int | None, config: str | None) -> SshTarget:
    """Ask OpenSSH. Raises Unreachable when there is no ssh, or it refuses the configuration."""
    if not host or host.startswith("-") or any(character.isspace() or ord(character) < 32 for character in host):
        raise Unreachable(f"{host!r} is no host name")
    command = ["ssh", "-G", *(["-F", config] if config else []), *(["-l", user] if user else [])]
    command += [*(["-p", str(port)] if port else []), "--", host]
    try:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, timeout=20, check=False)
    except FileNotFoundError:
        raise Unreachable(f"{host}: the OpenSSH client (ssh) is not installed on this machine") from None
    except subprocess.TimeoutExpired:
        raise Unreachable(f"{host}: 'ssh -G' did not answer within 20 s; look for a slow 'Match exec'") from None
    if done.returncode:
        said = done.stderr.decode(errors="backslashreplace").strip().splitlines() or ["it said nothing"]
        raise Unreachable(f"{host}: ssh refuses its configuration: {said[0]}")
    return _target(host, config, _keywords(done.stdout.decode(errors="backslashreplace")))


def _keywords(text: str) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for line in text.splitlines():
        keyword, _, value = line.partition(" ")
        found.setdefault(keyword, []).append(value)
    return found


def _target(asked: str, config: str | None, said: Mapping[str, list[str]]) -> SshTarget:
    def first(keyword: str) -> str | None:
        value = said.get(keyword, [""])[0]
        return None if value in ("", "none") else value

    hostname, user, port = first("hostname") or asked, first("user") or getpass.getuser(), int(first("port") or 22)
    tokens = _tokens(asked, hostname, user, port)
    known = [*said.get("userknownhostsfile", []), *said.get("globalknownhostsfile", [])]
    proxy = first("proxycommand")
    jump = first("proxyjump")
    agent = first("identityagent")
    return SshTarget(
        asked=asked,
        hostname=hostname,
        user=user,
        port=port,
        config=config,
        identity_files=tuple(_path(name, tokens) for name in said.get("identityfile", [])),
        known_hosts_files=tuple(_path(name, tokens) for line in known for name in _words(line) if name != "none"),
        host_key_alias=first("hostkeyalias"),
        proxy_command=_expand(proxy, tokens, asked) if proxy else None,
        proxy_jump=tuple(jump.split(",")) if jump else (),
        identities_only=first("identitiesonly") == "yes",
        agent=_agent(agent, tokens, none=said.get("identityagent") == ["none"]),
        connect_timeout_s=float(first("connecttimeout") or _CONNECT_TIMEOUT_S),
    )


def _words(line: str) -> list[str]:
    try:
        return shlex.split(line)
    except ValueError:
        return line.split()


def _agent(name: str | None, tokens: Mapping[str, str], *, none: bool) -> str | None:
    if none:
        return None
    if name is None or name == "SSH_AUTH_SOCK":
        return os.environ.get("SSH_AUTH_SOCK")
    return os.environ.get(name[1:]) if name.startswith("$") else str(_path(name, tokens))


def _tokens(asked: str, hostname: str, user: str, port: int) -> dict[str, str]:
    local = {"d": str(Path.home()), "u": getpass.getuser(), "i": str(os.getuid()), "l": socket.gethostname()}
    return {"%": "%", "h": hostname, "n": asked, "r": user, "p": str(port), "k": asked, **local}


def _path(name: str, tokens: Mapping[str, str]) -> Path:
    return Path(_expand(name, tokens, name)).expanduser()


def _expand(text: str, tokens: Mapping[str, str], asked: str) -> str:
    """Put ssh's %-tokens in. Raises Unreachable for one that is not known here."""
    parts = text.split("%")
    done = [parts[0]]
    rest = iter(parts[1:])
    for part in rest:
        token = part[:1] or "%"
        if token not in tokens:
            raise Unreachable(f"{asked}: the ssh configuration uses %{token} in {text!r}, which is not supported here")
        # "%%" splits into an empty part and the one after it.
        done.append(tokens[token] + (part[1:] if part else next(rest, "")))
    return "".join(done)
