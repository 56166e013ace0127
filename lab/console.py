"""The console of a machine that prints to a terminal: kept in a log, and shared with whoever connects to its socket."""

from __future__ import annotations

import os
import selectors
import socket
import threading
from pathlib import Path
from typing import BinaryIO

_CHUNK = 4096
_MAX_CLIENTS = 8


class Console:
    """Copies a terminal's output to a log and to every client of a UNIX socket, and the clients' input to it.

    It has a thread of its own, which ends with the terminal.
    """

    def __init__(self, terminal: int, log: Path, listen: Path) -> None:
        self._terminal = terminal
        self._log: BinaryIO = log.open("ab", buffering=0)
        self._server = socket.socket(socket.AF_UNIX)
        self._server.bind(str(listen))
        listen.chmod(0o600)
        self._server.listen(_MAX_CLIENTS)
        self._clients: set[socket.socket] = set()
        self._selector = selectors.DefaultSelector()
        self._selector.register(terminal, selectors.EVENT_READ, self._from_terminal)
        self._selector.register(self._server, selectors.EVENT_READ, self._welcome)
        self._open = True
        self._thread = threading.Thread(target=self._serve, name=f"console {log.name}", daemon=True)

    def start(self) -> None:
        """Begin to copy."""
        self._thread.start()

    def join(self, timeout_s: float) -> None:
        """Wait until the terminal has closed and its last words are in the log."""
        self._thread.join(timeout_s)

    def _serve(self) -> None:
        while self._open:
            for key, _events in self._selector.select():
                key.data()
        for held in (*self._clients, self._server):
            held.close()
        self._selector.close()
        self._log.close()
        os.close(self._terminal)

    def _from_terminal(self) -> None:
        try:
            data = os.read(self._terminal, _CHUNK)
        except OSError:  # EIO: the other side of a pty is closed (pty(7)); there is no gentler end of file
            data = b""
        if not data:
            self._open = False
            return
        self._log.write(data)
        for client in tuple(self._clients):
            try:
                client.send(data)
            except OSError:  # gone, or so slow that its buffer is full: the console must not wait for it
                self._part(client)

    def _welcome(self) -> None:
        client, _address = self._server.accept()
        if len(self._clients) >= _MAX_CLIENTS:
            client.close()
            return
        client.setblocking(False)  # noqa: FBT003 - socket takes it by position
        self._clients.add(client)
        self._selector.register(client, selectors.EVENT_READ, lambda: self._from_client(client))

    def _from_client(self, client: socket.socket) -> None:
        try:
            data = client.recv(_CHUNK)
        except OSError:
            data = b""
        if not data:
            self._part(client)
            return
        os.write(self._terminal, data)

    def _part(self, client: socket.socket) -> None:
        if client in self._clients:
            self._clients.remove(client)
            self._selector.unregister(client)
            client.close()
