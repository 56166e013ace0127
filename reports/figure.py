"""The timeline of a drill as a picture: what was on the wire around the switch, in ms."""

from __future__ import annotations

import io
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, NamedTuple

from reports.run_folder import RunFolder
from reports.text import printable

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MarkKind = Literal["garp", "na", "switch", "mac", "marker"]

# Okabe and Ito's colours, told apart with every common kind of colour blindness; shape and lane say the same again.
BLUE, VERMILLION, GREEN, PURPLE, ORANGE = "#0072B2", "#D55E00", "#00795A", "#9A4A80", "#E69F00"
INK, GREY, FAINT = "#1f2933", "#5b6b7b", "#d9dee4"
LABEL_LIMIT = 44
TITLE_LIMIT = 110
DRAWN_TOO = "→←↔…–—≥≤"  # the font has a glyph for Latin-1 and for these
TICK = 0.32


class Mark(NamedTuple):
    """One thing that happened. `mac`: from here on neighbours send to the MAC in `label`; the old one is a mark too."""

    ms: float
    kind: MarkKind
    label: str


@dataclass(frozen=True, slots=True)
class TimelinePicture:
    """A drill's timeline as plain series; every time is in ms relative to the switch."""

    title: str
    probes: Sequence[tuple[float, bool]] = ()
    """Time sent, and whether it was answered."""
    gap: tuple[float, float] | None = None
    """The longest gap in traffic: start and end."""
    marks: Sequence[Mark | tuple[float, MarkKind, str]] = ()
    """A `garp` or `na` has the lane's label (a VLAN, an address); `switch`, `marker` what it is; `mac` the MAC."""
    window: tuple[float, float] | None = None
    """What to show; by default everything that happened, with some quiet before and after."""


class _Tick(NamedTuple):
    ms: float
    text: str


@dataclass(frozen=True, slots=True)
class _Lane:
    label: str
    colour: str
    symbol: str
    ticks: list[_Tick] = field(default_factory=list)


def draw(picture: TimelinePicture, form: Literal["svg", "png"] = "svg") -> bytes:
    """The picture as SVG (its text stays text, to search and to copy) or as PNG, on white, for screen and paper."""
    import matplotlib as mpl
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    lanes = _lanes(picture)
    with mpl.rc_context(
        {
            "svg.fonttype": "none",
            "svg.hashsalt": "vfproof",
            "path.simplify": False,
            "font.size": 9.5,
            "font.family": ["DejaVu Sans"],
            "text.parse_math": False,
        }
    ):
        figure = Figure(figsize=(10.5, 1.6 + 0.36 * len(lanes)), layout="constrained", facecolor="white")
        FigureCanvasAgg(figure)  # no pyplot: nothing global, no display
        axes = figure.add_subplot()
        _draw_frame(axes, picture, lanes)
        _draw_gap(axes, picture.gap)
        _draw_instants(axes, picture, len(lanes))
        for row, lane in enumerate(lanes):
            _draw_lane(axes, lane, row, _window(picture))
        return _saved(figure, form)


def add_figure(folder: RunFolder, stem: str, picture: TimelinePicture) -> str:
    """Put the picture into the run folder as `stem`.svg and `stem`.png, and give the SVG's name back."""
    folder.add(f"{stem}.png", draw(picture, "png"))
    return folder.add(f"{stem}.svg", draw(picture, "svg"))


def _saved(figure: Figure, form: Literal["svg", "png"]) -> bytes:
    file = io.BytesIO()
    metadata = {"Date": None} if form == "svg" else {}
    figure.savefig(file, format=form, dpi=130, metadata=metadata)
    return file.getvalue()


def clean(text: str, limit: int = LABEL_LIMIT) -> str:
    """Text from a host as something the font and any XML parser takes, and short enough to stand in its place."""
    drawable = (
        char if char < "\u0100" or char in DRAWN_TOO else f"\\u{ord(char):04x}" for char in printable(text, limit)
    )
    cleaned = "".join(drawable)
    return cleaned if len(cleaned) <= limit else f"{cleaned[: limit - 1]}…"


def _lanes(picture: TimelinePicture) -> list[_Lane]:
    """From top to bottom: whom the neighbours send to, what told them so, and what became of the probes."""
    lanes: dict[tuple[str, str], _Lane] = {}
    for ms, kind, label in sorted(picture.marks, key=_by_lane):
        if kind == "mac":
            lanes.setdefault((kind, ""), _Lane("neighbours send to", PURPLE, "span")).ticks.append(
                _Tick(ms, clean(label))
            )
        elif kind == "garp":
            lanes.setdefault((kind, label), _Lane(clean(f"GARP {label}"), GREEN, "D")).ticks.append(_Tick(ms, ""))
        elif kind == "na":
            lanes.setdefault((kind, label), _Lane(clean(f"NA {label}"), ORANGE, "s")).ticks.append(_Tick(ms, ""))
    return [*lanes.values(), *_probe_lanes(picture.probes)]


def _by_lane(mark: Mark | tuple[float, str, str]) -> tuple[int, str, float]:
    """Lane by lane and in order of time. MACs share one lane, whatever they are."""
    ms, kind, label = mark
    return "mac garp na".find(kind), "" if kind == "mac" else label, ms


def _probe_lanes(probes: Sequence[tuple[float, bool]]) -> Iterator[_Lane]:
    for answered, word, colour in ((True, "answered", BLUE), (False, "lost", VERMILLION)):
        ticks = [_Tick(ms, "") for ms, was_answered in probes if was_answered is answered]
        yield _Lane(f"{len(ticks)} of {len(probes)} probes {word}", colour, "tick", ticks)


def _window(picture: TimelinePicture) -> tuple[float, float]:
    """The span shown: all that happened, and a quarter more on both sides (100 ms at least)."""
    if picture.window is not None:
        return picture.window
    times = [0.0, *(mark[0] for mark in picture.marks if mark[1] != "mac"), *(picture.gap or ())]
    times += [ms for ms, answered in picture.probes if not answered]
    times += [mark[0] for mark in picture.marks if mark[1] == "mac" and mark[0] > 0]
    quiet = max(100.0, (max(times) - min(times)) / 4)
    return min(times) - quiet, max(times) + quiet


def _draw_frame(axes: Axes, picture: TimelinePicture, lanes: Sequence[_Lane]) -> None:
    axes.set_title(clean(picture.title, TITLE_LIMIT), loc="left", color=INK, fontsize=11.5, fontweight="bold", pad=24)
    axes.set_xlim(*_window(picture))
    axes.set_ylim(len(lanes) + 0.1, -0.6)
    axes.set_yticks(range(len(lanes)), [lane.label for lane in lanes])
    axes.set_xlabel("ms relative to the switch", color=INK)
    axes.tick_params(axis="y", length=0, labelcolor=INK)
    axes.tick_params(axis="x", color=INK, labelcolor=INK)
    axes.grid(visible=True, axis="y", color=FAINT, linewidth=0.8)
    axes.set_axisbelow(True)
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)


def _draw_gap(axes: Axes, gap: tuple[float, float] | None) -> None:
    if gap is None:
        return
    start, end = gap
    axes.axvspan(start, end, facecolor=VERMILLION, edgecolor=VERMILLION, alpha=0.16, linewidth=1.0, zorder=0.5)
    axes.annotate(
        f"gap {end - start:.1f} ms",
        ((start + end) / 2, 1),
        xycoords=("data", "axes fraction"),
        xytext=(0, 3),
        textcoords="offset points",
        ha="center",
        color="#A84300",
        fontweight="bold",
    )


def _draw_instants(axes: Axes, picture: TimelinePicture, lanes: int) -> None:
    """The switch and the marker frame as lines through all lanes, named in the strip below them.

    They may lie a fraction of a ms apart, so the first is named on its left and the others on their right.
    """
    instants = sorted(mark for mark in picture.marks if mark[1] in ("switch", "marker"))
    for number, (ms, kind, label) in enumerate(instants):
        leftwards = number == 0 and len(instants) > 1
        switch = kind == "switch"
        axes.axvline(ms, color=INK, linewidth=1.6 if switch else 1.0, linestyle="-" if switch else (0, (3, 2)))
        axes.annotate(
            clean(label or kind),
            (ms, lanes - 0.2),
            xytext=(-4 if leftwards else 4, 0),
            textcoords="offset points",
            ha="right" if leftwards else "left",
            va="center",
            color=INK,
            fontsize=8.5,
        )


def _draw_lane(axes: Axes, lane: _Lane, row: int, window: tuple[float, float]) -> None:
    if lane.symbol == "span":
        _draw_spans(axes, lane, row, window)
    elif lane.symbol == "tick":
        # One path for all ticks: thousands of them stay a small file.
        xs = [x for tick in lane.ticks for x in (tick.ms, tick.ms, math.nan)]
        ys = [row - TICK, row + TICK, math.nan] * len(lane.ticks)
        axes.plot(xs, ys, color=lane.colour, linewidth=0.9 if lane.colour == BLUE else 1.3, solid_capstyle="butt")
    else:
        axes.plot([tick.ms for tick in lane.ticks], [row] * len(lane.ticks), linestyle="none", marker=lane.symbol,
                  markersize=7.5, color=lane.colour, markeredgecolor="white", markeredgewidth=0.7)  # fmt: skip


def _draw_spans(axes: Axes, lane: _Lane, row: int, window: tuple[float, float]) -> None:
    """Who has the traffic, as bars from one change to the next. Nothing is claimed of the time before the first."""
    starts = [max(tick.ms, window[0]) for tick in lane.ticks]
    for number, (start, end, tick) in enumerate(zip(starts, [*starts[1:], window[1]], lane.ticks, strict=True)):
        colour = PURPLE if number % 2 or tick.ms > 0 else GREY
        axes.barh(row, end - start, left=start, height=0.62, facecolor=colour, alpha=0.9, edgecolor="white")
        axes.text(
            (start + end) / 2, row, tick.text, ha="center", va="center", color="white", fontsize=8.5, clip_on=True
        )
