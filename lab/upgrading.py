"""Upgrading a node of a running lab as its administrator would, and starting nodes anew."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable

from lab.assemble import SCRIPTS
from lab.coming_up import LabError
from lab.session import Lab
from lab.ssh import ssh_command
from lab.topology import Topology, Upgrade

Say = Callable[[str], None]
_POLL_S = 0.5
_ASK_S = 15
_GO_DOWN_S = 120


def upgrade(lab: Lab, topology: Topology, say: Say) -> None:
    """Run the topology's upgrade, whose own words go to standard output, and start what it upgrades anew.

    Raises `LabError`.
    """
    wanted = topology.upgrade
    if wanted is None:
        raise LabError(f"topology '{topology.name}' has nothing to upgrade")
    anew = Paths(lab, topology, wanted.anew or wanted.node)
    say(f"{wanted.node}: upgrade, by {wanted.script}")
    begun = time.monotonic()
    _run_script(lab, wanted)
    say(f"{wanted.node}: upgraded ({time.monotonic() - begun:.0f} s)")
    if wanted.anew is None:
        anew.reboot(say)
    anew.wait(say)


def reboot(lab: Lab, topology: Topology, node: str, say: Say) -> None:
    """Reboot a node, and wait until it and all that is nested in it answer on every path. Raises `LabError`."""
    paths = Paths(lab, topology, node)
    paths.reboot(say)
    paths.wait(say)


def _run_script(lab: Lab, wanted: Upgrade) -> None:
    with (SCRIPTS / wanted.script).open("rb") as commands:
        line = ssh_command(lab.state, wanted.node, "sh", "-s")
        try:
            done = subprocess.run(line, stdin=commands, timeout=wanted.within_s, check=False)
        except subprocess.TimeoutExpired:
            raise LabError(f"{wanted.node}: {wanted.script} was not done after {wanted.within_s} s") from None
    if done.returncode != 0:
        raise LabError(f"{wanted.node}: {wanted.script} ended with {done.returncode}; its own words stand above")


class Paths:
    """The ways to a node and to all that is nested in it, and which start of them answered when this was made.

    Raises `LabError` when one does not answer: then nothing could tell later that it was started anew.
    """

    def __init__(self, lab: Lab, topology: Topology, node: str) -> None:
        nodes = _nested_in(topology, node)
        self._lab = lab
        self._node = node
        self._come_up_s = _GO_DOWN_S + sum(topology.nodes[name].come_up_within_s for name in nodes)
        paths = [name for name, way in topology.ssh.items() if way.node in nodes]
        self._before = {path: _boot_id(lab, path) for path in paths}
        silent = [path for path, found in self._before.items() if found is None]
        if silent:
            raise LabError(f"{', '.join(silent)} does not answer, so nothing could tell that it was started anew")

    def reboot(self, say: Say) -> None:
        """Tell the node to reboot."""
        say(f"{self._node}: reboot")
        self._lab.ssh(self._node, "systemctl --no-block reboot")

    def wait(self, say: Say) -> None:
        """Wait until another start answers on every path. Raises `LabError`."""
        begun = time.monotonic()
        for path, before in self._before.items():
            while _boot_id(self._lab, path) in (None, before):
                if time.monotonic() > begun + self._come_up_s:
                    raise LabError(f"{path} did not answer in time; its console: ./vfproof lab console")
                time.sleep(_POLL_S)
            say(f"{path}: answers again after {time.monotonic() - begun:.0f} s")


def _nested_in(topology: Topology, node: str) -> list[str]:
    """The node, and those that go down with it."""
    found = [node]
    for name in found:
        found += [other for other, one in topology.nodes.items() if one.after == name and one.machine == "nested"]
    return found


def _boot_id(lab: Lab, path: str) -> str | None:
    """Which start of the machine answers there (random(4), boot_id); None while none does."""
    try:
        answer = lab.ssh(path, "cat /proc/sys/kernel/random/boot_id", timeout_s=_ASK_S)
    except subprocess.TimeoutExpired:
        return None
    return answer.stdout.strip() or None if answer.returncode == 0 else None
