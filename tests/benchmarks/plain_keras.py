"""The opponent: Keras 3.15 as its guide to transfer learning writes it, with care.

Pictures come from `keras.utils.image_dataset_from_directory` and are decoded once: the data set is
cached behind the decoder and before the augmentation, shuffled anew in every epoch, augmented by
Keras' layers inside `tf.data`, and prefetched. The base is frozen and called with
``training=False``; behind the first `fit` its top is unfrozen, the network compiled anew with a
small rate, and fitted again.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import keras
import tensorflow as tf

__all__ = ["augmentation", "classifier", "from_folder", "two_phases", "unfreeze", "with_head"]


def from_folder(
    folder: Path,
    *,
    side: int,
    batch_size: int = 32,
    augment: Any = None,
    shuffle: bool = True,
    cache: bool = True,
    seed: int = 0,
) -> Any:
    """A folder as batches of (pixels 0..255, class ids).

    Args:
        folder: One folder of pictures for each class.
        side: The side that pictures are resized to, their middle cropped as ours are.
        batch_size: Pictures in a batch.
        augment: A Keras layer or model for whole batches, or None.
        shuffle: Whether the order changes from epoch to epoch.
        cache: Whether decoded pictures stay in memory, as the guide advises.
        seed: Decides the order.
    """
    pictures = keras.utils.image_dataset_from_directory(
        folder,
        image_size=(side, side),
        batch_size=None,
        shuffle=False,
        crop_to_aspect_ratio=True,
        verbose=False,
    )
    count = len(pictures)
    if cache:
        pictures = pictures.cache()
    if shuffle:
        pictures = pictures.shuffle(count, seed=seed)
    batches = pictures.batch(batch_size)
    if augment is not None:
        batches = batches.map(
            lambda images, labels: (augment(images, training=True), labels),
            num_parallel_calls=tf.data.AUTOTUNE,
        )
    return batches.prefetch(tf.data.AUTOTUNE)


def augmentation() -> Any:
    """The tutorial's augmentation in Keras' layers: turns by 20 degrees, shifts by 0.2, flips."""
    return keras.Sequential(
        [
            keras.layers.RandomRotation(20 / 360, fill_mode="nearest"),
            keras.layers.RandomTranslation(0.2, 0.2, fill_mode="nearest"),
            keras.layers.RandomFlip("horizontal"),
        ]
    )


def classifier(
    make: Callable[..., Any],
    classes: int,
    *,
    side: int,
    weights: Any = None,
    hidden: Sequence[int] = (),
    dropout: float = 0.2,
    flatten: bool = False,
) -> tuple[Any, Any]:
    """A network on a frozen base, compiled with Adam at 1e-3, and the base.

    Args:
        make: A constructor of `keras.applications`.
        classes: How many there are.
        side: The pictures' side.
        weights: A file, or None for random ones.
        hidden: Widths of ReLU layers before the last one.
        dropout: Share of the features that is dropped.
        flatten: Whether the map is kept as a vector instead of averaged.
    """
    base = make(weights=weights, include_top=False, input_shape=(side, side, 3))
    return with_head(base, classes, hidden=hidden, dropout=dropout, flatten=flatten), base


def with_head(
    base: Any,
    classes: int,
    *,
    hidden: Sequence[int] = (),
    dropout: float = 0.2,
    flatten: bool = False,
    scaling: tuple[float, float] = (1 / 127.5, -1.0),
    in_inference: bool = True,
) -> Any:
    """A network on a base, which is frozen, compiled with Adam at 1e-3.

    Args:
        base: A Keras model without a top.
        classes: How many there are.
        hidden: As for `classifier`.
        dropout: As for `classifier`.
        flatten: As for `classifier`.
        scaling: What pixels 0..255 are multiplied by, and what is added.
        in_inference: Whether the base's normalisation keeps its statistics for good, as the guide
            advises, or moves once it is thawed.
    """
    base.trainable = False
    inputs = keras.Input(base.input_shape[1:])
    scale, offset = scaling
    flow = keras.layers.Rescaling(scale, offset=offset)(inputs)
    flow = base(flow, training=False) if in_inference else base(flow)
    pool = keras.layers.Flatten() if flatten else keras.layers.GlobalAveragePooling2D()
    flow = pool(flow)
    for width in hidden:
        flow = keras.layers.Dense(width, activation="relu")(flow)
    flow = keras.layers.Dropout(dropout)(flow)
    network = keras.Model(inputs, keras.layers.Dense(classes)(flow))
    compiled(network, keras.optimizers.Adam(1e-3))
    return network


def compiled(network: Any, optimizer: Any) -> None:
    """Compile with the loss on logits and the accuracy."""
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    network.compile(optimizer, loss=loss, metrics=["accuracy"])


def unfreeze(base: Any, first: int, *, batch_norm: bool) -> None:
    """Let ``base.layers[first:]`` train.

    Args:
        base: The frozen base.
        first: Index of the first layer that trains.
        batch_norm: Whether their normalisation trains too; the guide keeps it in inference mode.
    """
    base.trainable = True
    for place, layer in enumerate(base.layers):
        kept = isinstance(layer, keras.layers.BatchNormalization) and not batch_norm
        layer.trainable = place >= first and not kept


def two_phases(
    network: Any,
    base: Any,
    batches: Any,
    *,
    epochs: int,
    first: int,
    optimizer: Any,
    validation: Any = None,
    callbacks: Sequence[Any] = (),
    batch_norm: bool = False,
) -> None:
    """The head first, then the base from layer `first` on as well; `epochs` each."""
    options = {"validation_data": validation, "callbacks": list(callbacks), "verbose": 0}
    network.fit(batches, epochs=epochs, **options)
    unfreeze(base, first, batch_norm=batch_norm)
    compiled(network, optimizer)
    network.fit(batches, epochs=epochs, **options)
