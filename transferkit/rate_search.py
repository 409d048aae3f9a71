"""`RateSearch`: the loss while the learning rate rises, and the rate that it suggests."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from transferkit import _keras
from transferkit._figures import new_figure, text_style
from transferkit._text import html_summary, text_summary
from transferkit._types import real, whole
from transferkit.engine.shards import own_bounds
from transferkit.errors import SpecError, TrainingError, explain
from transferkit.plan import Plan
from transferkit.schedules import exponential

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["RateSearch", "Watcher", "found", "rising"]

SMOOTHING = 0.9
"""The share that the moving average which watches for the end keeps of itself at each step."""
DIVERGED = 4.0
"""The loss has risen so many times above its least, and the search ends."""
FEWEST = 10
"""Steps without which there is nothing to see."""


@dataclass(frozen=True, eq=False, repr=False)
class RateSearch:
    """A learning-rate range test.

    Attributes:
        suggestion: Where the smoothed loss falls most steeply over the logarithm of the rate.
        rates: The learning rate of each step (steps,).
        losses: The loss of each step's batch (steps,).
        smoothed: The same, each the mean of a tenth of the steps around it (steps,).
        diverged: Whether the loss rose to 4 times its least, which ended the search.

    References:
        Leslie Smith, Cyclical Learning Rates for Training Neural Networks, WACV 2017.
    """

    suggestion: float
    rates: np.ndarray[Any, Any]
    losses: np.ndarray[Any, Any]
    smoothed: np.ndarray[Any, Any]
    diverged: bool

    def plot(self) -> Figure:
        """The loss over the rate, and where the suggestion lies.

        Raises:
            MissingExtraError: If matplotlib is not installed.
        """
        needed = "search.plot()"
        figure = new_figure(6.0, 3.8, needed_for=needed)
        style = text_style(needed_for=needed)
        axes = figure.subplots()
        axes.plot(self.rates, self.losses, color="#808080", alpha=0.5, linewidth=1)
        axes.plot(self.rates, self.smoothed, color="C0")
        at = float(np.interp(np.log(self.suggestion), np.log(self.rates), self.smoothed))
        axes.plot([self.suggestion], [at], "o", color="C1")
        axes.annotate(
            f"{self.suggestion:.2g}",
            (self.suggestion, at),
            textcoords="offset points",
            xytext=(8, 6),
            **style,
        )
        axes.set_xscale("log")
        low, high = float(self.smoothed.min()), float(self.smoothed[0])
        axes.set_ylim(low - 0.3 * (high - low) - 1e-3, high + 1.2 * (high - low) + 1e-3)
        axes.set_xlabel("learning rate")
        axes.set_ylabel("loss")
        axes.grid(alpha=0.3)
        return figure

    def __repr__(self) -> str:
        return text_summary(self._summary())

    def _repr_html_(self) -> str:
        return html_summary(self._summary())

    def _summary(self) -> list[tuple[str, str]]:
        least = self.rates[int(self.smoothed.argmin())]
        end = "the loss ran away" if self.diverged else "the loss had not run away"
        return [
            ("Learning rate", f"{self.suggestion:.2g}"),
            ("steepest fall", f"at {self.suggestion:.2g}, least loss at {least:.2g}"),
            ("tried", f"{self.rates[0]:.2g} to {self.rates[-1]:.2g}, where {end}"),
            ("steps", f"{len(self.rates)}"),
        ]


def rising(plan: Plan, images: int, low: float, high: float, steps: int) -> tuple[Plan, Watcher]:
    """The plan with its last phase as a search, and what watches it.

    Args:
        plan: Its other phases come before, as they are.
        images: Training pictures.
        low: The rate of the first step.
        high: The rate of the last.
        steps: How many there are at least.

    Raises:
        SpecError: If a number makes no sense, or the last phase has no learning rate.
    """
    first, last, count = real(low), real(high), whole(steps)
    fine = first is not None and last is not None and 0 < first < last < math.inf
    if not fine or count is None or count < FEWEST:
        raise SpecError(
            explain(
                "find_learning_rate",
                "with these numbers there is nothing to search",
                expected=f"0 < low < high, and steps of {FEWEST} or more",
                received={"low": low, "high": high, "steps": steps},
                mend="model.find_learning_rate(photos, low=1e-7, high=1.0, steps=100)",
            )
        )
    *before, phase = plan
    if phase.solver is not None:
        raise SpecError(
            explain(
                "find_learning_rate",
                f"phase {phase.name!r} is solved and has no learning rate",
                expected="a plan whose last phase is trained",
                received={"plan": plan},
                mend="model.find_learning_rate(photos, tk.plans.feature_extraction())",
            )
        )
    sizes = [stop - start for start, stop in own_bounds(images, phase.batch_size)]
    searched = replace(
        phase,
        epochs=math.ceil(count / len(sizes)),
        learning_rate=exponential(low, high),
        early_stopping=None,
        restore_best=False,
        averaging=None,
    )
    return Plan((*before, searched)), Watcher(sum(each.epochs for each in before), sizes)


class Watcher(_keras.keras().callbacks.Callback):  # type: ignore[misc]
    """Notes the loss of every step of the phase that is searched, and ends it when it runs away.

    Args:
        first: The first epoch of that phase, counted over all phases.
        sizes: The pictures in each batch of an epoch.
    """

    def __init__(self, first: int, sizes: list[int]) -> None:
        super().__init__()
        self.first, self.sizes = first, sizes
        self.epoch = -1
        self.losses: list[float] = []
        self.rates: list[float] = []
        self.diverged = False
        self._seen, self._sum = 0, 0.0
        self._average, self._least = 0.0, math.inf

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        """The running mean begins anew."""
        self.epoch, self._seen, self._sum = epoch, 0, 0.0

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        """The loss of one batch is what it adds to the running sum."""
        if self.epoch < self.first or self.diverged:
            return
        size = self.sizes[batch]
        self._seen += size
        total = float(np.asarray((logs or {})["loss"])) * self._seen
        self._note((total - self._sum) / size)
        self._sum = total

    def _note(self, loss: float) -> None:
        self.losses.append(loss)
        self.rates.append(float(np.asarray(self.model.optimizer.learning_rate)))
        self._average = SMOOTHING * self._average + (1 - SMOOTHING) * loss
        smooth = self._average / (1 - SMOOTHING ** len(self.losses))
        ran_away = not math.isfinite(loss) or smooth > DIVERGED * self._least
        self._least = min(self._least, smooth) if math.isfinite(smooth) else self._least
        if ran_away:
            self.diverged = self.model.stop_training = True


def found(watcher: Watcher) -> RateSearch:
    """What a search came to.

    Raises:
        TrainingError: If the loss ran away at once, or never fell.
    """
    losses, rates = np.array(watcher.losses), np.array(watcher.rates)
    finite = np.isfinite(losses)
    losses, rates = losses[finite], rates[finite]
    if len(losses) < FEWEST:
        raise TrainingError(
            explain(
                "find_learning_rate",
                f"the loss ran away after {len(losses)} steps",
                expected=f"a search of {FEWEST} steps or more",
                received={"low": float(watcher.rates[0]) if watcher.rates else None},
                mend="model.find_learning_rate(photos, low=1e-8), and look at what the loss is",
            )
        )
    smoothed = _smoothed(losses)
    least = int(smoothed.argmin())
    slopes = np.gradient(smoothed, np.log(rates))[: least + 1]
    if least == 0 or slopes.min() >= 0:
        raise TrainingError(
            explain(
                "find_learning_rate",
                "the loss never fell, whatever the rate",
                expected="a loss that falls somewhere",
                received={"low": float(rates[0]), "high": float(rates[-1])},
                mend="model.find_learning_rate(photos, low=1e-9, high=1e-2)",
            )
        )
    place = int(slopes.argmin())
    return RateSearch(float(rates[place]), rates, losses, smoothed, watcher.diverged)


def _smoothed(losses: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Means over a tenth of the steps around each, so that nothing lags behind its rate."""
    half = max(1, len(losses) // 20)
    window = np.ones(2 * half + 1)
    return np.convolve(losses, window, "same") / np.convolve(np.ones(len(losses)), window, "same")
