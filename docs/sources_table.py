"""The table of sources on docs/backbones.md: families, taps, and how near each is to its original.

What it takes other packages to measure stands in docs/parity.json:

    python tests/contracts/torch_parity.py --json docs/parity.json
    python tests/contracts/keras_hub_parity.py --json docs/parity.json
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

import transferkit as tk
from transferkit import _keras
from transferkit.backbones.keras_hub import families as keras_hub

__all__ = ["FAMILIES", "HEADER", "Family", "rows"]

HEADER = ("source", "family", "networks", "strides of taps", "parity error", "preprocessing")
PARITY = Path(__file__).with_name("parity.json")
BY_KERAS = "inside, as Keras has it"
BY_PRESET = "inside, from the preset's files"
BY_TORCHVISION = "inside, torchvision's; of a folder of timm its own"


@dataclass(frozen=True)
class Family:
    """Networks of one kind.

    Attributes:
        title: Their name.
        globs: What their names match.
        pairs: What they are called in docs/parity.json; none for Keras' own.
    """

    title: str
    globs: tuple[str, ...]
    pairs: tuple[str, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """All of them."""
        return tuple(name for glob in self.globs for name in tk.backbones.names(glob))


FAMILIES: Mapping[str, Sequence[Family]] = {
    "keras:": (
        Family("VGG", ("keras:VGG*",)),
        Family("ResNet", ("keras:ResNet??", "keras:ResNet1??")),
        Family("ResNetV2", ("keras:ResNet*V2",)),
        Family("Inception, Inception-ResNet", ("keras:Inception*",)),
        Family("Xception", ("keras:Xception",)),
        Family("MobileNet V1 to V3", ("keras:MobileNet*",)),
        Family("DenseNet", ("keras:DenseNet*",)),
        Family("NASNet", ("keras:NASNet*",)),
        Family("EfficientNet", ("keras:EfficientNetB*",)),
        Family("EfficientNetV2", ("keras:EfficientNetV2*",)),
        Family("ConvNeXt", ("keras:ConvNeXt*",)),
    ),
    "torch:": (
        Family("ResNet", ("torch:resnet*",), ("ResNet-18/34", "ResNet")),
        Family("ResNeXt", ("torch:resnext*",), ("ResNeXt",)),
        Family("Wide ResNet", ("torch:wide_resnet*",), ("Wide ResNet",)),
        Family("VGG, with and without norms", ("torch:vgg*",), ("VGG", "VGG with norms")),
        Family("DenseNet", ("torch:densenet*",), ("DenseNet",)),
        Family("SqueezeNet", ("torch:squeezenet*",), ("SqueezeNet 1.0", "SqueezeNet 1.1")),
        Family("RegNet", ("torch:regnet*",), ("RegNet X", "RegNet Y", "RegNet Y of timm")),
        Family("MobileNetV2", ("torch:mobilenet_v2",), ("MobileNetV2", "MobileNetV2 of timm")),
        Family(
            "MobileNetV3",
            ("torch:mobilenet_v3_*", "torch:mobilenetv3_*"),
            ("MobileNetV3", "MobileNetV3 of timm"),
        ),
        Family(
            "EfficientNet", ("torch:efficientnet_b*",), ("EfficientNet", "EfficientNet of timm")
        ),
        Family("EfficientNetV2", ("torch:efficientnet_v2_*",), ("EfficientNetV2",)),
        Family("ConvNeXt", ("torch:convnext_*",), ("ConvNeXt", "ConvNeXt of timm")),
        Family("ViT", ("torch:vit_*",), ("ViT", "ViT of timm")),
    ),
}


def rows(preprocessings: Mapping[str, float]) -> list[tuple[str, ...]]:
    """The table without its header.

    Args:
        preprocessings: For each network of `keras:`, how far its preprocessing is from Keras'.
    """
    parity = json.loads(PARITY.read_text(encoding="utf-8"))
    networks = {
        "keras:": lambda family: max(preprocessings[name] for name in family.names),
        "torch:": lambda family: worst(parity["torch"], family.pairs),
    }
    inside = {"keras:": BY_KERAS, "torch:": BY_TORCHVISION}
    listed = [
        (f"`{source}`", *listed_family(family, networks[source]), inside[source])
        for source, families in FAMILIES.items()
        for family in families
    ]
    return [*listed, *presets(parity["hub"]), *saved_models()]


def listed_family(family: Family, error: Callable[[Family], float]) -> tuple[str, ...]:
    """Name, number, taps and error of a family."""
    strides = dict.fromkeys(tk.backbones.info(name).strides for name in family.names)
    taps = " or ".join(", ".join(map(str, each)) for each in strides)
    return family.title, str(len(family.names)), taps, f"{error(family):.0e}"


def worst(parity: Mapping[str, Mapping[str, float]], pairs: Sequence[str]) -> float:
    """The largest error of logits and taps."""
    return max(parity[pair][what] for pair in pairs for what in ("logits", "taps"))


def presets(parity: Mapping[str, Mapping[str, float]]) -> list[tuple[str, ...]]:
    """The rows of KerasHub: as many presets as it listed where the errors were measured."""
    rows: list[tuple[str, ...]] = []
    for kind, family in keras_hub.FAMILIES.items():
        seen = dict(parity[kind])
        number = f"{seen.pop('networks'):g}"
        taps = "the size of its patches" if family.is_transformer else "those of its maps"
        title = kind.removesuffix("Backbone")
        rows.append(("`hub:`", title, number, taps, f"{max(seen.values()):.0e}", BY_PRESET))
    return rows


def saved_models() -> list[tuple[str, ...]]:
    """The rows of TensorFlow Hub: whatever keeps to its convention."""
    inside = "inside, 0..1 as Hub's convention has it"
    vector, maps = difference_to_saved_model(pooled=True), difference_to_saved_model(pooled=False)
    return [
        ("`tfhub:`", "any SavedModel of vectors", "any", "none", f"{vector:.0e}", inside),
        ("`tfhub:`", "any SavedModel of maps", "any", "its own", f"{maps:.0e}", inside),
    ]


def difference_to_saved_model(*, pooled: bool) -> float:
    """The largest relative difference between a SavedModel called by hand and as a backbone."""
    tf, shape = _keras.tf(), (32, 32, 3)
    pixels = np.random.default_rng(0).integers(0, 256, (4, *shape)).astype(np.float32)
    network = _keras.keras().applications.MobileNet(
        alpha=0.25,
        input_shape=shape,
        include_top=False,
        weights=None,
        pooling="avg" if pooled else None,
    )
    spec = tf.TensorSpec((None, *shape), tf.float32)
    root = tf.train.Checkpoint(network=network)
    root.__call__ = tf.function(lambda images: network(2.0 * images - 1.0), input_signature=[spec])
    with tempfile.TemporaryDirectory() as folder:
        tf.saved_model.save(root, folder)
        loaded = tk.backbones.from_tf_hub(folder, trust=True).load(
            input_shape=shape, weights="pretrained"
        )
        given = np.asarray(loaded.network(pixels))
        wanted = np.asarray(tf.saved_model.load(folder)(pixels / 255.0))
    return float(np.max(np.abs(given - wanted)) / np.max(np.abs(wanted)))
