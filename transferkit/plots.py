"""Figures of numbers: curves, confusion matrices, reliability. Plain parts in, a figure out.

Colours are taken from the middle of the scale, so that they can be told from a white and from a
black page; the series of a panel differ in their line as well, for eyes that do not see colours.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from transferkit._figures import new_figure, text_style
from transferkit._optional import require
from transferkit._text import printable, shortened, width
from transferkit.errors import SpecError, explain

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = [
    "MANY_CLASSES",
    "TRAIN_COLOUR",
    "VAL_COLOUR",
    "confusion",
    "curves",
    "pairs",
    "reliability",
]

TRAIN_COLOUR = "#2f7fc1"
VAL_COLOUR = "#d9630b"
_QUIET = "#808080"
_SHARE = "fraction of the true class"
_RIGHT = {"picture": "accuracy", "label": "share that has the label"}
_COLOURS = (TRAIN_COLOUR, VAL_COLOUR, "#3a9a5b", "#b05fc0")
_LINES: tuple[Any, ...] = ("-", (0, (5, 1.5)), "-.", ":")
_MARKERS = ("o", "s", "^", "D")

MANY_CLASSES = 40
"""Beyond this many classes a matrix is a carpet in which nothing can be read."""


def curves(
    panels: Mapping[str, Mapping[str, Sequence[float]]],
    epochs: Sequence[int],
    *,
    phases: Sequence[tuple[str, int, int]] = (),
    needed_for: str,
) -> Figure:
    """Learning curves side by side, over the same epochs.

    Args:
        panels: The series of each panel by their names; NaN leaves a gap. ``train`` and ``val``
            look the same in every panel.
        epochs: The epoch of each value.
        phases: (name, first epoch, last epoch) of each phase; where one ends and the next begins
            there is a line, and its name stands above.
        needed_for: The call that the user typed, for the errors.

    Raises:
        SpecError: If there is nothing to draw.
        MissingExtraError: If matplotlib is not installed.
    """
    if not panels or not len(epochs):
        raise SpecError(
            explain(needed_for, "there is nothing to draw", expected="at least one epoch")
        )
    across = min(len(panels), 3)
    down = math.ceil(len(panels) / across)
    figure = new_figure(4.4 * across, 3.3 * down, needed_for=needed_for)
    style = text_style(needed_for=needed_for)
    grid = figure.subplots(down, across, squeeze=False)
    for axes in grid.flat[len(panels) :]:
        axes.set_axis_off()
    for axes, (title, series) in zip(grid.flat, panels.items(), strict=False):
        axes.set_title(shortened(title, 40), pad=18 if phases else 6, **style)
        _draw_series(axes, series, epochs, style)
        _mark_phases(axes, phases, style)
    return figure


def confusion(
    counts: Any, class_names: Sequence[str], *, normalize: bool = False, needed_for: str
) -> Figure:
    """A confusion matrix: true classes by rows, predicted ones by columns.

    Args:
        counts: ``(classes, classes)``.
        class_names: In the order of the rows.
        normalize: Draw each row as fractions of its sum; a class without pictures stays empty.
        needed_for: The call that the user typed, for the errors.

    Raises:
        MissingExtraError: If matplotlib is not installed.
    """
    table = np.asarray(counts, dtype=np.float64)
    if normalize:
        table = _by_rows(table)
    names = [shortened(name, 24) for name in class_names]
    longest = max(map(width, names))
    room = 0.085 * longest + 0.4
    side = min(max(0.42 * len(names), 2.4), max(9.0, 0.26 * len(names)))
    size = (side + room + 1.1, side + 0.75 * room + 0.5)
    figure = new_figure(*size, needed_for=needed_for, layout="compressed")
    axes = figure.subplots()
    top = 1.0 if normalize else max(float(np.nanmax(table)), 1.0)
    drawn = axes.imshow(table, cmap="Blues", vmin=0.0, vmax=top)
    ticker = require("matplotlib.ticker", extra="plots", needed_for=needed_for)
    ticks = None if normalize else ticker.MaxNLocator(6, integer=True, min_n_ticks=1)
    bar = figure.colorbar(drawn, ax=axes, fraction=0.045, pad=0.03, ticks=ticks)
    bar.set_label(_SHARE if normalize else "pictures")
    _name_classes(axes, names, text_style(needed_for=needed_for))
    _write_cells(axes, table, top, normalize=normalize)
    return figure


def pairs(
    rows: Sequence[tuple[str, str, int, float]],
    title: str,
    *,
    normalize: bool = False,
    needed_for: str,
) -> Figure:
    """The pairs of classes that are confused most often, a bar for each.

    Args:
        rows: (true class, predicted class, pictures, their share of the true class), the worst
            first; without any there is a title only.
        title: What stands above.
        normalize: Bars are as long as the shares.
        needed_for: The call that the user typed, for the errors.

    Raises:
        MissingExtraError: If matplotlib is not installed.
    """
    names = [f"{shortened(row[0], 28)} → {shortened(row[1], 28)}" for row in rows]
    longest = max(map(width, names), default=10)
    figure = new_figure(0.075 * longest + 4.5, 0.27 * len(rows) + 1.1, needed_for=needed_for)
    style = text_style(needed_for=needed_for)
    axes = figure.subplots()
    axes.set_title(title, fontsize=10, loc="left")
    if not rows:
        axes.set_axis_off()
        return figure
    lengths = [row[3] if normalize else row[2] for row in rows]
    axes.barh(range(len(rows)), lengths, color=VAL_COLOUR, height=0.7)
    axes.set_yticks(range(len(rows)), names, fontsize=8, **style)
    axes.set_ylim(len(rows) - 0.5, -0.5)
    axes.margins(x=0.22)
    for place, (length, row) in enumerate(zip(lengths, rows, strict=True)):
        text = f" {row[2]} ({row[3]:.0%})"
        axes.text(length, place, text, ha="left", va="center", fontsize=8)
    axes.set_xlabel(_SHARE if normalize else "pictures (and their share of the true class)")
    axes.spines[["top", "right"]].set_visible(False)
    if not normalize:
        _whole_ticks(axes)
    return figure


def reliability(
    counts: Sequence[int],
    confidences: Sequence[float],
    accuracies: Sequence[float],
    title: str,
    *,
    each: str,
    needed_for: str,
) -> Figure:
    """How often predictions of each confidence are right, and below it how many there are.

    Args:
        counts: Predictions in each bin of equal width.
        confidences: Their mean confidence; NaN for an empty bin.
        accuracies: The share of them that is right; NaN for an empty bin.
        title: What stands above.
        each: What a prediction is of: ``"picture"``, or ``"label"``.
        needed_for: The call that the user typed, for the errors.

    Raises:
        MissingExtraError: If matplotlib is not installed.
    """
    figure = new_figure(4.4, 5.0, needed_for=needed_for)
    upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1))
    full = np.flatnonzero(counts)
    found, right = np.asarray(confidences)[full], np.asarray(accuracies)[full]
    upper.plot([0, 1], [0, 1], color=_QUIET, linestyle=(0, (4, 2)), linewidth=1.2, label="perfect")
    upper.vlines(found, found, right, color=VAL_COLOUR, linewidth=2.4, alpha=0.45, label="gap")
    upper.plot(found, right, "o-", color=TRAIN_COLOUR, markersize=4.5, clip_on=False, label="found")
    lower.bar(
        (np.arange(len(counts)) + 0.5) / len(counts),
        counts,
        width=0.86 / len(counts),
        color=TRAIN_COLOUR,
    )
    upper.set(xlim=(0, 1), ylim=(-0.03, 1.03), ylabel=_RIGHT[each])
    upper.set_title(title, fontsize=10, loc="left", **text_style(needed_for=needed_for))
    upper.legend(frameon=False, fontsize=8, loc="upper left")
    lower.set(xlabel="confidence" if each == "picture" else "probability", ylabel=f"{each}s")
    lower.yaxis.get_major_locator().set_params(integer=True, min_n_ticks=1)
    for axes in (upper, lower):
        axes.grid(visible=True, color=_QUIET, alpha=0.25, linewidth=0.6)
        axes.set_axisbelow(True)
        axes.spines[["top", "right"]].set_visible(False)
    return figure


def _whole_ticks(axes: Any) -> None:
    axes.xaxis.get_major_locator().set_params(integer=True, min_n_ticks=1)


def _draw_series(
    axes: Any, series: Mapping[str, Sequence[float]], epochs: Sequence[int], style: dict[str, Any]
) -> None:
    for place, (name, values) in enumerate(series.items()):
        kind = {"train": 0, "val": 1}.get(name, place % len(_COLOURS))
        shown = shortened(name, 30)
        if not np.isfinite(values).any():
            shown += " (never a number)"
        axes.plot(
            epochs,
            values,
            color=_COLOURS[kind],
            linestyle=_LINES[kind],
            marker=_MARKERS[kind] if len(epochs) <= 40 else None,
            markersize=3.5,
            linewidth=1.6,
            label=f"\N{ZERO WIDTH SPACE}{shown}" if shown.startswith("_") else shown,
        )
    axes.set_xlabel("epoch")
    _whole_ticks(axes)
    axes.grid(visible=True, color=_QUIET, alpha=0.25, linewidth=0.6)
    axes.spines[["top", "right"]].set_visible(False)
    legend = axes.legend(frameon=False, fontsize=8)
    for text in legend.get_texts():
        text.set(**style)


def _mark_phases(axes: Any, phases: Sequence[tuple[str, int, int]], style: dict[str, Any]) -> None:
    if not phases:
        return
    first, last = phases[0][1] - 0.5, phases[-1][2] + 0.5
    axes.set_xlim(first, last)
    for place, (name, start, end) in enumerate(phases):
        if place:
            axes.axvline(start - 0.5, color=_QUIET, linewidth=1.0, linestyle=(0, (2, 2)))
        share = (end - start + 1) / (last - first)
        axes.annotate(
            _cut(name, max(int(48 * share), 1)),
            xy=((start + end) / 2, 1.0),
            xycoords=("data", "axes fraction"),
            xytext=(0, 3),
            textcoords="offset points",
            ha="center",
            va="bottom",
            fontsize=7.5,
            color=_QUIET,
            **style,
        )


def _cut(name: str, most: int) -> str:
    name = printable(name)
    return name if len(name) <= most else f"{name[: most - 1].rstrip()}…"


def _name_classes(axes: Any, names: Sequence[str], style: dict[str, Any]) -> None:
    size = 9 if len(names) <= 15 else 7.5
    axes.set_xticks(range(len(names)), names, rotation=90, fontsize=size, **style)
    axes.set_yticks(range(len(names)), names, fontsize=size, **style)
    axes.set_xlabel("predicted")
    axes.set_ylabel("true")


def _write_cells(axes: Any, table: np.ndarray[Any, Any], top: float, *, normalize: bool) -> None:
    size = 9 if len(table) <= 12 else 6.5 if len(table) <= 30 else 5.5
    for (row, column), value in np.ndenumerate(table):
        if np.isnan(value) or value < (0.005 if normalize else 1):
            continue  # an empty cell is easier to see than a nought
        text = f"{value:.2f}".removeprefix("0") if normalize else _count(value)
        colour = "white" if value > 0.55 * top else "#12324f"
        axes.text(column, row, text, ha="center", va="center", fontsize=size, color=colour)


def _count(value: float) -> str:
    return f"{value:.0f}" if value < 10_000 else f"{value / 1000:.0f}k"


def _by_rows(table: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    sums = table.sum(axis=1, keepdims=True)
    rows: np.ndarray[Any, Any] = np.full_like(table, np.nan)
    np.divide(table, sums, out=rows, where=sums > 0)
    return rows
