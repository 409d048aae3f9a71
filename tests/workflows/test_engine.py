"""Whole trainings with and without the cache: the same numbers, and what happens if it fails."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import transferkit as tk
from transferkit import TransferModel, _keras
from transferkit.engine.forward import by_tensorflow, tracing
from transferkit.spec import BackboneNetwork

keras = _keras.keras()
Layer: Any = keras.layers.Layer
Callback: Any = keras.callbacks.Callback
COUNT, SIDE = 26, 16
PIXELS = np.random.default_rng(0).integers(0, 256, (COUNT, SIDE, SIDE, 3), dtype=np.uint8)
LABELS = np.arange(COUNT) % 2
F32 = tk.Engine(precision="float32", xla=False)


def tiny(*extra: Any) -> BackboneNetwork:
    keras.utils.set_random_seed(3)
    pixels = keras.Input((SIDE, SIDE, 3))
    x = keras.layers.Conv2D(16, 9, 2, padding="same", name="one")(pixels)
    x = keras.layers.BatchNormalization(name="one_norm")(x)
    x = keras.layers.ReLU(name="one_relu")(x)
    for layer in extra:
        x = layer(x)
    x = keras.layers.Conv2D(16, 5, 2, padding="same", name="two")(x)
    x = keras.layers.Dropout(0.3, name="two_drop")(x)
    x = keras.layers.Conv2D(16, 3, padding="same", activation="relu", name="three")(x)
    return tk.backbones.from_keras(keras.Model(pixels, x), preprocessing="unit")


def photos() -> tk.data.Data:
    return tk.data.from_arrays(PIXELS, LABELS, val=0.25, seed=0)


def plan(views: Any = "fresh") -> tk.Plan:
    more = {"views": views, "batch_size": 8}
    return tk.plans.feature_extraction(3, learning_rate=1e-2, **more).then(
        tk.plans.fine_tune(3, unfreeze=tk.select.where("three"), learning_rate=1e-3, **more)
    )


def fit(engine: tk.Engine, views: Any = "fresh", *augment: Any, **more: Any) -> tk.TrainedModel:
    head = tk.heads.classification(dropout=0.2)
    model = TransferModel(tiny()).head(head).freeze(tk.freeze.backbone()).augment(*augment)
    return model.fit(photos(), plan(views), engine=engine, verbose=0, **more)


def engine(folder: Path, **more: Any) -> tk.Engine:
    own = {"precision": "float32", "prefix": "tensorflow", "xla": False, "cache": folder}
    return tk.Engine(**{**own, **more})


def losses(trained: tk.TrainedModel) -> list[float]:
    return [
        each
        for record in trained.history
        for name, each in record.metrics.items()
        if "loss" in name
    ]


def assert_alike(mine: tk.TrainedModel, theirs: tk.TrainedModel, tolerance: float = 1e-5) -> None:
    np.testing.assert_allclose(losses(mine), losses(theirs), rtol=tolerance)
    pairs = zip(mine.network.get_weights(), theirs.network.get_weights(), strict=True)
    for one, other in pairs:
        assert np.linalg.norm(one - other) <= tolerance * np.linalg.norm(other) + 1e-9


@pytest.fixture(scope="module")
def plain() -> tk.TrainedModel:
    """Without a cache."""
    return fit(engine(Path(), cache=False))


def extracted(trained: tk.TrainedModel) -> list[int | None]:
    return [phase.extracted for phase in trained.engine_report]


def test_the_cache_changes_no_number_and_one_pass_serves_all_phases_and_runs(
    plain: tk.TrainedModel, tmp_path: Path
) -> None:
    first = fit(engine(tmp_path))
    assert_alike(first, plain)
    assert [phase.cut for phase in first.engine_report] == [("head_average",), ("two_drop",)]
    assert [phase.cached for phase in first.engine_report] == [True, True]
    assert extracted(first) == [COUNT, 0]
    again = fit(engine(tmp_path))
    assert extracted(again) == [0, 0]
    assert_alike(again, first, 1e-7)
    assert [phase.cached for phase in plain.engine_report] == [False, False]


def test_xla_trains_as_the_plain_step_does() -> None:
    model = TransferModel(tiny()).freeze(tk.freeze.backbone())  # dropout draws otherwise in XLA
    plain, fast = (
        model.fit(photos(), plan(), engine=engine(Path(), cache=False, xla=xla), verbose=0)
        for xla in (False, True)
    )
    assert [bool(phase.xla) for phase in fast.engine_report] == [True, True]
    assert [bool(phase.xla) for phase in plain.engine_report] == [False, False]
    assert_alike(fast, plain, 1e-4)


def test_fixed_views_and_mixed_labels_are_cached_exactly(tmp_path: Path) -> None:
    augment = (tk.augment.rotate(30), tk.augment.mixup(0.4))
    cached = fit(engine(tmp_path), 2, *augment)
    direct = fit(engine(Path(), cache=False), 2, *augment)
    assert_alike(cached, direct)
    train = COUNT - COUNT // 4
    assert extracted(cached) == [2 * train + COUNT // 4, 0]


def test_a_phase_that_trains_more_reads_what_the_first_one_kept(tmp_path: Path) -> None:
    store = engine(tmp_path)
    model = TransferModel(tiny()).freeze(tk.freeze.backbone())
    low = tk.plans.fine_tune(1, unfreeze=tk.select.where("three"))
    model.fit(photos(), low, engine=store, verbose=0)
    high = model.fit(photos(), tk.plans.feature_extraction(1), engine=store, verbose=0)
    assert extracted(high) == [0], "computed from the lower cut"


def test_a_change_of_weights_pictures_or_size_is_never_answered_from_the_cache(
    tmp_path: Path,
) -> None:
    store = engine(tmp_path)
    model = TransferModel(tiny()).freeze(tk.freeze.backbone())
    phase = tk.plans.feature_extraction(1)
    assert extracted(model.fit(photos(), phase, engine=store, verbose=0)) == [COUNT]
    other = tk.data.from_arrays(255 - PIXELS, LABELS, val=0.25, seed=0)
    assert extracted(model.fit(other, phase, engine=store, verbose=0)) == [COUNT]
    tuning = tk.plans.fine_tune(3, freeze=tk.freeze.nothing(), learning_rate=1e-3)
    trained = model.fit(photos(), tuning, engine=store, verbose=0)
    again = trained.fit(photos(), tk.Phase(1, freeze=tk.freeze.backbone()), engine=store, verbose=0)
    assert extracted(again) == [None, COUNT]


def noted(trained: tk.TrainedModel) -> str:
    return " ".join(note for phase in trained.engine_report for note in phase.notes)


def test_a_folder_that_cannot_be_written_costs_time_and_no_result(
    plain: tk.TrainedModel, tmp_path: Path
) -> None:
    in_the_way = tmp_path / "cache"
    in_the_way.write_text("a file")
    trained = fit(engine(in_the_way))
    assert_alike(trained, plain)
    assert [phase.cached for phase in trained.engine_report] == [False, False]
    assert "not kept, but computed in every epoch: cache: " in noted(trained)
    assert in_the_way.read_text() == "a file"


def test_a_limit_that_is_too_small_costs_time_and_no_result(
    plain: tk.TrainedModel, tmp_path: Path
) -> None:
    trained = fit(engine(tmp_path, cache_limit=100))
    assert_alike(trained, plain)
    assert [phase.cached for phase in trained.engine_report] == [False, False]
    assert "the cache has room for 100 B" in repr(trained.engine_report)


def test_a_damaged_entry_is_told_of_and_made_again(plain: tk.TrainedModel, tmp_path: Path) -> None:
    fit(engine(tmp_path))
    for array in tmp_path.glob("*/*.bin"):
        damaged = bytearray(array.read_bytes())
        damaged[len(damaged) // 2] ^= 1
        array.write_bytes(damaged)
    with pytest.warns(UserWarning, match="was removed"):
        trained = fit(engine(tmp_path))
    assert extracted(trained)[0] == COUNT
    assert_alike(trained, plain)


class Noise(Layer):
    """Draws in training and in inference."""

    def call(self, x: Any) -> Any:
        return x + _keras.tf().random.normal((1,))


def test_randomness_before_the_boundary_stays_behind_the_cut(tmp_path: Path) -> None:
    model = TransferModel(tiny(Noise(name="noise"))).freeze(tk.freeze.backbone())
    trained = model.fit(photos(), plan(), engine=engine(tmp_path), verbose=0)
    assert [phase.cut for phase in trained.engine_report] == [("one_relu",)] * 2


def test_what_is_explained_is_what_is_done(tmp_path: Path) -> None:
    model = TransferModel(tiny()).freeze(tk.freeze.backbone())
    told = model.explain_engine(photos(), plan(), engine=engine(tmp_path))
    assert not list(tmp_path.iterdir())
    done = model.fit(photos(), plan(), engine=engine(tmp_path), verbose=0).engine_report
    for before, after in zip(told, done, strict=True):
        assert (before.cut, before.cached, before.bytes_per_image, before.saved) == (
            after.cut,
            after.cached,
            after.bytes_per_image,
            after.saved,
        )
        assert before.extracted is None
    low, high = (phase.bytes_per_image for phase in reversed(told.phases))
    assert (high, low) == (16 * 4, 4 * 4 * 16 * 4)


def test_a_network_that_cannot_be_cut_trains_from_the_pixels(tmp_path: Path) -> None:
    model = TransferModel(tiny()).freeze(tk.freeze.nothing())
    trained = model.fit(photos(), tk.Phase(1), engine=engine(tmp_path), verbose=0)
    (phase,) = trained.engine_report
    assert (phase.cut, phase.cached) == ((), False)
    assert phase.why == "no layer at the beginning is frozen"
    assert not list(tmp_path.iterdir())


class BrokenOffError(Exception):
    pass


class StopAt(Callback):
    """Breaks off at the beginning of an epoch."""

    def __init__(self, epoch: int) -> None:
        super().__init__()
        self.epoch = epoch

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        if epoch == self.epoch:
            raise BrokenOffError


def test_a_run_that_goes_on_computes_features_of_the_weights_that_were_restored(
    tmp_path: Path,
) -> None:
    """The first phase trains what the second one freezes, and the run breaks in the second."""
    model = TransferModel(tiny()).freeze(tk.freeze.nothing())
    both = tk.Plan(
        (
            tk.Phase(2, learning_rate=1e-2, batch_size=8),
            tk.Phase(3, freeze=tk.freeze.backbone(), learning_rate=1e-2, batch_size=8),
        )
    )
    run: Any = {"engine": engine(tmp_path / "cache"), "verbose": 0, "seed": 1}
    whole = model.fit(photos(), both, **run)
    backup = keras.callbacks.BackupAndRestore(str(tmp_path / "backup"))
    with pytest.raises(BrokenOffError):
        model.fit(photos(), both, callbacks=[backup, StopAt(3)], **run)
    resumed = model.fit(photos(), both, callbacks=[backup], **run)
    assert [record.epoch for record in resumed.history] == [3, 4]
    for one, other in zip(resumed.network.get_weights(), whole.network.get_weights(), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-6)


def test_fresh_pixels_go_through_frozen_layers_that_are_compiled_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = []
    plain = tracing.traced

    def noted(*given: Any, **more: Any) -> Any:
        made.append(given)
        return plain(*given, **more)

    monkeypatch.setattr(by_tensorflow, "traced", noted)
    trained = fit(engine(tmp_path), "fresh", tk.augment.rotate(30))
    assert [phase.cached for phase in trained.engine_report] == [False, False]
    assert extracted(trained) == [COUNT // 4, 0], "the validation pictures, once"
    cuts = {phase.cut for phase in trained.engine_report}
    assert len(made) <= len(cuts) + 1, "one for each cut, one for both at once"


def test_the_report_goes_into_the_saved_file(plain: tk.TrainedModel, tmp_path: Path) -> None:
    plain.save(tmp_path / "model.tkm")
    assert tk.load(tmp_path / "model.tkm").engine_report == plain.engine_report
