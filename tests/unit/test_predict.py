from __future__ import annotations

import pickle
import threading
from typing import Any

import numpy as np
import pytest

import transferkit as tk
from transferkit import _keras
from transferkit.errors import MissingExtraError
from transferkit.predict import WORTHWHILE, Forward, outputs

keras = _keras.keras()
Array = np.ndarray[Any, Any]
COMPILED = tk.Engine()


@pytest.fixture
def network() -> Any:
    keras.utils.set_random_seed(0)
    layers = keras.layers
    return keras.Sequential(
        [
            layers.Input((12, 12, 3)),
            layers.Conv2D(4, 3),
            layers.BatchNormalization(),
            layers.GlobalAveragePooling2D(),
            layers.Dense(3, activation="softmax"),
        ]
    )


@pytest.fixture
def pixels() -> Array:
    return np.random.default_rng(0).integers(0, 256, (70, 12, 12, 3), dtype=np.uint8)


def test_few_and_many_pictures_agree(network: Any, pixels: Array) -> None:
    run = Forward(network)
    plain = outputs(run.ready(WORTHWHILE - 1), pixels, batch_size=32)
    compiled = outputs(run.ready(WORTHWHILE), pixels, batch_size=32)
    assert plain.shape == (70, 3)
    np.testing.assert_allclose(compiled, plain, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(plain, network.predict(pixels, verbose=0), rtol=1e-5, atol=1e-6)


def test_what_runs_a_call_depends_on_its_pictures_only(network: Any) -> None:
    run = Forward(network)
    first = run.ready(WORTHWHILE - 1)
    run.ready(WORTHWHILE)
    assert run.ready(WORTHWHILE - 1) is first
    assert len(run._compiled) == 1


@pytest.mark.parametrize("count", [1, WORTHWHILE])
def test_weights_that_are_set_later_are_noticed(network: Any, pixels: Array, count: int) -> None:
    run = Forward(network)
    before = outputs(run.ready(count), pixels, batch_size=70)
    kernel = network.layers[-1].kernel
    kernel.assign(np.asarray(kernel)[::-1])
    after = outputs(run.ready(count), pixels, batch_size=70)
    assert not np.allclose(after, before, rtol=1e-4)
    np.testing.assert_allclose(after, network.predict(pixels, verbose=0), rtol=1e-5, atol=1e-6)


def test_unchanged_weights_are_compiled_once(network: Any) -> None:
    run = Forward(network)
    run.ready(WORTHWHILE)
    (compiled,) = run._compiled.values()
    network.set_weights(network.get_weights())
    run.ready(WORTHWHILE)
    assert list(run._compiled.values()) == [compiled]


def test_the_next_batch_is_read_while_one_is_computed() -> None:
    reads: list[int] = []
    second = threading.Event()

    class Pictures:
        def __len__(self) -> int:
            return 6

        def __getitem__(self, places: Any) -> Array:
            reads.append(len(places))
            if len(reads) == 2:
                second.set()
            return np.full((len(places), 1), places[0], np.float32)

    def run(batch: Any) -> Any:
        assert second.wait(20), "the second batch was not read before the first was computed"
        return batch

    found = outputs(run, Pictures(), batch_size=4)
    np.testing.assert_array_equal(found[:, 0], [0, 0, 0, 0, 4, 4])
    assert reads == [4, 2]


def test_an_error_while_reading_comes_out() -> None:
    class Broken:
        def __len__(self) -> int:
            return 4

        def __getitem__(self, places: Any) -> Array:
            raise OSError("the disk is gone")

    with pytest.raises(OSError, match="the disk is gone"):
        outputs(lambda batch: batch, Broken(), batch_size=2)


@pytest.mark.parametrize(
    "engine", [tk.Engine(precision="bfloat16"), tk.Engine(xla=True), tk.Engine(prefix="openvino")]
)
def test_an_engine_compiles_for_any_number(network: Any, pixels: Array, engine: tk.Engine) -> None:
    if engine.prefix == "openvino":
        pytest.importorskip("openvino")
    run = Forward(network)
    found = outputs(run.ready(1, engine), pixels[:1], batch_size=32)
    assert len(run._compiled) == 1
    tolerance = 2e-2 if engine.precision == "bfloat16" else 1e-4
    np.testing.assert_allclose(found, network.predict(pixels[:1], verbose=0), atol=tolerance)


def test_openvino_that_is_not_installed_is_named(
    network: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "openvino", None)
    with pytest.raises(MissingExtraError, match=r"transferkit\[openvino\]"):
        Forward(network).ready(1, tk.Engine(prefix="openvino"))


def test_a_trained_model_predicts_compiled_and_is_pickled() -> None:
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (70, 32, 32, 3), dtype=np.uint8)
    photos = tk.data.from_arrays(images, np.arange(70) % 2, class_names=("ants", "bees"))
    backbone = keras.Sequential([keras.Input((32, 32, 3)), keras.layers.Conv2D(4, 3)])
    model = tk.TransferModel(tk.backbones.from_keras(backbone, preprocessing="unit"))
    trained = model.fit(photos, tk.Phase(1, batch_size=70), verbose=0)
    few = trained.predict(images[:2])
    many = trained.predict(images)
    asked = trained.predict(images[:2], engine=COMPILED)
    assert len(vars(trained._predictor)["_whole"]._compiled) == 1
    half = trained.evaluate(photos.train, engine=tk.Engine(precision="bfloat16"))
    assert half.loss == pytest.approx(trained.evaluate(photos.train).loss, rel=2e-2)
    for one, other, third in zip(few, many, asked, strict=False):
        assert one.confidence == pytest.approx(other.confidence, rel=1e-4)
        assert one.confidence == pytest.approx(third.confidence, rel=1e-4)
    again = pickle.loads(pickle.dumps(trained))
    assert again.predict(images[:2]) == few
    assert trained.predict([]) == []
    with pytest.raises(tk.errors.SpecError, match="is no engine"):
        trained.predict(images, engine="fast")  # type: ignore[arg-type]
