"""What a drill holds is given back whatever happens, and signals wait for it."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from checks.connection import Unreachable
from failover.guest import Refused
from failover.held import Held, signals_wait, terminated_like_interrupted


@pytest.fixture(autouse=True)
def usual_signals() -> Iterator[None]:
    """Signals as a terminal's process has them: a runner in the background may ignore some."""
    usual: dict[signal.Signals, Any] = {
        signal.SIGINT: signal.default_int_handler,
        signal.SIGTERM: signal.SIG_DFL,
        signal.SIGHUP: signal.SIG_DFL,
    }
    kept = {number: signal.signal(number, handler) for number, handler in usual.items()}
    yield
    for number, handler in kept.items():
        signal.signal(number, handler)


@dataclass
class Recorder:
    """A holder that writes down what it is told; `then` happens in the middle of a word."""

    name: str
    log: list[str] = field(default_factory=list)
    then: dict[str, BaseException | int] = field(default_factory=dict)

    def _said(self, word: str) -> None:
        self.log.append(f"{self.name} {word}")
        what = self.then.pop(word, None)
        if isinstance(what, int):
            os.kill(os.getpid(), what)
        elif what is not None:
            raise what
        self.log.append(f"{self.name} {word} done")

    def arm(self, token: str, give_back_after_s: int) -> str:
        self._said("arm")
        return f"timer {len(token)} {give_back_after_s}"

    def renew(self, former: str, token: str, give_back_after_s: int) -> tuple[str, str]:
        assert former != token
        self._said("renew")
        return "yes", f"timer {give_back_after_s}"

    def give_back(self, token: str) -> str:
        assert token
        self._said("give back")
        return "yes"


def both(**then: BaseException | int) -> tuple[list[str], list[Recorder]]:
    log: list[str] = []
    words = {word.replace("_", " "): what for word, what in then.items()}
    return log, [Recorder("guest", log, words), Recorder("host", log)]


def words(log: list[str]) -> list[str]:
    return [line for line in log if not line.endswith("done")]


def test_all_is_armed_renewed_and_given_back_in_reverse() -> None:
    log, holders = both()
    with Held(holders, 30) as held:
        first = held.token(holders[0])
        held.renew()
        assert held.token(holders[0]) != first
    assert words(log) == ["guest arm", "host arm", "guest renew", "host renew", "host give back", "guest give back"]
    assert held.armed == ("guest: timer 30", "host: timer 30")
    assert held.given_back == ["yes"] * 4


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
@pytest.mark.parametrize("word", ["arm", "renew", "give_back"])
def test_a_signal_waits_until_the_word_is_done_and_all_is_given_back(word: str, number: int) -> None:
    log, holders = both(**{word: number})
    held = Held(holders, 30)
    with pytest.raises(KeyboardInterrupt), held:
        held.renew()
    assert f"guest {word.replace('_', ' ')} done" in log
    assert words(log)[-2:] == ["host give back", "guest give back"]
    assert held.given_back[-2:] == ["yes", "yes"]


def test_an_arming_that_is_refused_gives_back_what_was_armed() -> None:
    log, holders = both(arm=Refused("no"))
    with pytest.raises(Refused), Held(list(reversed(holders)), 30):
        pytest.fail("nothing may be done")
    assert words(log) == ["host arm", "guest arm", "guest give back", "host give back"]


def test_one_that_cannot_be_reached_keeps_nobody_else_from_being_given_back() -> None:
    log, holders = both()
    holders[1].then["give back"] = Unreachable("host: gone")
    with pytest.raises(Unreachable, match="host: gone"), (held := Held(holders, 30)):
        pass
    assert words(log)[-2:] == ["host give back", "guest give back"]
    assert held.given_back == ["yes"]


def test_what_went_wrong_first_is_what_is_told() -> None:
    _, holders = both(give_back=Unreachable("guest: gone"))
    with pytest.raises(ZeroDivisionError), Held(holders, 30):
        raise ZeroDivisionError


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_termination_unwinds_like_ctrl_c_and_afterwards_is_what_it_was(number: int) -> None:
    before = signal.getsignal(number)
    with pytest.raises(KeyboardInterrupt), terminated_like_interrupted():
        os.kill(os.getpid(), number)
    assert signal.getsignal(number) == before


def test_signals_that_wait_interrupt_once_at_the_end() -> None:
    reached = []
    with pytest.raises(KeyboardInterrupt), signals_wait():
        os.kill(os.getpid(), signal.SIGINT)
        os.kill(os.getpid(), signal.SIGTERM)
        reached.append("the end")
    assert reached == ["the end"]


def test_what_whoever_started_us_ignores_stays_ignored() -> None:
    kept = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with terminated_like_interrupted(), signals_wait():
            os.kill(os.getpid(), signal.SIGHUP)
        assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, kept)
