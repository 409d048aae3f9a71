"""Vectors of frozen networks, where the usual way is closed."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import transferkit as tk
from transferkit import _keras
from transferkit.augment import Pipeline
from transferkit.cache import Store
from transferkit.engine import extraction, forward, frozen, machine
from transferkit.engine.choices import PrefixChoice
from transferkit.engine.forward.check import Problem
from transferkit.engine.pictures import Pictures
from transferkit.engine.program import read
from transferkit.errors import BackboneError

keras = _keras.keras()
Layer: Any = keras.layers.Layer
PIXELS = np.random.default_rng(0).integers(0, 255, (40, 8, 8, 3), dtype=np.uint8)
F32 = tk.Engine(precision="float32", prefix="tensorflow")


class Draws(Layer):
    """Noise in inference too, by a generator that nobody can foresee."""

    def __init__(self, **more: Any) -> None:
        super().__init__(**more)
        self.seed = keras.random.SeedGenerator(0)

    def call(self, inputs: Any) -> Any:
        return inputs + keras.random.normal(_keras.keras().ops.shape(inputs), seed=self.seed)


def network(*extra: Any) -> Any:
    pixels = keras.Input((8, 8, 3))
    x = keras.layers.Conv2D(4, 3, trainable=False)(pixels)
    for layer in extra:
        x = layer(x)
    return keras.Model(pixels, keras.layers.GlobalAveragePooling2D()(x))


def extracted(model: Any) -> Any:
    (found,) = extraction.extract(model, PIXELS, kinds={"Conv2D"}, engine=F32)
    return found


def test_vectors_are_the_networks_own() -> None:
    model = network()
    found = extracted(model)
    wanted = model(PIXELS.astype(np.float32))
    np.testing.assert_allclose(found.vectors, wanted, rtol=1e-5, atol=1e-4)
    assert found.work == 6 * 6 * 27 * 4
    assert found.seconds is not None


def test_a_compiled_network_that_is_not_trusted_gives_way_to_the_plain_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    usual = forward.prepare

    def refused(*args: Any, **more: Any) -> Any:
        made = usual(*args, **more)
        return type(made)(made.run, made.notes, Problem("neighbours", "they changed"))

    monkeypatch.setattr("transferkit.engine.frozen.prepare", refused)
    model = network()
    found = extracted(model)
    np.testing.assert_allclose(found.vectors, model(PIXELS.astype(np.float32)), rtol=1e-5)
    assert found.seconds is None


def test_splits_of_which_one_is_not_trusted_are_all_run_by_the_plain_network(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usual, seen = forward.prepare, []

    def refused_once(*args: Any, **more: Any) -> Any:
        made = usual(*args, **more)
        seen.append(made)
        return type(made)(made.run, made.notes, Problem("neighbours", "they changed"))

    model, engine = network(), replace(F32, cache=tmp_path / "cache")
    extraction.extract(model, PIXELS[:25], kinds={"Conv2D"}, engine=engine)
    monkeypatch.setattr("transferkit.engine.frozen.prepare", refused_once)
    for splits in ((PIXELS[25:], PIXELS[5:15]), (PIXELS[:25], PIXELS[25:])):
        seen.clear()
        found = extraction.extract(model, *splits, kinds={"Conv2D"}, engine=engine)
        assert len(seen) == 1, "asked once for all of them"
        assert [each.seconds for each in found] == [None, None]
        for each, pixels in zip(found, splits, strict=True):
            wanted = model(pixels.astype(np.float32))
            np.testing.assert_allclose(each.vectors, wanted, rtol=1e-5, atol=1e-4)


def test_a_network_that_draws_random_numbers_is_refused() -> None:
    with pytest.raises(BackboneError, match="gives other numbers each time, though all its layers"):
        extracted(network(Draws()))


@pytest.fixture
def checks(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The rules say bfloat16, and every check, which is counted, float32 by TensorFlow."""
    seen: list[str] = []

    def in_float32(model: Any, samples: Any, **more: Any) -> forward.Prepared:
        seen.append(model.name)
        run = forward.compile_forward(model, precision="float32", xla=False, backend="tensorflow")
        return forward.Prepared(run, ("features are off by 0.1 in bfloat16",))

    said = PrefixChoice("bfloat16", "tensorflow", False)
    monkeypatch.setattr(frozen, "prepare", in_float32)
    monkeypatch.setattr(extraction, "choose_prefix", lambda *_: said)
    return seen


def test_a_choice_that_gave_way_is_not_checked_again(tmp_path: Path, checks: list[str]) -> None:
    model, engine = network(), replace(F32, cache=tmp_path / "cache")

    def vectors(pixels: Any = PIXELS) -> Any:
        (found,) = extraction.extract(model, pixels, kinds={"Conv2D"}, engine=engine)
        return np.asarray(found.vectors)

    first = vectors()
    assert len(checks) == 1
    np.testing.assert_array_equal(vectors(), first)
    assert len(checks) == 1, "it is remembered, and the features lie under it"
    assert sum("check" in each.about for each in tk.cache.info(tmp_path / "cache").entries) == 1
    vectors(PIXELS[::-1])
    assert len(checks) == 2, "other pictures may say otherwise"
    model.layers[1].kernel.assign(model.layers[1].kernel * 2)
    assert np.abs(vectors() - first).max() > 1e-3
    assert len(checks) == 3, "and so may other weights"


def test_several_splits_are_checked_once_and_run_alike(tmp_path: Path, checks: list[str]) -> None:
    model, engine = network(), replace(F32, cache=tmp_path / "cache")
    first, second = extraction.extract(
        model, PIXELS[:25], PIXELS[25:], kinds={"Conv2D"}, engine=engine
    )
    assert len(checks) == 1
    wanted = np.asarray(model(PIXELS.astype(np.float32)))
    found = np.concatenate([first.vectors, second.vectors])
    np.testing.assert_allclose(found, wanted, rtol=1e-5, atol=1e-4)
    again = extraction.extract(model, PIXELS[:25], PIXELS[25:], kinds={"Conv2D"}, engine=engine)
    assert len(checks) == 1
    for before, now in zip((first, second), again, strict=True):
        np.testing.assert_array_equal(now.vectors, before.vectors)


def test_splits_are_run_alike_where_a_later_one_says_otherwise(
    tmp_path: Path, checks: list[str]
) -> None:
    """The first was kept by a run under the rules' choice, and only the second is checked."""
    model, engine = network(), replace(F32, cache=tmp_path / "cache")
    program = read(model)
    said = PrefixChoice("bfloat16", "tensorflow", False)
    how: Any = (F32, machine.machine(), 25)
    earlier = frozen.Frozen(program, said, Store(tmp_path / "cache"), *how)
    cut = extraction._whole(program)
    assert cut is not None
    earlier._passed.append(cut)
    pictures = Pictures(PIXELS[:25], np.zeros((25, 1), np.float32), Pipeline(()))
    assert earlier.supply(cut, pictures, None, cached=True).choice == said

    found = extraction.extract(model, PIXELS[:25], PIXELS[25:], kinds={"Conv2D"}, engine=engine)
    assert len(checks) == 1
    vectors = np.concatenate([each.vectors for each in found])
    wanted = np.asarray(model(PIXELS.astype(np.float32)))
    np.testing.assert_allclose(vectors, wanted, rtol=1e-5, atol=1e-4)


def test_another_machine_checks_for_itself(
    tmp_path: Path, checks: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    model, engine = network(), replace(F32, cache=tmp_path / "cache")
    for name in ("here", "there", "here"):
        it = replace(machine.machine(), name=name)
        monkeypatch.setattr(extraction, "machine", lambda it=it: it)
        extraction.extract(model, PIXELS, kinds={"Conv2D"}, engine=engine)
    assert len(checks) == 2


@pytest.mark.parametrize("other", [{"xla": False}, {"prefix": "auto"}, {"precision": "auto"}])
def test_another_engine_checks_for_itself(
    tmp_path: Path, checks: list[str], other: dict[str, Any]
) -> None:
    """What is tried where the rules' choice fails is what that engine allows."""
    model = network()
    for engine in (F32, replace(F32, **other), F32):
        kept = replace(engine, cache=tmp_path / "cache")
        extraction.extract(model, PIXELS, kinds={"Conv2D"}, engine=kept)
    assert len(checks) == 2


def supplied(folder: Path, compiled: Any = None) -> tuple[Any, frozen.Frozen]:
    """Features as a new run finds them, and its frozen layers, which something was made of."""
    program = read(network())
    cut = extraction._whole(program)
    assert cut is not None
    pictures = Pictures(PIXELS, np.zeros((40, 1), np.float32), Pipeline(()))
    said = PrefixChoice("bfloat16", "tensorflow", False)
    how: Any = (F32, machine.machine(), len(pictures))
    layers = frozen.Frozen(program, said, Store(folder), *how)
    layers._made[(0,), cut.tensors] = compiled
    return layers.supply(cut, pictures, None, cached=True), layers


def test_what_was_compiled_before_a_choice_gave_way_is_not_used(
    tmp_path: Path, checks: list[str]
) -> None:
    stale: Any = object()
    for _ in range(2):
        keras.utils.set_random_seed(0)
        supply, layers = supplied(tmp_path / "cache", stale)
        assert supply.choice.precision == "float32"
        assert stale not in list(layers._made.values())
    assert len(checks) == 1


def test_what_was_noted_is_told_again_without_a_check(tmp_path: Path, checks: list[str]) -> None:
    notes: list[tuple[str, ...]] = []
    for _ in range(2):
        keras.utils.set_random_seed(0)
        supply, _ = supplied(tmp_path / "cache")
        notes.append(supply.notes)
        assert supply.choice == PrefixChoice("float32", "tensorflow", False)
    assert notes[0] == notes[1] == ("features are off by 0.1 in bfloat16",)
    assert len(checks) == 1
