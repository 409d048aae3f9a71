"""What happened in training, epoch by epoch: a value.

>>> from transferkit.history import EpochRecord, History
>>> first = EpochRecord(0, 0, "feature extraction", {"loss": 1.2, "val_loss": 1.1}, 3.0, 1e-3)
>>> second = EpochRecord(1, 0, "feature extraction", {"loss": 0.8, "val_loss": 0.9}, 2.0, 1e-3)
>>> History((first, second)).best("val_loss").epoch
1
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING, Any, Literal

from transferkit import plots
from transferkit._optional import require
from transferkit._text import duration, html_table, json_number, shortened, text_table
from transferkit.errors import SpecError, UnknownNameError, did_you_mean, explain

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

__all__ = ["EpochRecord", "History", "Mode", "direction"]

Mode = Literal["min", "max"]

_LESS_IS_BETTER = (
    "loss",
    "error",
    "mae",
    "mse",
    "rmse",
    "mape",
    "msle",
    "crossentropy",
    "kldiverg",
    "hinge",
    "logcosh",
    "poisson",
)
_MORE_IS_BETTER = ("acc", "auc", "precision", "recall", "f1", "iou", "r2", "top", "similarity")
_SHOWN_WHOLE = 30  # rows of a printed table; of a longer history the ends are shown


@dataclass(frozen=True)
class EpochRecord:
    """One epoch.

    Attributes:
        epoch: Its number over all phases, from 0.
        phase: The number of its phase, from 0.
        phase_name: What the plan calls that phase.
        metrics: The loss and all metrics by name; those of the validation split begin ``val_``.
        seconds: How long it took.
        learning_rate: The optimizer's learning rate at its end; 0 where the head was solved.

    Raises:
        SpecError: If `epoch` or `phase` is below 0.
    """

    epoch: int
    phase: int
    phase_name: str
    metrics: Mapping[str, float] = dataclasses.field(hash=False)
    seconds: float
    learning_rate: float

    def __post_init__(self) -> None:
        if self.epoch < 0 or self.phase < 0:
            raise SpecError(
                explain(
                    "EpochRecord",
                    "epochs and phases are counted from 0",
                    expected="numbers of 0 or more",
                    received={"epoch": self.epoch, "phase": self.phase},
                )
            )
        numbers = {name: float(value) for name, value in self.metrics.items()}
        object.__setattr__(self, "metrics", numbers)

    def to_config(self) -> dict[str, Any]:
        """A JSON-ready form; `from_config` is the inverse."""
        return {
            **dataclasses.asdict(self),
            "metrics": {name: json_number(value) for name, value in self.metrics.items()},
            "seconds": json_number(self.seconds),
            "learning_rate": json_number(self.learning_rate),
        }

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> EpochRecord:
        """The inverse of `to_config`."""
        return cls(
            epoch=int(config["epoch"]),
            phase=int(config["phase"]),
            phase_name=str(config["phase_name"]),
            metrics={name: float(value) for name, value in config["metrics"].items()},
            seconds=float(config["seconds"]),
            learning_rate=float(config["learning_rate"]),
        )


@dataclass(frozen=True, repr=False)
class History:
    """All epochs of a training run, over all its phases.

    Attributes:
        epochs: The epochs, in order.

    Raises:
        SpecError: If epochs do not count up, or a phase comes back after another began.
    """

    epochs: tuple[EpochRecord, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "epochs", tuple(self.epochs))
        for before, after in zip(self.epochs, self.epochs[1:], strict=False):
            if after.epoch <= before.epoch or after.phase < before.phase:
                raise SpecError(
                    explain(
                        "History",
                        "epochs are out of order",
                        expected="epochs that count up, in phases that count up",
                        received={
                            "epoch, phase": (before.epoch, before.phase),
                            "the next": (after.epoch, after.phase),
                        },
                        mend="To put one run behind another: history.extended(other)",
                    )
                )

    def __len__(self) -> int:
        return len(self.epochs)

    def __iter__(self) -> Iterator[EpochRecord]:
        return iter(self.epochs)

    def __getitem__(self, place: int) -> EpochRecord:
        return self.epochs[place]

    @property
    def metrics(self) -> dict[str, list[float]]:
        """Every metric over all epochs; NaN where an epoch does not have it."""
        names = dict.fromkeys(name for record in self.epochs for name in record.metrics)
        return {
            name: [record.metrics.get(name, math.nan) for record in self.epochs] for name in names
        }

    @property
    def phases(self) -> tuple[str, ...]:
        """The names of the phases, in order; a name may come twice."""
        return tuple(name for name, _, _ in self._spans())

    @property
    def seconds(self) -> float:
        """How long all epochs took."""
        return math.fsum(record.seconds for record in self.epochs)

    def append(self, record: EpochRecord) -> History:
        """This history and one more epoch.

        Raises:
            SpecError: If it does not come after the last one.
        """
        return History((*self.epochs, record))

    def extended(self, other: History) -> History:
        """This history and another one behind it, its epochs and phases renumbered to follow on."""
        if not self.epochs or not other.epochs:
            return self if self.epochs else other
        last, first = self.epochs[-1], other.epochs[0]
        later = last.epoch + 1 - first.epoch
        further = last.phase + 1 - first.phase
        moved = (
            dataclasses.replace(record, epoch=record.epoch + later, phase=record.phase + further)
            for record in other.epochs
        )
        return History((*self.epochs, *moved))

    def best(self, metric: str, mode: Mode | None = None) -> EpochRecord:
        """The epoch in which `metric` was best; of equal ones the first. NaN is never best.

        Args:
            metric: Its name, ``"val_loss"``.
            mode: ``"min"`` if less is better, ``"max"`` if more is; None reads it from the name.

        Raises:
            UnknownNameError: If no epoch has that metric; the nearest names are named.
            SpecError: If `mode` is neither, the name does not tell, or the metric is always NaN.
        """
        known = self.metrics
        if metric not in known:
            raise UnknownNameError(
                explain(
                    "history.best",
                    f"no epoch has a metric called {metric!r}",
                    expected=did_you_mean(metric, known),
                    received={"metric": metric},
                )
            )
        sign = -1.0 if direction(metric, mode, verb="history.best") == "max" else 1.0
        numbers = [r for r in self.epochs if not math.isnan(r.metrics.get(metric, math.nan))]
        if not numbers:
            raise SpecError(
                explain(
                    "history.best",
                    f"{metric!r} was never a number",
                    expected="at least one epoch in which it is",
                    received={"values": known[metric]},
                    mend="Training diverged; try a smaller learning rate.",
                )
            )
        return min(numbers, key=lambda record: sign * record.metrics[metric])

    def plot(self) -> Figure:
        """The learning curves: a panel for the loss and one for each metric, train beside val.

        Phases are set apart by lines and named above the panels.

        Raises:
            SpecError: If there is no epoch yet.
            MissingExtraError: If matplotlib is not installed.
        """
        panels: dict[str, dict[str, list[float]]] = {"loss": {}} if "loss" in self.metrics else {}
        for name, values in self.metrics.items():
            plain = name.removeprefix("val_")
            panels.setdefault(plain, {})["val" if name != plain else "train"] = values
        numbers = [record.epoch for record in self.epochs]
        spans = self._spans()
        return plots.curves(panels, numbers, phases=spans, needed_for="history.plot()")

    def to_pandas(self) -> pd.DataFrame:
        """One row per epoch: phase, phase_name, the metrics, seconds and learning_rate.

        Raises:
            MissingExtraError: If pandas is not installed.
        """
        pandas = require("pandas", extra="pandas", needed_for="history.to_pandas()")
        columns: dict[str, Any] = {
            "phase": [record.phase for record in self.epochs],
            "phase_name": [record.phase_name for record in self.epochs],
            **self.metrics,
            "seconds": [record.seconds for record in self.epochs],
            "learning_rate": [record.learning_rate for record in self.epochs],
        }
        index = pandas.Index([record.epoch for record in self.epochs], name="epoch")
        frame: pd.DataFrame = pandas.DataFrame(columns, index=index)
        return frame

    def to_config(self) -> dict[str, Any]:
        """A JSON-ready form; `from_config` is the inverse. NaN and infinities are words in it."""
        return {"epochs": [record.to_config() for record in self.epochs]}

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> History:
        """The inverse of `to_config`."""
        return cls(tuple(EpochRecord.from_config(record) for record in config["epochs"]))

    def __repr__(self) -> str:
        if not self.epochs:
            return self._caption()
        return f"{self._caption()}\n{text_table(*self._table(), left=2)}"

    def _repr_html_(self) -> str:
        return html_table(self._caption(), *self._table(), left=2)

    def _spans(self) -> list[tuple[str, int, int]]:
        """(name, first epoch, last epoch) of each phase."""
        runs = (list(run) for _, run in groupby(self.epochs, key=lambda record: record.phase))
        return [(run[0].phase_name, run[0].epoch, run[-1].epoch) for run in runs]

    def _caption(self) -> str:
        epochs, phases = len(self.epochs), len(self.phases)
        return (
            f"History of {epochs} epoch{'s' * (epochs != 1)} "
            f"in {phases} phase{'s' * (phases != 1)}, {duration(self.seconds)}"
        )

    def _table(self) -> tuple[list[str], list[list[str]]]:
        names = list(self.metrics)
        header = ["epoch", "phase", *names, "learning_rate", "seconds"]
        rows = [
            [
                str(record.epoch),
                shortened(record.phase_name, 30),
                *(_shown(record.metrics.get(name)) for name in names),
                f"{record.learning_rate:.3g}",
                f"{record.seconds:.1f}",
            ]
            for record in self.epochs
        ]
        if len(rows) > _SHOWN_WHOLE:
            half = _SHOWN_WHOLE // 2
            rows = [*rows[:half], ["…"] * len(header), *rows[-half:]]
        return header, rows


def direction(metric: str, mode: Mode | None = None, *, verb: str) -> Mode:
    """Whether less (``"min"``) or more (``"max"``) of a metric is better.

    Args:
        metric: Its name, with or without ``val_``.
        mode: Says so; None reads it from the name.
        verb: The call the user typed, for the error.

    Raises:
        SpecError: If `mode` is neither, or the name does not tell.
    """
    if mode in ("min", "max"):
        return mode
    name = metric.removeprefix("val_").lower().replace("_", "")
    less = mode is None and any(word in name for word in _LESS_IS_BETTER)
    more = mode is None and any(word in name for word in _MORE_IS_BETTER)
    if less or more:
        return "min" if less else "max"
    raise SpecError(
        explain(
            verb,
            f"it is not known whether more or less of {metric!r} is better",
            expected="mode='min' or mode='max'",
            received={"metric": metric, "mode": mode},
            mend=f"{verb}(..., mode='max')",
        )
    )


def _shown(value: float | None) -> str:
    if value is None:
        return "-"
    return f"{value:.4f}" if abs(value) < 1e4 or math.isnan(value) else f"{value:.3e}"
