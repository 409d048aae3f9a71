"""The weights that a phase ends with, where they are an average of those on the way."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from transferkit import build
from transferkit._types import KerasModel
from transferkit.averaging import Averaging, Interpolated, Soup, Stochastic
from transferkit.plan import Phase

__all__ = ["ALPHAS", "Ending", "ending_of"]

Array = np.ndarray[Any, Any]
Measure = Callable[[], float]
ALPHAS = np.linspace(1.0, 0.0, 11)
"""What `wise_ft` tries, so that the larger of two that are alike is found first."""


class Ending:
    """What a phase of any kind remembers; by itself nothing, and it ends with the last weights.

    Args:
        network: Its weights are read at the beginning and after each epoch, and set at the end.
        phase: What is being trained.
    """

    def __init__(self, network: KerasModel, phase: Phase) -> None:
        self.variables, self.phase = _moving(network), phase

    def epoch(self, number: int, logs: Mapping[str, float]) -> None:
        """Take note of an epoch's end.

        Args:
            number: In the phase, from 0.
            logs: What was measured.
        """

    def finish(self, measure: Measure | None) -> str | None:
        """Set the weights that the phase ends with; a word on it.

        Args:
            measure: Gives the validation loss of the weights as they are; None without validation
                pictures.
        """
        return None

    def read(self) -> list[Array]:
        """The weights that move."""
        return [np.asarray(variable).copy() for variable in self.variables]

    def write(self, values: Sequence[Array]) -> None:
        """Set them."""
        for variable, value in zip(self.variables, values, strict=True):
            variable.assign(value)


class _Mean(Ending):
    """Stochastic weight averaging."""

    def __init__(self, network: KerasModel, phase: Phase) -> None:
        super().__init__(network, phase)
        assert isinstance(phase.averaging, Stochastic)
        self.first = phase.epochs - max(1, round(phase.averaging.last * phase.epochs))
        self.count, self.mean = 0, [np.zeros(each.shape) for each in self.variables]

    def epoch(self, number: int, logs: Mapping[str, float]) -> None:
        if number >= self.first:
            self.count += 1
            for mean, value in zip(self.mean, self.read(), strict=True):
                mean += (value - mean) / self.count

    def finish(self, measure: Measure | None) -> str | None:
        if not self.count:  # it was stopped before
            return "swa: the phase ended before there was anything to average"
        self.write(self.mean)
        return f"swa: the mean of {self.count} epochs{_told(measure)}"


class _Line(Ending):
    """WiSE-FT."""

    def __init__(self, network: KerasModel, phase: Phase) -> None:
        super().__init__(network, phase)
        self.begun = self.read()

    def finish(self, measure: Measure | None) -> str | None:
        assert isinstance(self.phase.averaging, Interpolated)
        alpha, ended = self.phase.averaging.alpha, self.read()
        if alpha is not None:
            self._go(alpha, ended)
            return f"wise_ft: alpha {alpha:g}{_told(measure)}"
        assert measure is not None
        lost = []
        for tried in ALPHAS:
            self._go(tried, ended)
            lost.append(measure())
        best = int(np.nanargmin(lost))
        self._go(ALPHAS[best], ended)
        return (
            f"wise_ft: alpha {ALPHAS[best]:.1f}, validation loss {lost[best]:.4f}; of the last "
            f"weights {lost[0]:.4f}, of the first {lost[-1]:.4f}"
        )

    def _go(self, alpha: float, ended: Sequence[Array]) -> None:
        pairs = zip(self.begun, ended, strict=True)
        self.write([(1 - alpha) * first + alpha * last for first, last in pairs])


class _Soup(Ending):
    """A greedy soup of the ends of epochs."""

    def __init__(self, network: KerasModel, phase: Phase) -> None:
        super().__init__(network, phase)
        self.found: list[tuple[float, int, list[Array]]] = []

    def epoch(self, number: int, logs: Mapping[str, float]) -> None:
        self.found.append((logs["val_loss"], number, self.read()))

    def finish(self, measure: Measure | None) -> str | None:
        assert measure is not None
        order = sorted(self.found, key=lambda each: (np.nan_to_num(each[0], nan=np.inf), each[1]))
        least, best, mean = order[0]
        taken = [best]
        for _, number, weights in order[1:]:
            share = 1 / (len(taken) + 1)
            tried = [m + share * (w - m) for m, w in zip(mean, weights, strict=True)]
            self.write(tried)
            lost = measure()
            if lost <= least:
                least, mean = lost, tried
                taken.append(number)
        self.write(mean)
        epochs = ", ".join(str(number + 1) for number in sorted(taken))
        return f"soup: of epochs {epochs}, validation loss {least:.4f}"


def ending_of(network: KerasModel, phase: Phase) -> Ending:
    """What a phase needs, when it begins."""
    kinds: dict[type[Averaging], type[Ending]] = {
        Stochastic: _Mean,
        Interpolated: _Line,
        Soup: _Soup,
    }
    wanted = phase.averaging
    kind = Ending if wanted is None else kinds.get(type(wanted), Ending)
    return kind(network, phase)


def _moving(network: KerasModel) -> list[Any]:
    """What training changes: weights, and the statistics of layers that are not frozen."""
    found = {id(variable): variable for variable in network.trainable_variables}
    for layer in network._flatten_layers(include_self=False):
        moves = layer.trainable and not build.is_held_in_inference(layer)
        for variable in layer._non_trainable_variables if moves else ():
            if "float" in str(variable.dtype):
                found[id(variable)] = variable
    return list(found.values())


def _told(measure: Measure | None) -> str:
    return "" if measure is None else f", validation loss {measure():.4f}"
