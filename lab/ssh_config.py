"""The ssh configuration by which a lab's nodes are reached from outside, with the keys and host keys it names."""

from __future__ import annotations

import shutil

from lab.state import KEY_NAMES, State, keys
from lab.topology import Topology


def write_ssh_files(state: State, topology: Topology) -> None:
    """Keys, known_hosts and ssh_config of a lab, in its state directory."""
    state.keys.mkdir(mode=0o700)
    for name in KEY_NAMES:
        shutil.copy(keys() / name, state.keys / name)
        shutil.copy(keys() / f"{name}.pub", state.keys / f"{name}.pub")
    host_key = (state.keys / "host_ed25519.pub").read_text().strip()
    state.known_hosts.write_text("".join(f"{node} {host_key}\n" for node in topology.nodes))
    state.ssh_config.write_text(ssh_config(state, topology))


def ssh_config(state: State, topology: Topology) -> str:
    """The text of the ssh configuration: one `Host` per path, then what all have in common."""
    blocks = []
    for name, path in topology.ssh.items():
        way = f"ProxyJump {path.jump}" if path.jump else f"ProxyCommand socat - UNIX-CONNECT:{state.ssh_socket(name)}"
        blocks.append(f"Host {name}\n    HostName {path.address}\n    HostKeyAlias {path.node}\n    {way}\n")
    blocks.append(
        "Host *\n    User root\n"
        f"    IdentityFile {state.keys / 'client_ed25519'}\n    UserKnownHostsFile {state.known_hosts}\n"
        "    GlobalKnownHostsFile none\n    StrictHostKeyChecking yes\n    IdentitiesOnly yes\n"
        "    IdentityAgent none\n    BatchMode yes\n    LogLevel ERROR\n    ConnectTimeout 10\n"
    )
    return "\n".join(blocks)
