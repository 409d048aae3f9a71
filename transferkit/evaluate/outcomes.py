"""How single pictures were predicted: as words, as rows of a table, as pictures with a title."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from transferkit._figures import image_grid
from transferkit._text import counted, html_table, shortened, text_table
from transferkit.data.decode import decode
from transferkit.errors import SpecError, explain
from transferkit.evaluate.scores import Array

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["Images", "Mistake", "Outcome", "TopLosses", "drawn"]

Images = Callable[[int], Any]
"""From a picture's place in the split to its pixels ``(height, width, channels)``, 0..255."""


@dataclass(frozen=True)
class Outcome:
    """How one picture was predicted.

    Attributes:
        index: Its place in the split.
        path: Its file, where that is known.
        true: What it is: a class, labels joined by commas ("-" for none), or numbers.
        predicted: What it was predicted as, in the same form.
        confidence: The probability of the predicted class. Of several labels, of the wrong one that
            the network was surest of; where none is wrong, of the one that it was least sure of.
            NaN for numbers.
        loss: How bad it is: cross-entropy, its mean over the labels, or the mean squared error.
    """

    index: int
    path: str | None
    true: str
    predicted: str
    confidence: float
    loss: float


class Mistake(Outcome):
    """The outcome of a picture that was predicted wrongly."""


@dataclass(frozen=True, repr=False, eq=False)
class TopLosses:
    """The pictures with the largest loss, the largest first: mistakes, and what was hardly right.

    Prints as a table. ``len``, iteration and an index give the outcomes.

    Attributes:
        split: Which pictures: ``"val"``.
        count: How many there are in the split.
        outcomes: Those with the largest loss.
        images: From a picture's place to its pixels, for `plot`, where that is known.
    """

    split: str
    count: int
    outcomes: tuple[Outcome, ...]
    images: Images | None = field(default=None)

    def __len__(self) -> int:
        return len(self.outcomes)

    def __iter__(self) -> Iterator[Outcome]:
        return iter(self.outcomes)

    def __getitem__(self, place: int) -> Outcome:
        return self.outcomes[place]

    def plot(self) -> Figure:
        """The pictures; above each what it was predicted as, how surely, what it is, and its loss.

        Raises:
            SpecError: If neither `images` nor the pictures' paths are known.
            DecodeError: If a picture's file cannot be read.
            MissingExtraError: If matplotlib is not installed.
        """
        titles = [f"{_title(each)}\nloss {each.loss:.2f}" for each in self]
        return _grid(self.outcomes, titles, self.images, "evaluation.plot_top_losses()")

    def __repr__(self) -> str:
        return f"{self._caption()}\n\n{text_table(*self._table(), left=3)}"

    def _repr_html_(self) -> str:
        return html_table(self._caption(), *self._table(), left=3)

    def _caption(self) -> str:
        most = "largest loss" if len(self) == 1 else f"{len(self)} largest losses"
        return f"{self.split}: the {most} of {counted(self.count, 'picture')}"

    def _table(self) -> tuple[list[str], list[list[str]]]:
        return ["picture", "predicted", "true", "confidence", "loss"], [_row(each) for each in self]


def drawn(outcomes: Sequence[Outcome], images: Images | None, *, verb: str) -> Figure:
    """Pictures with what each was predicted as, how surely, and what it is.

    Args:
        outcomes: At least one.
        images: From a picture's place to its pixels; None to read the files.
        verb: The call that the user typed, for the errors.

    Raises:
        SpecError: If neither `images` nor the pictures' paths are known.
        DecodeError: If a picture's file cannot be read.
        MissingExtraError: If matplotlib is not installed.
    """
    return _grid(outcomes, [_title(each) for each in outcomes], images, verb)


def _grid(
    outcomes: Sequence[Outcome], titles: Sequence[str], images: Images | None, verb: str
) -> Figure:
    pictures = [_pixels(each, images, verb) for each in outcomes]
    return image_grid(pictures, titles, needed_for=verb)


def _pixels(outcome: Outcome, images: Images | None, verb: str) -> Any:
    if images is not None:
        return images(outcome.index)
    if outcome.path is not None:
        return _read(outcome.path)
    raise SpecError(
        explain(
            verb,
            "the pictures are not known",
            expected="an evaluation that was made with images= or paths=",
            mend="dataclasses.replace(evaluation, images=lambda index: pixels[index])",
        )
    )


def _title(outcome: Outcome) -> str:
    sure = "" if np.isnan(outcome.confidence) else f" {outcome.confidence:.0%}"
    return f"{shortened(outcome.predicted, 20)}{sure}\nis {shortened(outcome.true, 22)}"


def _row(outcome: Outcome) -> list[str]:
    name = str(outcome.index) if outcome.path is None else outcome.path
    sure = "" if np.isnan(outcome.confidence) else f"{outcome.confidence:.4f}"
    words = [shortened(text, 40) for text in (name, outcome.predicted, outcome.true)]
    return [*words, sure, f"{outcome.loss:.4f}"]


def _read(path: str) -> Array:
    """One picture for the eye: as the model saw it, and no larger than it is drawn."""
    picture = Image.fromarray(decode(path, image_size=None))
    picture.thumbnail((320, 320))
    return np.asarray(picture)
