from __future__ import annotations

import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from transferkit import _keras, bundle
from transferkit.bundle.archive import Writer
from transferkit.bundle.manifest import Manifest

Change = Callable[[dict[str, Any]], Any]


@pytest.fixture(scope="module")
def network() -> Any:
    """Preprocessing by slicing and by layers, a frozen norm, a nested network, a head."""
    keras = _keras.keras()
    layers = keras.layers
    keras.utils.set_random_seed(7)
    inner_input = keras.Input((3, 3, 4), name="inner_pixels")
    inner = keras.Model(
        inner_input, layers.Conv2D(4, 1, name="inner_conv")(inner_input), name="inner"
    )
    pixels = keras.Input((8, 8, 3), name="pixels")
    x = pixels[..., ::-1]
    x = layers.Normalization(mean=[1.0, 2.0, 3.0], variance=[4.0, 4.0, 4.0], name="scaled")(x)
    x = layers.Rescaling(1 / 64, name="rescaled")(x)
    x = layers.Conv2D(4, 3, strides=2, name="conv", kernel_regularizer="l2")(x)
    x = layers.BatchNormalization(name="norm", trainable=False)(x)
    x = layers.Dropout(0.5, name="drop")(inner(x) / 2.0 + x)
    x = layers.GlobalAveragePooling2D(name="pool")(x)
    logits = layers.Dense(2, name="logits")(x)
    model = keras.Model(pixels, layers.Activation("softmax", name="chances")(logits), name="net")
    random = np.random.default_rng(3)
    model.set_weights([random.uniform(0.1, 1, w.shape) for w in model.get_weights()])
    return model


@pytest.fixture
def saved(network: Any, tmp_path: Path) -> Path:
    path = tmp_path / "flowers.tkm"
    bundle.write(path, network, {"class_names": ["daisy", "rose"], "history": [{"loss": 0.5}]})
    return path


@pytest.fixture
def with_config(saved: Path) -> Callable[[Change], Path]:
    """Make a bundle whose digests are right and whose network.json was changed: a hostile one."""

    def rewrite(change: Change) -> Path:
        with zipfile.ZipFile(saved) as archive:
            manifest = json.loads(archive.read("manifest.json"))
            members = {name: archive.read(name) for name in manifest["members"]}
        entry = json.loads(members["network.json"])
        changed = change(entry)
        text = json.dumps(entry if changed is None else changed).encode()
        target = saved.with_name("changed.tkm")
        with target.open("wb") as file:
            writer = Writer(file)
            for name, data in members.items():
                writer.add(name, text if name == "network.json" else data)
            read = bundle.read_manifest(saved)
            writer.finish(Manifest(read.facts, read.versions, read.tensors, dict(writer.members)))
        return target

    return rewrite
