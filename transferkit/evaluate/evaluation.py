"""What all evaluations have in common: mistakes, their pictures, and how a report is printed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from transferkit._text import html_table, json_number, text_table
from transferkit.errors import SpecError, explain
from transferkit.evaluate import inputs
from transferkit.evaluate.outcomes import Images, Mistake, Outcome, TopLosses, drawn
from transferkit.evaluate.scores import Array, Confused

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["Evaluation", "pictures"]


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
        images: From a picture's place to its pixels, for figures, where that is known.
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
        """How bad each picture's prediction is ``(pictures,)``; see `Outcome.loss`."""
        raise NotImplementedError

    def told(self, place: int) -> tuple[str, str, float]:
        """What a picture is, what it was predicted as, and how surely: in the words of `Outcome`.

        Args:
            place: Its place in the split.
        """
        raise NotImplementedError

    def worst(self, n: int = 9) -> tuple[Mistake, ...]:
        """The worst mistakes, the worst first; fewer than `n` if fewer were made.

        Raises:
            SpecError: If `n` is no whole number above 0.
        """
        most = inputs.count("evaluation.worst", "n", n)
        wrong = np.flatnonzero(self._wrong())
        return tuple(Mistake(*self._outcome(place)) for place in self._ordered(wrong)[:most])

    def top_losses(self, k: int = 9) -> TopLosses:
        """The pictures with the largest loss, the largest first, whether right or wrong.

        Wrong labels and pictures of two things at once are found among them; `worst` has the
        mistakes alone. The loss of a picture is its cross-entropy or squared error, without class
        weights, focus or label smoothing. Of equal ones the first in the split comes first.

        Args:
            k: How many at most.

        Raises:
            SpecError: If `k` is no whole number above 0.

        Example:
            >>> import numpy as np
            >>> from transferkit import evaluate
            >>> outputs = np.array([[0.9, 0.1], [0.6, 0.4], [0.2, 0.8]])
            >>> made = evaluate.classification(
            ...     outputs, [0, 1, 1], class_names=("ant", "bee"), loss=0.41
            ... )
            >>> made.top_losses(2)
            val: the 2 largest losses of 3 pictures
            <BLANKLINE>
            picture  predicted  true  confidence    loss
            1        ant        bee       0.6000  0.9163
            2        bee        bee       0.8000  0.2231
        """
        most = inputs.count("evaluation.top_losses", "k", k)
        places = self._ordered(np.arange(self.count))[:most]
        outcomes = tuple(Outcome(*self._outcome(place)) for place in places)
        return TopLosses(self.split, self.count, outcomes, self.images)

    def plot_top_losses(self, k: int = 9) -> Figure:
        """The pictures of `top_losses`, as `TopLosses.plot` draws them.

        Args:
            k: How many at most.

        Raises:
            SpecError: If `k` is no whole number above 0, or neither `images` nor `paths` is known.
            DecodeError: If a picture's file cannot be read.
            MissingExtraError: If matplotlib is not installed.
        """
        return self.top_losses(k).plot()

    def show_results(self, n: int = 9) -> Figure:
        """Some pictures, the same ones each time, with what they were predicted as and are.

        Chosen at random and not by their loss: what the model is like on an ordinary picture.

        Args:
            n: How many to draw at most.

        Raises:
            SpecError: If `n` is no whole number above 0, or neither `images` nor `paths` is known.
            DecodeError: If a picture's file cannot be read.
            MissingExtraError: If matplotlib is not installed.
        """
        verb = "evaluation.show_results()"
        most = inputs.count("evaluation.show_results", "n", n)
        places = np.sort(np.random.default_rng(0).permutation(self.count)[:most])
        outcomes = [Outcome(*self._outcome(int(place))) for place in places]
        return drawn(outcomes, self.images, verb=verb)

    def most_confused(self, min_count: int = 1) -> tuple[Confused, ...]:
        """The pairs of classes that are taken for each other; see `Classification.most_confused`.

        Raises:
            SpecError: If a picture has several labels or numbers, none of which is taken for
                another.
        """
        raise SpecError(
            explain(
                "evaluation.most_confused",
                "the pictures have several labels or numbers, and none is taken for another",
                expected="an evaluation of one class per picture",
                received={"evaluation": type(self).__name__},
                mend="evaluation.top_losses(9) has the pictures that it was most wrong about.",
            )
        )

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
        return drawn(mistakes, self.images, verb=verb)

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

    def _caption(self) -> str:
        raise NotImplementedError

    def _table(self) -> tuple[list[str], list[list[str]]]:
        raise NotImplementedError

    def _ordered(self, places: Array) -> list[int]:
        """Places in the split, those with the largest loss first."""
        order = places[np.argsort(-self.errors[places], kind="stable")]
        return [int(place) for place in order]

    def _outcome(self, place: int) -> tuple[int, str | None, str, str, float, float]:
        path = None if self.paths is None else self.paths[place]
        return place, path, *self.told(place), float(self.errors[place])


def pictures(count: int) -> str:
    """The number of pictures, in words."""
    return f"{count} picture{'s' * (count != 1)}"
