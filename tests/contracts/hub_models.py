"""Tiny SavedModels in TensorFlow Hub's format, and what they compute in plain NumPy."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from transferkit import _keras

tf = _keras.tf()
Array = np.ndarray[Any, Any]

WIDTH, VECTOR = 16, 4
EPSILON, MOMENTUM, PENALTY = 1e-3, 0.9, 0.01


def numbers(seed: int = 0) -> dict[str, Array]:
    """The variables of `save_hub`, by name: two blocks, the first with a norm."""
    rng = np.random.default_rng(seed)
    made = {
        "block_1/conv/kernel": rng.normal(size=(2, 2, 3, WIDTH)),
        "block_1/norm/gamma": rng.uniform(0.8, 1.2, WIDTH),
        "block_1/norm/moving_mean": rng.uniform(-0.1, 0.1, WIDTH),
        "block_1/norm/moving_variance": rng.uniform(0.8, 1.2, WIDTH),
        "block_2/dense/kernel": rng.normal(size=(WIDTH, VECTOR)),
        "block_2/dense/bias": rng.uniform(-0.1, 0.1, VECTOR),
    }
    return {name: value.astype(np.float32) for name, value in made.items()}


def features_by_hand(pixels: Array, given: dict[str, Array] | None = None) -> Array:
    """The vectors of raw pixels with even sides, in inference mode."""
    w = given or numbers()
    count, height, width, _ = pixels.shape
    tiles = (pixels / 255).reshape(count, height // 2, 2, width // 2, 2, 3)
    maps = np.einsum("nhawbc,abcd->nhwd", tiles, w["block_1/conv/kernel"])
    spread = np.sqrt(w["block_1/norm/moving_variance"] + EPSILON)
    maps = (maps - w["block_1/norm/moving_mean"]) / spread * w["block_1/norm/gamma"]
    pooled = np.maximum(maps, 0).mean(axis=(1, 2))
    return np.asarray(pooled @ w["block_2/dense/kernel"] + w["block_2/dense/bias"])


def save_hub(
    folder: Path, *, gives: str = "vector", size: int | None = None, seed: int = 0
) -> Path:
    """Write a reusable SavedModel: callable with ``training``, its variables listed.

    Args:
        folder: Where to.
        gives: ``"vector"``, ``"map"`` or ``"both"``, a mapping of them.
        size: The side of the pictures that it takes; None for any.
        seed: Decides its numbers.
    """
    w = variables(seed)

    def call(inputs: Any, training: bool) -> Any:
        return run(w, inputs, training=training, gives=gives)

    def penalty() -> Any:
        return PENALTY * tf.reduce_sum(tf.square(w["block_2/dense/kernel"]))

    spec = tf.TensorSpec((None, size, size, 3), tf.float32, name="inputs")
    called = tf.function(call, autograph=False)
    for mode in (True, False):
        called.get_concrete_function(spec, mode)
    root = tf.train.Checkpoint()
    root.__call__ = called
    root.variables = list(w.values())
    root.trainable_variables = [variable for variable in w.values() if variable.trainable]
    root.regularization_losses = [tf.function(penalty, input_signature=[])]
    tf.saved_model.save(root, str(folder))
    return folder


def save_signature(
    folder: Path, *, name: str = "default", spec: Any = None, gives: str = "vector"
) -> Path:
    """Write a SavedModel that has a signature and cannot be called itself.

    Args:
        folder: Where to.
        name: The signature's name.
        spec: What it takes; None for pictures of any size.
        gives: As for `save_hub`; anything that is no picture comes out as it went in.
    """
    w, spec = variables(0), spec or tf.TensorSpec((None, None, None, 3), tf.float32, name="images")
    pictures = spec.shape.rank == 4 and spec.dtype.is_floating

    def serve(images: Any) -> Any:
        found = run(w, images, training=False, gives=gives) if pictures else images
        return found if isinstance(found, dict) else {"default": found}

    served = tf.function(serve, input_signature=[spec], autograph=False)
    root = tf.train.Checkpoint(held=list(w.values()), serve=served)
    tf.saved_model.save(root, str(folder), signatures={name: served})
    return folder


def variables(seed: int) -> dict[str, Any]:
    """The numbers as variables of TensorFlow."""
    return {
        name: tf.Variable(value, trainable="moving" not in name, name=name)
        for name, value in numbers(seed).items()
    }


def run(w: dict[str, Any], inputs: Any, *, training: bool, gives: str) -> Any:
    """What the SavedModel computes."""
    maps = tf.nn.conv2d(inputs, w["block_1/conv/kernel"], 2, "VALID")
    mean, variance = w["block_1/norm/moving_mean"], w["block_1/norm/moving_variance"]
    if training:
        moments = tf.nn.moments(maps, (0, 1, 2))
        for moving, seen in zip((mean, variance), moments, strict=True):
            moving.assign(MOMENTUM * moving + (1 - MOMENTUM) * seen)
        mean, variance = moments
    maps = (maps - mean) / tf.sqrt(variance + EPSILON) * w["block_1/norm/gamma"]
    maps = tf.nn.relu(maps)
    vector = tf.reduce_mean(maps, (1, 2)) @ w["block_2/dense/kernel"] + w["block_2/dense/bias"]
    return {"vector": vector, "map": maps, "both": {"map": maps, "pooled": vector}}[gives]
