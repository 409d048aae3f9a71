"""Learning rates that differ from layer to layer, as factors of a phase's own rate.

>>> import transferkit as tk
>>> table = tk.select.LayerTable.of(("conv", "Conv2D", 0, 28), ("last", "Conv2D", 1, 28))
>>> tk.schedules.layer_decay(0.5).factors(table)
{'conv': 0.25, 'last': 0.5}
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from transferkit import select
from transferkit._types import real
from transferkit.errors import SelectionError, SpecError, explain
from transferkit.select import LayerTable, Selector

__all__ = [
    "AutoRGN",
    "LayerDecay",
    "LayerRates",
    "Multipliers",
    "auto_rgn",
    "from_config",
    "layer_decay",
    "multipliers",
]


class LayerRates:
    """What each layer's learning rate is multiplied by. Subclasses are frozen dataclasses.

    A layer of the head has the phase's rate itself, and so has the weight decay that an optimizer
    brings along (AdamW).
    """

    def factors(self, table: LayerTable) -> dict[str, float]:
        """A factor above 0 for each layer of the backbone.

        Raises:
            SelectionError: If it names a layer or block that there is not.
        """
        raise NotImplementedError

    def to_config(self) -> dict[str, Any]:
        """A JSON-ready form; `from_config` is the inverse."""
        raise NotImplementedError


@dataclass(frozen=True)
class LayerDecay(LayerRates):
    """The further a block is from the head, the smaller its rate; see `layer_decay`."""

    decay: float

    def factors(self, table: LayerTable) -> dict[str, float]:
        """``decay`` to the number of blocks from the top, 1 for the last block."""
        return {row.name: self.decay ** (table.block_count - row.block) for row in table}

    def to_config(self) -> dict[str, Any]:
        """A JSON-ready form."""
        return {"layer_decay": self.decay}

    def __repr__(self) -> str:
        return f"layer_decay({self.decay:g})"


@dataclass(frozen=True)
class Multipliers(LayerRates):
    """A factor for some layers, another for the rest; see `multipliers`."""

    pairs: tuple[tuple[Selector, float], ...]
    otherwise: float = 1.0

    def factors(self, table: LayerTable) -> dict[str, float]:
        """The factor of the one selector that has a layer, or the other factor.

        Raises:
            SelectionError: If two selectors have the same layer, or one names what there is not.
        """
        found = dict.fromkeys(table.names, self.otherwise)
        taken: dict[str, Selector] = {}
        for selector, factor in self.pairs:
            for name in selector.resolve(table, verb="multipliers"):
                if name in taken:
                    raise _twice(name, taken[name], selector)
                taken[name], found[name] = selector, factor
        return found

    def to_config(self) -> dict[str, Any]:
        """A JSON-ready form."""
        pairs = [[selector.to_config(), factor] for selector, factor in self.pairs]
        return {"multipliers": {"pairs": pairs, "otherwise": self.otherwise}}

    def __repr__(self) -> str:
        told = ", ".join(f"({selector!r}, {factor:g})" for selector, factor in self.pairs)
        more = "" if self.otherwise == 1.0 else f", otherwise={self.otherwise:g}"
        return f"multipliers({told}{more})"


@dataclass(frozen=True)
class AutoRGN(LayerRates):
    """Every layer's rate by the size of its gradient beside its weights; see `auto_rgn`."""

    def factors(self, table: LayerTable) -> dict[str, float]:
        """1 for all: what they are is found in each step."""
        return dict.fromkeys(table.names, 1.0)

    def to_config(self) -> dict[str, Any]:
        """A JSON-ready form."""
        return {"auto_rgn": True}

    def __repr__(self) -> str:
        return "auto_rgn()"


def layer_decay(decay: float) -> LayerRates:
    """Discriminative rates: ``rate * decay^d`` for a block that is the d-th from the top.

    The head has the phase's rate, the last block ``decay`` times it, the one before ``decay^2``
    times. Early layers hold what serves every picture and should move least.

    Args:
        decay: Above 0, at most 1; 0.65 to 0.9 is usual, the more blocks the closer to 1.

    Raises:
        SpecError: If it is out of that range.

    References:
        Jeremy Howard and Sebastian Ruder, Universal Language Model Fine-tuning for Text
        Classification, ACL 2018. Kevin Clark et al., ELECTRA, ICLR 2020 (a decay for each layer).
    """
    number = real(decay)
    if number is None or not 0 < number <= 1:
        raise SpecError(
            explain(
                "layer_decay",
                "that is no decay",
                expected="a number above 0, at most 1",
                received={"decay": decay},
                mend="tk.schedules.layer_decay(0.8)",
            )
        )
    return LayerDecay(number)


def multipliers(*pairs: tuple[Selector, float], otherwise: float = 1.0) -> LayerRates:
    """A factor of the learning rate for the layers of each selector.

    Args:
        *pairs: A selector and its factor, above 0. No layer may be in two of them.
        otherwise: The factor of the backbone's other layers, above 0.

    Raises:
        SpecError: If a factor is not above 0, or something is no selector. A layer that is not to
            move is frozen: a rate of 0 would still let statistics and averages move.

    Example:
        >>> import transferkit as tk
        >>> tk.schedules.multipliers((tk.select.top_blocks(2), 1.0), otherwise=0.1)
        multipliers((top_blocks(2), 1), otherwise=0.1)
    """
    made = []
    for pair in pairs:
        fine = isinstance(pair, tuple | list) and len(pair) == 2 and isinstance(pair[0], Selector)
        if not fine:
            raise SpecError(
                explain(
                    "multipliers",
                    "that is no pair of a selector and a factor",
                    expected="pairs",
                    received={"pair": pair},
                    mend="tk.schedules.multipliers((tk.select.top_blocks(2), 0.5), otherwise=0.1)",
                )
            )
        made.append((pair[0], _factor(pair[1])))
    return Multipliers(tuple(made), _factor(otherwise))


def auto_rgn() -> LayerRates:
    """Rates by the relative gradient norm: a layer that the data pulls at moves, others hardly.

    In every step a layer's rate is multiplied by

        (norm(g) / norm(w)) / max over layers of norm(g) / norm(w),

    with g the gradient and w the weights of the layer. The head, which is new, keeps its rate.

    References:
        Yoonho Lee et al., Surgical Fine-Tuning Improves Adaptation to Distribution Shifts, ICLR
        2023.
    """
    return AutoRGN()


def from_config(config: Mapping[str, Any]) -> LayerRates:
    """The inverse of `LayerRates.to_config`.

    Raises:
        SpecError: If this version has no such rates.
    """
    ((name, value),) = config.items()
    if name == "layer_decay":
        return layer_decay(value)
    if name == "auto_rgn":
        return auto_rgn()
    if name == "multipliers":
        pairs = [(select.from_config(each), factor) for each, factor in value["pairs"]]
        return multipliers(*pairs, otherwise=value["otherwise"])
    raise SpecError(
        explain(
            "Phase",
            f"there are no layer rates called {name!r}",
            expected="layer_decay, multipliers or auto_rgn",
            received={"config": dict(config)},
        )
    )


def _factor(value: Any) -> float:
    number = real(value)
    if number is not None and 0 < number < math.inf:
        return number
    raise SpecError(
        explain(
            "multipliers",
            "a factor is not above 0",
            expected="a number above 0; a layer that is not to move is frozen",
            received={"factor": value},
            mend="tk.plans.fine_tune(freeze=tk.freeze.only(selector))",
        )
    )


def _twice(name: str, one: Selector, other: Selector) -> SelectionError:
    return SelectionError(
        explain(
            "multipliers",
            f"the layer {name!r} has two factors",
            expected="no layer in two selectors",
            received={"first": one, "second": other},
            mend=f"multipliers(({one!r}, ...), ({other!r} & ~{one!r}, ...))",
        )
    )
