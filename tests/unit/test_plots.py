from __future__ import annotations

import io
import math
import subprocess
import sys
from typing import Any

import numpy as np
import pytest

from transferkit import plots
from transferkit.errors import MissingExtraError, SpecError

NAMES = [
    "Größe $5 $6",
    "пчела",
    "a very long class name that goes on and on",
    "_x",
    "a\nb\x1b\udc80",
]


def drawn(figure: Any) -> Any:
    figure.savefig(io.BytesIO())
    return figure


def matrix(classes: int) -> np.ndarray[Any, Any]:
    return np.random.default_rng(0).integers(1, 50, (classes, classes))


def luminance(colour: str) -> float:
    channels = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize("colour", [plots.TRAIN_COLOUR, plots.VAL_COLOUR])
def test_curves_can_be_told_from_a_white_and_from_a_black_page(colour: str) -> None:
    own = luminance(colour)
    assert 1.05 / (own + 0.05) >= 3  # the contrast that accessible graphics need
    assert (own + 0.05) / 0.05 >= 3


def test_each_panel_holds_its_series_over_the_epochs() -> None:
    panels: dict[str, dict[str, list[float]]] = {
        "loss": {"train": [2.0, 1.0], "val": [2.0, math.nan]},
        "accuracy": {"train": [0.0, 1.0]},
    }
    figure = drawn(plots.curves(panels, [3, 4], needed_for="x"))
    assert [axes.get_title() for axes in figure.axes] == ["loss", "accuracy"]
    train, val = figure.axes[0].lines
    np.testing.assert_array_equal(train.get_xydata(), [[3, 2], [4, 1]])
    np.testing.assert_array_equal(val.get_ydata(), [2, np.nan])
    assert [text.get_text() for text in figure.axes[0].get_legend().get_texts()] == ["train", "val"]
    assert train.get_linestyle() != val.get_linestyle()


def test_phases_are_set_apart_and_named() -> None:
    panels = {"loss": {"train": [3.0, 2.0, 1.0]}}
    phases = [("heads", 0, 0), ("a phase of a very long and telling name", 1, 2)]
    figure = drawn(plots.curves(panels, [0, 1, 2], phases=phases, needed_for="x"))
    axes = figure.axes[0]
    assert [line.get_xdata()[0] for line in axes.lines[1:]] == [0.5]
    first, second = (text.get_text() for text in axes.texts)
    assert first == "heads"
    assert second.startswith("a phase of a very")
    assert second.endswith("…")


def test_one_epoch_has_one_tick_and_is_a_whole_number() -> None:
    figure = drawn(
        plots.curves({"loss": {"train": [1.0]}}, [0], phases=[("p", 0, 0)], needed_for="x")
    )
    ticks = figure.axes[0].get_xticks()
    assert all(tick == round(tick) for tick in ticks)


def test_names_are_drawn_literally() -> None:
    series = {name: [1.0, 2.0] for name in NAMES}
    phases = [(NAMES[0], 0, 0), (NAMES[4], 1, 1)]
    figure = drawn(plots.curves({NAMES[0]: series}, [0, 1], phases=phases, needed_for="x"))
    assert len(figure.axes[0].get_legend().get_texts()) == len(NAMES)
    drawn(plots.confusion(matrix(5), NAMES, needed_for="x"))


def test_a_series_without_any_number_says_so() -> None:
    panels = {"loss": {"train": [math.nan, math.inf], "val": [1.0, math.nan]}}
    axes = drawn(plots.curves(panels, [0, 1], needed_for="x")).axes[0]
    told = [text.get_text() for text in axes.get_legend().get_texts()]
    assert told == ["train (never a number)", "val"]


def test_many_panels_stand_in_rows() -> None:
    panels = {str(i): {"train": [1.0]} for i in range(5)}
    figure = drawn(plots.curves(panels, [0], needed_for="x"))
    assert sum(axes.axison for axes in figure.axes) == 5


def test_no_epochs_cannot_be_drawn() -> None:
    with pytest.raises(
        SpecError, match=r"history\.plot\(\): there is nothing to draw\. Expected at lea"
    ):
        plots.curves({"loss": {"train": []}}, [], needed_for="history.plot()")


def test_cells_hold_their_counts() -> None:
    table = np.array([[7, 0], [12_345, 1]])
    axes = drawn(plots.confusion(table, ["a", "b"], needed_for="x")).axes[0]
    cells = {text.get_position(): text.get_text() for text in axes.texts}
    assert cells == {(0, 0): "7", (0, 1): "12k", (1, 1): "1"}  # positions are (column, row)
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("predicted", "true")
    assert [label.get_text() for label in axes.get_yticklabels()] == ["a", "b"]


def test_normalised_cells_hold_fractions_of_their_rows() -> None:
    table = np.array([[1, 3, 0], [0, 5, 0], [0, 0, 0]])
    figure = drawn(plots.confusion(table, ["a", "b", "c"], normalize=True, needed_for="x"))
    cells = {text.get_position(): text.get_text() for text in figure.axes[0].texts}
    assert cells == {(0, 0): ".25", (1, 0): ".75", (1, 1): "1.00"}


@pytest.mark.parametrize("classes", [2, 9, plots.MANY_CLASSES])
def test_every_class_is_named_and_nothing_lies_outside(classes: int) -> None:
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    names = [f"a very long class name {i}" for i in range(classes)]
    figure = plots.confusion(matrix(classes), names, needed_for="x")
    canvas: Any = FigureCanvasAgg(figure)
    canvas.draw()
    page, renderer = figure.bbox, canvas.get_renderer()
    for axes in figure.axes:
        box = axes.get_tightbbox(renderer)
        assert box is not None
        assert page.x0 <= box.x0 < box.x1 <= page.x1
        assert page.y0 <= box.y0 < box.y1 <= page.y1
    assert len(figure.axes[0].get_xticklabels()) == classes
    assert len(figure.axes[0].texts) == classes**2


def test_pictures_are_counted_in_whole_numbers() -> None:
    bar = drawn(plots.confusion(np.array([[0, 3], [1, 2]]), ["a", "b"], needed_for="x")).axes[1]
    assert [float(tick) for tick in bar.get_yticks()] == [0, 1, 2, 3]


def test_confused_pairs_have_a_bar_each_the_worst_on_top() -> None:
    rows = [("ant", "bee", 7, 0.5), ("$5 $6", "a\nb\x1b\udc80", 2, 0.8)]
    axes = drawn(plots.pairs(rows, "pairs", needed_for="x")).axes[0]
    names = [label.get_text() for label in axes.get_yticklabels()]
    assert names == ["ant → bee", "$5 $6 → a\\nb\\x1b\\udc80"]
    assert [bar.get_width() for bar in axes.patches] == [7, 2]
    assert [text.get_text() for text in axes.texts] == [" 7 (50%)", " 2 (80%)"]
    assert axes.yaxis_inverted()
    shares = drawn(plots.pairs(rows, "pairs", normalize=True, needed_for="x")).axes[0]
    assert [bar.get_width() for bar in shares.patches] == [0.5, 0.8]
    assert shares.get_xlabel() == "fraction of the true class"


def test_without_a_mistake_there_is_a_title_only() -> None:
    axes = drawn(plots.pairs([], "nothing wrong", needed_for="x")).axes[0]
    assert not axes.axison
    assert axes.get_title(loc="left") == "nothing wrong"


def test_a_matrix_of_nothing_is_drawn() -> None:
    drawn(plots.confusion(np.zeros((2, 2)), ["a", "b"], needed_for="x"))
    drawn(plots.confusion(np.zeros((2, 2)), ["a", "b"], normalize=True, needed_for="x"))


def test_without_matplotlib_the_line_that_installs_it_is_named(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(MissingExtraError, match=r"plot_confusion\(\).*transferkit\[plots\]"):
        plots.confusion(np.eye(2), ["a", "b"], needed_for="evaluation.plot_confusion()")


def test_drawing_imports_no_pyplot_and_no_framework() -> None:
    code = (
        "import sys; from transferkit import plots, history, evaluate;"
        "assert 'matplotlib' not in sys.modules;"
        "plots.confusion([[1]], ['a'], needed_for='x');"
        "print([m for m in ('tensorflow', 'keras', 'matplotlib.pyplot') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
