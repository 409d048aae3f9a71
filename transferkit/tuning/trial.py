"""`Trial`: what a space asks for its values."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, TypeAlias, TypeVar

from transferkit._types import real, whole
from transferkit.errors import SpecError, explain

__all__ = ["Space", "Trial", "Value"]

Value: TypeAlias = str | int | float | bool
"""What a field may be."""

Choice = TypeVar("Choice", str, int, float, bool)

RESERVED = "tuner/"
"""Names under which Keras Tuner's Hyperband keeps its own values."""


class Trial:
    """One setting of the fields, drawn as they are asked for: ``t.uniform("dropout", 0, 0.5)``.

    A space may ask for a field only where another has a certain value. The same name stands for the
    same field: whoever asks again gets the same value.

    Args:
        hyperparameters: Those of Keras Tuner, which holds the values and learns new fields.
    """

    def __init__(self, hyperparameters: Any) -> None:
        self._hyperparameters = hyperparameters
        self._asked: dict[str, tuple[Any, ...]] = {}
        self._values: dict[str, Value] = {}

    @property
    def values(self) -> dict[str, Value]:
        """The fields that were asked for so far, in order."""
        return dict(self._values)

    def uniform(self, name: str, low: float, high: float, *, log: bool = False) -> float:
        """A number between two others; a grid has the low end and the middles of ten equal parts.

        Args:
            name: The field's name.
            low: The smallest; above 0 if `log`.
            high: The largest, above `low`.
            log: Whether orders of magnitude are equally likely, as suits learning rates.

        Raises:
            SpecError: If the range is none, or `name` is no name or that of another field.
        """
        ends = real(low), real(high)
        self._check_range("uniform", name, ends, (low, high), log)
        sampling = "log" if log else "linear"
        make = self._hyperparameters.Float
        return float(self._ask("uniform", name, (*ends, log), make, *ends, sampling=sampling))

    def integer(self, name: str, low: int, high: int, *, log: bool = False) -> int:
        """A whole number between two others, both included.

        A grid has all of them, or if `log` ten or fewer.

        Args:
            name: The field's name.
            low: The smallest; above 0 if `log`.
            high: The largest, above `low`.
            log: Whether orders of magnitude are equally likely.

        Raises:
            SpecError: If the range is none, or `name` is no name or that of another field.
        """
        ends = whole(low), whole(high)
        self._check_range("integer", name, ends, (low, high), log)
        sampling = "log" if log else "linear"
        make = self._hyperparameters.Int
        return int(self._ask("integer", name, (*ends, log), make, *ends, sampling=sampling))

    def choice(self, name: str, values: Sequence[Choice]) -> Choice:
        """One of several words or numbers.

        Args:
            name: The field's name.
            values: Two or more, all of one kind. For what is neither, as a backbone of your own,
                choose the key of a dictionary.

        Raises:
            SpecError: If there are fewer than two, one comes twice or they are of several kinds, or
                `name` is no name or that of another field.
        """
        given = () if isinstance(values, str) else tuple(values)
        kinds = {type(value) for value in given}
        if len(kinds) != 1 or len(set(given)) < max(2, len(given)) or not kinds <= _KINDS:
            raise SpecError(
                explain(
                    "choice",
                    f"there is nothing to choose between for {name!r}",
                    expected="two or more different values, all words or all numbers of one kind",
                    received={"values": values},
                    mend=f"t.choice({name!r}, ['adam', 'sgd'])",
                )
            )
        chosen: Choice = self._ask("choice", name, given, self._hyperparameters.Choice, list(given))
        return chosen

    def boolean(self, name: str) -> bool:
        """Yes or no.

        Args:
            name: The field's name.

        Raises:
            SpecError: If `name` is no name or that of another field.
        """
        return bool(self._ask("boolean", name, (), self._hyperparameters.Boolean))

    def _ask(
        self,
        kind: str,
        name: str,
        limits: tuple[Any, ...],
        make: Callable[..., Any],
        *arguments: Any,
        **options: Any,
    ) -> Any:
        field = (kind, *limits)
        if not isinstance(name, str) or not name.strip() or name.startswith(RESERVED):
            raise SpecError(
                explain(
                    kind,
                    "that is no name of a field",
                    expected=f"words that do not begin with {RESERVED!r}",
                    received={"name": name},
                    mend=f"t.{kind}('dropout', ...)",
                )
            )
        if self._asked.setdefault(name, field) != field:
            raise SpecError(
                explain(
                    kind,
                    f"the field {name!r} is asked for in two ways in one trial",
                    expected=f"{_told(self._asked[name])}, as before",
                    received={"field": _told(field)},
                    mend="Give each field a name of its own.",
                )
            )
        self._values[name] = make(name, *arguments, **options)
        return self._values[name]

    def _check_range(
        self,
        kind: str,
        name: str,
        ends: tuple[float | None, float | None],
        given: tuple[Any, Any],
        log: bool,
    ) -> None:
        low, high = ends
        if low is not None and high is not None and _is_range(low, high, log):
            return
        noun = "whole numbers" if kind == "integer" else "numbers"
        raise SpecError(
            explain(
                kind,
                f"that is no range of {name!r}",
                expected=f"two {noun}, low < high" + (", above 0 where log=True" if log else ""),
                received={"low": given[0], "high": given[1]},
                mend=f"t.{kind}({name!r}, {'1, 8' if kind == 'integer' else '0.1, 0.5'})",
            )
        )


Space: TypeAlias = Callable[[Trial], Any]
"""From a trial to a model and a plan: ``(TransferModel, Plan)``."""

_KINDS = {str, int, float, bool}


def _is_range(low: float, high: float, log: bool) -> bool:
    return math.isfinite(high - low) and low < high and (low > 0 or not log)


def _told(field: tuple[Any, ...]) -> str:
    return f"{field[0]}{field[1:]!r}"
