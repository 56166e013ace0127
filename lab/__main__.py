"""`python -m lab`: the embedded lab by hand. Exit status: 0 done, 1 the lab did not come up, 4 wrong usage."""

from __future__ import annotations

import argparse
import contextlib
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NoReturn

from lab import hook, session, state, topology, upgrading
from lab.build_machine import CannotBuild
from lab.coming_up import LabError
from lab.control import AskedWrongly, ControlError, ask
from lab.faults import KINDS
from lab.preflight import NotFit
from lab.progress import Progress
from lab.ssh import ssh_command
from lab.state import NotUp, State, StateError
from lab.status_table import status_lines
from lab.topology import TopologyError

DID_NOT_WORK = 1
WRONG_USAGE = 4
DEFAULT_TOPOLOGY = "sriov"
PROGRAM = os.environ.get("VFPROOF_LAB_PROG", "python -m lab")
CONSOLE_ESCAPE = 0x1D  # Ctrl-], as in telnet and virsh console


class NothingToRun(Exception):  # noqa: N818 - reads as what happened
    """`run` was given no command, or one that does not exist."""


_USAGE_ERRORS = (TopologyError, StateError, NotFit, NothingToRun, AskedWrongly)
_DID_NOT_WORK = (LabError, ControlError, CannotBuild)


class Parser(argparse.ArgumentParser):
    """argparse, with this project's exit status for wrong usage."""

    def error(self, message: str) -> NoReturn:
        """Say what is wrong in one line."""
        self.exit(WRONG_USAGE, f"{self.prog}: {message}; see {self.prog} --help\n")


def parser() -> Parser:
    """The command line of `python -m lab`."""
    top = Parser(
        prog=PROGRAM,
        description="Machines that are not there: an SR-IOV host or a bond, a switch and an observer, in namespaces of "
        "their own. Nothing of this machine's own network is touched, and `down` leaves nothing behind.",
        epilog="Topologies: " + "; ".join(f"{name}: {topology.load(name).summary}" for name in topology.available()),
    )
    verbs = top.add_subparsers(dest="verb", metavar="VERB", required=True, parser_class=Parser)
    _add_up_and_run(verbs.add_parser)
    _add_daily_verbs(verbs.add_parser)
    fault = verbs.add_parser(
        "fault",
        help="break or mend something on the wires",
        description="garp-na-drop: the switch drops gratuitous ARPs and unsolicited NAs. port-down PORT: a port of the "
        "switch goes down. wire-cut NODE/NIC: a NIC loses its carrier (QEMU only). blackhole NODE or PORT: the switch "
        "drops all from and to it, and counts. All are gone when the lab is.",
    )
    fault.add_argument("kind", choices=KINDS)
    fault.add_argument("target", nargs="?", default="", help="a port of the switch, or NODE/NIC")
    how = fault.add_mutually_exclusive_group()
    how.add_argument("--for", dest="for_s", type=_seconds, metavar="SECONDS", help="mend it again after that time")
    how.add_argument("--off", action="store_true", help="mend it now")
    fault.add_argument("--name", type=_name, help="which lab; needed only when several are up")
    fault.set_defaults(act=_fault)
    _add_hook(verbs.add_parser)
    return top


def _add_hook(add: Callable[..., Any]) -> None:
    words = add(
        "hook",
        help="what an inventory's switch_hook calls",
        description="port-down or wire-cut GUEST NIC SECONDS: break the wire behind a guest's NIC; it mends itself "
        f"after that time. mend FAULT GUEST NIC: mend it now. Exit status {hook.NOT_HERE}: not possible in this lab.",
    )
    words.add_argument("words", nargs=4, metavar="WORD")
    words.add_argument("--name", type=_name, help="which lab; needed only when several are up")
    words.set_defaults(act=_hook)


def _add_up_and_run(add: Callable[..., Any]) -> None:
    up = add("up", help="bring a lab up and leave it running", description="Bring a lab up and leave it running.")
    up.add_argument("topology", nargs="?", default=DEFAULT_TOPOLOGY, help=f"one of {', '.join(topology.available())}")
    up.set_defaults(act=_up)
    run = add(
        "run",
        help="a lab for the length of one command",
        description="Bring a lab up, run a command, end the lab. The command finds VFPROOF_LAB_INVENTORY, "
        "VFPROOF_LAB_SSH_CONFIG, VFPROOF_LAB_STATE and VFPROOF_LAB in its environment; its exit status is this one's. "
        "The lab dies with this process, however that ends.",
        usage="%(prog)s [-h] [--name NAME] TOPOLOGY -- COMMAND [ARGUMENT...]",
    )
    run.add_argument("topology", help=f"one of {', '.join(topology.available())}")
    run.set_defaults(act=_run)
    for verb in (up, run):
        verb.add_argument("--name", type=_name, help="to have two of one topology")


def _add_daily_verbs(add: Callable[..., Any]) -> None:
    down = add("down", help="end a lab and remove what it left", description="End a lab and remove what it left.")
    status = add("status", help="what is up, and how to reach it", description="What is up, and how to reach it.")
    ssh = add("ssh", help="a shell or a command on a node", description="A shell or a command on a node, by ssh.")
    ssh.add_argument("node", help="a node, or another path of `status`")
    ssh.add_argument(
        "command", nargs=argparse.REMAINDER, metavar="COMMAND", help="what to run there; a shell when left out"
    )
    console = add("console", help="a node's console", description="A node's console; Ctrl-] leaves it.")
    console.add_argument("node")
    reboot = add(
        "reboot",
        help="reboot a node",
        description="Reboot a node, and wait until it and all that is nested in it answer on every path.",
    )
    reboot.add_argument("node")
    upgrade = add(
        "upgrade",
        help="do the upgrade that a topology is made for",
        description="Install what a topology such as `upgrade` has at hand, as an administrator would, and reboot.",
    )
    acts = ((down, _down), (status, _status), (ssh, _ssh), (console, _console), (reboot, _reboot), (upgrade, _upgrade))
    for verb, act in acts:
        verb.add_argument("--name", type=_name, help="which lab; needed only when several are up")
        verb.set_defaults(act=act)


def _seconds(text: str) -> float:
    value = float(text)
    if not 0 < value <= 86400:
        raise argparse.ArgumentTypeError("between 0 and 86400 seconds")
    return value


def _name(text: str) -> str:
    if not topology.is_name(text):
        raise argparse.ArgumentTypeError(f"'{text}': lower-case letters, digits and '-', at most 24, a letter first")
    return text


def _up(given: argparse.Namespace) -> int:
    with Progress() as progress:
        lab = session.up(given.topology, given.name, progress.report)
        lab.detach()
    _print_status(lab.status(), lab.name)
    return 0


def _run(given: argparse.Namespace) -> int:
    if not given.after_dashes:
        raise NothingToRun("run needs a command: run TOPOLOGY -- COMMAND")
    if shutil.which(given.after_dashes[0]) is None:
        raise NothingToRun(f"there is no command '{given.after_dashes[0]}'")
    signal.signal(signal.SIGTERM, lambda *_signal: sys.exit(128 + signal.SIGTERM))
    with contextlib.ExitStack() as stack:
        with Progress() as progress:
            lab = stack.enter_context(session.running(given.topology, given.name, progress.report))
        return _run_command(given.after_dashes, lab)


def _run_command(command: Sequence[str], lab: session.Lab) -> int:
    """Ctrl-C reaches the command by itself; SIGTERM is passed on. Both then end the lab in good order."""
    # A handler, not SIG_IGN: what is ignored stays ignored over exec (signal(7)), and the command is to feel it.
    signal.signal(signal.SIGINT, lambda *_signal: None)
    with subprocess.Popen(command, env={**os.environ, **lab.environment()}) as process:
        signal.signal(signal.SIGTERM, lambda *_signal: process.terminate())
        status = process.wait()
    return status if status >= 0 else 128 - status


def _down(given: argparse.Namespace) -> int:
    name = given.name or _left_over() or (_only_lab() if session.names() else None)
    if name is None:
        print("no lab is up")
        return 0
    was_up = session.down(name)
    print(f"lab '{name}' is down" if was_up else f"lab '{name}' was not running; what it left is removed")
    return 0


def _left_over() -> str | None:
    """The one state directory there is, when its lab is dead."""
    base = state.base_folder()
    folders = [folder.name for folder in base.iterdir()] if base.is_dir() else []
    return folders[0] if len(folders) == 1 and not session.names() else None


def _only_lab() -> str:
    names = session.names()
    if not names:
        raise NotUp("no lab is up")
    if len(names) > 1:
        raise NotUp(f"several labs are up; choose with --name: {', '.join(names)}")
    return names[0]


def _status(given: argparse.Namespace) -> int:
    names = (given.name,) if given.name else session.names()
    if not names:
        print("no lab is up")
    for name in names:
        _print_status(ask(State.of(name), do="status"), name)
    return 0


def _print_status(status: dict[str, Any], name: str) -> None:
    own_name = f" --name {name}" if len(session.names()) > 1 else ""
    print("\n".join(status_lines(status, name, reach=f"{PROGRAM} ssh{own_name}")))


def _ssh(given: argparse.Namespace) -> int:
    lab = session.attach(given.name or _only_lab())
    known = [path for node in lab.status()["nodes"] for path in node["ssh"]]
    if given.node not in known:
        raise NotUp(f"there is no node '{given.node}'; there is {', '.join(known)}")
    command = ssh_command(lab.state, given.node, *given.command)
    os.execvp(command[0], command)  # noqa: S606 - the terminal is ssh's now


def _console(given: argparse.Namespace) -> int:
    lab = session.attach(given.name or _only_lab())
    socket = lab.state.console_socket(given.node)
    if not socket.exists():
        raise NotUp(f"no node '{given.node}' has a console here; there is {', '.join(_consoles(lab.state.folder))}")
    print("Ctrl-] leaves the console; Enter may bring a prompt", file=sys.stderr)
    here = f"-,raw,echo=0,escape={CONSOLE_ESCAPE:#x}" if sys.stdin.isatty() else "-"
    command = ["socat", here, f"UNIX-CONNECT:{socket}"]
    os.execvp(command[0], command)  # noqa: S606 - the terminal is socat's now


def _consoles(folder: Path) -> list[str]:
    return sorted(path.name.removesuffix(".console.sock") for path in folder.glob("*.console.sock"))


def _reboot(given: argparse.Namespace) -> int:
    lab = session.attach(given.name or _only_lab())
    loaded = topology.load(lab.status()["topology"])
    if given.node not in loaded.nodes:
        raise NotUp(f"there is no node '{given.node}'; there is {', '.join(loaded.nodes)}")
    upgrading.reboot(lab, loaded, given.node, _tell)
    return 0


def _upgrade(given: argparse.Namespace) -> int:
    lab = session.attach(given.name or _only_lab())
    upgrading.upgrade(lab, topology.load(lab.status()["topology"]), _tell)
    return 0


def _tell(text: str) -> None:
    print(f"lab: {text}", file=sys.stderr, flush=True)


def _fault(given: argparse.Namespace) -> int:
    lab = session.attach(given.name or _only_lab())
    if given.off:
        lab.mend(given.kind, given.target)
    else:
        lab.fault(given.kind, given.target, for_s=given.for_s)
    on = lab.status()["faults"]
    print("faults: " + (", ".join(on) if on else "none"))
    return 0


def _hook(given: argparse.Namespace) -> int:
    mend = given.words[0] == "mend"
    fault, guest, nic = given.words[1:] if mend else given.words[:3]
    if fault not in hook.FAULTS:
        raise AskedWrongly(f"there is no fault '{fault}'; there is {', '.join(hook.FAULTS)}")
    for_s = None if mend else _hook_seconds(given.words[3])
    lab = session.attach(given.name or _only_lab())
    try:
        wire = hook.target(topology.load(lab.status()["topology"]), fault, guest, nic)
    except hook.NoSuchWire as problem:
        print(problem, file=sys.stderr)
        return hook.NOT_HERE
    if mend:
        lab.mend(fault, wire)
    else:
        lab.fault(fault, wire, for_s=for_s)
    return 0


def _hook_seconds(text: str) -> float:
    try:
        return _seconds(text)
    except (ValueError, argparse.ArgumentTypeError):
        raise AskedWrongly(f"'{text}' is no number of seconds") from None


def main(arguments: Sequence[str] | None = None) -> int:
    """Do what the command line says; every expected trouble is one sentence on standard error."""
    try:
        words = list(sys.argv[1:] if arguments is None else arguments)
        # argparse would take options meant for us into the command, or the other way round.
        cut = words.index("--") if "run" in words and "--" in words else len(words)
        given = parser().parse_args(words[:cut])
        given.after_dashes = words[cut + 1 :]
        return int(given.act(given))
    except _USAGE_ERRORS as error:
        status, text = WRONG_USAGE, str(error)
    except _DID_NOT_WORK as error:
        status, text = DID_NOT_WORK, str(error)
    except KeyboardInterrupt:
        status, text = 128 + signal.SIGINT, "interrupted; the lab is gone"
    print(f"lab: {text}", file=sys.stderr)
    return status


if __name__ == "__main__":
    sys.exit(main())
