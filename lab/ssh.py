"""SSH to the nodes of a lab: running a command, and waiting until one answers."""

from __future__ import annotations

import socket
import subprocess
import time
from collections.abc import Callable, Sequence

from lab.machine import DidNotComeUp
from lab.state import State
from lab.topology import SshPath

SSH_PORT = 22
_POLL_S = 0.05


def ssh_command(state: State, path: str, *command: str) -> list[str]:
    """The argument list that runs `command` on the node behind `path`, or a login shell there when there is none."""
    return ["ssh", "-F", str(state.ssh_config), path, *(["--", *command] if command else [])]


def ssh(
    state: State, path: str, *command: str, timeout_s: float = 30, stdin: str | None = None
) -> subprocess.CompletedProcess[str]:
    """Run a command on a node; arguments are joined with spaces by ssh and read by the node's shell.

    Raises `subprocess.TimeoutExpired`. The exit status is the command's, or 255 when ssh itself failed.
    """
    return subprocess.run(
        ssh_command(state, path, *command),
        input=stdin or "",
        capture_output=True,
        text=True,
        check=False,
        timeout=timeout_s,
    )


def wait_for_ssh(state: State, path: str, deadline: float, ended: Callable[[], str | None]) -> None:
    """Return when `ssh PATH true` succeeds.

    `ended` says why the machine can answer no more (its process is gone), or None. Raises `DidNotComeUp`.
    """
    last = "it never answered"
    while time.monotonic() < deadline:
        reason = ended()
        if reason is not None:
            raise DidNotComeUp(reason)
        left = max(0.1, deadline - time.monotonic())
        try:
            answer = ssh(state, path, "true", timeout_s=min(15, left))
        except subprocess.TimeoutExpired:
            last = "ssh hung"
            continue
        if answer.returncode == 0:
            return
        last = _last_line(answer.stderr)
        time.sleep(_POLL_S)
    raise DidNotComeUp(f"no answer by SSH in time: {last}")


def wait_for_banner(path: SshPath, deadline: float, ended: Callable[[], str | None]) -> None:
    """Return when an SSH server greets at that address, asked from this network namespace: cheaper than whole logins.

    Raises `DidNotComeUp`.
    """
    while time.monotonic() < deadline:
        reason = ended()
        if reason is not None:
            raise DidNotComeUp(reason)
        try:
            with socket.create_connection((str(path.address), SSH_PORT), timeout=0.5) as connection:
                if connection.recv(4) == b"SSH-":
                    return
        except OSError:
            time.sleep(_POLL_S)
    raise DidNotComeUp(f"no SSH server answered at {path.address} in time")


def forward_command(state: State, name: str, path: SshPath) -> Sequence[str]:
    """The socat that leads from the state directory to the node's sshd, to be run inside the cell."""
    listen = f"UNIX-LISTEN:{state.ssh_socket(name)},fork,mode=600,unlink-early"
    inside = ["ip", "netns", "exec", path.inside] if path.inside else []
    return [*inside, "socat", listen, f"TCP:{path.address}:{SSH_PORT},connect-timeout=5"]


def _last_line(text: str) -> str:
    lines = text.strip().splitlines()
    return lines[-1] if lines else "ssh said nothing"
