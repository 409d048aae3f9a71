"""What holds for every backbone holds for a SavedModel: one that gives maps, one that is signed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from hub_models import save_hub, save_signature

import transferkit as tk
from transferkit import testing


@pytest.mark.parametrize("save", [save_hub, pytest.param(save_signature, marks=pytest.mark.slow)])
def test_a_saved_model_keeps_the_contract_of_backbones(
    save: Callable[..., Path], tmp_path: Path
) -> None:
    folder = save(tmp_path / "model", gives="map")
    testing.check_backbone(tk.backbones.from_tf_hub(folder, trust=True), image_size=16)
