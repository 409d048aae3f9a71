"""How torchvision and timm prepare pictures, in a process of its own: they do not load beside
TensorFlow everywhere.

``python prepared_by_pytorch.py FOLDER`` reads ``FOLDER/*.png`` and ``FOLDER/config.json``, and
writes ``said.json`` (by published file: sides before and after the cut, and the filter) and
``made.npz`` (by published file and picture, and by ``timm`` and picture: the pixels).
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from timm.data import create_transform, resolve_data_config
from torchvision import models
from torchvision.transforms import functional

LOOKED_AT = ("resnet50", "efficientnet_b1", "efficientnet_b2", "vit_l_16")


def cut(picture: Image.Image, how: Any) -> Image.Image:
    """What the weights' own transforms do before pixels become numbers."""
    scaled = functional.resize(picture, how.resize_size, how.interpolation)
    middle: Image.Image = functional.center_crop(scaled, how.crop_size)
    return middle


def main(folder: Path) -> None:
    """Ask both, and write down what they say."""
    pictures = {file.stem: Image.open(file).convert("RGB") for file in folder.glob("*.png")}
    said: dict[str, list[Any]] = {}
    made: dict[str, Any] = {}
    for name in models.list_models(module=models):
        for weights in models.get_model_weights(name):
            file, how = weights.url.rsplit("/", 1)[1], weights.transforms()
            said[file] = [*how.resize_size, *how.crop_size, how.interpolation.value]
            if name in LOOKED_AT:
                made |= {f"{file} {each}": cut(pictures[each], how) for each in pictures}
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))["pretrained_cfg"]
    transform = create_transform(**resolve_data_config(pretrained_cfg=config))
    for each, picture in pictures.items():
        unit = transform(picture).numpy().transpose(1, 2, 0)
        made[f"timm {each}"] = np.rint(unit * 255).astype(np.uint8)
    (folder / "said.json").write_text(json.dumps(said), encoding="utf-8")
    arrays: dict[str, Any] = {name: np.asarray(pixels) for name, pixels in made.items()}
    np.savez(folder / "made.npz", **arrays)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
