"""Many measurements of the same thing as a picture: each one a dot, with their median and their 95th percentile."""

from __future__ import annotations

import io
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from reports.figure import BLUE, FAINT, INK, VERMILLION, clean

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MOST_NAMED = 3
STRIPES = 7
"""Dots of one lane lie on so many lines, one after the other, so that equal values are seen to be several."""


@dataclass(frozen=True, slots=True)
class Lane:
    """One kind of measurement."""

    label: str
    values: Sequence[tuple[int, float]]
    """Which round, and ms."""
    median: float
    p95: float
    odd: Collection[int] = ()
    """Rounds that stand out; they have a colour and a form of their own, the slowest also their number."""


@dataclass(frozen=True, slots=True)
class DistributionPicture:
    """Several panels over each other, each with lanes on one scale of ms."""

    title: str
    panels: Sequence[tuple[str, Sequence[Lane]]]
    """What is measured, and its lanes."""


def draw(picture: DistributionPicture, form: Literal["svg", "png"] = "svg") -> bytes:
    """The picture as SVG (its text stays text) or as PNG, on white, for screen and paper."""
    import matplotlib as mpl
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    heights = [max(1, len(lanes)) for _, lanes in picture.panels]
    with mpl.rc_context(
        {
            "svg.fonttype": "none",
            "svg.hashsalt": "vfproof",
            "font.size": 9.5,
            "font.family": ["DejaVu Sans"],
            "text.parse_math": False,
        }
    ):
        size = (10.5, 1.0 + 0.75 * len(heights) + 0.5 * sum(heights))
        figure = Figure(figsize=size, layout="constrained", facecolor="white")
        FigureCanvasAgg(figure)  # no pyplot: nothing global, no display
        figure.suptitle(clean(picture.title, 110), x=0.01, ha="left", color=INK, fontsize=11.5, fontweight="bold")
        panels = figure.subplots(len(heights), 1, squeeze=False, height_ratios=heights)[:, 0]
        for axes, (what, lanes) in zip(panels, picture.panels, strict=True):
            _draw_panel(axes, what, lanes)
        file = io.BytesIO()
        figure.savefig(file, format=form, dpi=130, metadata={"Date": None} if form == "svg" else {})
        return file.getvalue()


def _draw_panel(axes: Axes, what: str, lanes: Sequence[Lane]) -> None:
    for row, lane in enumerate(lanes):
        _draw_lane(axes, row, lane)
    axes.set_yticks(range(len(lanes)), [clean(lane.label) for lane in lanes])
    axes.set_ylim(len(lanes) - 0.4, -0.6)
    axes.set_xlim(left=min(0.0, *(ms for lane in lanes for _, ms in lane.values), 0.0))
    axes.margins(x=0.05)
    axes.set_xlabel(clean(f"{what}, ms", 110), color=INK)
    axes.tick_params(axis="y", length=0, labelcolor=INK)
    axes.tick_params(axis="x", color=INK, labelcolor=INK)
    axes.grid(visible=True, axis="x", color=FAINT, linewidth=0.8)
    axes.set_axisbelow(True)
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)


def _draw_lane(axes: Axes, row: int, lane: Lane) -> None:
    places = [(number, ms, row + 0.24 * (2 * (index % STRIPES) / (STRIPES - 1) - 1)) for index, (number, ms)
              in enumerate(lane.values)]  # fmt: skip
    for odd, colour, symbol in ((False, BLUE, "o"), (True, VERMILLION, "D")):
        chosen = [(ms, at) for number, ms, at in places if (number in lane.odd) is odd]
        axes.plot([ms for ms, _ in chosen], [at for _, at in chosen], linestyle="none", marker=symbol, markersize=4.5,
                  color=colour, markeredgecolor="white", markeredgewidth=0.5, alpha=0.85, zorder=2)  # fmt: skip
    for ms, line, name in ((lane.median, "-", "median"), (lane.p95, (0, (3, 2)), "p95")):
        axes.plot([ms, ms], [row - 0.4, row + 0.4], color=INK, linewidth=1.4, linestyle=line, zorder=3)
        axes.annotate(f"{name} {ms:.1f}", (ms, row - 0.4), xytext=(3 if name == "p95" else -3, 1),
                      textcoords="offset points", ha="left" if name == "p95" else "right", va="bottom", fontsize=8,
                      color=INK)  # fmt: skip
    slowest = sorted((each for each in places if each[0] in lane.odd), key=lambda each: -each[1])
    for number, ms, at in slowest[:MOST_NAMED]:
        axes.annotate(f"#{number}", (ms, at), xytext=(4, -3), textcoords="offset points", fontsize=8, color="#A84300")
