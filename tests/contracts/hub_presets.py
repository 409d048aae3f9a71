"""Tiny presets, drawn at random, in the formats of KerasHub and Hugging Face."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from transferkit import _keras
from transferkit.testing.subjects import draw_weights

keras = _keras.keras()

SIDE = 64
SCALE, OFFSET = [0.02, 0.018, 0.019], [-2.0, -1.8, -1.9]
_IMAGE = {"image_shape": (SIDE, SIDE, 3)}
_TOKENS = {"num_layers": 2, "hidden_dim": 16, "num_heads": 2, **_IMAGE}
_RESNET = {
    "input_conv_filters": [64],
    "input_conv_kernel_sizes": [7],
    "stackwise_num_filters": [64, 64],
    "stackwise_num_blocks": [1, 1],
    "stackwise_num_strides": [1, 2],
}
_EFFICIENT = {
    "stackwise_kernel_sizes": [3, 3],
    "stackwise_num_repeats": [1, 2],
    "stackwise_input_filters": [8, 8],
    "stackwise_output_filters": [8, 16],
    "stackwise_expansion_ratios": [1, 4],
    "stackwise_squeeze_and_excite_ratios": [0.0, 0.25],
    "stackwise_strides": [1, 2],
    "stackwise_width_coefficients": [1.0, 1.0],
    "stackwise_depth_coefficients": [1.0, 1.0],
}
_MOBILE = {
    "stackwise_expansion": [[16], [32]],
    "stackwise_num_blocks": [1, 1],
    "stackwise_num_filters": [[16], [16]],
    "stackwise_kernel_size": [[3], [5]],
    "stackwise_num_strides": [[2], [1]],
    "stackwise_se_ratio": [[None], [0.25]],
    "stackwise_activation": [["relu"], ["hard_swish"]],
    "stackwise_padding": [[1], [2]],
    "output_num_filters": 32,
    "depthwise_filters": 16,
    "depthwise_stride": 2,
    "depthwise_residual": False,
    "last_layer_filter": 32,
    "squeeze_and_excite": 0.5,
}
_DARK = {
    "stem_filters": 8,
    "stem_kernel_size": 3,
    "stem_strides": 1,
    "stackwise_depth": [1, 1],
    "stackwise_strides": [2, 2],
    "stackwise_num_filters": [16, 32],
    "block_type": "dark_block",
    "stage_type": "csp",
    "block_ratio": [0.5],
}

PRESETS: dict[str, tuple[str, dict[str, Any]]] = {
    "cspnet": ("CSPNetBackbone", _DARK),
    "deit": ("DeiTBackbone", {"patch_size": 16, "intermediate_dim": 24, **_TOKENS}),
    "densenet": ("DenseNetBackbone", {"stackwise_num_repeats": [1, 2], "growth_rate": 8}),
    "dinov2": (
        "DINOV2Backbone",
        {
            "patch_size": 16,
            "intermediate_dim": 24,
            "num_register_tokens": 2,
            "layer_scale_init_value": 0.5,
            "position_embedding_shape": (SIDE // 2, SIDE // 2),
            **_TOKENS,
        },
    ),
    "efficientnet": (
        "EfficientNetBackbone",
        {"stackwise_block_types": ["v1", "unfused"], **_EFFICIENT},
    ),
    "efficientnetv2": (
        "EfficientNetBackbone",
        {"stackwise_block_types": ["fused", "cba"], **_EFFICIENT},
    ),
    "mobilenet": ("MobileNetBackbone", _MOBILE),
    "resnet": ("ResNetBackbone", {"block_type": "basic_block", **_RESNET}),
    "resnetv2": (
        "ResNetBackbone",
        {"block_type": "bottleneck_block", "use_pre_activation": True, **_RESNET},
    ),
    "vgg": ("VGGBackbone", {"stackwise_num_repeats": [1, 1], "stackwise_num_filters": [8, 8]}),
    "vit": ("ViTBackbone", {"patch_size": 16, "mlp_dim": 24, **_TOKENS}),
}
"""A class of KerasHub's and its arguments, by name."""
TRANSFORMERS = ("deit", "dinov2", "vit")


def save_preset(folder: Path, name: str) -> Any:
    """Write a preset with its preprocessing in KerasHub's format.

    Args:
        folder: Is made.
        name: One of `PRESETS`.

    Returns:
        KerasHub's network, filled as the preset is.
    """
    import keras_hub

    kind, arguments = PRESETS[name]
    network = getattr(keras_hub.models, kind)(**arguments)
    draw_weights(network, seed=1)
    network.save_to_preset(str(folder))
    converter = keras_hub.layers.ImageConverter(image_size=(SIDE, SIDE), scale=SCALE, offset=OFFSET)
    converter.save_to_preset(str(folder))
    # Read again: some of what was drawn (positions of another size) is made of the rest then.
    return keras_hub.models.Backbone.from_preset(str(folder))


def pictures(side: int = SIDE) -> Any:
    """Two pictures of pixels 0..255, (2, side, side, 3)."""
    return np.random.default_rng(0).uniform(0, 255, (2, side, side, 3)).astype(np.float32)


def preprocessed(pixels: Any) -> Any:
    """What the presets' own preprocessing makes of pixels, in NumPy."""
    return (pixels * np.array(SCALE) + np.array(OFFSET)).astype(np.float32)


def save_vit_of_hugging_face(folder: Path) -> None:
    """Write a ViT as Hugging Face does, with its preprocessing."""
    from safetensors.numpy import save_file

    width, inner, layers, patch = 16, 24, 2, 16
    config = {
        "model_type": "vit",
        "architectures": ["ViTForImageClassification"],
        "image_size": SIDE,
        "patch_size": patch,
        "num_hidden_layers": layers,
        "num_attention_heads": 2,
        "hidden_size": width,
        "intermediate_size": inner,
        "hidden_dropout_prob": 0.0,
        "attention_probs_dropout_prob": 0.0,
        "qkv_bias": True,
    }
    processor = {
        "do_normalize": True,
        "image_mean": [0.5, 0.4, 0.3],
        "image_std": [0.25, 0.2, 0.5],
        "size": {"height": SIDE, "width": SIDE},
    }
    shapes: dict[str, tuple[int, ...]] = {
        "vit.embeddings.cls_token": (1, 1, width),
        "vit.embeddings.position_embeddings": (1, (SIDE // patch) ** 2 + 1, width),
        "vit.embeddings.patch_embeddings.projection.weight": (width, 3, patch, patch),
        "vit.embeddings.patch_embeddings.projection.bias": (width,),
        "vit.layernorm.weight": (width,),
        "vit.layernorm.bias": (width,),
    }
    for i in range(layers):
        at = f"vit.encoder.layer.{i}"
        square = [f"attention.attention.{part}" for part in ("query", "key", "value")]
        for part in (*square, "attention.output.dense"):
            shapes |= {f"{at}.{part}.weight": (width, width), f"{at}.{part}.bias": (width,)}
        for part in ("layernorm_before", "layernorm_after"):
            shapes |= {f"{at}.{part}.weight": (width,), f"{at}.{part}.bias": (width,)}
        shapes |= {f"{at}.intermediate.dense.weight": (inner, width)}
        shapes |= {f"{at}.intermediate.dense.bias": (inner,)}
        shapes |= {f"{at}.output.dense.weight": (width, inner), f"{at}.output.dense.bias": (width,)}
    rng = np.random.default_rng(3)
    tensors = {n: rng.normal(0, 0.2, s).astype(np.float32) for n, s in shapes.items()}
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "preprocessor_config.json").write_text(json.dumps(processor))
    save_file(tensors, folder / "model.safetensors")
