"""Randomness without state: keys per picture, from a hash of integers.

Every number that an augmentation draws is a pure function of (seed, view, index, operation, draw).
So a picture's pixels do not depend on the batch it came in, on how many pictures were read before
it, or on whether a run was resumed. TensorFlow's stateless generators take one seed for a whole
batch, which is why the hash is written here, in 32-bit integers that every device computes exactly.

A key is two 32-bit words. A word of input goes into the first, the first into the second, each time
through the finaliser of MurmurHash3. For each input that step is a bijection of keys, and for
each key different inputs give different keys.

References:
    Austin Appleby, *MurmurHash3*, 2011 (the finaliser ``fmix32``, public domain).
    Guy L. Steele, Doug Lea, Christine H. Flood, *Fast Splittable Pseudorandom Number Generators*,
    2014 (keys that are split rather than advanced).
"""

from __future__ import annotations

import functools
import operator
import statistics
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from transferkit import _keras
from transferkit._types import Tensor
from transferkit.errors import SpecError, explain

__all__ = [
    "QUANTILES",
    "below",
    "chance",
    "fold",
    "image_keys",
    "normals",
    "quantile",
    "uniform",
    "words",
]

QUANTILES = 2**16
"""Rows of a table of quantiles: the values of an inverse distribution function at the middles of as
many equal steps. A draw from it has the right distribution function to half a step, 2**-17."""

_START = (0x243F6A88, 0x85A308D3)  # the first digits of pi: numbers with nothing up their sleeve
_STEP = 0x9E3779B9
_DRAW = 0x7F4A7C15  # sets draws apart from operations of the same number
_PIXEL = 0x1B873593  # and the many numbers of one picture apart from both
_WORD = 0xFFFFFFFF


def image_keys(seed: int, view: Tensor, indices: Tensor) -> Tensor:
    """One key for each picture of a batch.

    Args:
        seed: The run's seed, 0 to 2**64 - 1.
        view: Which of a picture's many appearances: the epoch, say. One whole number, or one for
            each picture.
        indices: Each picture's place in its data set ``(batch,)``, 0 to 2**63 - 1.

    Returns:
        uint32 ``(batch, 2)``.

    Raises:
        SpecError: If `seed` is no whole number in its range.
    """
    tf = _keras.tf()
    words = tf.constant(_seed_words(seed), tf.uint32)
    view, indices = tf.cast(view, tf.int64), tf.cast(indices, tf.int64)
    made = _graph(_hashed, "uint32", "int64", "int64")(words, view, indices)
    made.set_shape(indices.shape.concatenate([2]))
    return made


def _hashed(seed: Tensor, view: Tensor, indices: Tensor) -> Tensor:
    tf = _keras.tf()
    index_low, index_high = _halves(indices)
    nothing = tf.zeros_like(index_low)
    keys = tf.stack([nothing + _u32(_START[0]), nothing + _u32(_START[1])], axis=-1)
    for word in (seed[0], seed[1], *_halves(view), index_low, index_high):
        keys = _absorbed(keys, word)
    return keys


def fold(keys: Tensor, number: int) -> Tensor:
    """Keys for the operation with this number, as good as independent of those for any other.

    Args:
        keys: uint32 ``(batch, 2)``.
        number: 0 to 2**32 - 1.

    Returns:
        uint32 ``(batch, 2)``.
    """
    return _absorb(keys, _u32(number))


def uniform(keys: Tensor, low: float, high: float, draw: int | Sequence[int] = 0) -> Tensor:
    """Evenly spread numbers, in steps of 2**-24 of the range.

    Args:
        keys: uint32 ``(batch, 2)``.
        low: The smallest number.
        high: The end of the range; never reached but by rounding.
        draw: Which number of this key; different draws are as good as independent. Several give a
            row of numbers for each key.

    Returns:
        float32 ``(batch,)``, or ``(batch, draws)`` for several, in [low, high).
    """
    drawn = _drawn(keys, draw)
    unit = _graph(_unit, "uint32")(drawn)
    unit.set_shape(drawn.shape[:-1])
    return low + (high - low) * unit


def _unit(drawn: Tensor) -> Tensor:
    tf = _keras.tf()
    bits = tf.bitwise.right_shift(tf.bitwise.bitwise_xor(drawn[..., 0], drawn[..., 1]), _u32(8))
    return tf.cast(tf.cast(bits, tf.int32), tf.float32) * 2.0**-24


def chance(keys: Tensor, probability: float, draw: int = 0) -> Tensor:
    """True with this probability: never at 0 and always at 1; bool ``(batch,)``."""
    return uniform(keys, 0.0, 1.0, draw) < probability


def below(keys: Tensor, count: Tensor, draw: int = 0) -> Tensor:
    """One whole number per key, each below `count` alike to within ``count / 2**63``.

    Args:
        keys: uint32 ``(batch, 2)``.
        count: 1 or more; one number, or one for each key.
        draw: Which number of this key.

    Returns:
        int64 ``(batch,)``, 0 to ``count - 1``.
    """
    tf = _keras.tf()
    high, low = tf.unstack(tf.cast(_drawn(keys, draw), tf.int64), axis=-1)
    return (high % 2**31 * 2**32 + low) % tf.cast(count, tf.int64)


def quantile(keys: Tensor, table: np.ndarray[Any, Any], draw: int = 0) -> Tensor:
    """One draw per key from the distribution whose quantiles are given.

    Args:
        keys: uint32 ``(batch, 2)``.
        table: `QUANTILES` numbers.
        draw: Which number of this key.

    Returns:
        float32 ``(batch,)``.
    """
    tf = _keras.tf()
    step = tf.bitwise.right_shift(_drawn(keys, draw)[..., 1], _u32(16))
    return tf.gather(tf.constant(table, tf.float32), tf.cast(step, tf.int32))


def words(keys: Tensor, count: Tensor) -> Tensor:
    """Many hashed words per key, one for each pixel, say.

    Args:
        keys: uint32 ``(batch, 2)``.
        count: How many.

    Returns:
        uint32 ``(batch, count)``.
    """
    tf = _keras.tf()
    own = _absorb(keys, _u32(_PIXEL))
    places = tf.cast(tf.range(count), tf.uint32) * _u32(_STEP)
    first = _mix(tf.bitwise.bitwise_xor(own[:, :1], places))
    return _mix(tf.bitwise.bitwise_xor(own[:, 1:], first))


def normals(keys: Tensor, count: Tensor) -> Tensor:
    """Many normally spread numbers per key, of mean 0 and deviation 1, from 65,536 quantiles.

    Args:
        keys: uint32 ``(batch, 2)``.
        count: How many.

    Returns:
        float32 ``(batch, count)``, -4.4 to 4.4.
    """
    tf = _keras.tf()
    halves = tf.bitcast(words(keys, (count + 1) // 2), tf.uint16)  # each word gives two
    steps = tf.reshape(halves, (tf.shape(keys)[0], -1))[:, :count]
    return tf.gather(tf.constant(_normal_quantiles(), tf.float32), tf.cast(steps, tf.int32))


@functools.cache
def _normal_quantiles() -> np.ndarray[Any, Any]:
    inverse = statistics.NormalDist().inv_cdf
    lower = [inverse((step + 0.5) / QUANTILES) for step in range(QUANTILES // 2)]
    return np.asarray(lower + [-value for value in reversed(lower)], np.float32)


def _drawn(keys: Tensor, draw: int | Sequence[int]) -> Tensor:
    if isinstance(draw, int):
        return _absorb(keys, _u32(_DRAW ^ draw))
    tf = _keras.tf()
    return _absorb(keys[:, None, :], tf.constant([_DRAW ^ each for each in draw], tf.uint32))


def _absorb(keys: Tensor, word: Tensor) -> Tensor:
    tf = _keras.tf()
    keys = tf.convert_to_tensor(keys)
    made = _graph(_absorbed, "uint32", "uint32")(keys, word)
    rows = tf.broadcast_static_shape(keys.shape[:-1], word.shape)
    made.set_shape(rows.concatenate([2]))
    return made


def _absorbed(keys: Tensor, word: Tensor) -> Tensor:
    tf = _keras.tf()
    first = _mix(tf.bitwise.bitwise_xor(keys[..., 0], word))
    second = _mix(keys[..., 1] + first * _u32(_STEP) + _u32(_STEP))
    return tf.stack([first, second], axis=-1)


def _mix(words: Tensor) -> Tensor:
    """The finaliser of MurmurHash3: every bit of a word depends on every bit that went in."""
    tf = _keras.tf()
    xor, right = tf.bitwise.bitwise_xor, tf.bitwise.right_shift
    words = xor(words, right(words, _u32(16))) * _u32(0x85EBCA6B)
    words = xor(words, right(words, _u32(13))) * _u32(0xC2B2AE35)
    return xor(words, right(words, _u32(16)))


def _halves(numbers: Tensor) -> tuple[Tensor, Tensor]:
    tf = _keras.tf()
    wide = tf.cast(numbers, tf.int64)
    high = tf.bitwise.right_shift(wide, tf.constant(32, tf.int64))
    return tf.cast(tf.bitwise.bitwise_and(wide, tf.constant(_WORD, tf.int64)), tf.uint32), tf.cast(
        high, tf.uint32
    )


@functools.cache
def _graph(function: Callable[..., Tensor], *dtypes: str) -> Any:
    """A function as one graph for tensors of any shape, whose caller sets the shape again.

    A word takes some thirty operations, and every draw of every operation absorbs one: written out
    each time, they were two thirds of the time that it took to trace or to run a small rotation.
    """
    tf = _keras.tf()
    given = [tf.TensorSpec(None, dtype) for dtype in dtypes]
    with tf.init_scope():
        return tf.function(function, autograph=False).get_concrete_function(*given)


def _u32(number: int) -> Tensor:
    tf = _keras.tf()
    return tf.constant(number, tf.uint32)


def _seed_words(seed: int) -> tuple[int, int]:
    whole = -1
    if hasattr(seed, "__index__") and not isinstance(seed, bool):
        whole = operator.index(seed)
    if not 0 <= whole < 2**64:
        raise SpecError(
            explain(
                "augment",
                "that is no seed",
                expected="a whole number from 0 to 2**64 - 1",
                received={"seed": seed},
                mend="pipeline(images, seed=0, view=0, indices=range(len(images)))",
            )
        )
    return whole & _WORD, whole >> 32
