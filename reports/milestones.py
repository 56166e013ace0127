"""What came back when, as a picture: one lane per thing, on one scale of seconds."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from reports.figure import BLUE, FAINT, GREY, INK, VERMILLION, clean

if TYPE_CHECKING:
    from matplotlib.axes import Axes

LABEL_LIMIT = 60


@dataclass(frozen=True, slots=True)
class MilestonesPicture:
    """Lanes from top to bottom. Times are in s after what began it all; None: it did not come."""

    title: str
    scale: str
    """What the axis says, such as `s after the reboot was commanded`."""
    lanes: Sequence[tuple[str, float | None]]
    away: tuple[float, float] | None = None
    """The span in which nothing answered."""


def draw(picture: MilestonesPicture, form: Literal["svg", "png"] = "svg") -> bytes:
    """The picture as SVG (its text stays text) or as PNG, on white, for screen and paper."""
    import matplotlib as mpl
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    with mpl.rc_context(
        {
            "svg.fonttype": "none",
            "svg.hashsalt": "vfproof",
            "font.size": 9.5,
            "font.family": ["DejaVu Sans"],
            "text.parse_math": False,
        }
    ):
        figure = Figure(figsize=(10.5, 1.4 + 0.32 * len(picture.lanes)), layout="constrained", facecolor="white")
        FigureCanvasAgg(figure)  # no pyplot: nothing global, no display
        axes = figure.add_subplot()
        _draw_frame(axes, picture)
        for row, (_, after_s) in enumerate(picture.lanes):
            _draw_lane(axes, row, after_s)
        file = io.BytesIO()
        figure.savefig(file, format=form, dpi=130, metadata={"Date": None} if form == "svg" else {})
        return file.getvalue()


def _draw_frame(axes: Axes, picture: MilestonesPicture) -> None:
    last = max((after_s for _, after_s in picture.lanes if after_s is not None), default=1.0)
    axes.set_title(clean(picture.title, 110), loc="left", color=INK, fontsize=11.5, fontweight="bold", pad=10)
    axes.set_xlim(0, last * 1.12)
    axes.set_ylim(len(picture.lanes) - 0.4, -0.6)
    axes.set_yticks(range(len(picture.lanes)), [clean(label, LABEL_LIMIT) for label, _ in picture.lanes])
    axes.set_xlabel(clean(picture.scale, 110), color=INK)
    axes.tick_params(axis="y", length=0, labelcolor=INK)
    axes.tick_params(axis="x", color=INK, labelcolor=INK)
    axes.grid(visible=True, axis="x", color=FAINT, linewidth=0.8)
    axes.set_axisbelow(True)
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)
    if picture.away is not None:
        axes.axvspan(*picture.away, facecolor=VERMILLION, alpha=0.12, zorder=0.5)


def _draw_lane(axes: Axes, row: int, after_s: float | None) -> None:
    if after_s is None:
        axes.text(0.01, row, "did not come", transform=axes.get_yaxis_transform(), va="center", color="#A84300",
                  fontweight="bold")  # fmt: skip
        return
    axes.plot([0, after_s], [row, row], color=GREY, linewidth=1.2, alpha=0.6, zorder=1)
    axes.plot([after_s], [row], marker="o", markersize=7, color=BLUE, markeredgecolor="white", zorder=2)
    axes.annotate(f"{after_s:.0f} s", (after_s, row), xytext=(7, 0), textcoords="offset points", va="center", color=INK)
