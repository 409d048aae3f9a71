"""How much of a picture checkpoints were tested on: torchvision and timm themselves are asked."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import transferkit as tk
from transferkit.backbones.torch_hub.families import NETWORKS
from transferkit.data.fitting import fit_of, size_before_crop
from transferkit.spec import BackboneInfo

SIDES = ((300, 417), (451, 333), (240, 240), (97, 150))
CONFIG = {
    "architecture": "resnet18",
    "pretrained_cfg": {
        "input_size": [3, 96, 96],
        "interpolation": "bicubic",
        "crop_pct": 0.95,
        "mean": [0.0, 0.0, 0.0],
        "std": [1.0, 1.0, 1.0],
    },
}


def test_editions_differ_in_what_they_were_tested_on() -> None:
    info = tk.backbones.info("torch:resnet50")
    assert (info.crop, info.interpolation) == (224 / 256, "bilinear")
    assert info.with_weights("imagenet-v2").crop == 224 / 232
    for weights in ("pretrained", "imagenet", None, "file.pth"):
        assert info.with_weights(weights) == info


def test_a_folder_of_timm_says_its_own_crop(tmp_path: Path) -> None:
    def info(**told: Any) -> BackboneInfo:
        config = {"architecture": "efficientnet_b1", "pretrained_cfg": told}
        (tmp_path / "config.json").write_text(json.dumps(config))
        return tk.backbones.info(f"torch:{tmp_path}")

    said = info(crop_pct=0.95, interpolation="lanczos", input_size=[3, 256, 256])
    assert (said.crop, said.interpolation, said.editions) == (0.95, "lanczos", {})
    silent = info()
    assert (silent.crop, silent.interpolation) == (240 / 256, "bicubic")


@pytest.fixture(scope="module")
def theirs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of pictures, with what torchvision and timm make of them."""
    if not all(importlib.util.find_spec(each) for each in ("torch", "torchvision", "timm")):
        pytest.skip("PyTorch, torchvision and timm are not installed")
    folder, rng = tmp_path_factory.mktemp("theirs"), np.random.default_rng(0)
    (folder / "config.json").write_text(json.dumps(CONFIG))
    for number, sides in enumerate(SIDES):
        pixels = rng.integers(0, 256, (*sides, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / f"{number}.png")
    script = Path(__file__).with_name("prepared_by_pytorch.py")
    command = [sys.executable, str(script), str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return folder


def infos() -> dict[str, BackboneInfo]:
    """What is known here of each published file."""
    return {
        file: tk.backbones.info(f"torch:{name}").with_weights(edition)
        for name, network in NETWORKS.items()
        for edition, file in network.published.items()
    }


def test_what_is_written_down_is_what_torchvision_says(theirs: Path) -> None:
    said = json.loads((theirs / "said.json").read_text())
    known = infos()
    assert len(known) > 70
    ours = {
        file: (size_before_crop(info.image_size, fit_of(info)), info.image_size, info.interpolation)
        for file, info in known.items()
    }
    wanted = {file: ((a, a), (b, b), by) for file, (a, b, by) in said.items() if file in known}
    assert ours == wanted


def test_pixels_are_those_of_torchvision_and_timm(theirs: Path) -> None:
    made, known = np.load(theirs / "made.npz"), infos()
    known["timm"] = tk.backbones.info(f"torch:{theirs}")
    compared = [name for name in made.files if name.split()[0] in known]
    assert len(compared) == 7 * len(SIDES)
    for name in compared:
        file, number = name.split()
        info = known[file]
        found = tk.data.decode(
            theirs / f"{number}.png", image_size=info.image_size, fit=fit_of(info)
        )
        np.testing.assert_array_equal(found, made[name], err_msg=name)
