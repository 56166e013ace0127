"""What the benchmarks and the lab's tests of drills share: the `bond` lab, connections to its nodes, drills on them.

    python -m benchmarks.drills LAB [--fault NAME] [--repeat N] [--give-back-after SECONDS]

does one drill there and prints what is wrong; it is also what the benchmark of kills kills.
"""

from __future__ import annotations

import argparse
import io
import signal
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial

from checks.transport import connect
from failover import drill as drilling
from failover import verdict
from failover.guest import DrilledGuest
from failover.observer import look
from failover.places import Place
from failover.plan import Plan
from failover.result import DrillResult
from inventory.model import Budgets, FaultName
from lab import session
from lab.session import Lab

BOND = "bond0"


@dataclass(frozen=True, slots=True)
class Bench:
    """A lab that is up, with connections to its guest and its observer."""

    lab: Lab
    stack: ExitStack
    guest: Place
    observer: Place

    def drill(
        self,
        fault: FaultName,
        *,
        budgets: Budgets,
        probe_interval_ms: float = 5,
        give_back_after_s: int = 60,
        rounds: int = 1,
    ) -> DrillResult:
        """One drill of the lab's guest."""

        def guest(place: Place) -> DrilledGuest:
            return DrilledGuest("guest", place, BOND, sudo=False)

        plan = Plan(
            guest=guest(self.guest),
            fault=fault,
            way="auto",
            wanted_slaves=("eth0", "eth1"),
            wanted_addresses=(),
            probe_interval_ms=probe_interval_ms,
            give_back_after_s=give_back_after_s,
            budgets=budgets,
            reconnect=lambda: guest(_place(self.stack, self.lab, "guest")),
        )
        look_at = partial(look, "observer", self.observer, "eth0", sudo=False)
        return drilling.run(plan, [look_at], lambda _: io.BytesIO(), rounds)


@contextmanager
def bench(name: str | None) -> Iterator[Bench]:
    """The lab of this name that is up, or one of our own for as long as this lasts."""
    with ExitStack() as stack:
        lab = session.attach(name) if name else stack.enter_context(session.running("bond"))
        yield Bench(lab, stack, _place(stack, lab, "guest"), _place(stack, lab, "observer"))


def _place(stack: ExitStack, lab: Lab, node: str) -> Place:
    return Place(stack.enter_context(connect(f"ssh://{node}", str(lab.ssh_config))))


def wrong(result: DrillResult, budgets: Budgets) -> list[str]:
    """Everything that the statements would call broken; where there is no verdict, why, and what is left behind."""
    found = [text for text in (result.refused, result.not_measured, result.unfinished) if text]
    for direction in () if result.not_measured else result.directions:
        found += [f"{direction.name}: {complaint}" for complaint in verdict.complaints(direction, budgets)]
    if result.before and result.after:
        found += [f"left behind: {each}" for each in result.before.differences(result.after)]
    return [*found, *result.left_behind]


def main() -> int:
    """One drill; 1 when anything is wrong."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("lab")
    parser.add_argument("--fault", default="switch")
    parser.add_argument("--repeat", type=int, default=1)
    parser.add_argument("--give-back-after", type=int, default=10)
    words = parser.parse_args()
    budgets = Budgets(neighbour_s=1, outage_ms=1000)
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background would ignore it
    with bench(words.lab) as place:
        result = place.drill(words.fault, budgets=budgets, give_back_after_s=words.give_back_after, rounds=words.repeat)
    print("\n".join(wrong(result, budgets)))
    return int(bool(wrong(result, budgets)))


if __name__ == "__main__":
    sys.exit(main())
