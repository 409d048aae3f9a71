from __future__ import annotations

import io
import pickle
import sys
import warnings
from contextlib import nullcontext
from typing import Any

import numpy as np
import pytest

from transferkit import _figures
from transferkit.errors import MissingExtraError, SpecError


def gradient(height: int, width: int, channels: int | None = 3) -> np.ndarray:
    ramp = np.linspace(0, 255, height * width).reshape(height, width)
    return ramp if channels is None else np.repeat(ramp[..., None], channels, axis=-1)


def test_pictures_of_any_size_and_kind_stand_in_one_grid() -> None:
    images = [
        gradient(4, 6),
        gradient(6, 4, 1),
        gradient(5, 5, None),
        gradient(3, 3, 4),
        gradient(8, 2),
    ]
    figure = _figures.image_grid(images, list("abcde"), needed_for="show")
    drawn = [axes for axes in figure.axes if axes.images]
    assert [axes.get_title() for axes in drawn] == list("abcde")
    assert len(figure.axes) == 6
    np.testing.assert_array_equal(drawn[0].images[0].get_array(), np.rint(images[0]))
    figure.savefig(io.BytesIO())


def test_a_title_is_set_literally_whatever_it_holds() -> None:
    titles = ["$5 or $6", "_private", "Größe", "пион", ""]
    figure = _figures.image_grid([gradient(4, 4)] * 5, titles, needed_for="show")
    figure.savefig(io.BytesIO())  # "$5 or $6" as a formula would be an error or italics
    assert [axes.get_title() for axes in figure.axes[:5]] == titles
    hostile = _figures.image_grid([gradient(4, 4)], ["a\x1b[31m\udc80"], needed_for="show")
    hostile.savefig(io.BytesIO())
    assert hostile.axes[0].get_title() == "a\\x1b[31m\\udc80"
    assert not any(axes.title.get_parse_math() for axes in figure.axes[:5])


def test_a_long_title_is_wrapped_and_cut() -> None:
    figure = _figures.image_grid([gradient(4, 4)], ["word " * 40], needed_for="show")
    assert figure.axes[0].get_title().count("\n") == 1


def test_a_title_of_wide_letters_is_no_wider_than_its_picture() -> None:
    with pytest.warns(UserWarning, match="no installed face") if no_chinese() else nullcontext():
        figure = _figures.image_grid([gradient(4, 4)], ["蜜" * 20], needed_for="show")
        figure._repr_png_()  # type: ignore[attr-defined]
    assert figure.axes[0].get_title().split("\n") == ["蜜" * 13, "蜜" * 7]


def no_chinese() -> bool:
    return not any("CJK" in name for name in _figures._families("x"))


def test_letters_without_a_glyph_are_told_once_and_other_warnings_are_passed_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    figure = _figures.image_grid([gradient(4, 4)], ["x"], needed_for="show")

    def savefig(*args: Any, **kwargs: Any) -> None:
        for letter in "蜂蜜蜂":
            warnings.warn(f"Glyph {ord(letter)} (X) missing from font(s) DejaVu.", stacklevel=1)
        warnings.warn("something else", RuntimeWarning, stacklevel=1)

    monkeypatch.setattr(figure, "savefig", savefig)
    with pytest.warns() as told:
        figure._repr_png_()  # type: ignore[attr-defined]
    assert {str(each.message) for each in told} == {
        "something else",
        "no installed face has the letters '蜂蜜', which are drawn as boxes: install one that has "
        "them, such as Noto Sans of their script",
    }
    assert len(told) == 2


def test_one_tall_picture_does_not_make_every_row_tall() -> None:
    wide = _figures.image_grid([gradient(4, 8)] * 9, needed_for="show")
    mixed = _figures.image_grid([gradient(4, 8)] * 8 + [gradient(8, 4)], needed_for="show")
    assert mixed.get_size_inches().tolist() == wide.get_size_inches().tolist()


def test_the_number_of_columns_can_be_chosen() -> None:
    figure = _figures.image_grid([gradient(4, 4)] * 3, needed_for="show", columns=3)
    assert len({axes.get_position().y0 for axes in figure.axes}) == 1


def test_a_notebook_gets_a_png_and_the_figure_pickles() -> None:
    figure = _figures.image_grid([gradient(4, 4)], needed_for="show")
    assert figure._repr_png_().startswith(b"\x89PNG")  # type: ignore[attr-defined]
    assert pickle.loads(pickle.dumps(figure))._repr_png_().startswith(b"\x89PNG")


def test_the_background_is_opaque() -> None:
    import matplotlib as mpl

    with mpl.rc_context({"figure.facecolor": (1, 1, 1, 0)}):
        figure = _figures.new_figure(1, 1, needed_for="x")
        assert tuple(figure.get_facecolor())[-1:] == (1.0,)
        assert len(figure.get_facecolor()) == 4


def test_nothing_to_draw_is_an_error() -> None:
    with pytest.raises(
        SpecError, match=r"show: there is no picture to draw\. Expected at least one"
    ):
        _figures.image_grid([], needed_for="show")


def test_titles_that_do_not_match_are_an_error() -> None:
    with pytest.raises(
        SpecError, match=r"titles and pictures differ in number\. Expected 1 titles"
    ):
        _figures.image_grid([gradient(2, 2)], ["a", "b"], needed_for="show")


def test_an_array_that_is_no_picture_is_an_error() -> None:
    with pytest.raises(SpecError, match=r"cannot be drawn as a picture.*shape=\(2, 2, 7\)"):
        _figures.image_grid([np.zeros((2, 2, 7))], needed_for="show")


def test_without_matplotlib_the_line_that_installs_it_is_named(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(MissingExtraError, match=r"history.plot\(\).*'transferkit\[plots\]'"):
        _figures.new_figure(1, 1, needed_for="history.plot()")
