#!/usr/bin/env python3
"""A virsh that knows `qemu-agent-command` alone, libvirt and guest agent in one: it runs what guest-exec asks for.

It keeps the protocol's own rules (QEMU qga/commands.c, qga/qapi-schema.json; libvirt src/remote/remote_protocol.x):
input is base64, output is told once and only at the end, and no answer is longer than 4 MiB. $VIRSH_STATE is a folder:
`says` is what it complains instead of doing anything, as often as `times` says (for ever without it), and `reply` what
it prints instead of an answer.
"""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

STATE = Path(os.environ["VIRSH_STATE"])
REMOTE_STRING_MAX = 4 * 1024 * 1024
GUEST_EXEC_MAX_OUTPUT = 16 * 1024 * 1024
COMMON = ["-q", "-c", "qemu:///system", "qemu-agent-command"]


def complain(text: str) -> None:
    sys.stderr.write(f"error: {text}\n\n")
    raise SystemExit(1)


def refuse(command: str, text: str) -> None:
    complain(f"internal error: unable to execute QEMU agent command '{command}': {text}")


def answer(value: object) -> None:
    text = json.dumps({"return": value})
    if len(text) > REMOTE_STRING_MAX:
        complain("Unable to encode message payload")
    print(text, end="\n\n")


def supervise(number: int, arguments: dict[str, Any]) -> None:
    """Run the process to its end, and write down what guest-exec-status will tell once."""
    stdin = base64.b64decode(arguments.get("input-data", ""), validate=True)
    done = subprocess.run([arguments["path"], *arguments.get("arg", [])], input=stdin, capture_output=True, check=False)
    ended: dict[str, object] = {"exited": True}
    ended["exitcode" if done.returncode >= 0 else "signal"] = abs(done.returncode)
    for key, data in (("out", done.stdout), ("err", done.stderr)):
        if data:
            ended[f"{key}-data"] = base64.b64encode(data[:GUEST_EXEC_MAX_OUTPUT]).decode()
        if len(data) > GUEST_EXEC_MAX_OUTPUT:
            ended[f"{key}-truncated"] = True
    made = STATE / f"{number}.made"
    made.write_text(json.dumps(ended))
    made.rename(STATE / str(number))


def guest_exec(arguments: dict[str, Any]) -> None:
    if not set(arguments) <= {"path", "arg", "env", "input-data", "capture-output"}:
        refuse("guest-exec", "Parameter is unexpected")
    try:
        base64.b64decode(arguments.get("input-data", ""), validate=True)
    except ValueError:
        refuse("guest-exec", "Base64 data is not valid")
    number = os.fork()
    if number == 0:
        os.setsid()
        null = os.open(os.devnull, os.O_RDWR)
        for descriptor in (0, 1, 2):
            os.dup2(null, descriptor)
        supervise(os.getpid(), arguments)
        os._exit(0)
    (STATE / f"{number}.begun").touch()
    answer({"pid": number})


def guest_exec_status(pid: int) -> None:
    ended = STATE / str(pid)
    if not (STATE / f"{pid}.begun").exists():
        refuse("guest-exec-status", f"PID {pid} does not exist")
    if not ended.exists():
        answer({"exited": False})
        return
    text = ended.read_text()
    ended.unlink()
    (STATE / f"{pid}.begun").unlink()
    answer(json.loads(text))


def told_to_say() -> str | None:
    says, times = STATE / "says", STATE / "times"
    if not says.exists():
        return None
    if times.exists():
        left = int(times.read_text())
        times.write_text(str(left - 1))
        if left <= 0:
            return None
    return says.read_text()


def main() -> None:
    words = sys.argv[1:]
    options = dict(zip(words[len(COMMON) :: 2], words[len(COMMON) + 1 :: 2], strict=True))
    if words[: len(COMMON)] != COMMON or set(options) != {"--domain", "--timeout", "--cmd"}:
        complain(f"command or option is not known: {words}")
    with (STATE / "asked").open("a") as log:
        log.write(json.dumps([options["--domain"], json.loads(options["--cmd"])]) + "\n")
    if (said := told_to_say()) is not None:
        sys.stderr.write(said)
        raise SystemExit(1)
    if (STATE / "reply").exists():
        sys.stdout.buffer.write((STATE / "reply").read_bytes())
        return
    asked = json.loads(options["--cmd"])
    if asked["execute"] == "guest-exec":
        guest_exec(asked["arguments"])
    elif asked["execute"] == "guest-exec-status":
        guest_exec_status(asked["arguments"]["pid"])
    else:
        refuse(asked["execute"], f"The command {asked['execute']} has not been found")


main()
