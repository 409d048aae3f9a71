"""What a model with parts of another package goes through, a process for each step.

python plugin_journey.py train FOLDER
python plugin_journey.py load FOLDER
python plugin_journey.py gone FOLDER     # once the package was taken away
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import transferkit as tk


def train(folder: Path) -> None:
    """Find the package's parts by name, train on them for an epoch, and save."""
    assert "sample:tiny" in tk.backbones.names()
    assert "cosine" in tk.heads.names()
    assert "sample_plugin.head" not in sys.modules, "listing names imported a head"
    negative = tk.augment.from_config({"op": "negative", "chance": 0.3})
    head: Any = tk.heads.from_config({"name": "cosine", "scale": 5.0})
    model = tk.TransferModel("sample:tiny").augment(negative).head(head)
    trained = model.fit(photos(), tk.Phase(1, batch_size=4), verbose=0)
    trained.save(folder / "model.tkm")
    tell(folder).write_text(told(trained), encoding="utf-8")
    print("trained and saved:", repr(trained).splitlines()[0])


def load(folder: Path) -> None:
    """Open it in a process that never saw the package; the predictions are the same."""
    again = tk.load(folder / "model.tkm")
    assert told(again) == tell(folder).read_text(encoding="utf-8")
    assert type(again.bound.head).__name__ == "Cosine"
    assert [repr(each) for each in again.pipeline.operations] == ["negative(chance=0.3)"]
    print("loaded:", again.predict(pixels()[0]))


def gone(folder: Path) -> None:
    """Without the package the error says what is missing and which package brought it."""
    assert "sample:tiny" not in tk.backbones.names()
    told = ""
    try:
        tk.load(folder / "model.tkm")
    except tk.errors.UnknownNameError as error:
        told = str(error)
    assert "there is no head called 'cosine'" in told, told
    assert "pip install sample-plugin" in told, told
    print("refused:", told)


def pixels() -> Any:
    """Twelve pictures of noise."""
    import numpy as np

    return np.random.default_rng(0).integers(0, 256, size=(12, 32, 32, 3), dtype=np.uint8)


def photos() -> Any:
    """The pictures with labels."""
    names = ["ant", "bee", "wasp"]
    return tk.data.from_arrays(pixels(), [i % 3 for i in range(12)], class_names=names, val=0.25)


def told(trained: Any) -> str:
    """What a model says of the pictures."""
    return json.dumps([[each.label, each.confidence] for each in trained.predict(pixels())])


def tell(folder: Path) -> Path:
    """Where the predictions of the first process are kept."""
    return folder / "predictions.json"


if __name__ == "__main__":
    {"train": train, "load": load, "gone": gone}[sys.argv[1]](Path(sys.argv[2]))
