"""Each rule of the backbone contract finds a plug-in that breaks it, and says which rule it is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import pytest

import transferkit as tk
from transferkit import _keras, testing
from transferkit.backbones.info import MODES
from transferkit.backbones.network import LoadedBackbone, assemble
from transferkit.backbones.weights import load_file
from transferkit.errors import BackboneError, ContractError, SpecError
from transferkit.select import Layer, LayerTable
from transferkit.spec import Backbone, BackboneInfo, Taps
from transferkit.testing.backbone_rules import BACKBONE

keras = _keras.keras()
layers = keras.layers
SIDE = 16
Shape = tuple[int, int, int]
Bend = Callable[[Any], Any]


def network() -> Any:
    pixels = keras.Input((SIDE, SIDE, 3), name="picture")
    x = layers.Conv2D(4, 3, strides=2, padding="same", name="stem_conv")(pixels)
    x = layers.BatchNormalization(name="stem_bn")(x)
    y = layers.Conv2D(4, 3, padding="same", name="unit_conv")(x)
    x = layers.Add(name="unit_sum")([x, y])
    x = layers.Conv2D(6, 3, strides=2, padding="same", name="last_conv")(x)
    return keras.Model(pixels, x, name="tiny")


GOOD = tk.backbones.from_keras(network(), preprocessing="tf")


@dataclass(frozen=True)
class Plugin:
    """A backbone that keeps the contract, but for what a test bends."""

    info: BackboneInfo = GOOD.info
    bend: Bend = lambda loaded: loaded
    before: Callable[[Shape, str | None], Shape] = lambda shape, weights: shape

    def load(self, *, input_shape: Shape, weights: str | None) -> Backbone:
        shape = self.before(input_shape, weights)
        loaded = GOOD.load(input_shape=shape, weights=weights)
        bent: Backbone = self.bend(loaded)
        return bent


def test_a_backbone_that_keeps_the_contract_passes() -> None:
    testing.check_backbone(GOOD)
    testing.check_backbone(Plugin(), image_size=(SIDE, SIDE))


class Source:
    """A source with one network."""

    def names(self) -> tuple[str, ...]:
        return ("tiny",)

    def info(self, name: str) -> BackboneInfo:
        return GOOD.info

    def load(self, name: str, *, input_shape: Shape, weights: str | None) -> Backbone:
        return GOOD.load(input_shape=input_shape, weights=weights)


def test_a_network_of_a_source_is_checked_by_its_name() -> None:
    testing.check_backbone(Source(), name="tiny")
    with pytest.raises(SpecError, match="a BackboneSource and name="):
        testing.check_backbone(Source())
    with pytest.raises(SpecError, match="check_backbone: that is no backbone to check"):
        testing.check_backbone(3)  # type: ignore[arg-type]
    with pytest.raises(SpecError, match="that is no backbone"):
        testing.check_backbone(GOOD, name="tiny")


@pytest.mark.parametrize("wrong", [{"crop": 0.0}, {"crop": 1.5}, {"interpolation": "cubic"}])
def test_a_preparation_that_cannot_be_is_told(wrong: dict[str, Any]) -> None:
    (name,) = wrong
    with pytest.raises(ContractError, match=f"'info-is-whole': it has {name}="):
        testing.check_backbone(Plugin(info=replace(GOOD.info, **wrong)), image_size=SIDE)


@pytest.mark.parametrize("info", [None, {"name": "tiny"}])
def test_an_info_that_is_none_is_told_before_it_is_used(info: Any) -> None:
    with pytest.raises(ContractError, match="Plugin breaks the rule 'info-is-whole': `info` is a"):
        testing.check_backbone(Plugin(info=info))


def rows(loaded: LoadedBackbone, change: Callable[[Layer], Layer]) -> LoadedBackbone:
    table = LayerTable(tuple(change(row) for row in loaded.table), loaded.table.block_names)
    return replace(loaded, table=table)


def of(loaded: LoadedBackbone, name: str) -> Any:
    return loaded.network.get_layer(name).output


def with_layer(loaded: LoadedBackbone, layer: Any) -> LoadedBackbone:
    """One more layer behind it, which the table does not know."""
    end = layer(loaded.taps.features)
    taps = Taps({**dict(loaded.taps), 4: end}, end)
    ends = (*loaded.block_ends[:-1], end)
    model = keras.Model(loaded.network.inputs[0], end)
    return replace(loaded, network=model, taps=taps, block_ends=ends)


def nested(loaded: LoadedBackbone) -> LoadedBackbone:
    pixels = keras.Input((SIDE, SIDE, 3), name="pixels")
    model = keras.Model(pixels, loaded.network(pixels))
    return replace(loaded, network=model, taps=Taps(dict(loaded.taps), model.outputs[0]))


class Noise(layers.Layer):  # type: ignore[name-defined]
    """Draws whether or not it trains."""

    def call(self, x: Any) -> Any:
        return x + keras.random.normal(keras.ops.shape(x))


class Broken(layers.Layer):  # type: ignore[name-defined]
    """No number comes out."""

    def call(self, x: Any) -> Any:
        return x / 0.0


class Counting(layers.Layer):  # type: ignore[name-defined]
    """Changes a weight whenever it is called, so that a frozen backbone moves."""

    def build(self, shape: Any) -> None:
        self.calls = self.add_weight(shape=(1,), initializer="zeros", trainable=False, name="calls")

    def call(self, x: Any) -> Any:
        self.calls.assign(self.calls + 1.0)
        return x


def swapped(loaded: LoadedBackbone) -> LoadedBackbone:
    """A tap that a shortcut goes round."""
    taps = Taps({**dict(loaded.taps), 2: of(loaded, "unit_conv")}, loaded.taps.features)
    return replace(loaded, taps=taps)


SAME = GOOD.load(input_shape=(SIDE, SIDE, 3), weights=None)
BROKEN: dict[str, tuple[str, Plugin]] = {
    "info-is-whole": ("min_size=0", Plugin(info=replace(GOOD.info, min_size=0))),
    "has-every-part": ("has no info, network, table", Plugin(bend=lambda loaded: loaded.info)),
    "info-is-true": (
        "embedding is promised as 7, loaded as 6",
        Plugin(info=replace(GOOD.info, embedding=7)),
    ),
    "is-one-flat-graph": ("it nests", Plugin(bend=nested)),
    "takes-raw-pixels": (
        r"\(16, 16, 3\) was asked for, and it takes \(None, 32, 16, 3\)",
        Plugin(before=lambda shape, weights: (32, *shape[1:])),
    ),
    "table-lists-its-layers": (
        "the row .*'stem_conv', 'Dense'",
        Plugin(
            bend=lambda loaded: rows(
                loaded, lambda row: replace(row, kind=row.kind.replace("Conv2D", "Dense"))
            )
        ),
    ),
    "preprocessing-owns-no-weight": (
        r"\['extra'\] have weights and no row",
        Plugin(bend=lambda loaded: with_layer(loaded, layers.Conv2D(6, 1, name="extra"))),
    ),
    "blocks-are-units": (
        "`block_ends`",
        Plugin(bend=lambda loaded: replace(loaded, block_ends=loaded.block_ends[1:])),
    ),
    "taps-are-cuts": ("the tap of stride 2 is gone round", Plugin(bend=swapped)),
    "embedding-is-a-vector": (
        "its shape is",
        Plugin(
            info=replace(GOOD.info, embedding=0),
            bend=lambda loaded: replace(
                loaded,
                info=replace(loaded.info, embedding=0),
                embedding=loaded.taps.features,
            ),
        ),
    ),
    "inference-is-a-function": (
        "a second run gives others",
        Plugin(bend=lambda loaded: with_layer(loaded, Noise(name="noise"))),
    ),
    "variables-are-its-own": ("are shared", Plugin(bend=lambda loaded: SAME)),
    "other-shapes-work-or-are-refused": (
        r"\(17, 21, 1\) was asked for, and it takes \(None, 16, 16, 3\)",
        Plugin(before=lambda shape, weights: (SIDE, SIDE, 3) if shape[0] == 17 else shape),
    ),
}


@pytest.mark.parametrize("rule", BROKEN)
def test_a_plug_in_that_breaks_a_rule_is_told_which(rule: str) -> None:
    text, plugin = BROKEN[rule]
    with pytest.raises(ContractError, match=f"breaks the rule '{rule}'.*{text}") as caught:
        testing.check_backbone(plugin, image_size=SIDE)
    assert str(caught.value).startswith("check_backbone: tiny breaks")


def test_taking_weights_that_there_are_not_is_told() -> None:
    class Lax(Plugin):
        def load(self, *, input_shape: Shape, weights: str | None) -> Backbone:
            taken = weights if weights and "backbone" in weights else None
            return GOOD.load(input_shape=input_shape, weights=taken)

    with pytest.raises(ContractError, match=r"'refuses-what-it-cannot'.*'no such weights' was"):
        testing.check_backbone(Lax(), image_size=SIDE)


@dataclass(frozen=True)
class Built:
    """A backbone of one convolution and one layer more, made anew in every load."""

    make: Callable[[], Any]
    conv: str | None = "conv"
    filled: bool = True

    @property
    def info(self) -> BackboneInfo:
        return self.built((SIDE, SIDE, 3), None).info

    def load(self, *, input_shape: Shape, weights: str | None) -> Backbone:
        return self.built(input_shape, weights)

    def built(self, shape: Shape, weights: str | None) -> Backbone:
        if min(shape) < 1:
            raise BackboneError("no channels")
        pixels = keras.Input(shape, name="picture")
        x = layers.Conv2D(4, 3, padding="same", name=self.conv)(pixels)
        model = keras.Model(pixels, self.make()(x), name="built")
        if weights is not None and "no such" in weights:
            raise BackboneError("no such weights")
        if weights is not None and self.filled:
            load_file(model, weights)
        about = BackboneInfo("built", (SIDE, SIDE))
        return assemble(model, about, MODES["tf"], input_shape=shape)


class Plain(layers.Layer):  # type: ignore[name-defined]
    """A class that no saved file may name."""

    def call(self, x: Any) -> Any:
        return x


@pytest.mark.parametrize(
    ("rule", "text", "plugin"),
    [
        ("names-are-free", r"\['head_conv'\] are taken", Built(layers.ReLU, "head_conv")),
        ("weights-come-back-by-path", "they differ by up to", Built(layers.ReLU, filled=False)),
        ("names-stay-the-same", "became 'conv2d", Built(layers.ReLU, None)),
        ("only-the-head-trains", "calls' moved", Built(lambda: Counting(name="counting"))),
        ("inference-is-a-function", "they are not finite", Built(lambda: Broken(name="broken"))),
        ("a-saved-model-predicts-the-same", "Plain", Built(lambda: Plain(name="plain"))),
    ],
)
def test_a_plug_in_of_its_own_layers_is_told_which(rule: str, text: str, plugin: Built) -> None:
    if rule == "names-are-free":
        plugin = replace(plugin, make=lambda: layers.ReLU(name="relu"))
    with pytest.raises(ContractError, match=f"breaks the rule '{rule}'.*{text}"):
        testing.check_backbone(plugin, image_size=SIDE)


def test_layers_that_belong_to_another_graph_are_told() -> None:
    conv = layers.Conv2D(4, 3, padding="same", name="conv")
    conv(keras.Input((SIDE, SIDE, 3)))
    pixels = keras.Input((SIDE, SIDE, 3), name="pixels")
    end = conv(pixels)
    rows = (Layer("pixels", "InputLayer", 0, 0), Layer("conv", "Conv2D", 0, conv.count_params()))
    table = LayerTable(rows, ("all",))
    about = replace(
        BackboneInfo("twice", (SIDE, SIDE)),
        strides=(1,),
        block_names=("all",),
        embedding=4,
        params=conv.count_params(),
    )
    vector = layers.GlobalAveragePooling2D()(end)
    model = keras.Model(pixels, end)
    loaded = LoadedBackbone(about, model, table, Taps({1: end}, end), vector, (end,), MODES["none"])
    plugin = Plugin(info=about, bend=lambda _: loaded)
    with pytest.raises(ContractError, match=r"'layers-are-in-the-graph': the output of 'conv' is"):
        testing.check_backbone(plugin, image_size=SIDE)


def test_a_tap_under_another_stride_is_told() -> None:
    def bent(loaded: LoadedBackbone) -> LoadedBackbone:
        taps = Taps({2: loaded.taps[2], 8: loaded.taps[4]}, loaded.taps.features)
        return replace(loaded, taps=taps, info=replace(loaded.info, strides=(2, 8)))

    plugin = Plugin(info=replace(GOOD.info, strides=(2, 8)), bend=bent)
    with pytest.raises(ContractError, match="'taps-have-their-strides': 16 more rows of pixels"):
        testing.check_backbone(plugin, image_size=SIDE)


def test_every_rule_has_a_name_of_its_own() -> None:
    names = [rule.name for rule in BACKBONE.rules]
    assert len(names) == len(set(names)) == 21
    assert set(BROKEN) <= set(names)
