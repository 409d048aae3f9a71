from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from transferkit import _keras
from transferkit.backbones import blocks, graph
from transferkit.errors import BackboneError

keras = _keras.keras()
layers = keras.layers
SHAPE = (32, 32, 4)


def conv(name: str, *, filters: int = 4, strides: int = 1) -> Any:
    return layers.Conv2D(filters, 3, strides=strides, padding="same", name=name)


def picture() -> Any:
    return keras.Input(SHAPE, name="picture")


def numbers() -> np.ndarray[Any, Any]:
    return np.random.default_rng(0).uniform(-1, 1, (2, *SHAPE)).astype(np.float32)


def rewired(model: Any) -> graph.Rewired:
    return graph.rewire(model, keras.Input(model.input_shape[1:], name="pixels"))


def names_of_taps(wired: graph.Rewired) -> dict[int, str]:
    """Which layer's output each tap is."""
    by_id = {id(tensor): name for name, tensor in wired.outputs.items()}
    return {stride: by_id[id(tensor)] for stride, tensor in wired.taps().items()}


def blocks_by_shape(wired: graph.Rewired) -> list[list[str]]:
    """The layers of each block, in order."""
    block_of, names = blocks.by_shape(wired)
    assert names == tuple(f"block_{i}" for i in range(len(names)))
    assert sorted(block_of) == sorted(layer.name for layer in wired.layers)
    return [[name for name in block_of if block_of[name] == i] for i in range(len(names))]


def plain_chain() -> Any:
    pixels = picture()
    x = conv("conv_a")(pixels)
    x = layers.ReLU(name="relu_a")(x)
    x = layers.MaxPooling2D(name="pool_a")(x)
    x = conv("conv_b")(x)
    x = layers.AveragePooling2D(2, name="pool_b")(x)
    x = conv("conv_c")(x)
    x = conv("conv_d", strides=2)(x)
    x = layers.ReLU(name="relu_d")(x)
    return keras.Model(pixels, x, name="chain")


def test_in_a_plain_chain_every_layer_is_a_cut() -> None:
    wired = rewired(plain_chain())
    assert wired.cuts == (
        "conv_a",
        "relu_a",
        "pool_a",
        "conv_b",
        "pool_b",
        "conv_c",
        "conv_d",
        "relu_d",
    )
    assert wired.strides == {
        "picture": 1,
        "conv_a": 1,
        "relu_a": 1,
        "pool_a": 2,
        "conv_b": 2,
        "pool_b": 4,
        "conv_c": 4,
        "conv_d": 8,
        "relu_d": 8,
    }
    assert names_of_taps(wired) == {1: "relu_a", 2: "conv_b", 4: "conv_c", 8: "relu_d"}


def test_a_plain_chain_is_divided_behind_a_pooling_and_before_a_strided_convolution() -> None:
    assert blocks_by_shape(rewired(plain_chain())) == [
        ["picture", "conv_a", "relu_a", "pool_a"],
        ["conv_b", "pool_b"],
        ["conv_c"],
        ["conv_d", "relu_d"],
    ]


def test_what_has_no_weights_is_no_block_of_its_own() -> None:
    pixels = picture()
    x = layers.MaxPooling2D(name="pool")(pixels)
    x = conv("conv_a")(x)
    x = layers.MaxPooling2D(name="pool_a")(x)
    x = layers.AveragePooling2D(2, name="pool_b")(x)
    x = conv("conv_b")(x)
    wired = rewired(keras.Model(pixels, x))
    assert blocks_by_shape(wired) == [
        ["picture", "pool", "conv_a", "pool_a"],
        ["pool_b", "conv_b"],
    ]
    assert names_of_taps(wired) == {2: "conv_a", 4: "pool_a", 8: "conv_b"}


def test_padding_is_no_tap_and_belongs_to_the_block_before_the_strided_convolution() -> None:
    pixels = picture()
    x = conv("conv_a")(pixels)
    x = layers.ZeroPadding2D(1, name="pad")(x)
    x = layers.Conv2D(4, 3, strides=2, name="conv_b")(x)
    wired = rewired(keras.Model(pixels, x))
    assert wired.cuts == ("conv_a", "pad", "conv_b")
    assert names_of_taps(wired) == {1: "conv_a", 2: "conv_b"}
    assert blocks_by_shape(wired) == [["picture", "conv_a", "pad"], ["conv_b"]]


def test_a_chosen_name_comes_before_the_others_of_its_stride_where_it_is_a_cut() -> None:
    pixels = picture()
    x = conv("conv_a", strides=2)(pixels)
    inner = conv("inner")(x)
    x = layers.Add(name="sum")([x, inner])
    x = layers.ReLU(name="relu")(x)
    wired = rewired(keras.Model(pixels, conv("conv_b", strides=2)(x)))
    assert names_of_taps(wired) == {2: "relu", 4: "conv_b"}
    chosen = wired.taps(("sum", "inner", "elsewhere"))
    assert chosen == {2: wired.outputs["sum"], 4: wired.features}


@pytest.mark.parametrize("strides", [1, 2])
def test_a_residual_unit_is_one_block_with_one_cut_at_its_sum(strides: int) -> None:
    pixels = picture()
    x = conv("stem")(pixels)
    short = x if strides == 1 else conv("short", strides=strides)(x)
    y = conv("conv_a", strides=strides)(x)
    y = layers.BatchNormalization(name="norm_a")(y)
    y = conv("conv_b")(y)
    x = layers.Add(name="sum")([short, y])
    x = layers.ReLU(name="relu")(x)
    wired = rewired(keras.Model(pixels, x))
    assert wired.cuts == ("stem", "sum", "relu")
    inside = {"conv_a", "norm_a", "conv_b", "sum", "relu"} | ({"short"} if strides == 2 else set())
    assert {name for name, stride in wired.strides.items() if stride == strides} >= inside
    assert wired.strides["stem"] == 1
    blocks = blocks_by_shape(wired)
    assert blocks[0] == ["picture", "stem"]
    assert set(blocks[1]) == inside
    assert len(blocks) == 2
    assert names_of_taps(wired) == ({1: "relu"} if strides == 1 else {1: "stem", 2: "relu"})


def test_each_concatenation_of_a_dense_net_ends_a_block() -> None:
    pixels = picture()
    x = conv("stem")(pixels)
    for unit in ("one", "two"):
        y = layers.BatchNormalization(name=f"{unit}_norm")(x)
        y = conv(f"{unit}_conv")(y)
        x = layers.Concatenate(name=f"{unit}_join")([x, y])
    x = conv("transition")(x)
    x = layers.AveragePooling2D(2, name="pool")(x)
    wired = rewired(keras.Model(pixels, x))
    assert wired.cuts == ("stem", "one_join", "two_join", "transition", "pool")
    assert blocks_by_shape(wired) == [
        ["picture", "stem"],
        ["one_norm", "one_conv", "one_join"],
        ["two_norm", "two_conv", "two_join", "transition", "pool"],
    ]
    assert names_of_taps(wired) == {1: "transition", 2: "pool"}


def test_an_inverted_residual_is_a_block_and_one_without_a_skip_starts_at_its_stride() -> None:
    pixels = picture()
    x = conv("stem")(pixels)
    y = conv("one_expand", filters=8)(x)
    y = layers.DepthwiseConv2D(3, padding="same", name="one_depthwise")(y)
    y = conv("one_project")(y)
    x = layers.Add(name="one_sum")([x, y])
    x = conv("two_expand", filters=8)(x)
    x = layers.DepthwiseConv2D(3, strides=2, padding="same", name="two_depthwise")(x)
    x = conv("two_project")(x)
    wired = rewired(keras.Model(pixels, x))
    assert wired.cuts == ("stem", "one_sum", "two_expand", "two_depthwise", "two_project")
    assert {name for name, stride in wired.strides.items() if stride == 2} == {
        "two_depthwise",
        "two_project",
    }
    assert blocks_by_shape(wired) == [
        ["picture", "stem"],
        ["one_expand", "one_depthwise", "one_project", "one_sum", "two_expand"],
        ["two_depthwise", "two_project"],
    ]
    assert names_of_taps(wired) == {1: "two_expand", 2: "two_project"}


@pytest.mark.parametrize("keepdims", [True, False])
def test_a_squeeze_and_excitation_branch_is_no_cut(keepdims: bool) -> None:
    pixels = picture()
    x = conv("stem", strides=2)(pixels)
    x = conv("conv_a")(x)
    squeezed = layers.GlobalAveragePooling2D(keepdims=keepdims, name="squeeze")(x)
    squeezed = layers.Reshape((1, 1, 4), name="as_map")(squeezed)
    squeezed = layers.Conv2D(2, 1, activation="relu", name="reduce")(squeezed)
    squeezed = layers.Conv2D(4, 1, activation="sigmoid", name="expand")(squeezed)
    x = layers.Multiply(name="excite")([x, squeezed])
    wired = rewired(keras.Model(pixels, x))
    assert wired.cuts == ("stem", "conv_a", "excite")
    assert blocks_by_shape(wired) == [
        ["picture", "stem", "conv_a"],
        ["squeeze", "as_map", "reduce", "expand", "excite"],
    ]
    assert names_of_taps(wired) == {2: "excite"}
    assert wired.taps()[2].shape == (None, 16, 16, 4)


def test_a_layer_called_twice_stands_once_in_the_list_with_its_last_output() -> None:
    pixels = picture()
    shared = conv("shared", strides=2)
    x = shared(pixels)
    x = layers.ReLU(name="relu")(x)
    x = shared(x)
    wired = rewired(keras.Model(pixels, x))
    assert [layer.name for layer in wired.layers] == ["picture", "shared", "relu"]
    assert wired.strides == {"picture": 1, "shared": 4, "relu": 2}
    assert wired.outputs["shared"] is wired.features
    assert wired.features.shape == (None, 8, 8, 4)
    assert len(wired.layers[1].weights) == 2
    assert names_of_taps(wired) == {2: "relu", 4: "shared"}


def test_between_two_calls_of_one_layer_the_graph_can_be_cut() -> None:
    pixels = picture()
    shared = conv("shared")
    x = conv("stem")(pixels)
    x = shared(x)
    x = layers.ReLU(name="relu")(x)
    x = shared(x)
    cuts = rewired(keras.Model(pixels, x)).cuts
    assert {"stem", "relu"} <= set(cuts)
    assert cuts[-1] == "shared", "the last call gives the features"


def test_an_upsampling_in_a_chain_is_a_cut_and_one_beside_a_skip_is_none() -> None:
    pixels = picture()
    fine = conv("fine")(pixels)
    x = layers.MaxPooling2D(name="down")(fine)
    x = conv("coarse")(x)
    x = layers.UpSampling2D(name="up")(x)
    x = layers.Concatenate(name="join")([fine, x])
    x = conv("mixed")(x)
    x = layers.UpSampling2D(name="finer")(x)
    x = conv("last")(x)
    wired = rewired(keras.Model(pixels, x))
    assert wired.cuts == ("fine", "join", "mixed", "finer", "last")
    assert wired.strides["coarse"] == 2
    assert blocks_by_shape(wired)[:2] == [
        ["picture", "fine"],
        ["down", "coarse", "up", "join", "mixed", "finer", "last"],
    ]
    assert wired.features.shape == (None, 64, 64, 4)


def test_a_branch_that_never_feeds_the_output_hides_no_cut() -> None:
    inside = keras.Input(SHAPE, name="inside")
    first = conv("first")(inside)
    second = conv("second")(first)
    dead = layers.ReLU(name="dead_b")(conv("dead_a")(first))
    nested = keras.Model(inside, [conv("third")(second), dead], name="two_outputs")
    pixels = picture()
    x = conv("stem")(pixels)
    x, _ = nested(x)
    x = conv("last")(x)
    wired = rewired(keras.Model(pixels, x))
    assert wired.cuts == ("stem", "first", "second", "third", "last")
    assert names_of_taps(wired) == {1: "last"}


def test_a_model_that_ends_in_a_vector_has_no_stride_there_and_no_tap() -> None:
    pixels = picture()
    x = conv("conv_a", strides=2)(pixels)
    x = layers.GlobalAveragePooling2D(name="pool")(x)
    x = layers.Dense(5, name="dense")(x)
    wired = rewired(keras.Model(pixels, x))
    assert wired.strides == {"picture": 1, "conv_a": 2, "pool": 0, "dense": 0}
    assert wired.cuts == ("conv_a", "pool", "dense")
    assert names_of_taps(wired) == {2: "conv_a"}
    assert blocks_by_shape(wired) == [["picture", "conv_a", "pool", "dense"]]
    assert wired.features.shape == (None, 5)


def test_a_rewired_graph_computes_the_same_with_the_same_variables() -> None:
    model = plain_chain()
    x = numbers()
    expected, variables = np.asarray(model(x)), [id(w) for w in model.weights]
    entry = keras.Input(SHAPE, name="pixels")
    again = keras.Model(entry, graph.rewire(model, entry).features)
    assert np.array_equal(again(x), expected)
    assert [id(w) for w in again.weights] == variables


def test_operations_that_are_no_layers_are_run_again_too() -> None:
    pixels = picture()
    x = conv("conv_a")(pixels[..., ::-1])
    model = keras.Model(pixels, keras.ops.tanh(conv("conv_b")(x)) + 2 * x)
    given = numbers()
    expected = np.asarray(model(given))
    entry = keras.Input(SHAPE, name="pixels")
    wired = graph.rewire(model, entry)
    assert [layer.name for layer in wired.layers] == ["picture", "conv_a", "conv_b"]
    np.testing.assert_allclose(
        keras.Model(entry, wired.features)(given), expected, rtol=1e-5, atol=1e-6
    )


def test_a_layers_own_output_is_the_one_in_the_new_graph() -> None:
    pixels = picture()
    shared = conv("shared")
    x = shared(layers.ReLU(name="relu")(shared(pixels)))
    model = keras.Model(pixels, layers.MaxPooling2D(name="pool")(x))
    given = numbers()
    steps = [np.asarray(shared(given))]
    steps.append(np.maximum(steps[0], 0))
    steps.append(np.asarray(shared(steps[1])).reshape(2, 16, 2, 16, 2, 4).max(axis=(2, 4)))
    entry = keras.Input(SHAPE, name="pixels")
    again = keras.Model(entry, graph.rewire(model, entry).features)
    assert np.array_equal(again(given), steps[2])
    for name, expected in zip(("shared", "relu", "pool"), steps, strict=True):
        piece = keras.Model(entry, again.get_layer(name).output)
        np.testing.assert_allclose(piece(given), expected, rtol=1e-5, atol=1e-6)
    twin = keras.Model.from_config(again.get_config())
    twin.set_weights(again.get_weights())
    assert np.array_equal(twin(given), steps[2])


def test_what_a_call_said_of_training_is_not_recorded() -> None:
    pixels = picture()
    x = layers.Dropout(0.5, name="drop")(pixels, training=True)
    model = keras.Model(pixels, x)
    given = np.ones((2, *SHAPE), np.float32)
    assert not np.array_equal(model(given), given), "here it is recorded"
    entry = keras.Input(SHAPE, name="pixels")
    again = keras.Model(entry, graph.rewire(model, entry).features)
    assert np.array_equal(again(given), given)
    assert not np.array_equal(again(given, training=True), given)


def test_the_entry_may_have_layers_before_it() -> None:
    model = plain_chain()
    x = numbers()
    expected = np.asarray(model(2 * x))
    pixels = keras.Input(SHAPE, name="pixels")
    doubled = layers.Rescaling(2.0, name="doubled")(pixels)
    wired = graph.rewire(model, doubled)
    np.testing.assert_allclose(
        keras.Model(pixels, wired.features)(x), expected, rtol=1e-5, atol=1e-6
    )
    assert wired.outputs["picture"] is doubled
    assert "doubled" not in wired.strides
    assert "doubled" not in wired.cuts


def with_nested_models() -> Any:
    inside = keras.Input(SHAPE, name="inside")
    y = conv("unit_conv")(inside)
    unit = keras.Model(inside, layers.Add(name="unit_sum")([inside, y]), name="unit")
    down = keras.Sequential(
        [keras.Input(SHAPE), conv("down_conv", strides=2), layers.ReLU(name="down_relu")],
        name="down",
    )
    pixels = picture()
    x = conv("stem")(pixels)
    outer = keras.Sequential([keras.Input(SHAPE), unit, down], name="outer")
    return keras.Model(pixels, conv("last")(outer(x)), name="nest")


def test_nested_models_are_opened_flat() -> None:
    model = with_nested_models()
    flat = ("picture", "stem", "unit_conv", "unit_sum", "down_conv", "down_relu", "last")
    assert graph.layer_names(model) == flat
    x = numbers()
    expected = np.asarray(model(x))
    entry = keras.Input(SHAPE, name="pixels")
    wired = graph.rewire(model, entry)
    assert tuple(layer.name for layer in wired.layers) == flat
    assert wired.cuts == ("stem", "unit_sum", "down_conv", "down_relu", "last")
    assert wired.strides["unit_sum"] == 1
    assert wired.strides["last"] == 2
    assert blocks_by_shape(wired) == [
        ["picture", "stem"],
        ["unit_conv", "unit_sum"],
        ["down_conv", "down_relu", "last"],
    ]
    again = keras.Model(entry, wired.features)
    assert [layer.name for layer in again.layers] == ["pixels", *flat[1:]]
    np.testing.assert_allclose(again(x), expected, rtol=1e-5, atol=1e-6)


def test_a_name_that_is_doubled_when_models_are_opened_is_an_error() -> None:
    nested = keras.Sequential([keras.Input(SHAPE), conv("conv"), conv("other")], name="nested")
    pixels = picture()
    model = keras.Model(pixels, nested(conv("conv")(pixels)))
    with pytest.raises(BackboneError) as caught:
        rewired(model)
    assert str(caught.value) == (
        "from_keras: two layers of the network share a name. Expected names that stay unique when "
        "nested models are opened. Received: names=['conv']. Give each layer its own name=..."
    )


def test_the_table_has_a_row_for_each_layer_with_what_it_holds() -> None:
    wired = rewired(plain_chain())
    table = wired.table(lambda name: int(name[-1] in "cd"), ("low", "high"))
    rows = [(row.name, row.kind, row.block, row.params) for row in table]
    kernel = 3 * 3 * 4 * 4 + 4
    assert rows == [
        ("picture", "InputLayer", 0, 0),
        ("conv_a", "Conv2D", 0, kernel),
        ("relu_a", "ReLU", 0, 0),
        ("pool_a", "MaxPooling2D", 0, 0),
        ("conv_b", "Conv2D", 0, kernel),
        ("pool_b", "AveragePooling2D", 0, 0),
        ("conv_c", "Conv2D", 1, kernel),
        ("conv_d", "Conv2D", 1, kernel),
        ("relu_d", "ReLU", 1, 0),
    ]
    assert table.block_names == ("low", "high")


def test_only_a_functional_or_sequential_model_is_functional() -> None:
    class Subclassed(keras.Model):  # type: ignore[name-defined]
        pass

    assert graph.is_functional(plain_chain())
    assert graph.is_functional(keras.Sequential([conv("a")]))
    assert not graph.is_functional(Subclassed())
    assert not graph.is_functional(conv("a"))
    assert not graph.is_functional("MobileNetV2")


def test_a_pattern_puts_what_it_does_not_match_into_the_block_before() -> None:
    names = ["picture", "pad", "s1_conv", "norm", "s2_conv", "s2_relu", "pool", "s10_conv", "top"]
    block_of, found = blocks.split_by_pattern(names, r"(s\d+)_")
    assert found == ("s1", "s2", "s10")
    assert block_of == {
        "picture": 0,
        "pad": 0,
        "s1_conv": 0,
        "norm": 0,
        "s2_conv": 1,
        "s2_relu": 1,
        "pool": 1,
        "s10_conv": 2,
        "top": 2,
    }


def test_a_pattern_is_matched_at_the_start_of_a_name() -> None:
    block_of, found = blocks.split_by_pattern(["a_conv", "my_b_conv", "b_conv"], r"([ab])_")
    assert found == ("a", "b")
    assert block_of == {"a_conv": 0, "my_b_conv": 0, "b_conv": 1}


def test_a_pattern_that_matches_nothing_leaves_one_block() -> None:
    block_of, found = blocks.split_by_pattern(["a", "b"], r"(stage\d)_")
    assert found == ("all",)
    assert block_of == {"a": 0, "b": 0}


# Laws, on graphs drawn at random. Their oracle reads the configuration that Keras saves.


@dataclass(frozen=True)
class Node:
    """One node of a drawn graph; its parents by number, 0 is the picture."""

    kind: str
    parents: tuple[int, ...]


@dataclass
class Flat:
    """Who feeds whom, by layer name, nested models opened."""

    parents: dict[str, list[str]] = field(default_factory=dict)
    output: str = ""

    def useful(self) -> set[str]:
        return self.before(self.output)

    def before(self, name: str) -> set[str]:
        """`name` and all that it is computed from."""
        found: set[str] = set()
        waiting = [name]
        while waiting:
            here = waiting.pop()
            if here not in found:
                found.add(here)
                waiting.extend(self.parents[here])
        return found

    def separates(self, name: str) -> bool:
        """True if no way from the output back to the picture goes past `name`."""
        found: set[str] = set()
        waiting = [self.output]
        while waiting:
            here = waiting.pop()
            if here != name and here not in found:
                found.add(here)
                waiting.extend(self.parents[here])
        return "picture" not in found

    def crossing(self, name: str) -> set[str]:
        """Whose outputs go from `name` and what is before it to all the rest."""
        near = self.before(name)
        far = self.useful() - near
        return {parent for child in far for parent in self.parents[child] if parent in near}


@st.composite
def drawn_graphs(draw: st.DrawFn) -> list[Node]:
    nodes: list[Node] = []
    for index in range(1, draw(st.integers(1, 9)) + 1):
        kind = draw(st.sampled_from(["conv", "relu", "strided", "join", "join", "nested"]))
        latest = index - 1
        if kind == "join" and index > 1:
            others = draw(st.lists(st.integers(max(0, index - 4), latest), min_size=1, max_size=2))
            nodes.append(Node(kind, (latest, *others)))
        else:
            near = st.sampled_from([latest, latest, latest, max(0, latest - 1)])
            nodes.append(Node("conv" if kind == "join" else kind, (draw(near),)))
    return nodes


def built(nodes: Sequence[Node]) -> Any:
    pixels = keras.Input((8, 8, 2), name="picture")
    tensors = [pixels]
    for index, node in enumerate(nodes, start=1):
        given = [tensors[parent] for parent in node.parents]
        tensors.append(_called(f"{node.kind}_{index}", node.kind, given))
    return keras.Model(pixels, tensors[-1])


def _called(name: str, kind: str, given: list[Any]) -> Any:
    if kind == "join":
        side = min(x.shape[1] for x in given)
        level = [
            x if x.shape[1] == side else layers.CenterCrop(side, side, name=f"{name}_crop_{i}")(x)
            for i, x in enumerate(given)
        ]
        return layers.Concatenate(name=name)(level)
    if kind == "nested":
        inside = keras.Input(given[0].shape[1:], name=f"{name}_inside")
        y = layers.Conv2D(inside.shape[-1], 1, name=f"{name}_conv")(inside)
        y = layers.Add(name=f"{name}_sum")([inside, y])
        return keras.Model(inside, layers.ReLU(name=f"{name}_relu")(y), name=name)(given[0])
    if kind == "relu":
        return layers.ReLU(name=name)(given[0])
    return layers.Conv2D(2, 1, strides=2 if kind == "strided" else 1, name=name)(given[0])


def read(config: dict[str, Any], entry: str | None = None) -> Flat:
    """The graph as Keras saves it."""
    flat = Flat()
    gives: dict[str, str] = {}  # whose output a layer's output is, once it is opened
    for row in config["layers"]:
        name = row["name"]
        given = [gives[parent] for parent in _histories(row["inbound_nodes"])]
        if row["class_name"] == "InputLayer" and entry is not None:
            gives[name] = entry
        elif row["class_name"] == "Functional":
            inner = read(row["config"], given[0])
            flat.parents.update(inner.parents)
            gives[name] = inner.output
        else:
            flat.parents[name] = given
            gives[name] = name
    last = config["output_layers"]
    while not isinstance(last[0], str):
        last = last[0]
    flat.output = gives[last[0]]
    return flat


def _histories(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        if value.get("class_name") == "__keras_tensor__":
            yield value["config"]["keras_history"][0]
        else:
            for inner in value.values():
                yield from _histories(inner)
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from _histories(inner)


def test_the_oracle_reads_a_graph_that_is_known() -> None:
    nodes = [Node("conv", (0,)), Node("nested", (1,)), Node("conv", (2,)), Node("join", (3, 2))]
    flat = read(built(nodes).get_config())
    assert flat.output == "join_4"
    assert flat.parents == {
        "picture": [],
        "conv_1": ["picture"],
        "nested_2_conv": ["conv_1"],
        "nested_2_sum": ["conv_1", "nested_2_conv"],
        "nested_2_relu": ["nested_2_sum"],
        "conv_3": ["nested_2_relu"],
        "join_4": ["conv_3", "nested_2_relu"],
    }
    separators = {name for name in flat.parents if flat.separates(name)}
    assert separators == {"picture", "conv_1", "nested_2_sum", "nested_2_relu", "join_4"}
    assert flat.crossing("nested_2_relu") == {"nested_2_relu"}
    assert flat.crossing("conv_3") == {"conv_3", "nested_2_relu"}


@given(drawn_graphs())
def test_a_cut_is_exactly_a_layer_that_all_ways_go_through(nodes: list[Node]) -> None:
    model = built(nodes)
    flat = read(model.get_config())
    cuts = rewired(model).cuts
    assert len(set(cuts)) == len(cuts)
    assert set(cuts) == {name for name in flat.useful() if flat.separates(name)} - {"picture"}
    assert cuts[-1] == flat.output
    for earlier, later in itertools.pairwise(cuts):
        assert earlier in flat.before(later)


@given(drawn_graphs())
def test_exactly_one_tensor_crosses_at_a_cut(nodes: list[Node]) -> None:
    model = built(nodes)
    flat = read(model.get_config())
    for name in rewired(model).cuts:
        expected = set() if name == flat.output else {name}
        assert flat.crossing(name) == expected


@given(drawn_graphs())
def test_every_block_ends_in_a_cut_and_takes_in_one_tensor(nodes: list[Node]) -> None:
    model = built(nodes)
    flat = read(model.get_config())
    wired = rewired(model)
    found = blocks_by_shape(wired)
    assert [name for block in found for name in block] == [layer.name for layer in wired.layers]
    entry = {"picture"}
    for block in found:
        assert flat.separates(block[-1])
        inside = set(block)
        entering = {parent for name in block for parent in flat.parents[name]} - inside
        assert entering == entry - inside
        entry = {block[-1]}


@given(st.lists(st.sampled_from(["conv", "relu", "strided", "nested"]), min_size=1, max_size=6))
def test_a_chain_has_a_tap_for_each_stride_of_the_size_it_says(kinds: list[str]) -> None:
    wired = rewired(built([Node(kind, (index,)) for index, kind in enumerate(kinds)]))
    strides = {2 ** kinds[: end + 1].count("strided") for end in range(len(kinds))}
    assert set(wired.taps()) == strides
    for stride, tensor in wired.taps().items():
        assert tensor.shape[1] == max(1, 8 // stride)
    assert wired.taps()[max(strides)] is wired.features


def test_an_operation_that_pools_counts_as_the_layer_does() -> None:
    pixels = picture()
    x = keras.ops.max_pool(conv("conv_a")(pixels), 2)
    wired = rewired(keras.Model(pixels, conv("conv_b")(x)))
    assert wired.strides["conv_b"] == 2
