"""How operations are done one after the other: movements joined, partners sent along."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from transferkit import _keras
from transferkit._types import Tensor
from transferkit.augment import bilinear, warp
from transferkit.augment import keys as draws
from transferkit.augment.geometry import Moving
from transferkit.spec import Augmentation, Mix

__all__ = ["Numbered", "Partners", "moves", "through"]


class Numbered(NamedTuple):
    """An operation with its number in the pipeline, which its keys are made of."""

    number: int
    operation: Augmentation | Mix


class Partners(NamedTuple):
    """What one mix of a pipeline joins a batch with, as it came from the data.

    Attributes:
        images: ``(batch, height, width, channels)``, 0..255, as the batch that they join.
        labels: One row per picture, or None.
        keys: uint32 ``(batch, 2)``, of the partners' own indices.
    """

    images: Tensor
    labels: Tensor
    keys: Tensor


def through(
    operations: Sequence[Numbered],
    images: Tensor,
    labels: Tensor,
    keys: Tensor,
    partners: Iterator[Partners],
    *,
    compiled: bool = False,
) -> tuple[Tensor, Tensor]:
    """Send a batch through operations.

    Args:
        operations: In order.
        images: ``(batch, height, width, channels)``, 0..255, bytes or floats.
        labels: One row per picture, or None.
        keys: uint32 ``(batch, 2)``.
        partners: One for each mix among the operations, in their order.
        compiled: Whether XLA compiles the resampling; see `transferkit.augment.bilinear`.

    Returns:
        Images, float32, and labels.
    """
    for run in _runs(operations):
        folded = [draws.fold(keys, each.number) for each in run]
        first: Any = run[0].operation
        if isinstance(first, Mix):
            theirs = _prepared(operations, run[0], next(partners), compiled)
            images, labels = first.mix(_floats(images), labels, *theirs, folded[0])
        elif _only_moves(first):
            images = _move(images, [each.operation for each in run], folded, compiled)
        else:
            images, labels = first.apply(_floats(images), labels, folded[0])
    return _floats(images), labels


def _prepared(
    operations: Sequence[Numbered], mix: Numbered, partners: Partners, compiled: bool
) -> tuple[Tensor, Tensor]:
    """Partners, augmented by what stands before the mix, other mixes left out."""
    before = [
        each
        for each in operations
        if each.number < mix.number and not isinstance(each.operation, Mix)
    ]
    return through(before, *partners, iter(()), compiled=compiled)


def moves(operations: Sequence[Augmentation | Mix]) -> bool:
    """Whether a run of movements is among them, which can be compiled."""
    return any(map(_only_moves, operations))


def _runs(operations: Sequence[Numbered]) -> Iterator[list[Numbered]]:
    """Neighbours that become one resampling together; every other operation alone."""
    run: list[Numbered] = []
    fill: warp.Fill | None = None
    for each in operations:
        operation: Any = each.operation
        own = operation.fill if _only_moves(operation) else None
        joins = run and all(_only_moves(one.operation) for one in (run[0], each))
        if run and not (joins and (own is None or fill is None or own == fill)):
            yield run
            run, fill = [], None
        run.append(each)
        fill = own or fill
    if run:
        yield run


def _only_moves(operation: object) -> bool:
    """Whether its matrix says all of it: an `apply` that extends ours does more than move."""
    if isinstance(operation, Moving):
        return type(operation).apply is Moving.apply
    return isinstance(operation, warp.Geometric) and callable(operation.matrix)


def _move(
    images: Tensor, operations: Sequence[Any], keys: Sequence[Tensor], compiled: bool
) -> Tensor:
    shape = _keras.tf().shape(images)
    pairs = zip(operations, keys, strict=True)
    matrices = [operation.matrix(key, shape[1], shape[2]) for operation, key in pairs]
    fill = next((each.fill for each in operations if each.fill is not None), None)
    matrix = warp.compose(matrices)
    if compiled:
        return bilinear.compiled(fill or "nearest")(images, matrix)
    return warp.resample(_floats(images), matrix, fill)


def _floats(images: Tensor) -> Tensor:
    tf = _keras.tf()
    return tf.cast(images, tf.float32)
