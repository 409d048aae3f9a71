"""One resampling for any number of geometric operations.

A geometric operation is a matrix per picture that takes the coordinates of an output pixel to those
of the input pixel it is read from. Matrices multiply, so a flip, a rotation and a shift cost one
bilinear resampling together: it is faster, it blurs once instead of three times, and the corners
that an intermediate picture would have lost are kept.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, Protocol, get_args, runtime_checkable

from transferkit import _keras
from transferkit._types import Tensor
from transferkit.errors import SpecError, explain

__all__ = ["Fill", "Geometric", "about_centre", "check_fill", "compose", "resample"]

Fill = Literal["reflect", "nearest", "constant"]
"""Where a pixel is read outside the picture: the mirrored one, the nearest one, or black."""


@runtime_checkable
class Geometric(Protocol):
    """An augmentation that only moves pixels.

    Attributes:
        fill: What lies outside the picture; None for an operation that never looks there.
    """

    @property
    def fill(self) -> Fill | None:
        """What lies outside the picture."""
        ...

    def matrix(self, keys: Tensor, height: Tensor, width: Tensor) -> Tensor:
        """Output pixel coordinates to input pixel coordinates.

        Args:
            keys: uint32 ``(batch, 2)``.
            height: Of the pictures, in pixels.
            width: Of the pictures, in pixels.

        Returns:
            float32 ``(batch, 3, 3)``, for columns ``(x, y, 1)``; pixel centres lie at whole
            numbers, (0, 0) is the top left one.
        """
        ...


def about_centre(
    linear: tuple[Tensor, Tensor, Tensor, Tensor],
    move: tuple[Tensor, Tensor],
    height: Tensor,
    width: Tensor,
) -> Tensor:
    """The matrix of ``x -> A (x - centre) + centre + move``.

    Args:
        linear: A by rows, each entry ``(batch,)``.
        move: By x and by y, in pixels, each ``(batch,)``.
        height: Of the pictures, in pixels.
        width: Of the pictures, in pixels.

    Returns:
        float32 ``(batch, 3, 3)``.
    """
    tf = _keras.tf()
    xx, xy, yx, yy = linear
    cx = (tf.cast(width, tf.float32) - 1.0) / 2.0
    cy = (tf.cast(height, tf.float32) - 1.0) / 2.0
    zero, one = tf.zeros_like(xx), tf.ones_like(xx)
    x = [xx, xy, cx - xx * cx - xy * cy + move[0]]
    y = [yx, yy, cy - yx * cx - yy * cy + move[1]]
    return tf.reshape(tf.stack([*x, *y, zero, zero, one], axis=-1), (-1, 3, 3))


def compose(matrices: Sequence[Tensor]) -> Tensor:
    """The matrix of doing one operation after the other, the first one first.

    The product is written out, as a matrix product may add in another order for another batch size.
    """
    product = matrices[0]
    for matrix in matrices[1:]:
        terms = [product[:, :, k, None] * matrix[:, k, None, :] for k in range(3)]
        product = terms[0] + terms[1] + terms[2]
    return product


def resample(images: Tensor, matrices: Tensor, fill: Fill | None) -> Tensor:
    """Read each output pixel, bilinearly, from where its matrix says.

    Args:
        images: float32 ``(batch, height, width, channels)``.
        matrices: float32 ``(batch, 3, 3)``, output to input.
        fill: What lies outside; None means that nothing outside is ever read.
    """
    tf = _keras.tf()
    flat = tf.reshape(matrices, (-1, 9))[:, :8]
    moved = tf.raw_ops.ImageProjectiveTransformV3(
        images=images,
        transforms=flat,
        output_shape=tf.shape(images)[1:3],
        fill_value=0.0,
        interpolation="BILINEAR",
        fill_mode=(fill or "nearest").upper(),
    )
    return tf.ensure_shape(moved, images.shape)


def check_fill(verb: str, fill: Any) -> None:
    """Refuse a fill that is none.

    Raises:
        SpecError: If it is not one of `Fill`.
    """
    known = get_args(Fill)
    if fill not in known:
        raise SpecError(
            explain(
                verb,
                "the fill is unknown",
                expected=" or ".join(map(repr, known)),
                received={"fill": fill},
                mend=f"tk.augment.{verb}(..., fill='reflect')",
            )
        )
