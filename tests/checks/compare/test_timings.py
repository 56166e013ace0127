"""Timings of drills against their own noise: the test by its textbook values, and what comes of it."""

from __future__ import annotations

import random
from statistics import NormalDist

import pytest

from checks.compare import timings as module
from checks.compare.timings import Series, Values, mann_whitney, pooled_deviation, timings

OUTAGE = Series("g", "switch", "eth0→eth1", "", "outage")


def uniform(seed: int, number: int, low: float, high: float) -> tuple[float, ...]:
    chosen = random.Random(seed)
    return tuple(chosen.uniform(low, high) for _ in range(number))


def said(before: tuple[float, ...], after: tuple[float, ...], resolution_ms: float = 0.0) -> str:
    (found,) = timings({OUTAGE: Values(before, resolution_ms)}, {OUTAGE: Values(after, resolution_ms)})
    return found.said


def test_ten_rounds_each_that_do_not_overlap_are_as_unlikely_as_can_be() -> None:
    # 2 of the C(20, 10) = 184,756 splits
    assert mann_whitney(range(10), range(10, 20)) == pytest.approx(2 / 184756)


def test_the_exact_p_of_a_small_example() -> None:
    # U = 2 of 3 and 4: the sums of ranks at least as far from 12 as 8 are 6, 7, 8 and 16, 17, 18: 8 of 35 splits
    assert mann_whitney([1, 2, 5], [3, 4, 6, 7]) == pytest.approx(8 / 35)


def test_equal_values_share_their_rank() -> None:
    assert mann_whitney([5] * 10, [5] * 10) == 1.0
    assert mann_whitney([1, 1, 2], [1, 2, 2]) == 1.0  # every split is as far from the mean as this one


def test_the_approximation_agrees_with_the_exact_value(monkeypatch: pytest.MonkeyPatch) -> None:
    one, other = [round(value) for value in uniform(1, 20, 0, 20)], [round(value) for value in uniform(2, 20, 5, 25)]
    exact = mann_whitney(one, other)
    monkeypatch.setattr(module, "EXACT", 0)
    assert mann_whitney(one, other) == pytest.approx(exact, abs=0.01)


def test_noise_is_each_sides_own() -> None:
    assert pooled_deviation([0, 0, 0, 10], [100, 100, 110, 100]) == 0


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        (uniform(1, 10, 0, 100), uniform(2, 10, 0, 100), "the same"),
        (uniform(1, 10, 0, 100), uniform(2, 10, 0, 1000), "slower"),
        (uniform(1, 10, 0, 1000), uniform(2, 10, 0, 100), "faster"),
        (uniform(1, 10, 10, 11), uniform(2, 10, 200, 201), "slower"),
        (uniform(1, 9, 10, 11), uniform(2, 30, 200, 201), "too few repeats to compare"),
        (uniform(1, 100, 10, 12), uniform(2, 100, 13, 15), "slower"),
    ],
)
def test_what_is_said(before: tuple[float, ...], after: tuple[float, ...], expected: str) -> None:
    assert said(before, after) == expected


def test_a_difference_that_the_probes_cannot_tell_is_none() -> None:
    before, after = uniform(1, 20, 10, 12), uniform(2, 20, 13, 15)
    assert said(before, after, resolution_ms=1.0) == "slower"
    assert said(before, after, resolution_ms=5.0) == "the same"


def test_one_odd_round_changes_nothing() -> None:
    usual = uniform(1, 20, 0, 100)
    assert said(usual, (*uniform(2, 19, 0, 100), 9000.0)) == "the same"


def test_runs_that_are_alike_are_seldom_told_apart() -> None:
    # with ALPHA = 0.01 and the shift beyond the noise, fewer than 1 in 100
    wrong = sum(said(uniform(seed, 10, 0, 100), uniform(seed + 5000, 10, 0, 100)) != "the same" for seed in range(300))
    assert wrong <= 6


def test_many_comparisons_ask_for_more_of_each() -> None:
    noise = NormalDist(0, 1)
    close = [noise.inv_cdf((number + 0.5) / 10) for number in range(10)]
    moved = [value + 1.75 for value in close]
    alone = {OUTAGE: Values(tuple(close))}, {OUTAGE: Values(tuple(moved))}
    assert [one.said for one in timings(*alone)] == ["slower"]
    others = [Series("g", "switch", f"event {number}", "", "outage") for number in range(40)]
    many = ({**side, **dict.fromkeys(others, Values(tuple(close)))} for side in alone)
    assert {one.said for one in timings(*many)} == {"the same"}


def test_only_what_both_measured_is_compared() -> None:
    assert not timings({OUTAGE: Values((1.0,))}, {})
