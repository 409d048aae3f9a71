"""What happens to the layers: freeze policies.

A frozen layer runs in inference mode whatever its kind: its weights do not move, BatchNormalization
statistics do not move, and Dropout or stochastic depth in it draws nothing. The head is never
frozen.

    >>> import transferkit as tk
    >>> tk.freeze.all_but(tk.select.top_blocks(2))
    all_but(top_blocks(2))
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from transferkit import select
from transferkit.errors import SpecError, explain
from transferkit.select import LayerTable, Selector

__all__ = [
    "BatchNorm",
    "Freeze",
    "all_but",
    "as_policy",
    "backbone",
    "from_config",
    "nothing",
    "only",
]

NORMS = ("BatchNormalization", "StatisticsScope")
"""Kinds whose statistics move in training; the second is what a SavedModel shows of a norm."""

BatchNorm = Literal["freeze", "train"]
"""What becomes of the BatchNormalization layers of the backbone.

``"freeze"``, the default, freezes all of them whatever else is frozen, so that a few small batches
do not ruin the statistics of millions of pictures. ``"train"`` treats them as other layers: those
that the policy does not freeze learn, and their statistics follow the batches. It is for networks
from random weights, and for large batches of many pictures.
"""


@dataclass(frozen=True, repr=False)
class Freeze:
    """A freeze policy.

    Attributes:
        selector: The layers that are frozen.
        batch_norm: ``"freeze"`` also freezes every BatchNormalization of the backbone, whatever the
            selector says; small batches would ruin its statistics. ``"train"`` leaves it to the
            selector.

    Raises:
        SpecError: If `selector` is no selector or `batch_norm` neither of the two.
    """

    selector: Selector
    batch_norm: BatchNorm = "freeze"

    def __post_init__(self) -> None:
        _check_selector("Freeze", self.selector)
        if self.batch_norm not in ("freeze", "train"):
            raise SpecError(
                explain(
                    "Freeze",
                    "the batch_norm mode is unknown",
                    expected="'freeze' or 'train'",
                    received={"batch_norm": self.batch_norm},
                    mend="tk.freeze.backbone(batch_norm='freeze')",
                )
            )

    def names(self, table: LayerTable) -> frozenset[str]:
        """The names of the frozen layers: pure, total, never an error."""
        return self.selector.names(table) | self._norms(table)

    def resolve(self, table: LayerTable, *, verb: str = "freeze") -> frozenset[str]:
        """Like `names`, but a naming selector that matches nothing is an error.

        Raises:
            SelectionError: See `Selector.resolve`.
        """
        return self.selector.resolve(table, verb=verb) | self._norms(table)

    def _norms(self, table: LayerTable) -> frozenset[str]:
        if self.batch_norm == "train":
            return frozenset()
        return frozenset(row.name for row in table if row.kind in NORMS)

    def to_config(self) -> dict[str, Any]:
        """A JSON-ready form; `from_config` is the inverse."""
        return {"selector": self.selector.to_config(), "batch_norm": self.batch_norm}

    def __repr__(self) -> str:
        norm = "" if self.batch_norm == "freeze" else f"batch_norm={self.batch_norm!r}"
        if self.selector == select.all():
            return f"backbone({norm})"
        if self.selector == ~select.all():
            return f"nothing({norm})"
        name, shown = "only", repr(self.selector)
        if shown.startswith("~"):
            name, shown = "all_but", shown[1:]
        return f"{name}({shown}{', ' + norm if norm else ''})"


def backbone(*, batch_norm: BatchNorm = "freeze") -> Freeze:
    """Freeze the whole backbone: feature extraction.

    Args:
        batch_norm: Makes no difference here, where every layer is frozen; it is there because all
            policies take it.
    """
    return Freeze(select.all(), batch_norm)


def nothing(*, batch_norm: BatchNorm = "freeze") -> Freeze:
    """Freeze nothing but, unless told otherwise, BatchNormalization: full fine-tuning.

    Args:
        batch_norm: ``"freeze"`` keeps every BatchNormalization of the backbone frozen, ``"train"``
            trains it as well, as a network from random weights needs.
    """
    return Freeze(~select.all(), batch_norm)


def only(selector: Selector, *, batch_norm: BatchNorm = "freeze") -> Freeze:
    """Freeze the selected layers.

    Args:
        selector: The layers of the backbone that are frozen, as ``tk.select.first(15)``.
        batch_norm: ``"freeze"`` also freezes every BatchNormalization that is not selected,
            ``"train"`` leaves those to train.

    Raises:
        SpecError: If `selector` is no selector.
    """
    _check_selector("only", selector)
    return Freeze(selector, batch_norm)


def all_but(selector: Selector, *, batch_norm: BatchNorm = "freeze") -> Freeze:
    """Freeze every layer but the selected ones.

    Args:
        selector: The layers of the backbone that train, as ``tk.select.top_blocks(2)``.
        batch_norm: ``"freeze"`` also freezes every BatchNormalization among them, ``"train"``
            leaves those to train.

    Raises:
        SpecError: If `selector` is no selector.
    """
    _check_selector("all_but", selector)
    return Freeze(~selector, batch_norm)


def as_policy(value: Freeze | Selector, *, verb: str) -> Freeze:
    """A policy from what a caller may pass: a policy, or a bare selector, which means `only`.

    Raises:
        SpecError: If it is neither.
    """
    if isinstance(value, Freeze):
        return value
    if isinstance(value, Selector):
        return only(value)
    raise SpecError(
        explain(
            verb,
            "that is neither a freeze policy nor a selector",
            expected="a policy of tk.freeze or a selector of tk.select",
            received={"policy": value},
            mend="model.freeze(tk.freeze.all_but(tk.select.top_blocks(2)))",
        )
    )


def from_config(config: Mapping[str, Any]) -> Freeze:
    """The policy whose `to_config` gave `config`.

    Raises:
        SpecError: If it is no policy's config.
    """
    if not isinstance(config, Mapping) or config.keys() != {"selector", "batch_norm"}:
        raise SpecError(
            explain(
                "freeze.from_config",
                "that is not a freeze policy's config",
                expected="a mapping with 'selector' and 'batch_norm', as to_config gives it",
                received={"config": config},
            )
        )
    return Freeze(select.from_config(config["selector"]), config["batch_norm"])


def _check_selector(verb: str, value: object) -> None:
    if not isinstance(value, Selector):
        raise SpecError(
            explain(
                verb,
                "that is not a selector",
                expected="a selector of tk.select",
                received={"selector": value},
                mend=f"tk.freeze.{_EXAMPLES[verb]}",
            )
        )


_EXAMPLES = {
    "Freeze": "only(tk.select.first(15))",
    "all_but": "all_but(tk.select.top_blocks(2))",
    "only": "only(tk.select.first(15))",
}
