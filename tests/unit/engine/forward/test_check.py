from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

from transferkit import _keras
from transferkit.engine.forward import check, compile_forward, prepare
from transferkit.engine.machine import Machine, machine
from transferkit.errors import SpecError
from transferkit.running import Engine

keras = _keras.keras()
Layer: Any = keras.layers.Layer
Array = np.ndarray[Any, Any]
NO_BFLOAT16 = Machine("cpu", False, "Old, 2 cores", 2)


@dataclass
class Bent:
    """A compiled network whose first output is not what it should be."""

    inner: Any
    bend: Callable[[Array], Array]
    precision: str = "bfloat16"
    backend: str = "tensorflow"

    def __call__(self, *inputs: Any) -> list[Array]:
        first, *others = (np.array(each) for each in self.inner(*inputs))
        return [self.bend(first), *others]


def with_nan(x: Array) -> Array:
    x[0, 0] = np.nan
    return x


@pytest.mark.parametrize(
    ("bend", "kind", "words"),
    [
        (lambda x: x * 1.05, "error", "bfloat16 by tensorflow is not used: features are off by 5"),
        (with_nan, "not finite", "gives numbers that are not finite"),
    ],
)
def test_what_is_off_is_named(
    network: Any, pixels: Array, bend: Callable[[Array], Array], kind: str, words: str
) -> None:
    bent = Bent(compile_forward(network), bend)
    problem = check(network, bent, [pixels])  # type: ignore[arg-type]
    assert problem is not None
    assert problem.kind == kind
    assert words in problem.words


def test_small_errors_pass_in_bfloat16_and_not_in_float32(network: Any, pixels: Array) -> None:
    run = compile_forward(network)
    assert check(network, run, [pixels]) is None
    assert check(network, Bent(run, lambda x: x * 1.005), [pixels]) is None  # type: ignore[arg-type]
    strict = Bent(run, lambda x: x * 1.005, precision="float32")
    problem = check(network, strict, [pixels])  # type: ignore[arg-type]
    assert problem is not None
    assert problem.kind == "error"


def test_another_nearest_neighbour_is_a_problem() -> None:
    network = keras.Sequential([keras.Input((2,)), keras.layers.Identity()])
    points = np.array([[1000, 0], [1001, 0], [1003, 0]], np.float32)
    nudged = np.array([[1000, 0], [1001.8, 0], [1003, 0]], np.float32)
    bent = Bent(lambda x: [nudged], lambda x: x)
    problem = check(network, bent, [points])  # type: ignore[arg-type]
    assert problem is not None
    assert problem.kind == "neighbours"
    assert "1 of 3 pictures have another nearest neighbour" in problem.words


def test_nan_of_the_plain_network_may_stay(network: Any, pixels: Array) -> None:
    holed = pixels.copy()
    holed[0] = np.nan
    assert check(network, compile_forward(network), [holed]) is None


def drawing() -> Any:
    class Noise(Layer):
        def __init__(self) -> None:
            super().__init__()
            self.seeds = keras.random.SeedGenerator(1)

        def call(self, x: Any) -> Any:
            return x + keras.random.normal(keras.ops.shape(x), seed=self.seeds)

    return keras.Sequential([keras.Input((16, 16, 3)), Noise()])


def test_randomness_is_a_problem_of_its_own(pixels: Array) -> None:
    found = prepare(drawing(), [pixels], engine=Engine(), machine=NO_BFLOAT16, images=20)
    assert found.problem is not None
    assert found.problem.kind == "random"
    assert "draw random numbers" in found.problem.words


def test_a_network_is_prepared_by_the_rules(network: Any, pixels: Array) -> None:
    found = prepare(network, [pixels], engine=Engine(), machine=NO_BFLOAT16, images=20)
    assert (found.run.precision, found.run.backend) == ("float32", "tensorflow")
    assert (found.notes, found.problem) == ((), None)


def test_bfloat16_without_the_means_works_and_says_so(network: Any, pixels: Array) -> None:
    engine = Engine(precision="bfloat16", prefix="tensorflow")
    found = prepare(network, [pixels], engine=engine, machine=NO_BFLOAT16, images=20)
    assert found.run.precision == "bfloat16"
    assert "slower than float32 here, as Old, 2 cores has no bfloat16" in found.notes[0]


def test_what_does_not_pass_in_bfloat16_is_float32() -> None:
    if not machine().bfloat16:
        pytest.skip("this machine has no bfloat16")
    keras.utils.set_random_seed(0)
    one = keras.Input((64,))
    wide = keras.layers.Dense(64, use_bias=False)(one)
    # The difference of two nearly equal products leaves nothing but bfloat16's rounding.
    twin = keras.layers.Dense(64, use_bias=False)(one)
    network = keras.Model(one, keras.layers.Subtract()([wide, twin]))
    network.layers[2].kernel.assign(network.layers[1].kernel * 1.0001)
    points = np.random.default_rng(0).normal(size=(20, 64)).astype(np.float32)
    able = Machine("cpu", True, "New, 2 cores", 2)
    found = prepare(network, [points], engine=Engine(), machine=able, images=20)
    assert found.run.precision == "float32"
    assert "bfloat16 by tensorflow is not used" in found.notes[0]
    assert found.problem is None


def test_auto_takes_tensorflow_where_openvino_cannot(pixels: Array) -> None:
    pytest.importorskip("openvino")

    class Odd(Layer):
        def call(self, x: Any) -> Any:
            return _keras.tf().linalg.svd(x, compute_uv=False)

    network = keras.Sequential([keras.Input((16, 16, 3)), keras.layers.BatchNormalization(), Odd()])
    has = Machine("cpu", False, "Old, 2 cores", 2, openvino="2026.1")
    found = prepare(network, [pixels], engine=Engine(), machine=has, images=20)
    assert found.run.backend == "tensorflow"
    assert "TensorFlow runs the frozen layers: Engine: OpenVINO cannot run" in found.notes[0]
    with pytest.raises(SpecError, match="OpenVINO cannot run"):
        prepare(network, [pixels], engine=Engine(prefix="openvino"), machine=has, images=20)
