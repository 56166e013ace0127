"""What is left of a drill whose controller, connection or observer is gone at any instant: prints a table.

    python -m benchmarks.kills [--lab NAME] [--times N] [--seed N]     default: 50 kills in a `bond` lab of its own

Each row is a drill that is hit at a random instant of its length: mostly its controller dies by SIGKILL;
every few rows instead it gets SIGTERM or SIGINT, or the guest's or the observer's way to the controller is cut. The
lock must then open within the time of its undo timer, with the bond as before, and nothing may be left running on the
observer; the next row's drill must be able to begin. In the end one whole drill must hold.
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.drills import BOND, bench, wrong
from failover import bond_state
from failover.bond_state import BondState
from failover.places import script
from inventory.model import Budgets
from lab.session import Lab

GIVE_BACK_AFTER_S = 10
TIMER_SLACK_S = 4
"""From the timer's instant until its script has run, on a busy machine."""
LOOK_S = 5
"""What our own looking may take: a connection to a guest that is short of CPU."""
CUT_S = GIVE_BACK_AFTER_S + TIMER_SLACK_S
ROOT = Path(__file__).parents[1]
WAYS = (
    "SIGKILL",
    "SIGKILL",
    "SIGKILL",
    "SIGTERM",
    "SIGKILL",
    "SIGINT",
    "guest cut",
    "SIGKILL",
    "SIGKILL",
    "observer cut",
)
PORTS = {"guest cut": "guest-ctl", "observer cut": "obs-ctl"}
LOCK = "/run/vfproof"
LOCKS = f"ls {LOCK} 2>/dev/null || :"
ROW = "{:>3}  {:<13}{:>8}  {:<26}{:>12}{:>12}  {}"


def main() -> int:
    """Kill and print; 1 when anything was left behind once."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--lab")
    parser.add_argument("--times", type=int, default=50)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=2, help="of each drill that is hit")
    words = parser.parse_args()
    chance = random.Random(words.seed)
    failures = 0
    with bench(words.lab) as place:
        before = state(place.lab)
        begun = time.monotonic()
        with victim(place.lab, words.rounds) as whole:
            whole.communicate()
        length_s = time.monotonic() - begun
        print(f"a whole drill takes {length_s:.0f} s; its undo timer {GIVE_BACK_AFTER_S} s", flush=True)
        print(ROW.format("#", "hit by", "at s", "found then", "as before s", "observer s", ""), flush=True)
        for number in range(words.times):
            failures += not row(place.lab, number, chance.uniform(0, length_s), before, words.rounds)
        budgets = Budgets(neighbour_s=1, outage_ms=1000)
        left = wrong(place.drill("switch", budgets=budgets), budgets)
        print(f"{words.times - failures} of {words.times} as before in time; the drill after them: {left or 'holds'}")
    return int(failures > 0 or bool(left))


def victim(lab: Lab, rounds: int) -> subprocess.Popen[str]:
    """A drill in a process of its own."""
    words = [sys.executable, "-m", "benchmarks.drills", lab.name, "--repeat", str(rounds)]
    words += ["--give-back-after", str(GIVE_BACK_AFTER_S)]
    return subprocess.Popen(words, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def row(lab: Lab, number: int, at_s: float, before: BondState, rounds: int) -> bool:
    """Hit one drill, and see what becomes of the bond."""
    way = WAYS[number % len(WAYS)]
    with victim(lab, rounds) as process:
        time.sleep(at_s)  # the random instant itself: there is nothing to wait for
        if way in PORTS:
            found, hit = "", time.monotonic()
            with cut(lab, PORTS[way]):
                time.sleep(CUT_S)  # who is cut off cannot be asked meanwhile; the guest's timer has this long
            if way == "guest cut":
                until(lambda: lab.ssh("guest", "true").returncode == 0, 20)
                hit = time.monotonic() - GIVE_BACK_AFTER_S  # what is left is for our asking
        else:
            os.kill(process.pid, getattr(signal, way))
            hit = time.monotonic()
            found = lab.output("guest", f"cat /sys/class/net/{BOND}/bonding/active_slave; ls {LOCK}/* 2>/dev/null || :")
        as_before = unlocked_after(lab, hit)
        left = left_behind(lab, before)
        said, _ = process.communicate(timeout=180)
    gone = until(lambda: lab.ssh("observer", "pidof ping tcpdump").returncode == 1, CUT_S + 10)
    last = said.strip().splitlines()[-1:] if way in PORTS else []
    print(
        ROW.format(
            number + 1,
            way,
            f"{at_s:.1f}",
            " ".join(found.replace(f"{LOCK}/", "").split())[:25],
            "never" if as_before is None else f"{as_before:.1f}",
            "never" if gone is None else f"{gone:.1f}",
            "; ".join([*left, *last]),
        ),
        flush=True,
    )
    return as_before is not None and gone is not None and not left


@contextmanager
def cut(lab: Lab, port: str) -> Iterator[None]:
    """The switch forwards nothing from or to a port, whose link stays up.

    A port that is down would do the same to the network; but a user-mode machine that is sending when its tap goes down
    does not send again when that is back.
    """
    pid = lab.state.cell_pid.read_text().strip()
    as_user = [f"--user=/proc/{pid}/ns/user", "--preserve-credentials"] if os.getuid() else []
    command = ["nsenter", *as_user, f"--net=/proc/{pid}/ns/net", "bridge", "link", "set", "dev", port, "state"]
    subprocess.run([*command, "0"], check=True)
    try:
        yield
    finally:
        subprocess.run([*command, "3"], check=True)


def state(lab: Lab) -> BondState:
    """The bond, asked over a connection of its own."""
    said = lab.ssh("guest", "sh -s", stdin=script("bond_state.sh", BOND).decode(), timeout_s=40)
    return bond_state.parse(BOND, said.stdout)


def left_behind(lab: Lab, before: BondState) -> list[str]:
    """What is not as it was; empty when all is."""
    locks = lab.output("guest", LOCKS).split()
    return [*before.differences(state(lab)), *(f"lock {name}" for name in locks)]


def unlocked_after(lab: Lab, hit: float) -> float | None:
    """Seconds from the hit until the guest's lock was open, which it waits for by itself; None when not in time."""
    waits = f'until [ -z "$({LOCKS})" ] || [ $(date +%s) -gt $ends ]; do sleep 0.1; done'
    lab.output("guest", f"ends=$(($(date +%s) + {CUT_S + LOOK_S})); {waits}", timeout_s=CUT_S + 20)
    took_s = time.monotonic() - hit
    return took_s if took_s <= CUT_S + LOOK_S else None


def until(condition: Callable[[], bool], deadline_s: float, begun: float | None = None) -> float | None:
    """Seconds from `begun` until it held; None when it did not in time."""
    begun = time.monotonic() if begun is None else begun
    while not condition():
        if time.monotonic() - begun > deadline_s:
            return None
        time.sleep(0.2)  # between two looks, under the deadline
    return time.monotonic() - begun


if __name__ == "__main__":
    sys.exit(main())
