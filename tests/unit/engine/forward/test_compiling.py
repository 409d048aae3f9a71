from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from transferkit import _keras
from transferkit.engine.forward import compile_forward
from transferkit.engine.forward.by_openvino import Conversion
from transferkit.engine.forward.by_tensorflow import on_tensorflow
from transferkit.engine.forward.tracing import traced
from transferkit.engine.machine import machine
from transferkit.errors import MissingExtraError, SpecError

keras, tf = _keras.keras(), _keras.tf()
Layer: Any = keras.layers.Layer
Array = np.ndarray[Any, Any]


def plain(network: Any, *inputs: Any) -> list[Array]:
    given = list(inputs) if len(inputs) > 1 else inputs[0]
    return [np.asarray(x) for x in keras.tree.flatten(network(given, training=False))]


def off(one: Any, other: Any) -> float:
    return float(np.linalg.norm(np.asarray(one) - other) / np.linalg.norm(other))


BACKENDS = [("tensorflow", False), ("tensorflow", True), ("openvino", False)]


@pytest.mark.parametrize(("backend", "xla"), BACKENDS)
def test_a_compiled_network_says_what_the_plain_one_says(
    network: Any, pixels: Array, backend: Any, xla: bool
) -> None:
    if backend == "openvino":
        pytest.importorskip("openvino")
    run = compile_forward(network, backend=backend, xla=xla)
    for size in (9, 1, 4):
        found = run(pixels[:size])
        for one, other in zip(found, plain(network, pixels[:size]), strict=True):
            assert np.asarray(one).dtype == np.float32
            assert off(one, other) < 1e-5
    whole = run(pixels.astype(np.uint8))
    assert off(whole[1], plain(network, pixels)[1]) < 1e-5
    assert (run.backend, run.precision, run.xla, run.notes) == (backend, "float32", xla, ())


@pytest.mark.parametrize("backend", ["tensorflow", "openvino"])
def test_bfloat16_is_near_and_is_not_float32(network: Any, pixels: Array, backend: Any) -> None:
    if backend == "openvino":
        pytest.importorskip("openvino")
    if not machine().bfloat16:
        pytest.skip("this machine has no bfloat16")
    found = compile_forward(network, precision="bfloat16", backend=backend)(pixels)
    for one, other in zip(found, plain(network, pixels), strict=True):
        assert np.asarray(one).dtype == np.float32
        assert 1e-6 < off(one, other) < 1e-2


def test_depthwise_convolutions_are_lowered_for_xla_alone(pixels: Array) -> None:
    layers = [keras.layers.DepthwiseConv2D(3, padding="same"), keras.layers.BatchNormalization()]
    network = keras.Sequential([keras.Input((16, 16, 3)), *layers])
    for xla in (True, False):
        run = on_tensorflow(network, precision="float32", xla=xla)
        kinds = {each.type for each in run.traced.function.graph.get_operations()}
        assert ("DepthwiseConv2dNative" in kinds) is not xla
        assert off(run(pixels)[0], plain(network, pixels)[0]) < 1e-5
        network.layers[0].kernel.assign_add(tf.ones_like(network.layers[0].kernel))
        assert not run.unchanged(), "the weights are still the network's own"


def test_nothing_of_tensorflows_settings_changes(network: Any, pixels: Array) -> None:
    before = tf.config.optimizer.get_experimental_options()
    compile_forward(network, precision="bfloat16")(pixels)
    assert tf.config.optimizer.get_experimental_options() == before


def test_several_inputs_come_in_the_networks_order() -> None:
    one, two = keras.Input((3,), name="a"), keras.Input((2,), name="b")
    both = keras.layers.Concatenate()([one, two])
    network = keras.Model({"b": two, "a": one}, keras.layers.Dense(2)(both))
    first, second = (np.ones((4, each.shape[1]), np.float32) for each in network.inputs)
    (found,) = compile_forward(network)(first, 2 * second)
    values = dict(zip((each.shape[1] for each in network.inputs), (first, 2 * second), strict=True))
    assert off(found, np.asarray(network({"a": values[3], "b": values[2]}))) < 1e-6


def test_batches_of_any_size_are_traced_once(network: Any, pixels: Array) -> None:
    calls = []

    class Counting(Layer):
        def call(self, x: Any) -> Any:
            calls.append(1)
            return x

    counted = keras.Sequential([keras.Input((16, 16, 3)), Counting(), keras.layers.Flatten()])
    calls.clear()
    run = compile_forward(counted)
    for size in (1, 5, 9):
        run(pixels[:size])
    assert len(calls) == 1


def test_large_weights_stay_variables_and_are_seen_at_once() -> None:
    network = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3)])
    graph = traced(network, constant_bytes=20)  # the bias has 12 bytes, the kernel 48
    assert len(graph.constants) == 1
    ones = np.ones((2, 4), np.float32)
    network.layers[0].kernel.assign(np.full((4, 3), 2.0))
    assert graph.constants.unchanged()
    np.testing.assert_allclose(graph.function(tf.constant(ones))[0], np.full((2, 3), 8.0))


class Drawing(Layer):
    """Draws in inference too, with a state of its own."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.seeds = keras.random.SeedGenerator(1)

    def call(self, x: Any) -> Any:
        return x + keras.random.normal(keras.ops.shape(x), seed=self.seeds)


def test_a_network_with_a_state_keeps_its_variables(pixels: Array) -> None:
    network = keras.Sequential([keras.Input((16, 16, 3)), Drawing(), keras.layers.Conv2D(2, 3)])
    run = compile_forward(network)
    assert "keeps a state of its own" in run.notes[0]
    assert not np.array_equal(run(pixels)[0], run(pixels)[0])


def test_variables_that_wait_elsewhere_for_their_values_go_on_waiting(
    network: Any, pixels: Array
) -> None:
    given: list[Any] = []

    def value(shape: Any, dtype: Any = None) -> Any:
        given.append(shape)
        return tf.zeros(shape, dtype)

    with keras.StatelessScope(initialize_variables=False):
        variable = keras.Variable(value, shape=(2,))
    compile_forward(network)(pixels)
    assert not given
    assert variable.shape == (2,)


class Stubborn(Layer):
    """Refuses constants."""

    def build(self, shape: Any) -> None:
        self.weight = self.add_weight(shape=(1,), initializer="ones")

    def call(self, x: Any) -> Any:
        if keras.StatelessScope and isinstance(self.weight.value, tf.Tensor):
            raise RuntimeError("a variable, please")
        return x * tf.convert_to_tensor(self.weight)


def test_a_network_that_refuses_constants_runs_without(pixels: Array) -> None:
    network = keras.Sequential([keras.Input((16, 16, 3)), Stubborn()])
    run = compile_forward(network)
    assert "cannot be constants (RuntimeError)" in run.notes[0]
    np.testing.assert_array_equal(run(pixels)[0], pixels)


def test_what_openvino_cannot_run_is_an_error(pixels: Array) -> None:
    pytest.importorskip("openvino")
    network = keras.Sequential([keras.Input((16, 16, 3)), Drawing()])
    with pytest.raises(SpecError, match=r"OpenVINO cannot run .* \(the network keeps a state"):
        compile_forward(network, backend="openvino")


def test_openvino_converts_once_for_both_precisions(
    network: Any, pixels: Array, monkeypatch: pytest.MonkeyPatch
) -> None:
    openvino = pytest.importorskip("openvino")
    asked: list[Any] = []
    usual = openvino.convert_model

    def watched(given: Any) -> Any:
        asked.append(given)
        return usual(given)

    monkeypatch.setattr(openvino, "convert_model", watched)
    conversion = Conversion(network)
    for precision in ("bfloat16", "float32"):
        how: Any = {"precision": precision, "backend": "openvino", "conversion": conversion}
        run = compile_forward(network, **how)
        assert run.precision == precision
    assert len(asked) == 1
    for one, other in zip(run(pixels), plain(network, pixels), strict=True):
        assert off(one, other) < 1e-5


def test_an_operation_that_openvino_lacks_is_an_error() -> None:
    pytest.importorskip("openvino")

    class Odd(Layer):
        def call(self, x: Any) -> Any:
            return tf.linalg.svd(x, compute_uv=False)

    network = keras.Sequential([keras.Input((4, 4)), Odd()])
    with pytest.raises(SpecError, match=r"OpenVINO cannot run.*tk.Engine\(prefix=\"tensorflow\"\)"):
        compile_forward(network, backend="openvino")


def test_without_openvino_the_line_that_installs_it_is_named(
    network: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "openvino", None)
    with pytest.raises(MissingExtraError, match=r"pip install.*'transferkit\[openvino\]'"):
        compile_forward(network, backend="openvino")
