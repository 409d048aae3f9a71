"""The figures that several rooms draw: an empty one, and a grid of pictures.

Matplotlib is imported when the first one is drawn, and pyplot never: nothing is shown by itself,
nothing has to be closed, and no backend is chosen for the caller. In a notebook the figures still
appear, as they bring their own PNG.
"""

from __future__ import annotations

import functools
import io
import math
import re
import statistics
import textwrap
import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from transferkit._optional import require
from transferkit._text import printable, width
from transferkit.errors import SpecError, explain

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["image_grid", "new_figure", "text_style"]

# Faces for scripts that matplotlib's own DejaVu Sans lacks; of each line the first installed one.
_OTHER_SCRIPTS = (
    ("Noto Sans CJK SC", "Noto Sans CJK TC", "Noto Sans CJK JP", "PingFang SC", "Hiragino Sans"),
    ("Microsoft YaHei", "Source Han Sans SC", "WenQuanYi Micro Hei", "SimHei", "Malgun Gothic"),
    ("Noto Sans Devanagari", "Kohinoor Devanagari", "Nirmala UI", "Mangal"),
    ("Noto Sans Thai", "Thonburi", "Leelawadee UI", "Tahoma"),
    ("Noto Emoji", "Segoe UI Symbol", "Symbola"),
)
_TITLE_COLUMNS = 26
_NO_GLYPH = re.compile(r"Glyph (\d+) .*missing from font")


def new_figure(
    width: float,
    height: float,
    *,
    needed_for: str,
    layout: Literal["constrained", "compressed"] = "constrained",
) -> Figure:
    """An empty figure with a layout that makes room for long labels.

    Args:
        width: In inches.
        height: In inches.
        needed_for: The call that the user typed, for the error.
        layout: Matplotlib's; ``"compressed"`` for axes whose sides are in a fixed ratio, which the
            other one pushes beyond the edge.

    Raises:
        MissingExtraError: If matplotlib is not installed.
    """
    module = require("matplotlib.figure", extra="plots", needed_for=needed_for)
    figure: Figure = module.Figure(figsize=(width, height), layout=layout)
    figure.patch.set_alpha(1.0)  # a see-through figure is unreadable on half of all pages
    # IPython draws figures by itself only once pyplot was imported.
    figure._repr_png_ = functools.partial(_png, figure)  # type: ignore[attr-defined]
    return figure


def text_style(*, needed_for: str) -> dict[str, Any]:
    """How names of classes and files are set: literally, and in a face that has their script.

    Without this a dollar sign would start a formula, and Chinese names would be rows of boxes even
    where a Chinese face is installed.
    """
    return {"parse_math": False, "fontfamily": list(_families(needed_for))}


def image_grid(
    images: Sequence[Any],
    titles: Sequence[str] | None = None,
    *,
    needed_for: str,
    columns: int | None = None,
) -> Figure:
    """Pictures side by side, row by row; the rows are as high as most pictures need.

    Args:
        images: Arrays ``(height, width)`` or ``(height, width, 1 | 3 | 4)``, 0..255, each of its
            own size and of any number type.
        titles: What stands above each picture, set literally; long ones are wrapped.
        needed_for: The call that the user typed, for the errors.
        columns: Pictures in a row; None for a grid that is about square.

    Raises:
        SpecError: If there is nothing to draw, titles and pictures differ in number, or an array is
            no picture.
        MissingExtraError: If matplotlib is not installed.
    """
    pictures = [_picture(image, needed_for) for image in images]
    _check(pictures, titles, needed_for)
    across = columns or math.ceil(math.sqrt(len(pictures)))
    across = min(across, len(pictures))
    down = math.ceil(len(pictures) / across)
    lines = max((len(_wrapped(title)) for title in titles or ()), default=0)
    tall = statistics.median(picture.shape[0] / picture.shape[1] for picture in pictures)
    height = 2.1 * min(max(tall, 0.5), 1.5) + 0.17 * lines
    figure = new_figure(2.1 * across, height * down, needed_for=needed_for)
    style = text_style(needed_for=needed_for)
    grid = figure.subplots(down, across, squeeze=False)
    for place, axes in enumerate(grid.flat):
        axes.set_axis_off()
        if place < len(pictures):
            axes.imshow(pictures[place], cmap="gray", vmin=0, vmax=255)
            if titles is not None:
                axes.set_title("\n".join(_wrapped(titles[place])), fontsize=8, **style)
    return figure


def _picture(image: Any, needed_for: str) -> np.ndarray[Any, Any]:
    array = np.asarray(image)
    if array.ndim == 3 and array.shape[-1] == 1:
        array = array[..., 0]
    if array.ndim != 2 and not (array.ndim == 3 and array.shape[-1] in (3, 4)):
        raise SpecError(
            explain(
                needed_for,
                "an array cannot be drawn as a picture",
                expected="(height, width) or (height, width, 1, 3 or 4)",
                received={"shape": array.shape},
            )
        )
    pixels: np.ndarray[Any, Any] = np.clip(np.rint(array), 0, 255).astype(np.uint8)
    return pixels


def _check(pictures: Sequence[Any], titles: Sequence[str] | None, needed_for: str) -> None:
    if not pictures:
        raise SpecError(
            explain(needed_for, "there is no picture to draw", expected="at least one picture")
        )
    if titles is not None and len(titles) != len(pictures):
        raise SpecError(
            explain(
                needed_for,
                "titles and pictures differ in number",
                expected=f"{len(pictures)} titles",
                received={"titles": list(titles)},
            )
        )


def _wrapped(title: str) -> list[str]:
    return [part for line in title.split("\n") for part in _two_lines(printable(line)) or [""]]


def _two_lines(text: str) -> list[str]:
    """At most two lines that are no wider than a picture; Chinese letters are two columns wide."""
    wide = width(text) / max(len(text), 1)
    return textwrap.wrap(text, max(int(_TITLE_COLUMNS / max(wide, 1)), 1), max_lines=2)


def _png(figure: Figure) -> bytes:
    buffer = io.BytesIO()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        figure.savefig(buffer, format="png")
    _pass_on(caught)
    return buffer.getvalue()


def _pass_on(caught: Sequence[warnings.WarningMessage]) -> None:
    """Matplotlib's warnings; those of letters without a glyph, one for each letter, in one."""
    missing = ""
    for warning in caught:
        letter = _NO_GLYPH.match(str(warning.message))
        if letter is None:
            warnings.warn(warning.message, warning.category, stacklevel=3)
        elif chr(int(letter[1])) not in missing:
            missing += chr(int(letter[1]))
    if missing:
        warnings.warn(
            f"no installed face has the letters {printable(missing[:12])!r}, which are drawn as "
            "boxes: install one that has them, such as Noto Sans of their script",
            stacklevel=3,
        )


@functools.cache
def _families(needed_for: str) -> tuple[str, ...]:
    fonts = require("matplotlib.font_manager", extra="plots", needed_for=needed_for)
    installed = {font.name for font in fonts.fontManager.ttflist}
    found = (next((name for name in line if name in installed), None) for line in _OTHER_SCRIPTS)
    return ("sans-serif", *(name for name in found if name is not None))
