"""What a drill holds on other machines: locks and undo timers, armed before anything is done and given back always."""

from __future__ import annotations

import secrets
import signal
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from types import TracebackType

from checks.outcome import CouldNotLook
from failover.plan import Holder

ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
"""Signals that end a drill, and must give everything back first."""
DONE = "yes"
"""As `give_back.sh` says that it did."""


class Held:
    """Every holder's lock and timer, for as long as the `with` lasts. Afterwards everything is given back.

    A signal that comes while a timer is armed or something is given back waits until that is over.
    """

    def __init__(self, holders: Sequence[Holder], give_back_after_s: int) -> None:
        self.armed: tuple[str, ...] = ()
        """The timers that run now, in words."""
        self.given_back: list[str] = []
        """What the holders said about giving back."""
        self._holders, self._give_back_after_s = holders, give_back_after_s
        self._tokens: dict[str, str] = {}

    def token(self, holder: Holder) -> str:
        """What holds this one's lock now; each round has its own."""
        return self._tokens.get(holder.name, "")

    def __enter__(self) -> Held:
        """Arm all; raises `Refused`, or what a connection raises, with nothing left armed that can be reached."""
        try:
            with signals_wait():
                self.armed = tuple(self._arm(holder) for holder in self._holders)
        except BaseException:
            self._give_back()
            raise
        return self

    def _arm(self, holder: Holder) -> str:
        token = secrets.token_hex(4)
        self._tokens[holder.name] = token  # first: an arming whose answer is lost may still be under way there
        return f"{holder.name}: {holder.arm(token, self._give_back_after_s)}"

    def renew(self) -> None:
        """Give everything back, and begin anew with new timers; the locks stay with us."""
        with signals_wait():
            self.armed = tuple(self._renew(holder) for holder in self._holders)

    def _renew(self, holder: Holder) -> str:
        token = secrets.token_hex(4)
        back, timer = holder.renew(self._tokens[holder.name], token, self._give_back_after_s)
        self._tokens[holder.name] = token
        self.given_back.append(back)
        return f"{holder.name}: {timer}"

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Give everything back. What cannot be reached is left to its own timer, and raised if nothing else is."""
        problem = self._give_back()
        if problem is not None and error is None:
            raise problem

    def _give_back(self) -> CouldNotLook | None:
        """Every holder is tried, whatever becomes of the others."""
        first: CouldNotLook | None = None
        with signals_wait():
            for holder in reversed([each for each in self._holders if each.name in self._tokens]):
                try:
                    self.given_back.append(holder.give_back(self._tokens[holder.name]))
                except CouldNotLook as problem:
                    first = first or problem
        return first


@contextmanager
def signals_wait() -> Iterator[None]:
    """Signals that would end us wait until the end of this."""
    came: list[int] = []
    kept = {number: signal.signal(number, lambda number, _: came.append(number)) for number in _heeded(ENDING)}
    try:
        yield
    finally:
        for number, handler in kept.items():
            signal.signal(number, handler)
        if came:
            raise KeyboardInterrupt(f"signal {came[0]}")


@contextmanager
def terminated_like_interrupted() -> Iterator[None]:
    """SIGTERM and SIGHUP unwind like Ctrl-C, so that everything is given back."""

    def interrupt(number: int, _frame: object) -> None:
        raise KeyboardInterrupt(f"signal {number}")

    kept = {number: signal.signal(number, interrupt) for number in _heeded((signal.SIGTERM, signal.SIGHUP))}
    try:
        yield
    finally:
        for number, handler in kept.items():
            signal.signal(number, handler)


def _heeded(numbers: Sequence[signal.Signals]) -> list[signal.Signals]:
    """Those that whoever started us has not told us to ignore (nohup, a shell's background)."""
    return [number for number in numbers if signal.getsignal(number) is not signal.SIG_IGN]
