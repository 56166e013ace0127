"""A Testinfra host over one of our connections, so that a site's own checks use the same verified link."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import testinfra.host
from testinfra.backend import base

from checks.refusals import Denied

if TYPE_CHECKING:
    from checks.connection import Connection

_DEADLINE_S = 60.0
_LIMIT_BYTES = 16 * 1024 * 1024
# How Testinfra's `host.file(...)` reads (modules/file.py): what is denied there is no wrong file, but an unknown one.
_READS = ("cat -- ", "stat -Lc ", "ls -1 -q -- ", "md5sum ", "sha256sum ")


class _OurBackend(base.BaseBackend):  # type: ignore[misc] # testinfra has no types
    NAME = "vfproof"

    def __init__(self, connection: Connection) -> None:
        super().__init__(connection.name)
        self._connection = connection

    def run(self, command: str, *args: str, **_: Any) -> Any:
        """Testinfra's one way to a host. Raises the errors of `checks.connection`: could not look, never failed."""
        text = self.get_command(command, *args)
        answer = self._connection.execute(text, b"", _DEADLINE_S, _LIMIT_BYTES)
        if answer.rc and command.startswith(_READS) and b"Permission denied" in answer.stderr:
            raise Denied(f"{self._connection.name}: not allowed to run '{text}'; connect as root, or use host.sudo()")
        return self.result(answer.rc, text.encode(), answer.stdout, answer.stderr)


def host_over(connection: Connection) -> Any:
    """A `testinfra.host.Host` whose every command goes over this connection."""
    backend = _OurBackend(connection)
    host = testinfra.host.Host(backend)
    backend.set_host(host)
    return host
