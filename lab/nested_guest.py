"""guest-1: a guest that libvirt runs inside another machine of the lab, on VFs of that machine's PFs."""

from __future__ import annotations

import subprocess
from pathlib import Path

from lab.machine import DidNotComeUp, NotSupported
from lab.ssh import ssh, ssh_command, wait_for_ssh
from lab.state import State

_START_S = 120


class NestedGuest:
    """See `lab.machine.Machine`. `paths` are the names of its ssh paths, all of which must work for it to be ready.

    `domain` is the XML that its host is to know it by from now on, where that is not what the host's image brings.
    """

    def __init__(self, name: str, host: str, paths: tuple[str, ...], state: State, domain: Path | None = None) -> None:
        self.name = name
        self.runs_on = f"libvirt in {host}"
        self.console_log = state.console_log(name)
        self._host = host
        self._domain = domain
        self._paths = paths
        self._state = state
        self._helpers: list[subprocess.Popen[bytes]] = []

    def start(self) -> None:
        """`virsh start` on its host, and bring its console out."""
        self._bring_console_out()
        if self._domain is not None:
            self._virsh("define /dev/stdin", "define", self._domain.read_text(encoding="utf-8"))
        self._virsh(f"start {self.name}", "start")

    def _virsh(self, words: str, what: str, stdin: str | None = None) -> None:
        try:
            answer = ssh(self._state, self._host, f"virsh -q {words}", timeout_s=_START_S, stdin=stdin)
        except subprocess.TimeoutExpired:
            raise DidNotComeUp(f"`virsh {what}` was not done after {_START_S} s") from None
        if answer.returncode != 0:
            raise DidNotComeUp(f"libvirt could not {what} it: {' '.join(answer.stderr.split())}")

    def _bring_console_out(self) -> None:
        """libvirt keeps the log inside the host, and `virsh console` is the way to the terminal."""
        follow = ssh_command(self._state, self._host, f"tail -n +1 -F /var/log/libvirt/{self.name}.console 2>/dev/null")
        with self.console_log.open("wb") as log:
            self._helpers.append(
                subprocess.Popen(follow, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.DEVNULL)
            )
        console = f"ssh -tt -F {self._state.ssh_config} {self._host} virsh console --force {self.name}"
        listen = f"UNIX-LISTEN:{self._state.console_socket(self.name)},fork,mode=600,unlink-early"
        serve = ["socat", listen, f"EXEC:{console},pty,rawer"]
        self._helpers.append(subprocess.Popen(serve, stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL))

    def ready(self, deadline: float) -> None:
        """Wait until SSH works on every path: beside the bond, and through it."""
        for path in self._paths:
            try:
                wait_for_ssh(self._state, path, deadline, self.ended)
            except DidNotComeUp as reason:
                raise DidNotComeUp(f"{path}: {reason}") from None

    def ended(self) -> str | None:
        """Nothing to see from here: asking libvirt between two tries would cost more than waiting for the deadline."""
        return None

    def stop(self) -> None:
        """It ends with its host; only what brought its console out is ours."""
        for helper in self._helpers:
            helper.terminate()
        for helper in self._helpers:
            helper.wait()

    def set_wire(self, nic: str, *, connected: bool) -> None:
        """Its NICs are VFs: their wires are the PFs'."""
        del connected
        raise NotSupported(f"{self.name}/{nic}: the wire of a VF is its PF's; name the host and the PF")
