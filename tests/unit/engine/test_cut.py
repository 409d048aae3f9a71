"""Where a network is cut: what may lie before it, what crosses it, and what it saves."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import transferkit as tk
from transferkit import _keras, build
from transferkit.engine.cut import Cut, candidates, choose
from transferkit.engine.program import Program, read
from transferkit.engine.repeatable import repeatable_calls
from transferkit.engine.sections import section
from transferkit.spec import ModelSpec, Target

keras = _keras.keras()
Layer: Any = keras.layers.Layer
CLASSES = Target("classes", ("ants", "bees"))
SHAPE = (16, 16, 3)


def network(body: Callable[[Any], Any], policy: Any) -> tuple[Any, Program]:
    """A network with a head, frozen, and its program up to the logits."""
    pixels = keras.Input(SHAPE)
    bare = keras.Model(pixels, body(pixels), name="bare")
    backbone = tk.backbones.from_keras(bare, preprocessing="unit")
    spec = ModelSpec(backbone, "pretrained")
    made = build.assemble(spec, CLASSES, input_shape=SHAPE, seed=0)
    build.freeze(made.network, made.table, tk.freeze.Freeze(policy))
    kernel = made.network.get_layer("head_logits").kernel
    kernel.assign(np.random.default_rng(0).normal(size=kernel.shape))
    return made.network, read(build.logits_of(made.network))


def chain(x: Any) -> Any:
    layers = keras.layers
    x = layers.Conv2D(8, 7, padding="same", name="one")(x)
    x = layers.ReLU(name="one_relu")(x)
    x = layers.MaxPooling2D(name="one_pool")(x)
    x = layers.Conv2D(8, 3, padding="same", name="two")(x)
    x = layers.Dropout(0.5, name="two_drop")(x)
    return layers.Conv2D(16, 3, padding="same", name="three")(x)


def branches(x: Any) -> Any:
    layers = keras.layers
    x = layers.Conv2D(8, 3, 2, padding="same", name="stem")(x)
    left = layers.Conv2D(8, 3, padding="same", name="left")(x)
    right = layers.Conv2D(4, 3, padding="same", name="right")(x)
    return layers.Conv2D(8, 1, name="join")(layers.Concatenate(name="both")([left, right]))


def pixels(count: int = 3) -> np.ndarray[Any, Any]:
    return np.random.default_rng(1).uniform(0, 255, (count, *SHAPE)).astype(np.float32)


def test_the_work_is_counted_in_multiply_adds() -> None:
    _, program = network(chain, tk.select.all())
    work = {call.operation.name: call.work for call in program.calls}
    assert work["one"] == 16 * 16 * 7 * 7 * 3 * 8
    assert work["two"] == 8 * 8 * 3 * 3 * 8 * 8
    assert work["one_relu"] == work["one_pool"] == 0
    assert work["head_logits"] == 16 * 2
    assert program.work == sum(work.values())


def test_a_depthwise_and_a_grouped_convolution_are_counted_exactly() -> None:
    def body(x: Any) -> Any:
        x = keras.layers.Conv2D(6, 1, name="widen")(x)
        x = keras.layers.DepthwiseConv2D(5, 2, padding="same", name="depthwise")(x)
        return keras.layers.Conv2D(12, 3, groups=3, padding="same", name="grouped")(x)

    _, program = network(body, tk.select.all())
    work = {call.operation.name: call.work for call in program.calls}
    assert work["depthwise"] == 8 * 8 * 5 * 5 * 6
    assert work["grouped"] == 8 * 8 * 3 * 3 * (6 // 3) * 12


@pytest.mark.parametrize(
    ("policy", "expected"),
    [
        (tk.select.all(), ("head_average",)),
        (~tk.select.where("three"), ("two_drop",)),
        (tk.select.where("one*"), ("one_pool",)),
        (~tk.select.where("two_drop"), ("two",)),  # it draws, so that all behind it does
        (~tk.select.all(), None),
    ],
)
def test_everything_before_the_cut_is_frozen_and_draws_nothing(policy: Any, expected: Any) -> None:
    _, program = network(chain, policy)
    highest = list(candidates(program))[-1]
    if expected is None:
        assert highest.work == 0  # the pixels are scaled, no more
        assert choose(program) is None
    else:
        assert highest.names == expected


def test_several_tensors_may_cross_it() -> None:
    """Behind the stem and one branch, beside the other one, which trains."""
    net, program = network(branches, tk.select.where("stem") | tk.select.where("left"))
    cut = list(candidates(program))[-1]
    assert sorted(cut.names) == ["left", "stem"]
    prefix = section(program, (0,), cut.tensors)
    tail = section(program, cut.tensors, (program.end,))
    np.testing.assert_array_equal(
        tail(prefix(pixels())), build.logits_of(net)([pixels()], training=False)
    )
    assert cut.elements == 2 * 8 * 8 * 8


def test_a_shared_layer_may_stand_on_both_sides() -> None:
    shared = keras.layers.Conv2D(3, 3, padding="same", name="shared")

    def body(x: Any) -> Any:
        x = keras.layers.Conv2D(3, 1, name="between")(shared(x))
        return shared(x)

    net, program = network(body, tk.select.where("shared"))
    cut = list(candidates(program))[-1]
    assert cut.names == ("shared",)
    assert len([call for call in program.calls if call.operation.name == "shared"]) == 2
    tail = section(program, cut.tensors, (program.end,))
    prefix = section(program, (0,), cut.tensors)
    np.testing.assert_array_equal(
        tail(prefix(pixels())), build.logits_of(net)([pixels()], training=False)
    )


def test_a_skip_from_the_pixels_leaves_no_cut() -> None:
    def body(x: Any) -> Any:
        y = keras.layers.Conv2D(3, 3, padding="same", name="own")(x)
        return keras.layers.Conv2D(4, 1, name="last")(keras.layers.Add()([x, y]))

    _, program = network(body, tk.select.where("own"))
    assert all(0 not in cut.tensors for cut in candidates(program))


class Noise(Layer):
    """Draws whether it is asked to or not, in a way that Keras knows nothing of."""

    def call(self, x: Any) -> Any:
        return x + _keras.tf().random.normal((1,))


class Seeded(Layer):
    """Draws whether it is asked to or not, by Keras' own means."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.generator = keras.random.SeedGenerator(0)

    def call(self, x: Any) -> Any:
        return x + keras.random.normal((1,), seed=self.generator)


class Counting(Layer):
    """Keeps something of what it saw."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.seen = self.add_weight(shape=(), trainable=False)

    def call(self, x: Any) -> Any:
        self.seen.assign_add(1.0)
        return x * 2


class Doubling(Layer):
    """Somebody's own, and harmless."""

    def call(self, x: Any) -> Any:
        return x * 2


@pytest.mark.parametrize(
    ("layer", "repeatable"), [(Noise, False), (Seeded, False), (Counting, False), (Doubling, True)]
)
def test_a_layer_of_ones_own_that_draws_or_keeps_count_lies_behind_the_cut(
    layer: Any, repeatable: bool
) -> None:
    def body(x: Any) -> Any:
        x = keras.layers.Conv2D(3, 3, name="first")(x)
        return keras.layers.Conv2D(3, 3, name="second")(layer(name="own")(x))

    _, program = network(body, tk.select.all())
    names = {
        call.operation.name
        for call, fine in zip(program.calls, repeatable_calls(program), strict=True)
        if fine
    }
    assert "first" in names
    assert ("own" in names) == ("second" in names) == repeatable


def test_a_section_leaves_no_trace_on_the_layers() -> None:
    net, program = network(branches, tk.select.all())
    layers = net.layers
    before = [(len(each._inbound_nodes), len(each._outbound_nodes)) for each in layers]
    cut = list(candidates(program))[3]
    tail = section(program, cut.tensors, (program.end,))
    after = [(len(each._inbound_nodes), len(each._outbound_nodes)) for each in layers]
    assert before == after
    assert {id(v) for v in tail.variables} <= {id(v) for v in net.variables}


def chosen(program: Program, **more: Any) -> Cut:
    cut = choose(program, **more)
    assert cut is not None
    return cut


def test_the_cut_weighs_bytes_against_work() -> None:
    """A pooled tensor is smaller than the map before it, and as much work lies before it."""
    _, program = network(chain, tk.select.where("one*"))
    assert chosen(program, device="cpu").names == ("one_pool",)
    _, program = network(chain, tk.select.all())
    assert chosen(program).names == ("head_average",)


def test_a_cut_that_would_not_fit_gives_way_to_a_smaller_one() -> None:
    _, program = network(chain, ~tk.select.where("three"))
    free = chosen(program)
    assert free.names == ("two_drop",)
    assert choose(program, room=free.elements * 4 - 1) is None or (
        chosen(program, room=free.elements * 4 - 1).elements < free.elements
    )
    assert choose(program, room=3) is None


def test_what_is_cheaper_to_compute_than_to_read_is_not_cut_off() -> None:
    def body(x: Any) -> Any:
        x = keras.layers.Conv2D(64, 1, name="cheap")(x)  # 3 numbers a place become 64
        return keras.layers.Conv2D(4, 3, name="costly")(x)

    _, program = network(body, tk.select.where("cheap"))
    assert list(candidates(program))[-1].names == ("cheap",)
    assert choose(program, device="gpu") is None


def test_a_cut_knows_whether_it_lies_within_another() -> None:
    _, program = network(chain, tk.select.all())
    low, *_, high = candidates(program)
    assert low.lies_within(high)
    assert not high.lies_within(low)
    assert high.share == pytest.approx(1, abs=0.01)
    assert low.share < high.share
