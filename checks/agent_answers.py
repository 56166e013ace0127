"""What is said to a QEMU guest agent, and what it and libvirt say back: pure text in, values out.

The protocol: QEMU docs/interop/qemu-ga-ref (guest-exec, guest-exec-status). Its bounds: libvirt takes no string longer
than 4 MiB (REMOTE_STRING_MAX in remote_protocol.x), and an answer beyond 10 MiB breaks the agent's channel until the
guest starts anew (QEMU_AGENT_MAX_RESPONSE in qemu_agent.c). So what a command prints is bounded inside the guest.

TransportTrouble
    AgentTrouble
        AgentSilent         it does not answer at this moment; asked again, it may
        NoLibvirt           libvirt on the host did not let this user in
"""

from __future__ import annotations

import base64
import binascii
import gzip
import json
import re
import shlex
import zlib
from dataclasses import dataclass
from typing import Any

from checks.connection import TransportTrouble, Unreachable

# Both together, as base64 in one JSON text, stay below libvirt's 4 MiB.
STDOUT_BYTES = 2_900_000
STDERR_BYTES = 100_000
ANSWER_BYTES = 6 * 1024 * 1024
# The whole request is one argument of virsh: Linux takes none beyond 128 KiB (MAX_ARG_STRLEN).
_LONGEST_INPUT = 126_000
# The agent writes its arguments to the guest's log, but not its input: so the text of what runs goes there.
_FIRST_LINE = 'IFS= read -r vfp && eval "$vfp"'
_PATH = "PATH=${PATH:+$PATH:}/usr/local/sbin:/usr/sbin:/sbin:/usr/bin:/bin; export PATH; "
_PLAIN, _PACKED = b"plain\n", b"packed\n"
_INFLATE_GZIP = 31  # zlib's window bits for a gzip stream


class AgentTrouble(TransportTrouble):
    """The guest could not be asked through its agent."""


class AgentSilent(AgentTrouble):
    """The agent does not answer at this moment."""


class NoLibvirt(AgentTrouble):
    """libvirt on the host did not let this user in."""


@dataclass(frozen=True, slots=True)
class Ended:
    """How a process in the guest ended. `rc` is -1 when a signal ended it."""

    rc: int
    stdout: bytes
    stderr: bytes
    cut_off: bool


def request(command: str, stdin: bytes, seconds: int, limit_bytes: int) -> str:
    """The guest-exec that runs a shell command with this standard input, for so many seconds at most.

    Raises Unreachable for an input that does not fit into one argument even when packed.
    """
    text = _wrapped(command, seconds, limit_bytes, packed=False) + stdin
    if _length(text) > _LONGEST_INPUT:
        text = _wrapped(command, seconds, limit_bytes, packed=True) + gzip.compress(stdin, mtime=0)
    if _length(text) > _LONGEST_INPUT:
        raise Unreachable(f"{len(stdin)} bytes are too many to send through a guest agent; use ssh://")
    arguments = {
        "path": "/bin/sh",
        "arg": ["-c", _FIRST_LINE],
        "input-data": base64.b64encode(text).decode(),
        "capture-output": True,
    }
    return json.dumps({"execute": "guest-exec", "arguments": arguments})


def status_request(pid: int) -> str:
    """The question whether that process has ended."""
    return json.dumps({"execute": "guest-exec-status", "arguments": {"pid": pid}})


def _length(text: bytes) -> int:
    return (len(text) + 2) // 3 * 4


def _wrapped(command: str, seconds: int, limit_bytes: int, *, packed: bool) -> bytes:
    """One line of shell: it says whether it packs, runs the command for its time, and passes on what is bounded.

    Descriptors: 3 takes the command's exit status, 4 and 5 are the agent's own pipes, 6 is the command's output.
    """
    inner = f"{'gzip -dc | ' if packed else ''}$t sh -c {shlex.quote(_one_line(command))} 3>&-"
    return (
        f"{_PATH}exec 4>&1 5>&2; z=cat; w=plain; t=; "
        "if command -v gzip >/dev/null; then z='gzip -c1'; w=packed; fi; "
        f"if command -v timeout >/dev/null; then t='timeout -k 2 {seconds}'; fi; "
        'echo "$w"; '
        f"rc=$( {{ {{ {{ {inner} 6>&-; echo $? >&3; }} 2>&1 >&6 6>&- | head -c {STDERR_BYTES} >&5 3>&-; }} 6>&1 "
        f"| head -c {limit_bytes + 1} 3>&- | $z 3>&- | head -c {STDOUT_BYTES} >&4 3>&-; }} 3>&1 ); "
        'exit "$rc"\n'
    ).encode()


def _one_line(command: str) -> str:
    if "\n" not in command:
        return command
    octal = "".join(f"\\0{byte:03o}" for byte in command.encode())
    return f"eval \"$(printf %b '{octal}')\""


def pid_of(answer: bytes) -> int:
    """The number of the process that guest-exec started. Raises AgentTrouble."""
    pid = _returned(answer).get("pid")
    if not isinstance(pid, int) or isinstance(pid, bool) or pid <= 0:
        raise AgentTrouble("the guest agent did not say which process it started")
    return pid


def ended(answer: bytes, limit_bytes: int) -> Ended | None:
    """How the process ended; None while it runs. Raises AgentTrouble."""
    said = _returned(answer)
    if said.get("exited") is not True:
        if said.get("exited") is False:
            return None
        raise AgentTrouble("the guest agent did not say whether its process has ended")
    rc = said.get("exitcode", -1)
    if not isinstance(rc, int) or isinstance(rc, bool) or not -1 <= rc <= 255:
        raise AgentTrouble("the guest agent told an exit status that is none")
    out, err = _data(said, "out-data"), _data(said, "err-data")
    stdout, whole = _unpacked(out, limit_bytes)
    truncated = said.get("out-truncated") is True or said.get("err-truncated") is True
    return Ended(rc, stdout, err, truncated or not whole or len(err) >= STDERR_BYTES)


def _returned(answer: bytes) -> dict[str, Any]:
    try:
        said = json.loads(answer)
    except (ValueError, RecursionError):
        raise AgentTrouble("what libvirt gave back from the guest agent is no JSON") from None
    returned = said.get("return") if isinstance(said, dict) else None
    if not isinstance(returned, dict):
        raise AgentTrouble("what libvirt gave back from the guest agent is no answer of one")
    return returned


def _data(said: dict[str, Any], key: str) -> bytes:
    text = said.get(key, "")
    try:
        return base64.b64decode(text, validate=True)
    except (TypeError, ValueError, binascii.Error):
        raise AgentTrouble(f"the guest agent's {key} is no base64") from None


def _unpacked(data: bytes, limit_bytes: int) -> tuple[bytes, bool]:
    """What the command printed, and whether that is all of it. Never much more than the limit is made of it."""
    if data.startswith(_PLAIN):
        found = data[len(_PLAIN) :]
        return found, len(found) < STDOUT_BYTES
    if not data.startswith(_PACKED):
        if not data:
            return b"", True
        raise AgentTrouble("no POSIX shell answered through the guest agent")
    inflate = zlib.decompressobj(_INFLATE_GZIP)
    try:
        found = inflate.decompress(data[len(_PACKED) :], limit_bytes + 1)
    except zlib.error:
        raise AgentTrouble("what came through the guest agent cannot be unpacked") from None
    return found, inflate.eof


# What virsh says (libvirt src/qemu/qemu_driver.c, src/hypervisor/qemu_agent.c; QEMU qapi/qmp-dispatch.c, qga/), and
# what to do.
_KNOWN: tuple[tuple[str, type[AgentTrouble], str], ...] = (
    (r"failed to (get domain|lookup)|[Dd]omain not found", AgentTrouble, "libvirt on {host} knows no such domain"),
    (r"domain is not running", AgentTrouble, "the domain is off"),
    (
        r"guest agent is not configured",
        AgentTrouble,
        "its domain has no channel for a guest agent; add <channel type='unix'> with <target type='virtio' "
        "name='org.qemu.guest_agent.0'/> to it",
    ),
    (
        r"frozen state",
        AgentTrouble,
        "its file systems are frozen (fsfreeze); until they are thawed its agent runs nothing",
    ),
    (
        r"has been disabled|not been found|not allowed",
        AgentTrouble,
        "its guest agent may not run programs; permit guest-exec and guest-exec-status (on RHEL in "
        "/etc/sysconfig/qemu-ga) and restart qemu-guest-agent",
    ),
    (
        r"PID \S+ does not exist|Invalid parameter 'pid'",
        AgentTrouble,
        "its guest agent was started anew in the middle, and what the script printed is lost",
    ),
    (
        r"Failed to execute child process.*Permission denied",
        AgentTrouble,
        "its guest agent may not start a shell; SELinux in the guest forbids it (see docs/drills.md)",
    ),
    (
        r"agent is not connected",
        AgentSilent,
        "no guest agent is connected; install and start qemu-guest-agent in the guest",
    ),
    (r"not responding|not available|didn't respond|timed out", AgentSilent, "its guest agent does not answer"),
    (r"read only access|denied by|access denied", AgentTrouble, "libvirt on {host} lets this user only read"),
    (r"virsh: (command )?not found", NoLibvirt, "there is no virsh on {host}"),
    (r"[Ff]ailed to connect.*(No such file|Connection refused)", NoLibvirt, "libvirt does not run on {host}"),
    (
        r"failed to connect to the hypervisor|Permission denied|authentication|a password is required",
        NoLibvirt,
        "libvirt on {host} does not let this user in; use root, the group libvirt, or 'sudo: true'",
    ),
    (r"Unable to encode message|message too (large|big)", AgentTrouble, "its answer is too large for libvirt"),
)


def trouble(host: str, stderr: bytes) -> AgentTrouble:
    """What virsh complained about, in one sentence, and its own words after it."""
    lines = [line.removeprefix("error: ") for line in stderr.decode(errors="backslashreplace").splitlines()]
    said = " ".join("".join(c if c.isprintable() else " " for c in " ".join(lines)).split())[:300]
    for pattern, kind, sentence in _KNOWN:
        if re.search(pattern, said):
            return kind(f"{sentence.replace('{host}', host)} ({said})")
    return AgentTrouble(f"virsh on {host} could not reach its guest agent ({said or 'it does not say why'})")
