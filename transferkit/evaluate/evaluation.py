"""What all evaluations have in common: mistakes, their pictures, and how a report is printed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from transferkit._figures import image_grid
from transferkit._text import html_table, json_number, shortened, text_table
from transferkit.data.decode import decode
from transferkit.errors import SpecError, explain
from transferkit.evaluate import inputs
from transferkit.evaluate.scores import Array

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["Evaluation", "Images", "Mistake", "pictures"]

Images = Callable[[int], Any]
"""From a picture's place in the split to its pixels ``(height, width, channels)``, 0..255."""


@dataclass(frozen=True)
class Mistake:
    """A picture that was predicted wrongly.

    Attributes:
        index: Its place in the split.
        path: Its file, where that is known.
        true: What it is: a class, labels joined by commas ("-" for none), or numbers.
        predicted: What it was predicted as, in the same form.
        confidence: The probability of the predicted class; of the wrong label that the network was
            surest of; NaN for numbers.
        loss: How bad it is: cross-entropy, its mean over the labels, or the mean squared error.
    """

    index: int
    path: str | None
    true: str
    predicted: str
    confidence: float
    loss: float


@dataclass(frozen=True, repr=False, eq=False)
class Evaluation:
    """What all evaluations have in common.

    Attributes:
        split: Which pictures: ``"val"``.
        loss: The mean loss that training would report: class weights are in it, penalties on the
            network's weights are not.
        outputs: What the network gave ``(pictures, outputs)``, after its activation.
        truths: What would have been right.
        names: The classes, labels or numbers in the order of the outputs.
        paths: The pictures' files, where they are known.
        images: From a picture's place to its pixels, for `show_errors`, where that is known.
    """

    split: str
    loss: float
    outputs: Array
    truths: Array
    names: tuple[str, ...]
    paths: tuple[str, ...] | None = None
    images: Images | None = None

    @property
    def count(self) -> int:
        """How many pictures were evaluated."""
        return len(self.outputs)

    @property
    def metrics(self) -> dict[str, float]:
        """The loss and all summary scores by name."""
        raise NotImplementedError

    @property
    def errors(self) -> Array:
        """How bad each picture's prediction is ``(pictures,)``; see `Mistake.loss`."""
        raise NotImplementedError

    def worst(self, n: int = 9) -> tuple[Mistake, ...]:
        """The worst mistakes, the worst first; fewer than `n` if fewer were made.

        Raises:
            SpecError: If `n` is no whole number above 0.
        """
        most = inputs.count("evaluation.worst", "n", n)
        wrong = np.flatnonzero(self._wrong())
        order = wrong[np.argsort(-self.errors[wrong], kind="stable")][:most]
        return tuple(self._mistake(int(place)) for place in order)

    def show_errors(self, n: int = 16) -> Figure:
        """The pictures of the worst mistakes, with what they are and what they were taken for.

        Above each stands what it was predicted as and how surely, and below that what it is. The
        worst are those to whose truth the least was given: what was most surely wrong.

        Args:
            n: How many to draw at most.

        Raises:
            SpecError: If `n` is no whole number above 0, there is no mistake, or neither `images`
                nor `paths` is known.
            DecodeError: If a picture's file cannot be read.
            MissingExtraError: If matplotlib is not installed.
        """
        verb = "evaluation.show_errors()"
        mistakes = self.worst(n)
        if not mistakes:
            raise SpecError(
                explain(verb, "there is no mistake to show", expected="at least one mistake")
            )
        pictures = [self._pixels(mistake) for mistake in mistakes]
        return image_grid(pictures, [_title(each) for each in mistakes], needed_for=verb)

    def to_config(self) -> dict[str, Any]:
        """The scores in a JSON-ready form, without outputs and pictures."""
        return {
            "kind": type(self).__name__.lower(),
            "split": self.split,
            "pictures": self.count,
            "names": list(self.names),
            "metrics": {name: json_number(value) for name, value in self.metrics.items()},
        }

    def __str__(self) -> str:
        return f"{self._caption()}\n\n{text_table(*self._table())}"

    def __repr__(self) -> str:
        shown = ", ".join(f"{name}={value:.4g}" for name, value in self.metrics.items())
        return f"{type(self).__name__}({self.split!r}, {self.count} pictures, {shown})"

    def _repr_html_(self) -> str:
        return html_table(self._caption(), *self._table())

    def _wrong(self) -> Array:
        raise NotImplementedError

    def _told(self, place: int) -> tuple[str, str, float]:
        """What a picture is, what it was predicted as, and how surely."""
        raise NotImplementedError

    def _caption(self) -> str:
        raise NotImplementedError

    def _table(self) -> tuple[list[str], list[list[str]]]:
        raise NotImplementedError

    def _mistake(self, place: int) -> Mistake:
        path = None if self.paths is None else self.paths[place]
        return Mistake(place, path, *self._told(place), float(self.errors[place]))

    def _pixels(self, mistake: Mistake) -> Any:
        if self.images is not None:
            return self.images(mistake.index)
        if mistake.path is not None:
            return _read(mistake.path)
        raise SpecError(
            explain(
                "evaluation.show_errors()",
                "the pictures are not known",
                expected="an evaluation that was made with images= or paths=",
                mend="dataclasses.replace(evaluation, images=lambda index: pixels[index])",
            )
        )


def pictures(count: int) -> str:
    """The number of pictures, in words."""
    return f"{count} picture{'s' * (count != 1)}"


def _title(mistake: Mistake) -> str:
    sure = "" if np.isnan(mistake.confidence) else f" {mistake.confidence:.0%}"
    return f"{shortened(mistake.predicted, 20)}{sure}\nis {shortened(mistake.true, 22)}"


def _read(path: str) -> Array:
    """One picture for the eye: as the model saw it, and no larger than it is drawn."""
    picture = Image.fromarray(decode(path, image_size=None))
    picture.thumbnail((320, 320))
    return np.asarray(picture)
