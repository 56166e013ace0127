"""Timings of drills in two runs, against their own noise. Pure code over what the runs wrote down.

Compared is the same event of the same fault on the same guest, seen by the same observer: the outage, and the first
gratuitous ARP, one number a round. With fewer than `ENOUGH` rounds on either side nothing is said. Otherwise it is
slower (or faster) when both hold:

- the two-sided Mann-Whitney U test gives a p below `ALPHA`, divided by the number of comparisons made (Bonferroni).
  It asks only for order, so an odd round does not move it, and no distribution is supposed. Up to `EXACT` rounds p is
  exact, ties included (midranks; every split of the rounds counted); beyond, the normal approximation with correction
  for ties and continuity. Source: Mann and Whitney, Ann. Math. Statist. 18 (1947) 50; Lehmann, Nonparametrics, 1.
- the medians differ by more than the noise: the median absolute deviation of all rounds from the median of their own
  side, and by more than what the probes can tell, which is two of their intervals.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import comb, erfc, sqrt
from statistics import median
from typing import Literal

from pydantic import Field

from reports.rows import Shape

ENOUGH = 10
ALPHA = 0.01
EXACT = 40
RESOLUTIONS = 2
Measure = Literal["outage", "first GARP"]
Said = Literal["slower", "faster", "the same", "too few repeats to compare"]


@dataclass(frozen=True, order=True, slots=True)
class Series:
    """What is measured again and again."""

    guest: str
    fault: str
    event: str
    observer: str
    measure: Measure


@dataclass(frozen=True, slots=True)
class Values:
    """One number a round, in ms; `resolution_ms`: the probes' interval, in the median of the rounds."""

    ms: tuple[float, ...]
    resolution_ms: float = 0.0


class Side(Shape):
    """One run's rounds in short, in ms."""

    n: int
    median: float | None = None
    deviation: float | None = Field(None, description="median absolute deviation from the median")


class Timing(Shape):
    """One series of both runs, and whether it got slower."""

    guest: str
    fault: str
    event: str
    observer: str = Field(description="empty where only one watched")
    measure: Measure
    said: Said
    before: Side
    after: Side
    p: float | None = Field(None, description="of the two-sided Mann-Whitney test; null where it was not made")
    noise_ms: float | None = Field(None, description="what the medians have to differ by to mean anything")


def timings(before: Mapping[Series, Values], after: Mapping[Series, Values]) -> tuple[Timing, ...]:
    """Every series that both runs measured, the slower ones first."""
    both = sorted(before.keys() & after.keys())
    enough = [one for one in both if min(len(before[one].ms), len(after[one].ms)) >= ENOUGH]
    found = [_timing(one, before[one], after[one], ALPHA / max(1, len(enough))) for one in both]
    order: Sequence[Said] = ("slower", "faster", "the same", "too few repeats to compare")
    return tuple(sorted(found, key=lambda one: order.index(one.said)))


def _timing(series: Series, before: Values, after: Values, alpha: float) -> Timing:
    said: Said = "too few repeats to compare"
    p = noise = None
    if min(len(before.ms), len(after.ms)) >= ENOUGH:
        p = mann_whitney(before.ms, after.ms)
        shift = median(after.ms) - median(before.ms)
        resolution = RESOLUTIONS * max(before.resolution_ms, after.resolution_ms)
        noise = max(pooled_deviation(before.ms, after.ms), resolution)
        differs = p < alpha and abs(shift) > noise
        said = ("slower" if shift > 0 else "faster") if differs else "the same"
    return Timing(
        guest=series.guest,
        fault=series.fault,
        event=series.event,
        observer=series.observer,
        measure=series.measure,
        said=said,
        before=_side(before.ms),
        after=_side(after.ms),
        p=p,
        noise_ms=noise,
    )


def _side(ms: Sequence[float]) -> Side:
    if not ms:
        return Side(n=0)
    middle = median(ms)
    return Side(n=len(ms), median=middle, deviation=median(abs(one - middle) for one in ms))


def pooled_deviation(one: Sequence[float], other: Sequence[float]) -> float:
    """The median absolute deviation of all from the median of their own side."""
    return median(abs(value - median(side)) for side in (one, other) for value in side)


def mann_whitney(one: Sequence[float], other: Sequence[float]) -> float:
    """Two-sided p of the Mann-Whitney U test: how often so unequal a split comes up when both sides are alike."""
    ranks = _doubled_midranks([*one, *other])
    total, size = sum(ranks), len(one)
    mean = total * size / len(ranks)
    away = abs(sum(ranks[:size]) - mean)
    if len(ranks) <= EXACT:
        return _exact(ranks, size, away)
    squares = sum((rank - total / len(ranks)) ** 2 for rank in ranks) / (len(ranks) - 1)
    deviation = sqrt(squares * size * len(other) / len(ranks))  # of a sum of ranks drawn without putting back
    return 1.0 if not deviation else min(1.0, erfc(max(0.0, away - 1) / deviation / sqrt(2)))  # 1: half a rank, doubled


def _doubled_midranks(values: Sequence[float]) -> list[int]:
    """Ranks times two, so that the mean rank of equal values is a whole number."""
    counted, below, ranks = Counter(values), 0, {}
    for value in sorted(counted):
        ranks[value] = 2 * below + counted[value] + 1
        below += counted[value]
    return [ranks[value] for value in values]


def _exact(ranks: Sequence[int], size: int, away: float) -> float:
    """Of all splits with `size` on one side, the part whose sum of ranks is at least so far from its mean."""
    ways: list[Counter[int]] = [Counter({0: 1}), *(Counter() for _ in range(size))]
    for number, rank in enumerate(ranks):
        for taken in range(min(number + 1, size), 0, -1):
            for sum_so_far, count in ways[taken - 1].items():
                ways[taken][sum_so_far + rank] += count
    mean = sum(ranks) * size / len(ranks)
    far = sum(count for total, count in ways[size].items() if abs(total - mean) >= away - 1e-9)
    return far / comb(len(ranks), size)
