"""kvm-1, the emulated SR-IOV host: booted through its own GRUB once, resumed from a saved state after that."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import tempfile
import time
from pathlib import Path

from lab import qemu
from lab.images import Image
from lab.machine import DidNotComeUp, NotSupported
from lab.ssh import ssh, wait_for_banner, wait_for_ssh
from lab.state import State, cache_folder
from lab.topology import Node, SshPath
from lab.tree import tree_environment

# The PFs sit behind a root port each, so that their names are those of bus 1 and bus 2 (systemd.net-naming-scheme(7)).
MANAGEMENT_NIC = "enp0s3"
_ROOT_PORTS = {"enp1s0": 4, "enp2s0": 5}
_BUSY_S = 180  # libvirt takes 10 s to know the guest; the machine may be busy with much else
_RESUME_S = 150  # it takes 8 s on two cores; a machine busy with much else must not cost the saved state


def machine_arguments(node: Node, accelerator: qemu.Accelerator) -> list[str]:
    """QEMU's arguments for the machine itself: what a saved state depends on. Disks and sockets come on top."""
    arguments = [
        "-machine", "q35,kernel-irqchip=split",
        "-accel", accelerator.argument, "-cpu", accelerator.cpu,
        "-smp", str(accelerator.cpus), "-m", str(node.memory_mib),
        "-device", "intel-iommu,intremap=on",
        "-device", "virtio-blk-pci,drive=root,addr=2",
        "-device", "virtio-rng-pci,addr=6",
        "-device", "virtio-blk-pci,drive=guest,addr=7",
    ]  # fmt: skip
    for nic, port in node.nics.items():
        # vhost would need rights and a kernel module of the machine below, and saves nothing here.
        arguments += ["-netdev", f"tap,id={nic},ifname={port.tap},script=no,downscript=no,vhost=off"]
        if nic == MANAGEMENT_NIC:
            arguments += ["-device", f"virtio-net-pci,netdev={nic},mac={port.mac},addr=3,romfile="]
        else:
            slot = _ROOT_PORTS[nic]
            arguments += ["-device", f"pcie-root-port,id=rp-{nic},chassis={slot},addr={slot}"]
            arguments += ["-device", f"igb,netdev={nic},mac={port.mac},bus=rp-{nic},romfile="]
    return arguments


def disk_arguments(root: Path, guest: Path) -> list[str]:
    """Throw-away overlays: nobody needs them after a crash, so nothing waits for a disk below (cache=unsafe)."""
    return [
        "-drive", f"file={root},format=qcow2,if=none,id=root,cache=unsafe,discard=unmap",
        "-drive", f"file={guest},format=qcow2,if=none,id=guest,cache=unsafe,discard=unmap",
    ]  # fmt: skip


class SavedState:
    """The host as it was just before its guest is started for the first time: memory, devices and disk."""

    def __init__(self, host: Image, guest: Image, arguments: list[str]) -> None:
        parts = [host.folder.name, guest.folder.name, *arguments]
        digest = hashlib.sha256("\0".join(parts).encode()).hexdigest()[:16]
        self.folder = cache_folder() / f"warm-{digest}"

    @property
    def exists(self) -> bool:
        """Whether there is one to resume from."""
        return self.folder.is_dir()

    @property
    def memory(self) -> Path:
        """What QEMU's migration wrote."""
        return self.folder / "machine.state"

    @property
    def disk(self) -> Path:
        """The root disk's overlay at that moment."""
        return self.folder / "root.qcow2"

    def take(self, control: qemu.Qmp, overlay: Path, deadline: float) -> None:
        """Save the running machine, whose root disk is `overlay`, and let it go on. Raises `QemuError`."""
        with tempfile.TemporaryDirectory(dir=self.folder.parent, prefix=".making-warm-") as folder:
            made = Path(folder) / "entry"
            made.mkdir()
            control.save(made / self.memory.name, deadline)
            shutil.copyfile(overlay, made / self.disk.name)
            control.execute("cont")
            try:
                made.rename(self.folder)
            except OSError:
                if not self.exists:  # another lab was faster: its state is as good
                    raise

    def drop(self) -> None:
        """Forget it."""
        shutil.rmtree(self.folder)


class SriovHost:
    """See `lab.machine.Machine`."""

    def __init__(self, name: str, node: Node, path: SshPath, state: State, images: tuple[Image, Image]) -> None:
        host, guest = images
        self.name = name
        self.console_log = state.console_log(name)
        self._path = path
        self._state = state
        self._host = host
        self._guest = guest
        accelerator = qemu.accelerator(host.tree)
        self._arguments = machine_arguments(node, accelerator)
        self._saved = SavedState(host, guest, self._arguments)
        self._resumes = self._saved.exists
        how = "resumed" if self._resumes else "booted"
        self.runs_on = f"QEMU ({accelerator.name}: {accelerator.why}), {how}"
        self._complaints = state.folder / f"{name}.qemu.log"
        self._control = state.folder / f"{name}.qmp"
        self._root = state.scratch / f"{name}-root.qcow2"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Make the overlays and start QEMU, from the saved state where there is one."""
        guest_disk = self._state.scratch / f"{self.name}-guest.qcow2"
        tree = self._host.tree
        backing, kind = (self._saved.disk, "qcow2") if self._resumes else (self._host.disk, "raw")
        qemu.overlay(tree, backing, kind, self._root)
        qemu.overlay(tree, self._guest.disk, "raw", guest_disk)
        console = f"socket,id=console,path={self._state.console_socket(self.name)},server=on,wait=off"
        line = qemu.command(
            tree,
            [
                *self._arguments,
                *disk_arguments(self._root, guest_disk),
                "-chardev", f"{console},logfile={self.console_log},logappend=on", "-serial", "chardev:console",
                "-qmp", f"unix:{self._control},server=on,wait=off",
                *(["-incoming", f"file:{self._saved.memory}"] if self._resumes else []),
            ],
        )  # fmt: skip
        with self._complaints.open("wb") as complaints:
            self._process = subprocess.Popen(
                line, env=tree_environment(tree), stdin=subprocess.DEVNULL, stdout=complaints, stderr=complaints
            )

    def ready(self, deadline: float) -> None:
        """Wait for SSH. After a boot: make libvirt know the guest, and save the state for next time."""
        try:
            if self._resumes:
                self._resume(min(deadline, time.monotonic() + _RESUME_S))
            else:
                self._boot(deadline)
        except qemu.QemuError as error:
            raise DidNotComeUp(self.ended() or str(error)) from error

    def _resume(self, deadline: float) -> None:
        try:
            with qemu.Qmp(self._control) as control:
                control.resume(deadline)
            self._wait_for_answer(deadline)
        except (qemu.QemuError, DidNotComeUp) as reason:
            self._saved.drop()
            why = self.ended() or reason
            raise DidNotComeUp(f"{why}; its saved state is dropped, so the next `lab up` boots it anew") from reason
        # The clock stood still in the saved state.
        self._run(f"date --utc --set=@{time.time():.3f} >/dev/null")

    def _boot(self, deadline: float) -> None:
        self._wait_for_answer(deadline)
        self._run("/usr/lib/vfproof/define-guest")
        with qemu.Qmp(self._control) as control:
            self._saved.take(control, self._root, deadline)

    def _wait_for_answer(self, deadline: float) -> None:
        wait_for_banner(self._path, deadline, self.ended)
        wait_for_ssh(self._state, self.name, deadline, self.ended)

    def _run(self, command: str) -> None:
        name = command.split(maxsplit=1)[0]
        try:
            answer = ssh(self._state, self.name, command, timeout_s=_BUSY_S)
        except subprocess.TimeoutExpired:
            raise DidNotComeUp(f"`{name}` was not done on it after {_BUSY_S} s") from None
        if answer.returncode != 0:
            raise DidNotComeUp(f"`{name}` failed on it: {answer.stderr.strip()}")

    def ended(self) -> str | None:
        """Why QEMU is gone, or None."""
        if self._process is None:
            return "it was never started"
        status = self._process.poll()
        if status is None:
            return None
        said = [line for line in self._complaints.read_text(errors="replace").splitlines() if "warning:" not in line]
        return f"QEMU ended (status {status}): {said[-1] if said else 'the machine went off by itself'}"

    def stop(self) -> None:
        """End it at once: nothing it wrote is kept."""
        if self._process is not None and self._process.poll() is None:
            self._process.kill()
            self._process.wait()

    def set_wire(self, nic: str, *, connected: bool) -> None:
        """Cut or mend the cable of one NIC: its carrier goes. Raises `NotSupported` for a NIC it does not have."""
        try:
            with qemu.Qmp(self._control) as control:
                control.execute("set_link", name=nic, up=connected)
        except qemu.QemuError as error:
            raise NotSupported(f"{self.name}/{nic}: {error}") from error
