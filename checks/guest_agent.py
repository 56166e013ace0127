"""A guest without any network of ours: through libvirt on its host, and the QEMU guest agent inside it.

Each command is a guest-exec, asked after until it has ended. Only guest-exec and guest-exec-status are needed; no file
is written in the guest. It answers once, at the end: nothing can be streamed.
"""

from __future__ import annotations

import functools
import math
import shlex
import time
from typing import Any

from checks import agent_answers
from checks.agent_answers import AgentSilent, AgentTrouble, NoLibvirt
from checks.connection import (
    Answer,
    Collected,
    Connection,
    Deadline,
    DeadlinePassed,
    RemoteProcess,
    TooMuchOutput,
    TransportTrouble,
    Unreachable,
)
from checks.testinfra_host import host_over

_VIRSH = "virsh -q -c qemu:///system qemu-agent-command"
_SHORTEST_PAUSE_S, _LONGEST_PAUSE_S = 0.05, 1.0
_GRACE_S = 8.0  # for the guest to end what is late, and for the last question to come back
_ONE_ANSWER_S = 20
_TIMED_OUT = (124, 137)


class GuestAgentConnection(Connection):
    """Through the libvirt of the host that this connection leads to. It closes the host's connection with itself."""

    def __init__(self, host: Connection, domain: str, *, sudo: bool) -> None:
        """`sudo`: whether `sudo -n` may be used on the host when libvirt does not let the user in."""
        self.name = domain
        self._host, self._domain = host, domain
        self._ways = ("", "sudo -n ") if sudo else ("",)

    def execute(self, command: str, stdin: bytes, deadline_s: float, limit_bytes: int) -> Answer:
        """See `Connection.execute`. The guest itself bounds the output, and ends what is late (by timeout(1))."""
        deadline, grace = Deadline(deadline_s), Deadline(deadline_s + _GRACE_S)
        try:
            text = agent_answers.request(command, stdin, max(1, math.ceil(deadline_s)), limit_bytes)
            pid = agent_answers.pid_of(self._ask(text, grace))
            done = self._ended(pid, limit_bytes, grace)
        except TransportTrouble as problem:
            raise self._named(problem) from None
        if done is None or (done.rc in _TIMED_OUT and deadline.passed):
            stdout = b"" if done is None else done.stdout
            raise DeadlinePassed(f"{self.name}: no whole answer within {deadline_s:g} s", stdout)
        collected = Collected(self.name, limit_bytes)
        collected.add(done.stdout)
        collected.add(done.stderr, to_stderr=True)
        if done.cut_off:
            raise TooMuchOutput(f"{self.name}: it answered more than the guest agent carries, and was cut off")
        return Answer(done.rc, done.stdout, done.stderr, deadline.elapsed_s)

    def _ended(self, pid: int, limit_bytes: int, grace: Deadline) -> agent_answers.Ended | None:
        """How the process ended; None when it has not in time. An agent that is silent for a moment is asked again."""
        pause_s, silent = _SHORTEST_PAUSE_S, None
        while not grace.passed:
            time.sleep(min(pause_s, grace.left_s))  # between two looks, under the deadline
            pause_s = min(pause_s * 1.6, _LONGEST_PAUSE_S)
            try:
                answer = self._ask(agent_answers.status_request(pid), grace)
            except AgentSilent as problem:
                silent = problem
                continue
            silent = None
            if (done := agent_answers.ended(answer, limit_bytes)) is not None:
                return done
        if silent is not None:
            raise silent
        return None

    def _ask(self, text: str, grace: Deadline) -> bytes:
        """What the agent answers. Raises AgentTrouble, and what the host's connection raises."""
        seconds = max(1, min(_ONE_ANSWER_S, math.ceil(grace.left_s)))
        asked = f"--domain {shlex.quote(self._domain)} --timeout {seconds} --cmd {shlex.quote(text)}"
        refused: AgentTrouble = NoLibvirt(f"libvirt on {self._host.name} was not asked")
        for way in self._ways:
            script = f"LC_ALL=C; export LC_ALL; exec {way}{_VIRSH} {asked}\n".encode()
            answer = self._host.run(script, seconds + _ONE_ANSWER_S, agent_answers.ANSWER_BYTES)
            if answer.rc == 0:
                self._ways = (way,)
                return answer.stdout
            refused = agent_answers.trouble(self._host.name, answer.stderr)
            if not isinstance(refused, NoLibvirt):
                self._ways = (way,)
                break
        raise refused

    def _named(self, problem: TransportTrouble) -> TransportTrouble:
        if str(problem).startswith(f"{self._host.name}: "):
            return type(problem)(str(problem))
        return type(problem)(f"{self.name}: {problem}")

    def start(self, command: str) -> RemoteProcess:  # noqa: ARG002 - the signature is Connection's
        """Not possible here. Raises Unreachable."""
        raise Unreachable(f"{self.name}: a guest agent streams nothing; use ssh://")

    @functools.cached_property
    def host(self) -> Any:
        """See `Connection.host`."""
        return host_over(self)

    def close(self) -> None:
        """See `Connection.close`."""
        self._host.close()
