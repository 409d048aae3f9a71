"""What trains in a frozen backbone: adapters, which stand in the place of a freeze policy.

A phase with an adapter freezes the whole backbone, runs it in inference mode, BatchNormalization
statistics included, and lets a small part of its numbers move; the head trains in full.

    >>> import transferkit as tk
    >>> tk.plans.fine_tune(5, adapt=tk.adapt.lora(rank=2, where=tk.select.top_blocks(4))).phases[0]
    Phase: fine-tuning: 5 epochs, adapt lora(rank=2, where=top_blocks(4)), adam 1e-05, batches of 32
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from transferkit import select
from transferkit._types import real, whole
from transferkit.errors import SpecError, explain
from transferkit.select import Selector

__all__ = [
    "Adapter",
    "BiasesOnly",
    "LowRank",
    "NormOnly",
    "biases_only",
    "from_config",
    "lora",
    "norm_only",
]


@dataclass(frozen=True, repr=False)
class Adapter:
    """Which numbers of a frozen backbone move. Subclasses are frozen dataclasses.

    Attributes:
        where: The layers that it may touch; those it can do nothing with stay frozen.
    """

    where: Selector = select.all()  # noqa: RUF009  # a frozen value
    name: ClassVar[str] = "adapter"

    def to_config(self) -> dict[str, Any]:
        """A JSON-ready form; `from_config` is the inverse."""
        return {"adapter": self.name, "where": self.where.to_config(), **self._settings()}

    def _settings(self) -> dict[str, Any]:
        """What there is to set besides `where`."""
        return {}

    def __repr__(self) -> str:
        told = {name: value for name, value in self._settings().items() if value is not None}
        told |= {} if self.where == select.all() else {"where": self.where}
        return f"{self.name}({', '.join(f'{name}={value!r}' for name, value in told.items())})"


@dataclass(frozen=True, repr=False)
class LowRank(Adapter):
    """Kernels move by a matrix of low rank; see `lora`."""

    rank: int = 4
    alpha: float | None = None
    name: ClassVar[str] = "lora"

    @property
    def scale(self) -> float:
        """What the product of the two factors is multiplied by: ``alpha / rank``."""
        return 1.0 if self.alpha is None else self.alpha / self.rank

    def _settings(self) -> dict[str, Any]:
        return {"rank": self.rank, "alpha": self.alpha}


@dataclass(frozen=True, repr=False)
class NormOnly(Adapter):
    """Scales and offsets of normalisation layers move; see `norm_only`."""

    name: ClassVar[str] = "norm_only"


@dataclass(frozen=True, repr=False)
class BiasesOnly(Adapter):
    """Biases, and the offsets of normalisation layers, move; see `biases_only`."""

    name: ClassVar[str] = "biases_only"


def lora(rank: int = 4, where: Selector | None = None, alpha: float | None = None) -> LowRank:
    """Low-rank adaptation: a frozen kernel W, and beside it a trained product of two thin matrices.

        W + (alpha / rank) A B,    A (inputs, rank),    B (rank, outputs)

    of the kernel as one matrix from what goes into a place of the output to what comes out: a
    convolution's is ``(height * width * channels, filters)``. A is drawn from a normal distribution
    with variance ``1 / inputs``, by the fit's seed, and B begins at zero, so that the first step
    starts from the network as it was.

    The network holds the sum all the time: its layers, variables and shapes are the same before,
    during and behind the phase, callbacks, averages and files see plain weights, and prediction
    costs what it did. The factors are kept with the optimizer's state, so that a run that was
    killed goes on exactly, and are gone when the phase ends.

    Adapted are Dense, EinsumDense and convolutions without groups, those inside other layers too.
    Whatever else `where` selects stays frozen: depthwise, grouped, separable and transposed
    convolutions, whose kernels are no single matrix, biases and norms.

    Args:
        rank: The largest rank of what a kernel moves by, 1 or more. A kernel with fewer inputs or
            outputs than that gets as many as it has.
        where: The layers, as ``tk.select.top_blocks(4)``; the whole backbone by default.
        alpha: Above 0; None for `rank`, so that A B is added as it is. With a given alpha the
            step's size depends less on the rank.

    Raises:
        SpecError: If an argument is out of its range.

    Example:
        >>> import transferkit as tk
        >>> tk.adapt.lora(rank=8, where=tk.select.kind("Dense"))
        lora(rank=8, where=kind('Dense'))

    References:
        Edward J. Hu et al., LoRA: Low-Rank Adaptation of Large Language Models, ICLR 2022.
    """
    number, strength = whole(rank), None if alpha is None else real(alpha)
    if number is None or number < 1:
        raise _out_of_range("rank", rank, "a whole number of 1 or more")
    if alpha is not None and (strength is None or not 0 < strength < math.inf):
        raise _out_of_range("alpha", alpha, "a number above 0, or None for the rank")
    return LowRank(_selector("lora", where), number, strength)


def norm_only(where: Selector | None = None) -> NormOnly:
    """Only what normalisation layers scale by and add trains: gamma and beta.

    Of BatchNormalization, LayerNormalization, GroupNormalization and RMSNormalization. Their
    statistics do not move: BatchNormalization goes on normalising with those it was trained with,
    in training as in prediction.

    Args:
        where: The layers, of which other kinds stay frozen; the whole backbone by default.

    Raises:
        SpecError: If `where` is no selector.

    Example:
        >>> import transferkit as tk
        >>> tk.adapt.norm_only(where=tk.select.top_blocks(6))
        norm_only(where=top_blocks(6))

    References:
        Jonathan Frankle, David J. Schwab and Ari S. Morcos, Training BatchNorm and Only BatchNorm:
        On the Expressive Power of Random Features in CNNs, ICLR 2021. Pramod Kaushik Mudrakarta et
        al., K for the Price of 1: Parameter-efficient Multi-task and Transfer Learning, ICLR 2019.
    """
    return NormOnly(_selector("norm_only", where))


def biases_only(where: Selector | None = None) -> BiasesOnly:
    """BitFit: only what is added trains: biases, and the offsets (beta) of normalisation layers.

    Of every kind of layer that has a bias, depthwise and grouped convolutions included. Networks
    whose convolutions have none, as they stand before a norm, have offsets in their place.

    Args:
        where: The layers, of which those without such numbers stay frozen; the whole backbone by
            default.

    Raises:
        SpecError: If `where` is no selector.

    Example:
        >>> import transferkit as tk
        >>> tk.adapt.biases_only()
        biases_only()

    References:
        Elad Ben Zaken, Yoav Goldberg and Shauli Ravfogel, BitFit: Simple Parameter-efficient
        Fine-tuning for Transformer-based Masked Language-models, ACL 2022.
    """
    return BiasesOnly(_selector("biases_only", where))


def from_config(config: Mapping[str, Any]) -> Adapter:
    """The adapter whose `Adapter.to_config` gave `config`.

    Raises:
        SpecError: If this version has no such adapter.
    """
    given = dict(config)
    name = given.pop("adapter", None)
    makers: dict[Any, Any] = {"lora": lora, "norm_only": norm_only, "biases_only": biases_only}
    if name not in makers:
        raise SpecError(
            explain(
                "Phase",
                f"there is no adapter called {name!r}",
                expected=f"one of {tuple(makers)}",
                received={"config": dict(config)},
            )
        )
    made: Adapter = makers[name](where=select.from_config(given.pop("where")), **given)
    return made


def _selector(verb: str, where: Any) -> Selector:
    if where is None:
        return select.all()
    if isinstance(where, Selector):
        return where
    raise SpecError(
        explain(
            verb,
            "where is no selector",
            expected="a selector of tk.select, or None for the whole backbone",
            received={"where": where},
            mend=f"tk.adapt.{verb}(where=tk.select.top_blocks(4))",
        )
    )


def _out_of_range(name: str, value: Any, expected: str) -> SpecError:
    return SpecError(
        explain(
            "lora",
            f"{name} is out of range",
            expected=expected,
            received={name: value},
            mend="tk.adapt.lora(rank=4, alpha=8)",
        )
    )
