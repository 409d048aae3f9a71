"""A folder as timm writes it, and what timm makes of its ``pixels.npy``: ``timm_folder.py FOLDER``.

A process of its own: PyTorch and TensorFlow are not imported into one.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import timm
import torch
from safetensors.torch import save_file

MEAN, STD = 0.5, 0.25


def main(folder: Path) -> None:
    """Write the configuration, the weights and ``features.npy``."""
    torch.manual_seed(0)
    author = timm.create_model("resnet18", pretrained=False, num_classes=3).eval()
    told = {"input_size": [3, 64, 64], "mean": [MEAN] * 3, "std": [STD] * 3}
    config = {"architecture": "resnet18", "num_classes": 3, "pretrained_cfg": told}
    (folder / "config.json").write_text(json.dumps(config))
    save_file(author.state_dict(), folder / "model.safetensors")
    pixels = torch.tensor((np.load(folder / "pixels.npy") / 255 - MEAN) / STD)
    with torch.no_grad():
        features = author.forward_features(pixels.permute(0, 3, 1, 2))
    np.save(folder / "features.npy", features.permute(0, 2, 3, 1).numpy())


if __name__ == "__main__":
    main(Path(sys.argv[1]))
