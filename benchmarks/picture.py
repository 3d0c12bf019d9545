"""Findings as pictures: bars beside those of their floors, and rates as they went."""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .errors import BenchmarkError
from .figure import Figure
from .measuring import Findings
from .report import text_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes

SUFFIXES = (".svg", ".png")
OURS, FLOOR = "#0072b2", "#bbbbbb"
LINES = ("#0072b2", "#d55e00", "#009e73", "#cc79a7")
"""Colours that differ for every kind of eye (Okabe and Ito)."""
MANY = 1_000
"""From here on, numbers beside an axis are written with commas."""
WIDTH, BAR = 7.5, 0.5
"""Inches: as wide as a page of the documentation, and the room of a figure with its floor."""
# Any: matplotlib's types know its settings one by one, by literals.
STYLE: Any = {
    "font.size": 9,
    "svg.hashsalt": "pgqueue",
    "axes.spines.top": False,
    "axes.spines.right": False,
}


def check_picture(path: Path) -> None:
    """Raise BenchmarkError, before anything is measured, if it could not be drawn to there."""
    if path.suffix.lower() not in SUFFIXES:
        raise BenchmarkError(
            f"{path.name} is no name for a picture.\nHint: end it in {' or '.join(SUFFIXES)}"
        )
    if not path.absolute().parent.is_dir():
        raise BenchmarkError(f"there is no directory {path.parent}.\nHint: mkdir -p {path.parent}")
    if importlib.util.find_spec("matplotlib") is None:
        raise BenchmarkError(
            "--picture needs matplotlib, which is not installed.\n"
            'Hint: pip install "pgqueue[bench]"'
        )


def draw(findings: Sequence[Findings], path: Path) -> list[Path]:
    """Write the picture; of several groups one each, with the group's name in that of the file."""
    drawable = [each for each in findings if each.figures]
    if len(drawable) == 1:
        paths = [path]
    else:
        paths = [path.with_stem(f"{path.stem}-{each.group}") for each in drawable]
    for each, target in zip(drawable, paths, strict=True):
        _draw(each, target)
    return paths


def _draw(findings: Findings, path: Path) -> None:
    import matplotlib
    from matplotlib.figure import Figure as Canvas

    with matplotlib.rc_context(STYLE):
        if any(figure.series for figure in findings.figures):
            canvas = Canvas(figsize=(WIDTH, 3.5), layout="constrained")
            draw_series(canvas.subplots(), findings.figures)
        else:
            units = list(dict.fromkeys(figure.unit for figure in findings.figures))
            parts = [[f for f in findings.figures if f.unit == unit] for unit in units]
            heights = [BAR * len(part) + 0.7 for part in parts]
            canvas = Canvas(figsize=(WIDTH, sum(heights) + 0.5), layout="constrained")
            rows = canvas.subplots(len(parts), squeeze=False, height_ratios=heights)
            for (axes,), part in zip(rows, parts, strict=True):
                draw_bars(axes, part)
        canvas.suptitle(findings.title, x=0.01, ha="left", fontweight="bold")
        metadata = {"Date": None} if path.suffix.lower() == ".svg" else None
        canvas.savefig(path, dpi=150, metadata=metadata)


def draw_bars(axes: Axes, figures: Sequence[Figure]) -> None:
    """Figures of one unit from top to bottom, each above its floor."""
    top = max(max(figure.highest, figure.floor_median or 0) for figure in figures) or 1
    for place, figure in enumerate(figures):
        _bar(axes, place - 0.2, figure.median, text_of(figure.median), top, OURS)
        floor, ratio = figure.floor_median, figure.ratio
        if floor is not None:
            text = text_of(floor) + ("" if ratio is None else f"   (ratio {ratio:.2f})")
            _bar(axes, place + 0.2, floor, text, top, FLOOR)
    axes.set_yticks(range(len(figures)), [figure.name for figure in figures])
    axes.set_xlim(0, top * 1.35)
    axes.set_ylim(len(figures) - 0.5, -0.5)
    axes.set_xlabel(f"{figures[0].unit}   (blue: pgqueue, grey: its floor)")
    axes.tick_params(axis="y", length=0)
    if top >= MANY:
        axes.xaxis.set_major_formatter("{x:,.0f}")


def _bar(axes: Axes, place: float, length: float, text: str, top: float, color: str) -> None:
    axes.barh(place, length, height=0.36, color=color)
    axes.text(length + top * 0.01, place, text, va="center", fontsize=8)


def draw_series(axes: Axes, figures: Sequence[Figure]) -> None:
    """Rates as they went, a line each."""
    for number, figure in enumerate(figures):
        seconds = range(1, len(figure.series) + 1)
        label = figure.name.partition(",")[0]
        axes.plot(seconds, figure.series, label=label, color=LINES[number % len(LINES)])
    axes.set_ylim(bottom=0)
    axes.set_xlabel("seconds")
    axes.set_ylabel(figures[0].unit)
    axes.yaxis.set_major_formatter("{x:,.0f}")
    axes.legend(frameon=False)
