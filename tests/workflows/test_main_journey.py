"""From arrays to a saved model and back, with a network of two blocks at 32 pixels."""

from __future__ import annotations

import csv
import gc
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import transferkit as tk
from transferkit import _keras
from transferkit.errors import DataNotFoundError, SpecError

SIDE = 32
KINDS = ("dark", "light")


def network() -> Any:
    keras = _keras.keras()
    keras.utils.set_random_seed(0)
    pixels = keras.Input((SIDE, SIDE, 3))
    x = keras.layers.Conv2D(4, 3, strides=2, padding="same", name="first_conv")(pixels)
    x = keras.layers.BatchNormalization(name="first_norm")(x)
    x = keras.layers.ReLU(name="first_relu")(x)
    x = keras.layers.Conv2D(8, 3, strides=2, padding="same", name="second_conv")(x)
    x = keras.layers.ReLU(name="second_relu")(x)
    return keras.Model(pixels, x, name="tiny")


@pytest.fixture(scope="module")
def model() -> tk.TransferModel:
    made = tk.backbones.from_keras(network(), preprocessing="unit", blocks=r"(first|second)_")
    return tk.TransferModel(made).freeze(tk.freeze.backbone())


@pytest.fixture(scope="module")
def photos() -> tk.data.Data:
    rng = np.random.default_rng(0)
    labels = np.arange(20) % 2
    images = rng.integers(0, 120, (20, SIDE, SIDE, 3)) + 130 * labels[:, None, None, None]
    return tk.data.from_arrays(images.astype(np.uint8), labels, class_names=KINDS, seed=0)


def phase(epochs: int = 1, **more: Any) -> tk.Phase:
    return tk.Phase(epochs, batch_size=8, **more)


def two_phases() -> tk.Plan:
    head = tk.plans.feature_extraction(2, learning_rate=0.05, batch_size=8)
    top = tk.plans.fine_tune(2, unfreeze=tk.select.top_blocks(1), learning_rate=1e-2, batch_size=8)
    return head.then(top)


@pytest.fixture(scope="module")
def unbroken(model: tk.TransferModel, photos: tk.data.Data) -> tk.TrainedModel:
    """What both phases make of the model; for tests that only look at it."""
    return model.fit(photos, two_phases(), seed=5, verbose=0)


def same(first: Any, second: Any) -> bool:
    pairs = zip(first.network.get_weights(), second.network.get_weights(), strict=True)
    return all(np.array_equal(a, b) for a, b in pairs)


def pixels(split: Any) -> np.ndarray[Any, Any]:
    return np.asarray(split.pixels()[np.arange(len(split))])


def test_arrays_become_a_model_that_is_saved_and_opened_again(
    model: tk.TransferModel, photos: tk.data.Data, tmp_path: Path
) -> None:
    assert photos.val is not None
    before = model.spec
    trained = model.augment(tk.augment.flip()).fit(photos, two_phases(), seed=0, verbose=0)
    assert model.spec == before
    assert [(r.epoch, r.phase) for r in trained.history.epochs] == [(0, 0), (1, 0), (2, 1), (3, 1)]
    assert set(trained.history.epochs[0].metrics) == {
        "loss",
        "accuracy",
        "val_loss",
        "val_accuracy",
    }
    losses = [record.metrics["val_loss"] for record in trained.history.epochs]
    assert losses[-1] < losses[0]
    result = trained.evaluate(photos.val)
    assert result.loss == pytest.approx(trained.history.epochs[-1].metrics["val_loss"], rel=1e-4)
    predictions = trained.predict(pixels(photos.val))
    accuracy = np.mean(
        [p.label == KINDS[i] for p, i in zip(predictions, photos.val.labels, strict=True)]
    )
    assert trained.history.epochs[-1].metrics["val_accuracy"] == pytest.approx(accuracy)

    trained.save(tmp_path / "model.tkm")
    again = tk.load(tmp_path / "model.tkm")
    assert again.class_names == KINDS
    assert again.plan == trained.plan
    assert again.history.epochs == trained.history.epochs
    assert again.predict(pixels(photos.val)) == predictions
    assert "tiny" in repr(again)
    further = again.fit(photos, tk.Plan((phase(),)), verbose=0)
    assert len(further.history.epochs) == 5
    assert same(again, trained)


def test_only_what_a_phase_thaws_moves(unbroken: tk.TrainedModel) -> None:
    start = network()

    def moved(name: str) -> bool:
        old, new = start.get_layer(name), unbroken.network.get_layer(name)
        pairs = zip(old.get_weights(), new.get_weights(), strict=True)
        return any(not np.array_equal(a, b) for a, b in pairs)

    names = ("first_conv", "first_norm", "second_conv")
    assert [moved(name) for name in names] == [False, False, True]


def test_one_seed_gives_one_set_of_weights(model: tk.TransferModel, photos: tk.data.Data) -> None:
    value = model.augment(tk.augment.flip()).head(tk.heads.classification(dropout=0.5))
    runs = [value.fit(photos, two_phases(), seed=seed, verbose=0) for seed in (1, 1, 2)]
    assert same(runs[0], runs[1])
    assert not same(runs[0], runs[2])


def test_fitting_on_leaves_the_first_model_untouched(
    model: tk.TransferModel, photos: tk.data.Data
) -> None:
    first = model.fit(photos, phase(), verbose=0)
    weights = first.network.get_weights()
    second = first.fit(photos, phase(freeze=tk.freeze.nothing()), verbose=0)
    assert all(map(np.array_equal, weights, first.network.get_weights()))
    assert not same(first, second)
    assert len(first.history.epochs) == 1
    assert (len(second.history.epochs), len(second.plan)) == (2, 2)


def test_a_csv_log_holds_every_epoch_of_every_phase(
    model: tk.TransferModel, photos: tk.data.Data, tmp_path: Path
) -> None:
    log = tmp_path / "log.csv"
    logger = _keras.keras().callbacks.CSVLogger(str(log))
    trained = model.fit(photos, two_phases(), callbacks=[logger], verbose=0)
    with log.open() as file:
        rows = list(csv.DictReader(file))
    assert [row["epoch"] for row in rows] == ["0", "1", "2", "3"]
    losses = [record.metrics["loss"] for record in trained.history.epochs]
    assert [float(row["loss"]) for row in rows] == pytest.approx(losses)


def test_a_checkpoint_holds_the_full_network(
    model: tk.TransferModel, photos: tk.data.Data, tmp_path: Path
) -> None:
    keras = _keras.keras()
    saver = keras.callbacks.ModelCheckpoint(
        str(tmp_path / "{epoch}.weights.h5"), save_weights_only=True
    )
    trained = model.fit(photos, two_phases(), callbacks=[saver], verbose=0)
    assert sorted(p.name for p in tmp_path.iterdir()) == [f"{n}.weights.h5" for n in range(1, 5)]
    other = model.fit(photos, two_phases().phases[1], verbose=0)
    assert not same(other, trained)
    other.network.load_weights(str(tmp_path / "4.weights.h5"))
    assert same(other, trained)


def test_keras_early_stopping_ends_its_phase_only(
    model: tk.TransferModel, photos: tk.data.Data
) -> None:
    stop = _keras.keras().callbacks.EarlyStopping("loss", patience=1, min_delta=1e9)
    plan = tk.Plan((phase(5), phase(5)))
    trained = model.fit(photos, plan, callbacks=[stop], verbose=0)
    assert [(r.epoch, r.phase) for r in trained.history.epochs] == [(0, 0), (1, 0), (5, 1), (6, 1)]


def test_a_phase_stops_early_and_keeps_its_best_weights(
    model: tk.TransferModel, photos: tk.data.Data
) -> None:
    seen: list[Any] = []

    def note(epoch: int, logs: Any) -> None:
        seen.append(keeper.model.get_weights())

    keeper = _keras.keras().callbacks.LambdaCallback(on_epoch_end=note)
    rising = phase(6, learning_rate=500.0, optimizer="sgd", early_stopping=1, restore_best=True)
    trained = model.fit(photos, rising, callbacks=[keeper], verbose=0)
    losses = [record.metrics["val_loss"] for record in trained.history.epochs]
    best = int(np.argmin(losses))
    assert len(losses) == best + 2 < 6, "it has to stop early for this test to say anything"
    assert all(map(np.array_equal, trained.network.get_weights(), seen[best]))
    assert not all(map(np.array_equal, trained.network.get_weights(), seen[-1]))


def test_callbacks_move_the_learning_rate(model: tk.TransferModel, photos: tk.data.Data) -> None:
    callbacks = _keras.keras().callbacks
    halve = callbacks.LearningRateScheduler(lambda epoch, rate: 0.1 / 2**epoch)
    trained = model.fit(photos, phase(3), callbacks=[halve], verbose=0)
    rates = [record.learning_rate for record in trained.history.epochs]
    assert rates == pytest.approx([0.1, 0.05, 0.025])
    reduce = callbacks.ReduceLROnPlateau("loss", factor=0.1, patience=1, min_delta=1e9, min_lr=0)
    trained = model.fit(photos, phase(3, learning_rate=1.0), callbacks=[reduce], verbose=0)
    assert trained.history.epochs[-1].learning_rate == pytest.approx(0.01)


def test_a_run_into_nan_is_ended(model: tk.TransferModel, photos: tk.data.Data) -> None:
    nan = _keras.keras().callbacks.TerminateOnNaN()
    wild = phase(5, learning_rate=1e38, optimizer="sgd", freeze=tk.freeze.nothing())
    trained = model.fit(photos, wild, callbacks=[nan], verbose=0)
    assert len(trained.history.epochs) < 5


@pytest.mark.parametrize("crash_at", [1, 3])
def test_a_killed_run_goes_on_where_it_was(
    model: tk.TransferModel,
    photos: tk.data.Data,
    unbroken: tk.TrainedModel,
    tmp_path: Path,
    crash_at: int,
) -> None:
    callbacks = _keras.keras().callbacks

    def crash(epoch: int, logs: Any) -> None:
        if epoch == crash_at:
            raise KeyboardInterrupt

    def backup() -> Any:
        return callbacks.BackupAndRestore(str(tmp_path / "backup"))

    bomb = callbacks.LambdaCallback(on_epoch_begin=crash)
    with pytest.raises(KeyboardInterrupt):
        model.fit(photos, two_phases(), seed=5, callbacks=[backup(), bomb], verbose=0)
    resumed = model.fit(photos, two_phases(), seed=5, callbacks=[backup()], verbose=0)
    assert [r.epoch for r in resumed.history.epochs] == list(range(crash_at, 4))
    for ours, theirs in zip(
        resumed.network.get_weights(), unbroken.network.get_weights(), strict=True
    ):
        np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-6)
    assert not (tmp_path / "backup").exists() or not any((tmp_path / "backup").iterdir())


def test_what_cannot_be_fitted_is_refused(model: tk.TransferModel, photos: tk.data.Data) -> None:
    with pytest.raises(SpecError, match="str is no data"):
        model.fit("flowers/")  # type: ignore[arg-type]
    with pytest.raises(SpecError, match=r"monitors 'val_los'.*'val_loss'"):
        model.fit(photos, phase(early_stopping=1, monitor="val_los"), verbose=0)
    with pytest.raises(SpecError, match="this head does not predict"):
        model.head(tk.heads.regression()).fit(photos, phase(), verbose=0)
    images = pixels(photos.train)
    alone = tk.data.from_arrays(images, photos.train.labels, class_names=KINDS, val=0)
    with pytest.raises(SpecError, match="monitor='loss'"):
        model.fit(alone, phase(restore_best=True), verbose=0)


def test_mixed_labels_need_a_head_that_takes_them(
    model: tk.TransferModel, photos: tk.data.Data
) -> None:
    numbers = np.linspace(0, 1, len(photos.train), dtype=np.float32)
    ages = tk.data.from_arrays(pixels(photos.train), numbers, val=0)
    mixing = model.augment(tk.augment.flip(), tk.augment.mixup(0.4))
    text = r"fit: mixup\(alpha=0\.4\) mixes labels, and the head regression\(\) has no soft labels"
    with pytest.raises(SpecError, match=text):
        mixing.fit(ages, phase(), verbose=0)


def test_balanced_sampling_needs_one_class_for_each_picture(
    model: tk.TransferModel, photos: tk.data.Data
) -> None:
    images = pixels(photos.train)
    tags = np.stack([photos.train.labels, np.ones(len(images), int)], axis=1)
    several = tk.data.from_arrays(images, tags, class_names=KINDS, task="labels", val=0)
    ages = tk.data.from_arrays(images, np.linspace(0, 1, len(images)), val=0)
    for data, mend in ((several, "class_weight='balanced'"), (ages, "sampling='shuffled'")):
        with pytest.raises(SpecError, match=rf"samples classes alike, but a picture .*{mend}"):
            model.fit(data, phase(sampling="balanced"), verbose=0)


def test_mixed_and_balanced_training_is_the_same_twice_and_learns(
    model: tk.TransferModel, photos: tk.data.Data, tmp_path: Path
) -> None:
    mixing = model.augment(tk.augment.flip(), tk.augment.mixup(0.2), tk.augment.cutmix())
    plan = tk.plans.feature_extraction(
        6, learning_rate=0.05, batch_size=8, sampling="balanced", restore_best=True
    )
    first, second = (mixing.fit(photos, plan, seed=2, verbose=0) for _ in range(2))
    assert same(first, second)
    losses = [record.metrics["val_loss"] for record in first.history.epochs]
    assert min(losses) < losses[0]
    first.save(tmp_path / "mixed.tkm")
    again = tk.load(tmp_path / "mixed.tkm")
    assert again.pipeline == first.pipeline
    assert again.plan.phases[0].sampling == "balanced"


def test_other_classes_and_missing_files_are_refused(
    model: tk.TransferModel, photos: tk.data.Data, tmp_path: Path
) -> None:
    trained = model.fit(photos, phase(), verbose=0)
    images = pixels(photos.train)
    other = tk.data.from_arrays(images, photos.train.labels, class_names=("cats", "dogs"))
    with pytest.raises(SpecError, match="the train split has other classes than the model"):
        trained.fit(other, verbose=0)
    with pytest.raises(SpecError, match="str is no data"):
        trained.fit("flowers/")  # type: ignore[arg-type]
    with pytest.raises(SpecError, match="the train split has other classes than the model"):
        trained.evaluate(other.train)
    with pytest.raises(DataNotFoundError, match="there is no file"):
        trained.predict(tmp_path / "missing.jpg")
    with pytest.raises(DataNotFoundError, match="predict"):
        trained.predict(tmp_path)


def test_the_best_epoch_of_a_metric_is_the_one_that_history_calls_best(
    model: tk.TransferModel, photos: tk.data.Data
) -> None:
    images = pixels(photos.train)
    values = tk.data.from_arrays(images, images.mean((1, 2, 3)) / 255, task="values", val=0.25)
    value = model.head(tk.heads.regression(metrics=("RootMeanSquaredError",)))
    name = "val_RootMeanSquaredError"
    for rate in (0.05, 50.0):  # one that falls, and one that rises
        best = phase(4, learning_rate=rate, monitor=name, restore_best=True)
        exact = tk.Engine(precision="float32")
        trained = value.fit(values, best, engine=exact, verbose=0)
        assert values.val is not None
        expected = trained.history.best(name).metrics["val_loss"]
        assert trained.evaluate(values.val).loss == pytest.approx(expected, rel=1e-4)


def test_a_later_phases_mistake_is_told_before_the_first_step(
    model: tk.TransferModel, photos: tk.data.Data
) -> None:
    started = []
    note = _keras.keras().callbacks.LambdaCallback(on_train_begin=lambda logs: started.append(1))
    schedule = _keras.keras().callbacks.LearningRateScheduler(lambda epoch, rate: rate)
    for wrong, message, more in (
        (phase(early_stopping=1, monitor="val_acc"), "which is not measured", []),
        (phase(early_stopping=1, monitor="val_accuracy", mode=None), None, []),
        (phase(learning_rate=tk.schedules.cosine(0.1)), "both set the learning rate", [schedule]),
    ):
        plan = tk.Plan((phase(), wrong))
        if message is None:
            model.fit(photos, plan, verbose=0)
            continue
        with pytest.raises(SpecError, match=message):
            model.fit(photos, plan, callbacks=[note, *more], verbose=0)
    assert started == []


def test_a_phase_that_diverged_is_the_last(model: tk.TransferModel, photos: tk.data.Data) -> None:
    nan = _keras.keras().callbacks.TerminateOnNaN()
    wild = phase(3, learning_rate=1e38, optimizer="sgd", freeze=tk.freeze.nothing())
    message = "is not finite, so the phases behind it are left out"
    with pytest.warns(UserWarning, match=message) as told:
        trained = model.fit(photos, tk.Plan((wild, phase(2))), callbacks=[nan], verbose=0)
    assert told[0].filename == __file__, "it points at the caller's line"
    assert {record.phase for record in trained.history} == {0}


def test_a_csv_log_that_was_to_start_anew_does_so_in_the_next_run(
    model: tk.TransferModel, photos: tk.data.Data, tmp_path: Path
) -> None:
    logger = _keras.keras().callbacks.CSVLogger(str(tmp_path / "log.csv"))
    for _ in range(2):
        model.fit(photos, two_phases(), callbacks=logger, verbose=0)  # one callback is a list too
    assert len((tmp_path / "log.csv").read_text().splitlines()) == 1 + 4


def test_training_on_goes_on_with_new_orders(model: tk.TransferModel, photos: tk.data.Data) -> None:
    value = model.augment(tk.augment.flip())
    twice = value.fit(photos, phase(2), seed=4, verbose=0)
    one = value.fit(photos, phase(1), seed=4, verbose=0)
    further = one.fit(photos, phase(1), seed=4, verbose=0)
    # A fresh optimizer aside, the second epoch is the second epoch, however it was reached.
    assert further.history.epochs[1].metrics["loss"] == pytest.approx(
        twice.history.epochs[1].metrics["loss"], rel=0.05
    )


def test_an_own_schedule_is_told_of_in_a_saved_model(
    model: tk.TransferModel, photos: tk.data.Data, tmp_path: Path
) -> None:
    @dataclass(frozen=True)
    class Halving(tk.schedules.Schedule):
        first: float

        def __call__(self, step: int, steps: int) -> float:
            return float(self.first / 2**step)

    trained = model.fit(photos, phase(learning_rate=Halving(0.1)), verbose=0)
    trained.save(tmp_path / "m.tkm")
    again = tk.load(tmp_path / "m.tkm")
    assert again.plan.phases[0].learning_rate.to_config() == {"schedule": "Halving", "first": 0.1}
    with pytest.raises(SpecError, match="the schedule 'Halving' came from a file"):
        again.fit(photos, again.plan, verbose=0)


def test_a_csv_log_is_as_it_was_after_a_run_that_broke(
    model: tk.TransferModel, photos: tk.data.Data, tmp_path: Path
) -> None:
    def crash(epoch: int, logs: Any) -> None:
        if epoch == 3:
            raise KeyboardInterrupt

    logger = _keras.keras().callbacks.CSVLogger(str(tmp_path / "log.csv"))
    bomb = _keras.keras().callbacks.LambdaCallback(on_epoch_begin=crash)
    with pytest.raises(KeyboardInterrupt):
        model.fit(photos, two_phases(), callbacks=[logger, bomb], verbose=0)
    logger.csv_file.close()  # Keras leaves that to the end of the training
    assert (logger.append, logger.append_header) == (False, True)


def test_a_policy_that_was_given_is_kept_to_without_a_plan(
    model: tk.TransferModel, photos: tk.data.Data
) -> None:
    head_only = tk.plans.default(pretrained=True, images=9, policy=tk.freeze.backbone())
    assert [phase.name for phase in head_only] == ["linear probe"]
    given = tk.plans.default(pretrained=True, images=9, policy=tk.freeze.nothing())
    assert [phase.freeze for phase in given] == [tk.freeze.backbone(), None]
    top = tk.plans.default(pretrained=True, images=9)
    assert top.phases[1].freeze == tk.freeze.all_but(tk.select.top_blocks(2))
    trained = model.freeze(tk.freeze.backbone()).fit(photos, verbose=0)
    assert trained.plan == head_only


def test_other_weights_make_another_model(model: tk.TransferModel) -> None:
    random, filed = model.weights(None), model.weights(Path("some.weights.h5"))
    assert (random.spec.weights, filed.spec.weights) == (None, "some.weights.h5")
    assert model.spec.weights == "pretrained"
    assert random.spec.freeze == model.spec.freeze


def test_fine_tuning_of_nothing_is_refused(model: tk.TransferModel, photos: tk.data.Data) -> None:
    untold = tk.TransferModel(model.spec.backbone)
    plan = tk.plans.feature_extraction(1).then(tk.plans.fine_tune(1))
    with pytest.raises(
        SpecError, match=r"nothing to tune.*fine_tune\(unfreeze=tk.select.top_blocks"
    ):
        untold.fit(photos, plan, verbose=0)


def test_training_on_without_a_plan_moves_what_moved_last(
    model: tk.TransferModel, photos: tk.data.Data
) -> None:
    plan = tk.plans.fine_tune(1, unfreeze=tk.select.top_blocks(1))
    trained = model.freeze(tk.freeze.backbone()).fit(photos, plan, verbose=0)
    further = trained.fit(photos, verbose=0)
    assert further.plan.phases[-1].freeze == plan.phases[0].freeze


def test_float16_is_refused(photos: tk.data.Data) -> None:
    keras = _keras.keras()
    keras.mixed_precision.set_dtype_policy("mixed_float16")
    try:
        half = keras.Sequential([keras.Input((32, 32, 3)), keras.layers.Conv2D(2, 3, name="conv")])
        made = tk.TransferModel(tk.backbones.from_keras(half))
        with pytest.raises(SpecError, match=r"float16.*mixed_bfloat16"):
            made.fit(photos.resized(32), tk.Phase(1), verbose=0)
    finally:
        keras.mixed_precision.set_dtype_policy("float32")


def test_rare_classes_that_would_count_twice_are_spoken_of(
    model: tk.TransferModel, photos: tk.data.Data
) -> None:
    for head, leave_out in (
        (tk.heads.classification(class_weight="balanced"), "class_weight='balanced'"),
        (tk.heads.classification(logit_adjustment=1.0), "logit_adjustment=1"),
    ):
        message = rf"rare classes count twice.*sampling='balanced' or {leave_out}\."
        with pytest.warns(UserWarning, match=message) as caught:
            model.head(head).fit(photos, tk.Phase(1, sampling="balanced"), verbose=0)
        assert caught[0].filename == __file__


def graphs() -> set[int]:
    """The graphs of functions that are in memory, but for those that nothing refers to."""
    gc.collect()
    return {id(each) for each in gc.get_objects() if type(each).__name__ == "FuncGraph"}


@pytest.mark.parametrize("cache", [True, False])
def test_a_fit_leaves_no_graph_in_memory(
    model: tk.TransferModel, photos: tk.data.Data, cache: bool
) -> None:
    def fit() -> None:
        model.fit(photos, phase(), engine=tk.Engine(cache=cache, xla=False), verbose=0)

    fit()  # what is traced once for a process stays
    before = graphs()
    fit()
    assert not graphs() - before


def test_many_models_in_one_process_are_no_reason_for_a_warning(
    model: tk.TransferModel, photos: tk.data.Data, caplog: pytest.LogCaptureFixture
) -> None:
    tf = _keras.tf()
    tf.get_logger().addHandler(caplog.handler)
    try:
        for seed in range(6):
            trained = model.fit(photos, tk.Phase(1), seed=seed, verbose=0)
            trained.predict(photos.train.pixels()[:2])
    finally:
        tf.get_logger().removeHandler(caplog.handler)
    assert "retracing" not in caplog.text
