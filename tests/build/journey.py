"""What must work where nothing but the wheel was installed; run by ``nox -s build``."""

from __future__ import annotations

import importlib.metadata
import sys
import tempfile
from pathlib import Path
from typing import Any

import transferkit as tk


def the_front_door_is_light() -> None:
    """Importing the package costs no framework, and it is the installed one."""
    assert tk.__version__ == importlib.metadata.version("transferkit")
    assert Path(tk.__file__).is_relative_to(sys.prefix), tk.__file__
    assert not {"tensorflow", "keras"} & set(sys.modules)
    print("transferkit", tk.__version__, "brings", ", ".join(tk.__all__))


def a_model_is_trained_saved_and_loaded() -> None:
    """From arrays to a file that predicts the same."""
    import numpy as np

    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, size=(12, 8, 8, 3), dtype=np.uint8)
    labels = np.arange(12) % 2
    photos = tk.data.from_arrays(pixels, labels, class_names=["ant", "bee"], val=0)
    backbone = tk.backbones.from_keras(tiny_network(), preprocessing="unit")
    model = tk.TransferModel(backbone).freeze(tk.freeze.backbone())
    trained = model.fit(photos, tk.plans.feature_extraction(epochs=1), seed=0, verbose=0)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "insects.tkm")
        trained.save(path)
        again = tk.load(path)
    assert again.class_names == ("ant", "bee")
    before, after = trained.predict(pixels), again.predict(pixels)
    assert before == after, (before, after)
    assert len({each.confidence for each in after}) > 1, "every picture got the same answer"
    print("trained, saved and loaded:", after[0])


def tiny_network() -> Any:
    """One convolution with random weights."""
    import keras

    inputs = keras.Input((8, 8, 3))
    return keras.Model(inputs, keras.layers.Conv2D(4, 3, activation="relu")(inputs), name="tiny")


if __name__ == "__main__":
    the_front_door_is_light()
    a_model_is_trained_saved_and_loaded()
