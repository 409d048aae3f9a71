"""Which weights a phase ends with: an average of some that it had on the way.

>>> import transferkit as tk
>>> tk.plans.fine_tune(5, averaging=tk.averaging.wise_ft()).phases[0].averaging
wise_ft()
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from transferkit._types import real
from transferkit.errors import SpecError, explain

__all__ = [
    "Averaging",
    "Exponential",
    "Interpolated",
    "Soup",
    "Stochastic",
    "ema",
    "from_config",
    "soup",
    "swa",
    "wise_ft",
]


class Averaging:
    """Which average. Subclasses are frozen dataclasses."""

    def to_config(self) -> dict[str, Any]:
        """A JSON-ready form; `from_config` is the inverse."""
        return {"averaging": type(self).__name__, **asdict(self)}  # type: ignore[call-overload]


@dataclass(frozen=True, repr=False)
class Exponential(Averaging):
    """Of all steps, the later the heavier; see `ema`."""

    momentum: float = 0.99

    def __repr__(self) -> str:
        return f"ema({self.momentum:g})"


@dataclass(frozen=True, repr=False)
class Stochastic(Averaging):
    """Of the ends of the last epochs, all alike; see `swa`."""

    last: float = 0.5

    def __repr__(self) -> str:
        return f"swa({self.last:g})"


@dataclass(frozen=True, repr=False)
class Interpolated(Averaging):
    """Of the first and the last weights; see `wise_ft`."""

    alpha: float | None = None

    def __repr__(self) -> str:
        return "wise_ft()" if self.alpha is None else f"wise_ft({self.alpha:g})"


@dataclass(frozen=True, repr=False)
class Soup(Averaging):
    """Of those ends of epochs that help; see `soup`."""

    def __repr__(self) -> str:
        return "soup()"


def ema(momentum: float = 0.99) -> Averaging:
    """The exponential moving average of the weights over all steps, by Keras' optimizer.

        average <- momentum average + (1 - momentum) weights

    The phase ends with it; validation within the phase measures the weights themselves.

    Args:
        momentum: Above 0 and below 1; about ``1 - 10 / steps``, so that the average forgets the
            beginning.

    Raises:
        SpecError: If it is out of that range.
    """
    return Exponential(_share("ema", "momentum", momentum, "tk.averaging.ema(0.99)"))


def swa(last: float = 0.5) -> Averaging:
    """Stochastic weight averaging: the mean of the weights at the ends of the last epochs.

    With a learning rate that stays high, the epochs end at different places around a minimum, and
    their mean lies nearer to its middle than any of them.

    Args:
        last: Which share of the phase's epochs, above 0 and below 1; at least one.

    Raises:
        SpecError: If it is out of that range.

    References:
        Pavel Izmailov et al., Averaging Weights Leads to Wider Optima and Better Generalization,
        UAI 2018.
    """
    return Stochastic(_share("swa", "last", last, "tk.averaging.swa(0.5)"))


def wise_ft(alpha: float | None = None) -> Averaging:
    """WiSE-FT: a point on the line from the weights that a phase began with to those it came to.

        (1 - alpha) first + alpha last

    Meant for a phase of fine-tuning behind a linear probe: the first weights know the source, the
    last ones the target, and between them lies what is good at both. Costs no time in training.

    Args:
        alpha: From 0 to 1; None for the one of 0, 0.1, ..., 1 with the least loss on the validation
            pictures, the larger one of two that are alike.

    Raises:
        SpecError: If it is out of that range.

    References:
        Mitchell Wortsman et al., Robust fine-tuning of zero-shot models, CVPR 2022.
    """
    if alpha is None:
        return Interpolated()
    number = real(alpha)
    if number is None or not 0 <= number <= 1:
        raise SpecError(
            explain(
                "wise_ft",
                "alpha is no place on the line",
                expected="a number from 0 to 1, or None to choose it on validation pictures",
                received={"alpha": alpha},
                mend="tk.averaging.wise_ft(0.5)",
            )
        )
    return Interpolated(number)


def soup() -> Averaging:
    """A greedy soup: the mean of the ends of epochs, taking in what lowers the validation loss.

    The epochs are gone through from the best to the worst by their validation loss. Each one's
    weights join the mean if its loss on the validation pictures does not rise by it. So the result
    is never worse there than the best epoch. Keeps one set of weights for each epoch in memory.

    References:
        Mitchell Wortsman et al., Model soups: averaging weights of multiple fine-tuned models
        improves accuracy without increasing inference time, ICML 2022.
    """
    return Soup()


def from_config(config: Mapping[str, Any]) -> Averaging:
    """The inverse of `Averaging.to_config`.

    Raises:
        SpecError: If this version has no such average.
    """
    given = dict(config)
    name = given.pop("averaging")
    kinds = {kind.__name__: kind for kind in (Exponential, Stochastic, Interpolated, Soup)}
    if name not in kinds:
        raise SpecError(
            explain(
                "Phase",
                f"there is no average called {name!r}",
                expected=f"one of {tuple(kinds)}",
                received={"config": dict(config)},
            )
        )
    made: Averaging = kinds[name](**given)
    return made


def _share(verb: str, name: str, value: Any, mend: str) -> float:
    number = real(value)
    if number is not None and 0 < number < 1:
        return number
    raise SpecError(
        explain(
            verb,
            f"{name} is out of range",
            expected="a number above 0 and below 1",
            received={name: value},
            mend=mend,
        )
    )
