"""The weights of Keras' MobileNetV2 as others would publish them: for TensorFlow Hub, for timm.

Both are written from what is known of the formats, without the code that reads them.

timm's network pads each strided convolution by one pixel on every side, Keras' by none above and
on the left where a side is even. Where all sides on the way down are odd both are the same, as for
pictures of 32 k + 1 pixels.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from transferkit import _keras

__all__ = ["as_hub_module", "as_timm_folder"]

tf = _keras.tf()
Array = np.ndarray[Any, Any]
KERAS_EPSILON, TIMM_EPSILON = 1e-3, 1e-5
UNITS = (1, 2, 3, 4, 3, 3, 1)
"""Of each stage."""
WIDE = {
    "expand": ("conv_pw", "bn1"),
    "depthwise": ("conv_dw", "bn2"),
    "project": ("conv_pwl", "bn3"),
}
NARROW = {"depthwise": ("conv_dw", "bn1"), "project": ("conv_pw", "bn2")}


def as_hub_module(network: Any, folder: Path) -> Path:
    """A reusable SavedModel of pictures 0..1 to vectors, as Hub's convention wants it.

    Args:
        network: Of Keras, from pictures -1..1 to feature maps.
        folder: Where to.
    """

    def call(images: Any, training: bool) -> Any:
        return tf.reduce_mean(network(images * 2.0 - 1.0, training=training), axis=(1, 2))

    called = tf.function(call, autograph=False)
    spec = tf.TensorSpec((None, *network.input_shape[1:]), tf.float32, name="inputs")
    for mode in (True, False):
        called.get_concrete_function(spec, mode)
    root = tf.train.Checkpoint()
    root.__call__ = called
    root.variables = [each.value for each in network.variables]
    root.trainable_variables = [each.value for each in network.trainable_variables]
    root.regularization_losses = []
    tf.saved_model.save(root, str(folder))
    return folder


def as_timm_folder(network: Any, folder: Path) -> Path:
    """``config.json`` beside ``model.safetensors``, named as timm names them.

    Args:
        network: As for `as_hub_module`.
        folder: Where to; it is made.
    """
    told = {"mean": [0.5] * 3, "std": [0.5] * 3, "input_size": [3, *network.input_shape[1:3]]}
    config = {"architecture": "mobilenetv2_100", "pretrained_cfg": told}
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")
    (folder / "model.safetensors").write_bytes(safetensors(dict(tensors(network))))
    return folder


def safetensors(given: dict[str, Array]) -> bytes:
    """A file of that format: the header's length, the header, and float32 behind it."""
    header, data = {}, b""
    for name, array in given.items():
        raw = np.ascontiguousarray(array, "<f4").tobytes()
        place = [len(data), len(data) + len(raw)]
        header[name] = {"dtype": "F32", "shape": list(array.shape), "data_offsets": place}
        data += raw
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + data


def tensors(network: Any) -> Iterator[tuple[str, Array]]:
    """The state dict: each of timm's names with its tensor."""
    for layer, convolution, norm in modules():
        kernel, *_ = network.get_layer(layer).get_weights()
        depthwise = layer.endswith("depthwise")
        yield f"{convolution}.weight", kernel.transpose((2, 3, 0, 1) if depthwise else (3, 2, 0, 1))
        gamma, beta, mean, variance = network.get_layer(norm_of(layer)).get_weights()
        yield f"{norm}.weight", gamma
        yield f"{norm}.bias", beta
        yield f"{norm}.running_mean", mean
        yield f"{norm}.running_var", variance + (KERAS_EPSILON - TIMM_EPSILON)


def modules() -> Iterator[tuple[str, str, str]]:
    """For each convolution: Keras' layer, and timm's convolution and norm."""
    yield "Conv1", "conv_stem", "bn1"
    places = [(stage, unit) for stage, units in enumerate(UNITS) for unit in range(units)]
    for number, (stage, unit) in enumerate(places):
        block = f"block_{number}" if number else "expanded_conv"
        for part, names in (WIDE if number else NARROW).items():
            convolution, norm = (f"blocks.{stage}.{unit}.{name}" for name in names)
            yield f"{block}_{part}", convolution, norm
    yield "Conv_1", "conv_head", "bn2"


def norm_of(layer: str) -> str:
    """Keras' name of the norm behind a convolution."""
    return {"Conv1": "bn_Conv1", "Conv_1": "Conv_1_bn"}.get(layer, f"{layer}_BN")
