"""A real sshd on loopback, an ordinary process of the test: own keys, own configuration, no PAM, no privilege."""

from __future__ import annotations

import getpass
import shutil
import socket
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

SSHD = shutil.which("sshd", path="/usr/sbin:/usr/local/sbin:/sbin:/usr/bin")


@dataclass(frozen=True)
class Sshd:
    """A running server, and the client's side of it: a key that it accepts and a configuration that knows it."""

    folder: Path
    port: int
    process: subprocess.Popen[bytes]

    @property
    def user(self) -> str:
        return getpass.getuser()

    @property
    def host_key(self) -> str:
        return " ".join((self.folder / "host_key.pub").read_text().split()[:2])

    def config(self, name: str = "server", *, known: bool = True, extra: str = "", address: str = "127.0.0.1") -> str:
        """Write an ssh configuration with the server as host `name`, and give its path."""
        known_hosts = self.folder / f"known_{name}_{len(list(self.folder.iterdir()))}"
        line = f"[{address}]:{self.port} {self.host_key}\n" if known else ""
        known_hosts.write_text(line)
        path = known_hosts.with_suffix(".conf")
        path.write_text(
            f"Host {name}\n  HostName {address}\n  Port {self.port}\n  User {self.user}\n"
            f"  IdentityFile {self.folder / 'client_key'}\n  UserKnownHostsFile {known_hosts}\n"
            f"  GlobalKnownHostsFile none\n  IdentitiesOnly yes\n  IdentityAgent none\n{extra}"
        )
        return str(path)


def start(folder: Path) -> Sshd:
    """Start a server in this folder and wait until it listens."""
    if SSHD is None:
        raise RuntimeError("sshd is not installed; these tests talk to a real one: apt-get install openssh-server")
    Path("/run/sshd").mkdir(exist_ok=True) if getpass.getuser() == "root" else None
    folder.chmod(0o700)
    for name in ("host_key", "client_key"):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(folder / name)], check=True)
    shutil.copy(folder / "client_key.pub", folder / "authorized_keys")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    configuration = folder / "sshd_config"
    configuration.write_text(
        f"Port {port}\nListenAddress 127.0.0.1\nHostKey {folder / 'host_key'}\nPidFile none\nUsePAM no\n"
        f"AuthorizedKeysFile {folder / 'authorized_keys'}\nStrictModes no\nPasswordAuthentication no\n"
        "MaxStartups 100\nPrintMotd no\nAllowTcpForwarding yes\nPermitRootLogin yes\n"
    )
    log = (folder / "sshd.log").open("wb")
    with log:
        process = subprocess.Popen([SSHD, "-D", "-e", "-f", str(configuration)], stderr=log, stdin=subprocess.DEVNULL)
    server = Sshd(folder, port, process)
    _wait_until_it_listens(server)
    return server


def _wait_until_it_listens(server: Sshd) -> None:
    until = time.monotonic() + 10
    while time.monotonic() < until and server.process.poll() is None:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", server.port)) == 0:
                return
        time.sleep(0.02)
    stop(server)
    raise RuntimeError(f"sshd does not listen: {(server.folder / 'sshd.log').read_text().strip()}")


def stop(server: Sshd) -> None:
    """End the server; its sessions end with their connections."""
    server.process.terminate()
    server.process.wait(10)
