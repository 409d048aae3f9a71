"""Small networks of the families that have layers of our own, or draw in training."""

from __future__ import annotations

import json
import struct
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from transferkit import testing
from transferkit.backbones.torch_hub.compounds import TENSORFLOW_NORM
from transferkit.backbones.torch_hub.families import NETWORKS, Network
from transferkit.backbones.torch_hub.families.base import Architecture
from transferkit.backbones.torch_hub.families.convnext import ConvNeXt
from transferkit.backbones.torch_hub.families.efficientnet import EfficientNet, Stage
from transferkit.backbones.torch_hub.families.vit import ViT
from transferkit.backbones.torch_hub.mapping import slots
from transferkit.backbones.torch_hub.native import NativeNetwork
from transferkit.errors import WeightsError

SIDE = 33
STAGES = tuple(Stage(2, 3, 2, 8 * n, 2, fused=n < 3) for n in (1, 2, 3, 4))
SMALL: dict[str, Architecture] = {
    "vit_b_16": ViT(16, 2, 8, 2, 16),
    "convnext_tiny": ConvNeXt((1, 1, 2, 1), (4, 4, 8, 8), 0.5),
    "efficientnet_v2_s": EfficientNet(STAGES, 8, 24, TENSORFLOW_NORM, 0.5),
}


def small(name: str) -> NativeNetwork:
    """A small network of the family of a large one."""
    network = Network(NETWORKS[name].family, SMALL[name], params=0)
    loaded = NativeNetwork.named(name, network).load(input_shape=(SIDE, SIDE, 3), weights=None)
    return NativeNetwork.named(name, replace(network, params=loaded.info.params))


@pytest.mark.parametrize(
    "name",
    [
        "vit_b_16",
        pytest.param("convnext_tiny", marks=pytest.mark.slow),
        pytest.param("efficientnet_v2_s", marks=pytest.mark.slow),
    ],
)
def test_a_small_network_keeps_the_contract(name: str) -> None:
    testing.check_backbone(small(name), image_size=SIDE)


def test_units_are_left_out_more_often_the_later_they_come() -> None:
    network = small("convnext_tiny").load(input_shape=(SIDE, SIDE, 3), weights=None).network
    rates = {layer.name: layer.rate for layer in network.layers if hasattr(layer, "rate")}
    assert rates == {
        "features.3.0.stochastic_depth": 0.125,
        "features.5.0.stochastic_depth": 0.25,
        "features.5.1.stochastic_depth": 0.375,
        "features.7.0.stochastic_depth": 0.5,
    }
    network = small("efficientnet_v2_s").load(input_shape=(SIDE, SIDE, 3), weights=None).network
    rates = {layer.name: layer.rate for layer in network.layers if hasattr(layer, "rate")}
    assert rates == {
        f"features.{stage}.1.stochastic_depth": 0.5 * (2 * stage - 1) / 8 for stage in (1, 2, 3, 4)
    }


def test_places_of_pictures_of_another_size_are_refused(tmp_path: Path) -> None:
    """A vision transformer's weights are those of one size of pictures; the error says of which."""
    vit = small("vit_b_16")
    network = vit.load(input_shape=(48, 48, 3), weights=None).network
    header, data = {}, b""
    for slot in slots(network):
        raw = slot.to_torch(np.asarray(slot.weight)).astype(np.float32).tobytes()
        places = [len(data), len(data) + len(raw)]
        header[slot.tensor] = {"dtype": "F32", "shape": slot.shape, "data_offsets": places}
        data += raw
    text = json.dumps(header).encode()
    file = tmp_path / "vit.safetensors"
    file.write_bytes(struct.pack("<Q", len(text)) + text + data)
    vit.load(input_shape=(48, 48, 3), weights=str(file))
    with pytest.raises(WeightsError) as caught:
        vit.load(input_shape=(64, 64, 3), weights=str(file))
    told = str(caught.value)
    assert "1 misshapen (encoder.pos_embedding (1, 10, 8) for (1, 17, 8))" in told
    assert "the places of pictures of 48 pixels: image_size=(48, 48)." in told
