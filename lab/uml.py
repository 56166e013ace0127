"""User-mode Linux: a node as an ordinary process, with no emulation and no KVM.

Its root is a copy-on-write view (ubd) of the guest image. Modules and the node's own settings come in by hostfs, and
`lab/guest/bond-init` is its process 1.
"""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import tempfile
from collections.abc import Iterable
from pathlib import Path

from lab.console import Console
from lab.machine import DidNotComeUp, NotSupported
from lab.ssh import wait_for_banner, wait_for_ssh
from lab.state import State, cache_folder
from lab.topology import Bond, Interface, Node, SshPath
from lab.uml_registers import fitted

PROGRAM = "linux.uml"
INIT = Path(__file__).parent / "guest" / "bond-init"
_INSTALLED_MODULES = Path("/usr/lib/uml/modules")
_SBIN = "/usr/local/sbin:/usr/sbin:/sbin"


class UmlError(Exception):
    """User-mode Linux cannot be used here; the text says what is missing."""


def module_tree() -> Path:
    """A folder with the kernel's modules, indexed: the package has no index, and ours is not the place to write one.

    Made once per kernel release, in the cache. Raises `UmlError`.
    """
    release = subprocess.run([PROGRAM, "--version"], capture_output=True, text=True, check=True).stdout.strip()
    source = _INSTALLED_MODULES / release
    if not source.is_dir():
        raise UmlError(f"{source} is missing: the package user-mode-linux is incomplete")
    wanted = cache_folder() / f"uml-modules-{release}"
    if wanted.is_dir():
        return wanted
    wanted.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=wanted.parent, prefix=".making-") as folder:
        made = Path(folder) / "lib" / "modules"
        shutil.copytree(source, made / release)
        search = {**os.environ, "PATH": f"{os.environ.get('PATH', '')}:{_SBIN}"}
        subprocess.run(["depmod", "-b", folder, release], check=True, env=search)
        try:
            made.rename(wanted)
        except OSError as error:
            if not wanted.is_dir():
                raise UmlError(f"cannot put the modules into {wanted}: {error.strerror}") from error
    return wanted


class UmlMachine:
    """One User-mode node; see `lab.machine.Machine`."""

    runs_on = "UML"

    def __init__(self, name: str, node: Node, path: SshPath, state: State, *, disk: Path, modules: Path) -> None:
        self.name = name
        self.console_log = state.console_log(name)
        self._node = node
        self._path = path
        self._state = state
        self._disk = disk
        self._modules = modules
        self._process: subprocess.Popen[bytes] | None = None
        self._console: Console | None = None

    def start(self) -> None:
        """Write its seed and begin to run it."""
        seed = self._state.folder / f"{self.name}.seed"
        write_seed(seed, self.name, self._node, keys=self._state.keys, modules=self._modules)
        overlay = self._state.scratch / f"{self.name}.cow"
        command = uml_command(self._node, seed=seed, overlay=overlay, disk=self._disk, run=self._state.scratch)
        ours, theirs = os.openpty()
        self._console = Console(ours, self.console_log, self._state.console_socket(self.name))
        self._console.start()
        try:
            self._process = subprocess.Popen(
                fitted(command), stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True
            )
        except OSError as error:
            raise DidNotComeUp(f"cannot run {PROGRAM}: {error.strerror}") from error
        finally:
            os.close(theirs)

    def ready(self, deadline: float) -> None:
        """Wait for its SSH server."""
        wait_for_banner(self._path, deadline, self.ended)
        wait_for_ssh(self._state, self.name, deadline, self.ended)

    def ended(self) -> str | None:
        """Why its process is gone, or None."""
        if self._process is None:
            return "it was never started"
        status = self._process.poll()
        if status is None:
            return None
        if self._console is not None:
            self._console.join(1)
        return f"its kernel ended by itself (status {status})"

    def stop(self) -> None:
        """End it at once: nothing it wrote is kept."""
        if self._process is not None and self._process.poll() is None:
            self._process.kill()
            self._process.wait()
        if self._console is not None:
            self._console.join(1)

    def set_wire(self, nic: str, *, connected: bool) -> None:
        """A User-mode NIC always has carrier, so there is no wire to cut."""
        del connected
        raise NotSupported(f"{self.name}/{nic}: a User-mode NIC always has carrier; use port-down on its tap instead")


def uml_command(node: Node, *, seed: Path, overlay: Path, disk: Path, run: Path) -> list[str]:
    """The argument list of a User-mode kernel for this node.

    The words go to the kernel as one line joined with spaces, hence no spaces inside paths and the quotes inside the
    last word (lib/cmdline.c, next_arg; what follows `--` is process 1's).
    """
    nics = [
        f"vec{index}:transport=tap,ifname={port.tap},mac={port.mac}" for index, port in enumerate(node.nics.values())
    ]
    first = f"mount -t proc proc /proc; mount -t hostfs -o {seed} hostfs /mnt; exec /mnt/init /mnt"
    return [
        PROGRAM,
        f"ubd0={overlay},{disk}",
        "root=/dev/ubda",
        "rw",
        f"mem={node.memory_mib}M",
        f"uml_dir={run}/uml",
        f"umid={overlay.stem}",
        "con0=fd:0,fd:1",
        "con=null",
        "ssl=null",
        "quiet",
        *nics,
        "init=/bin/sh",
        "--",
        "-c",
        f'"{first}"',
    ]


def write_seed(seed: Path, name: str, node: Node, *, keys: Path, modules: Path) -> None:
    """The directory that the node mounts to learn who it is; see `lab/guest/bond-init`. Raises `UmlError`."""
    if shlex.quote(str(seed)) != str(seed):
        raise UmlError(f"{seed}: a User-mode kernel cannot be given a path with such characters; set XDG_RUNTIME_DIR")
    seed.mkdir(mode=0o700)
    shutil.copy(INIT, seed / "init")
    (seed / "hostname").write_text(f"{name}\n")
    (seed / "modules").write_text(f"{modules}\n")
    (seed / "network.batch").write_text("\n".join(network_commands(node)) + "\n")
    shutil.copy(keys / "client_ed25519.pub", seed / "authorized_keys")
    shutil.copy(keys / "host_ed25519", seed / "host_key")


def network_commands(node: Node) -> list[str]:
    """Lines for `ip -batch` in the node: its NICs get their names, then bonds, VLAN interfaces and addresses."""
    lines = ["link set lo up"]
    lines += [f"link set vec{index} name {nic}" for index, nic in enumerate(node.nics)]
    for name, bond in node.bonds.items():
        lines += _bond_commands(name, bond)
    for name, port in node.nics.items():
        if not any(name in bond.slaves for bond in node.bonds.values()):
            lines += [f"link set {name} up", *_address_commands(name, port.addresses, port.vlans)]
    for name, bond in node.bonds.items():
        lines += _address_commands(name, bond.addresses, bond.vlans)
    return lines


def _bond_commands(name: str, bond: Bond) -> list[str]:
    # iproute2 says peer_notify_delay where sysfs says peer_notif_delay.
    options = (
        f"mode {bond.mode} fail_over_mac {bond.fail_over_mac} miimon {bond.miimon} "
        f"num_grat_arp {bond.num_grat_arp} peer_notify_delay {bond.peer_notif_delay}"
    )
    slaves = [f"link set {slave} master {name}" for slave in bond.slaves]
    return [f"link add {name} type bond {options}", *slaves, f"link set {name} up"]


def _address_commands(name: str, addresses: Iterable[Interface], vlans: dict[int, tuple[Interface, ...]]) -> list[str]:
    lines = [f"addr add {address} dev {name}" for address in addresses]
    for vlan, theirs in vlans.items():
        upper = f"{name}.{vlan}"
        lines += [f"link add link {name} name {upper} type vlan id {vlan}", f"link set {upper} up"]
        lines += [f"addr add {address} dev {upper}" for address in theirs]
    return lines
