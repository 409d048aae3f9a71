"""Which variables an adapter lets move, what it refuses, and that its layers stay in inference."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import pytest

import transferkit as tk
from transferkit import _keras, build
from transferkit.adapt import Adapter
from transferkit.engine.adapters import adapted, check_adapter, set_trainable
from transferkit.engine.cut import candidates
from transferkit.engine.program import read
from transferkit.errors import SelectionError, SpecError
from transferkit.select import LayerTable

keras = _keras.keras()
L = keras.layers
Layer: Any = keras.layers.Layer


@keras.saving.register_keras_serializable("tests")
class Block(Layer):
    """A layer of layers, as those of transformers are."""

    def __init__(self, **more: Any) -> None:
        super().__init__(**more)
        self.attention = L.MultiHeadAttention(2, 3, dropout=0.5, name="attention")
        self.norm = L.LayerNormalization(name="norm")

    def build(self, shape: Any) -> None:
        self.attention.build(shape, shape)
        self.norm.build(shape)

    def call(self, x: Any, training: bool | None = None) -> Any:
        return self.norm(x + self.attention(x, x, training=training))


@cache
def network() -> tuple[Any, LayerTable]:
    """One for all tests: what trains is set anew in each."""
    keras.utils.set_random_seed(0)
    layers = [
        L.Conv2D(4, 3, name="conv"),
        L.BatchNormalization(name="batch_norm"),
        L.DepthwiseConv2D(3, name="deep"),
        L.Conv2D(4, 1, groups=2, name="grouped"),
        L.GroupNormalization(2, center=False, name="group_norm"),
        L.Reshape((4, 4), name="tokens"),
        Block(name="block"),
        L.RMSNormalization(name="rms_norm"),
        L.Dense(5, use_bias=False, name="dense"),
    ]
    x = given = keras.Input((6, 6, 2), name="pixels")
    for layer in layers:
        x = layer(x)
    x = L.Dense(2, name="head")(L.GlobalAveragePooling1D(name="pool")(x))
    outputs = L.Activation("softmax", name=build.OUTPUTS)(x)
    rows = [(each.name, type(each).__name__, place // 3, 1) for place, each in enumerate(layers)]
    return keras.Model(given, outputs), LayerTable.of(*rows)


HEADS = ("attention/query", "attention/key", "attention/value", "attention/attention_output")
EXPECTED: dict[Adapter, set[str]] = {
    tk.adapt.lora(): {"conv/kernel", "dense/kernel", *(f"block/{x}/kernel" for x in HEADS)},
    tk.adapt.lora(where=tk.select.top_blocks(1)): {
        "dense/kernel",
        *(f"block/{each}/kernel" for each in HEADS),
    },
    tk.adapt.norm_only(): {
        *("batch_norm/gamma", "batch_norm/beta", "group_norm/gamma"),
        *("block/norm/gamma", "block/norm/beta", "rms_norm/scale"),
    },
    tk.adapt.norm_only(where=tk.select.kind("GroupNormalization")): {"group_norm/gamma"},
    tk.adapt.biases_only(): {
        *("conv/bias", "batch_norm/beta", "deep/bias", "grouped/bias", "block/norm/beta"),
        *(f"block/{each}/bias" for each in HEADS),
    },
}


@pytest.mark.parametrize("adapter", EXPECTED, ids=repr)
def test_only_what_is_adapted_moves_and_the_head(adapter: Adapter) -> None:
    made, table = network()
    set_trainable(made, table, tk.Phase(1, adapt=adapter), tk.freeze.nothing(batch_norm="train"))
    moving = {each.path for each in made.trainable_variables}
    assert moving == {*EXPECTED[adapter], "head/kernel", "head/bias"}
    assert {each.path for some in adapted(made, table, adapter).values() for each in some} == (
        EXPECTED[adapter]
    )


@pytest.mark.parametrize(
    "adapter", [tk.adapt.lora(), tk.adapt.norm_only(), tk.adapt.biases_only()], ids=repr
)
def test_the_backbone_runs_in_inference_mode_and_is_free_again_behind_it(adapter: Adapter) -> None:
    made, table = network()
    x = np.random.default_rng(0).normal(size=(3, 6, 6, 2)).astype(np.float32)
    nothing = tk.freeze.nothing(batch_norm="train")
    expected = np.asarray(made(x, training=False))
    set_trainable(made, table, tk.Phase(1, adapt=adapter), nothing)
    np.testing.assert_array_equal(made(x, training=True), expected)
    set_trainable(made, table, tk.Phase(1), nothing)
    assert all(each.trainable for layer in made.layers for each in layer._trainable_variables)
    assert np.abs(np.asarray(made(x, training=True)) - expected).max() > 1e-3


def test_a_layer_that_was_adapted_and_is_frozen_can_be_thawed_by_hand() -> None:
    made, table = network()
    phase = tk.Phase(1, adapt=tk.adapt.norm_only())
    set_trainable(made, table, phase, tk.freeze.nothing())
    build.freeze(made, table, tk.freeze.backbone())
    norm, x = made.get_layer("batch_norm"), np.ones((2, 4, 4, 4), np.float32)
    before = norm.moving_mean.numpy()
    norm(x, training=True)
    np.testing.assert_array_equal(norm.moving_mean, before)
    norm.trainable = True
    norm(x, training=True)
    assert (norm.moving_mean.numpy() != before).all()


@pytest.mark.parametrize(
    ("adapter", "first"),
    [
        (tk.adapt.lora(where=tk.select.where("dense")), "dense"),
        (tk.adapt.norm_only(where=tk.select.where("group_norm")), "group_norm"),
        (tk.adapt.biases_only(where=tk.select.where("deep")), "deep"),
    ],
    ids=repr,
)
def test_the_network_is_cut_before_the_first_adapted_layer(adapter: Adapter, first: str) -> None:
    made, table = network()
    set_trainable(made, table, tk.Phase(1, adapt=adapter), tk.freeze.backbone())
    program = read(build.logits_of(made))
    *_, cut = candidates(program)
    names = [call.operation.name for call in program.calls]
    assert [names[number] for number in cut.calls] == names[: names.index(first)]


@pytest.mark.parametrize(
    ("adapter", "text"),
    [
        (
            tk.adapt.lora(where=tk.select.where("deep") | tk.select.where("grouped")),
            r"^lora: of the 2 layers that `where` selects, none is Dense, EinsumDense or a "
            r"convolution without groups.*Received: where=.*tk\.adapt\.lora\(\), or where=",
        ),
        (
            tk.adapt.norm_only(where=tk.select.where("conv")),
            r"^norm_only: of the 1 layers .* none is a normalisation layer with a scale",
        ),
        (
            tk.adapt.biases_only(where=tk.select.where("dense")),
            r"^biases_only: of the 1 layers .* none is a layer with a bias or an offset",
        ),
    ],
    ids=lambda each: repr(each)[:20],
)
def test_a_selector_that_finds_nothing_to_adapt_is_an_error(adapter: Adapter, text: str) -> None:
    with pytest.raises(SpecError, match=text):
        adapted(*network(), adapter)


def test_a_layer_that_there_is_not_is_an_error_with_the_nearest_names() -> None:
    with pytest.raises(SelectionError, match=r"^lora: .*'dens'.*'dense'"):
        adapted(*network(), tk.adapt.lora(where=tk.select.up_to("dens")))


def test_a_kernel_with_a_constraint_is_refused() -> None:
    given = keras.Input((3,))
    made = keras.Model(given, L.Dense(2, kernel_constraint="non_neg", name="kept")(given))
    table = LayerTable.of(("kept", "Dense", 0, 8))
    text = r"kernel of layer 'kept' has a constraint.*~tk\.select\.where\('kept'\)"
    with pytest.raises(SpecError, match=text):
        adapted(made, table, tk.adapt.lora())
    assert adapted(made, table, tk.adapt.biases_only())


def test_l2_sp_draws_variables_and_no_products() -> None:
    made, table = network()
    pull = tk.objectives.l2_sp(0.1)
    with pytest.raises(SpecError, match=r"lora moves them by the product.*one of the two.*AdamW"):
        check_adapter(tk.Phase(1, adapt=tk.adapt.lora(), objectives=pull), made, table)
    check_adapter(tk.Phase(1, adapt=tk.adapt.norm_only(), objectives=pull), made, table)
