"""One authenticated SSH link: the socket (direct, through a command, through other hosts), the host's key, the user.

Source: ssh(1) and ssh_config(5) for what must happen; paramiko for the protocol.
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import paramiko

from checks.connection import AuthenticationFailed, Deadline, HostKeyChanged, UnknownHostKey, Unreachable
from checks.known_hosts import entries, fingerprint, judge, kinds_known
from checks.ssh_config import SshTarget, resolve

_MOST_HOPS = 8
# What a key type of known_hosts is called when keys are agreed on: RSA keys sign in newer ways.
_ALGORITHMS = {"ssh-rsa": ("rsa-sha2-512", "rsa-sha2-256")}


class Link:
    """An open SSH transport, with everything beneath it."""

    def __init__(self, target: SshTarget, password: str | None = None, hops: int = 0) -> None:
        """Connect, verify, authenticate. Raises Unreachable, UnknownHostKey, HostKeyChanged, AuthenticationFailed."""
        self.target = target
        self._beneath = contextlib.ExitStack()
        try:
            wire, excuse = _open_wire(target, self._beneath, hops)
            self.transport = paramiko.Transport(wire)
            self._beneath.callback(self.transport.close)
            _agree(self.transport, target, excuse)
            _authenticate(self.transport, target, password)
        except BaseException:
            self._beneath.close()
            raise

    def close(self) -> None:
        """Close the link and everything beneath it."""
        self._beneath.close()


def _open_wire(
    target: SshTarget, beneath: contextlib.ExitStack, hops: int
) -> tuple[socket.socket | paramiko.Channel, Callable[[], str]]:
    """What carries the link, and who can say why it broke."""
    if hops > _MOST_HOPS:
        raise Unreachable(f"{target.asked}: more than {_MOST_HOPS} jump hosts; does one of them jump through itself?")
    if target.proxy_jump:
        return _jump(target, beneath, hops), str
    if target.proxy_command:
        proxy = _Proxy(target)
        beneath.callback(proxy.close)
        return proxy.wire, proxy.said
    try:
        wire = socket.create_connection((target.hostname, target.port), timeout=target.connect_timeout_s)
    except OSError as error:
        why = "no answer in time" if isinstance(error, TimeoutError) else (error.strerror or str(error))
        place = "" if target.asked == target.hostname else f"{target.hostname} "
        raise Unreachable(f"{target.asked}: {place}port {target.port}: {why}") from None
    beneath.callback(wire.close)
    return wire, str


def _jump(target: SshTarget, beneath: contextlib.ExitStack, hops: int) -> paramiko.Channel:
    """Through the last host of the list, which is reached through those before it, if there are any."""
    *before, last = target.proxy_jump
    user, _, place = last.removeprefix("ssh://").rpartition("@")
    host, port = _host_and_port(place)
    hop = resolve(host, user or None, port, target.config)
    if before:
        hop = replace(hop, proxy_jump=tuple(before))
    link = Link(hop, hops=hops + 1)
    beneath.callback(link.close)
    try:
        return link.transport.open_channel(
            "direct-tcpip", (target.hostname, target.port), ("127.0.0.1", 0), timeout=target.connect_timeout_s
        )
    except (paramiko.SSHException, OSError) as error:
        where = f"{target.hostname} port {target.port}"
        raise Unreachable(f"{target.asked}: {hop.asked} does not reach {where}: {_said(error)}") from None


def _host_and_port(place: str) -> tuple[str, int | None]:
    if place.startswith("["):
        host, _, rest = place[1:].partition("]")
        port = rest.removeprefix(":")
    else:
        host, _, port = place.partition(":")
    return host, int(port) if port.isdecimal() else None


class _Proxy:
    """A ProxyCommand: a process with our socket as its standard input and output."""

    def __init__(self, target: SshTarget) -> None:
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115 - it lives as long as the proxy
        self.wire, theirs = socket.socketpair()
        with theirs:
            self._process = subprocess.Popen(
                ["/bin/sh", "-c", f"exec {target.proxy_command}"],
                stdin=theirs.fileno(),
                stdout=theirs.fileno(),
                stderr=self._errors.fileno(),
                start_new_session=True,
            )

    def close(self) -> None:
        """Hang up, and reap it: its own end of file ends a well-made proxy, its group's signal any other."""
        self.wire.close()
        for deadline_s, name in ((0.5, signal.SIGTERM), (2.0, signal.SIGKILL), (None, None)):
            try:
                self._process.wait(deadline_s)
                break
            except subprocess.TimeoutExpired:
                if name is not None:
                    with contextlib.suppress(ProcessLookupError):
                        os.killpg(self._process.pid, name)
        self._errors.close()

    def said(self) -> str:
        """The last line of what it complained, and its exit status, when it ended by itself."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(0.2)
        self._errors.seek(0)
        lines = self._errors.read(65536).decode(errors="backslashreplace").strip().splitlines()
        return lines[-1] if lines else f"exit status {self._process.poll()}"


def _said(error: Exception) -> str:
    return str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__


def _agree(transport: paramiko.Transport, target: SshTarget, excuse: Callable[[], str]) -> None:
    """Agree on keys, and look at the host's. Raises Unreachable, UnknownHostKey, HostKeyChanged."""
    known = entries(target.known_hosts_files)
    options = transport.get_security_options()
    wanted = [name for kind in kinds_known(known, target.known_as) for name in (*_ALGORITHMS.get(kind, ()), kind)]
    offered = list(options.key_types)
    options.key_types = [*[kind for kind in wanted if kind in offered], *[k for k in offered if k not in wanted]]
    transport.banner_timeout = target.connect_timeout_s
    try:
        transport.start_client(timeout=max(15.0, target.connect_timeout_s))
    except (paramiko.SSHException, OSError, EOFError) as error:
        why = excuse() or _said(error)
        raise Unreachable(f"{target.asked}: no SSH server answers {_through(target)}: {why}") from None
    key = transport.get_remote_server_key()
    shown = f"{key.get_name()} {fingerprint(key.asbytes())}"
    trust, where = judge(known, target.known_as, key.get_name(), key.asbytes())
    if trust == "unknown":
        raise UnknownHostKey(
            f"{target.asked}: its host key is not known ({shown}); compare that with the machine itself, then add it: "
            f"{_adding(target)}"
        )
    if trust == "changed":
        name = target.known_as[0]
        raise HostKeyChanged(
            f"{target.asked}: its host key is not the known one ({shown}; {where} has another): either the machine was "
            f"installed anew (then: ssh-keygen -R '{name}' -f {where.rpartition(':')[0]}), or another one answers"
        )
    if trust == "revoked":
        raise HostKeyChanged(f"{target.asked}: its host key is revoked ({shown}; {where})")


def _through(target: SshTarget) -> str:
    return f"behind '{target.proxy_command}'" if target.proxy_command else f"on port {target.port}"


def _adding(target: SshTarget) -> str:
    """The command that adds the key: ssh itself, which asks, and goes the same way."""
    return target.command.replace("ssh ", "ssh -o StrictHostKeyChecking=ask ", 1) + " true"


@dataclass(slots=True)
class _Tried:
    refused: list[str]
    unusable: list[str]


def _authenticate(transport: paramiko.Transport, target: SshTarget, password: str | None) -> None:
    transport.auth_timeout = max(15.0, target.connect_timeout_s)
    tried = _Tried([], [])
    with contextlib.closing(_Agent(target.agent)) as agent:
        for label, key in _keys(target, agent, tried):
            try:
                if not transport.auth_publickey(target.user, key):
                    return
                tried.refused.append(f"{label} is only half of what it wants")
            except paramiko.AuthenticationException:
                tried.refused.append(label)
            except (paramiko.SSHException, OSError, EOFError) as error:
                raise _refusal(target, tried, f" and hung up ({_said(error)})") from None
    if password is not None:
        try:
            transport.auth_password(target.user, password)
        except paramiko.AuthenticationException:
            tried.refused.append("the password of the connection string")
        except (paramiko.SSHException, OSError, EOFError) as error:
            raise _refusal(target, tried, f" and hung up ({_said(error)})") from None
        else:
            return
    raise _refusal(target, tried, "")


def _refusal(target: SshTarget, tried: _Tried, hung_up: str) -> AuthenticationFailed:
    keys = "tried " + ", ".join(tried.refused) if tried.refused else "there was no key to try"
    unusable = f"; not usable: {', '.join(tried.unusable)}" if tried.unusable else ""
    return AuthenticationFailed(
        f"{target.asked}: it refuses user {target.user}{hung_up}: {keys}{unusable}; try: {target.command}"
    )


class _Agent:
    """The keys of ssh-agent, if one runs."""

    def __init__(self, path: str | None) -> None:
        # paramiko finds the agent by the environment only, so another IdentityAgent is out of its reach.
        self._agent = paramiko.Agent() if path is not None and path == os.environ.get("SSH_AUTH_SOCK") else None
        self.keys = self._agent.get_keys() if self._agent is not None else ()

    def close(self) -> None:
        """Hang up."""
        if self._agent is not None:
            self._agent.close()


def _keys(target: SshTarget, agent: _Agent, tried: _Tried) -> Iterator[tuple[str, paramiko.PKey]]:
    """Keys in ssh's order: the agent's, then files. IdentitiesOnly leaves out the agent's."""
    if not target.identities_only:
        for key in agent.keys:
            yield f"the agent's {key.get_name()} key", key
    for path in target.identity_files:
        if not path.is_file():
            continue
        try:
            yield str(path), paramiko.PKey.from_path(path)
        except (paramiko.SSHException, OSError, ValueError, TypeError) as error:
            # Three libraries say it in three ways: PasswordRequiredException, ValueError, TypeError.
            locked = "password" in str(error).lower() or "encrypted" in str(error).lower()
            tried.unusable.append(f"{path} ({'it has a passphrase; add it to an agent' if locked else _said(error)})")


def open_link(host: str, user: str | None, port: int | None, config: str | None, password: str | None) -> Link:
    """Resolve as OpenSSH does, and connect. Raises the errors of `checks.connection`."""
    begun = Deadline(60)
    target = resolve(host, user, port, config)
    try:
        return Link(target, password)
    except paramiko.SSHException as error:
        raise Unreachable(f"{host}: no SSH link after {begun.elapsed_s:.1f} s: {_said(error)}") from None
