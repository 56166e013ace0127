from __future__ import annotations

from dataclasses import replace

import pytest

from failover.clocks import Agreement, carried_over, compare
from failover.timeline import Switched
from tests.failover.wire import healthy

SECOND = 1_000_000_000


def elsewhere(ahead_ns: int, jitter_ns: int = 0, lost: int = 0):
    frames = [
        replace(frame, at_ns=frame.at_ns + ahead_ns + (jitter_ns if index % 2 else 0))
        for index, frame in enumerate(healthy().frames())
    ]
    return frames[lost:]


@pytest.mark.parametrize("ahead_ns", [0, 7 * SECOND + 123_456, -3600 * SECOND])
@pytest.mark.parametrize("guess_error_ns", [0, 40_000_000, -40_000_000])
def test_the_clocks_difference_is_that_of_frames_that_both_saw(ahead_ns, guess_error_ns):
    agreement = compare(healthy().frames(), elsewhere(ahead_ns), ahead_ns + guess_error_ns)
    assert agreement == Agreement(ahead_ns, 0, 9)  # three announcements of three addresses; no probe, no marker


def test_how_far_the_frames_disagree_is_told():
    agreement = compare(healthy().frames(), elsewhere(5 * SECOND, jitter_ns=300_000), 5 * SECOND)
    assert agreement is not None
    assert 5 * SECOND <= agreement.ahead_ns <= 5 * SECOND + 300_000
    assert 150_000 <= agreement.within_ns <= 300_000


def test_a_frame_that_one_missed_is_not_taken_for_its_repetition():
    there = [frame for frame in elsewhere(0) if not (frame.for_everybody and frame.at_ns < healthy_second_round_ns())]
    agreement = compare(healthy().frames(), there, 0)
    assert agreement == Agreement(0, 0, 6)


def healthy_second_round_ns() -> int:
    return sorted(frame.at_ns for frame in healthy().frames() if frame.for_everybody)[3]


def test_nothing_in_common_says_nothing():
    only_probes = [frame for frame in elsewhere(0) if not frame.for_everybody]
    assert compare(healthy().frames(), only_probes, 0) is None
    assert compare(healthy().frames(), elsewhere(0), 10 * SECOND) is None


def test_a_switch_by_another_clock_lies_in_a_wider_span():
    carried = carried_over(Switched(100, 500, "marker frame"), Agreement(1000, 20, 3), "observer")
    assert (carried.at_ns, carried.done_ns) == (1080, 1520)
    assert carried.by == (
        "marker frame of observer, whose clock differs by +0.001 ms ± 0.000 by 3 frames that both saw"
    )
    assert carried_over(Switched(100, None, ""), Agreement(1000, 20, 3), "observer").done_ns is None
