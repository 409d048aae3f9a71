"""`Tuning`: the trials of a search beside each other, and the model of the best one."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from transferkit import loading
from transferkit._figures import new_figure, text_style
from transferkit._optional import require
from transferkit._text import counted, html_table, printable, shortened, text_table
from transferkit.errors import SpecError, UnknownNameError, did_you_mean, explain
from transferkit.plots import TRAIN_COLOUR, VAL_COLOUR
from transferkit.trained import TrainedModel
from transferkit.tuning.results import MODEL, Mode, TrialResult, by_score

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

__all__ = ["Tuning"]

_SHOWN = 30  # rows of a printed table


@dataclass(frozen=True, eq=False, repr=False)
class Tuning:
    """What a search found.

    Attributes:
        trials: In the order in which they ended; those that failed are among them.
        objective: What their score is.
        mode: Whether less or more of it is better.
        folder: Where trials lie, each in a folder of its name.
    """

    trials: tuple[TrialResult, ...]
    objective: str
    mode: Mode
    folder: Path
    _keeper: Any = field(default=None)

    def __iter__(self) -> Iterator[TrialResult]:
        return iter(self.trials)

    def __len__(self) -> int:
        return len(self.trials)

    @property
    def fields(self) -> tuple[str, ...]:
        """All fields that a trial had, in the order in which they were first asked for."""
        return tuple(dict.fromkeys(name for each in self for name in each.values))

    @property
    def best_trial(self) -> TrialResult:
        """The trial with the best score; of equal ones the first.

        Raises:
            SpecError: If all of them failed.
        """
        return by_score(self._scored(), self.mode)[0]

    @cached_property
    def best(self) -> TrainedModel:
        """The best trial's model, as it was trained: it is read when it is first asked for.

        Raises:
            SpecError: If all trials failed.
            BundleNotFoundError: If its file is gone.
        """
        return loading.load(self.folder / self.best_trial.name / MODEL)

    def plot(self, *fields: str) -> Figure:
        """The scores over the trials, with the best so far, and over each field.

        Args:
            *fields: Which fields; all of them by default.

        Raises:
            UnknownNameError: If no trial had such a field.
            SpecError: If no trial came to an end.
            MissingExtraError: If matplotlib is not installed.
        """
        chosen = [self._known(name) for name in fields] or list(self.fields)
        done = self._scored()
        needed = "found.plot()"
        across = min(3, 1 + len(chosen))
        down = math.ceil((1 + len(chosen)) / across)
        figure = new_figure(3.6 * across, 3.0 * down, needed_for=needed)
        style = text_style(needed_for=needed)
        panels = list(figure.subplots(down, across, squeeze=False).flat)
        for axes in panels[1 + len(chosen) :]:
            axes.set_axis_off()
        self._draw_course(panels[0], done)
        for axes, name in zip(panels[1:], chosen, strict=False):
            _draw_field(axes, name, [each for each in done if name in each.values], style)
        for axes in panels[: 1 + len(chosen)]:
            axes.set_ylabel(self.objective, **style)
            axes.grid(alpha=0.3)
        return figure

    def to_frame(self) -> pd.DataFrame:
        """A table for pandas: a line for each trial, in order, a column for each field and metric.

        Raises:
            MissingExtraError: If pandas is not installed.
        """
        pandas = require("pandas", extra="pandas", needed_for="found.to_frame()")
        facts = ("share", "epochs", "seconds", "problem")
        lines = [
            {
                "name": each.name,
                "score": each.score,
                **{name: each.values.get(name) for name in self.fields},
                **each.metrics,
                **{name: getattr(each, name) for name in facts},
            }
            for each in self
        ]
        frame: pd.DataFrame = pandas.DataFrame(lines)
        return frame

    def __repr__(self) -> str:
        words = [[printable(cell) for cell in row] for row in self._rows()]
        lines = [self._caption(), text_table(self._header(), words, left=2)]
        lines += [printable(f"{each.name}: {each.problem}") for each in self if each.problem]
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        return html_table(self._caption(), self._header(), self._rows(), left=2)

    def _caption(self) -> str:
        failed = sum(each.score is None for each in self)
        told = f", {failed} failed" if failed else ""
        return f"Tuning by {self.objective}: {counted(len(self), 'trial')}{told}"

    def _header(self) -> list[str]:
        return ["", "trial", self.objective, *self.fields, "epochs", "seconds"]

    def _rows(self) -> list[list[str]]:
        rows = [self._row(place, each) for place, each in enumerate(by_score(self, self.mode), 1)]
        if len(rows) > _SHOWN:
            rows = [*rows[: _SHOWN - 5], ["…"] * len(rows[0]), *rows[-5:]]
        return rows

    def _row(self, place: int, each: TrialResult) -> list[str]:
        score = "-" if each.score is None else f"{each.score:.4f}"
        values = [_shown(each.values.get(name)) for name in self.fields]
        first = "-" if each.score is None else str(place)
        return [first, each.name, score, *values, str(each.epochs), f"{each.seconds:.1f}"]

    def _scored(self) -> list[TrialResult]:
        found = [each for each in self if each.score is not None]
        if found:
            return found
        raise SpecError(
            explain(
                "Tuning",
                "no trial came to an end",
                expected="one that did",
                received={each.name: each.problem for each in self.trials[:1]},
            )
        )

    def _known(self, name: str) -> str:
        if name in self.fields:
            return name
        raise UnknownNameError(
            explain(
                "plot",
                f"no trial has a field called {name!r}",
                expected=did_you_mean(str(name), self.fields),
            )
        )

    def _draw_course(self, axes: Any, done: Sequence[TrialResult]) -> None:
        scores = [each.score or 0.0 for each in done]
        choose = max if self.mode == "max" else min
        best = [choose(scores[: place + 1]) for place in range(len(scores))]
        numbers = list(range(1, len(scores) + 1))
        axes.step(numbers, best, where="post", color=VAL_COLOUR, label="best so far")
        axes.plot(numbers, scores, "o", color=TRAIN_COLOUR, label="trial")
        axes.set_xlabel("trial")
        axes.legend(fontsize=8)


def _draw_field(axes: Any, name: str, done: Sequence[TrialResult], style: dict[str, Any]) -> None:
    values = [each.values[name] for each in done]
    numbers = [float(v) for v in values if not isinstance(v, str | bool)]
    across: list[float] = numbers
    if len(numbers) < len(values):
        words = sorted({str(value) for value in values})
        across = [float(words.index(str(value))) for value in values]
        axes.set_xticks(range(len(words)), [shortened(word, 20) for word in words], **style)
    elif numbers and min(numbers) > 0 and max(numbers) > 30 * min(numbers):
        axes.set_xscale("log")
    axes.plot(across, [each.score for each in done], "o", color=TRAIN_COLOUR)
    axes.set_xlabel(shortened(name, 30), **style)


def _shown(value: Any) -> str:
    if value is None:
        return "-"
    return f"{value:.4g}" if isinstance(value, float) else shortened(str(value), 30)
