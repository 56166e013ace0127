"""Talking to a running cell: one JSON object each way over its control socket."""

from __future__ import annotations

import json
import socket
from typing import Any

from lab.state import NotUp, State

DETACH = b"detach\n"
LINE_LIMIT = 1 << 20


class ControlError(Exception):
    """The cell refused, or could not do it; the text is its reason."""


class AskedWrongly(ControlError):  # noqa: N818 - reads as what happened
    """The request itself makes no sense."""


def ask(state: State, timeout_s: float = 15, **request: Any) -> dict[str, Any]:
    """The cell's answer.

    Raises `NotUp` when there is no cell, `AskedWrongly` when there is no such thing, `ControlError` when it cannot.
    """
    try:
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(timeout_s)
            connection.connect(str(state.control_socket))
            connection.sendall(json.dumps(request).encode() + b"\n")
            line = _read_line(connection)
    except (FileNotFoundError, ConnectionRefusedError) as error:
        raise NotUp(f"no lab '{state.name}' is up") from error
    except OSError as error:
        raise ControlError(f"lab '{state.name}' does not answer: {error}") from error
    if not line:
        raise ControlError(f"lab '{state.name}' ended while it was asked")
    answer: dict[str, Any] = json.loads(line)
    if "error" in answer:
        raise (AskedWrongly if answer.get("wrongly") else ControlError)(str(answer["error"]))
    return answer


def _read_line(connection: socket.socket) -> bytes:
    data = b""
    while not data.endswith(b"\n"):
        chunk = connection.recv(65536)
        if not chunk:
            break
        data += chunk
    return data
