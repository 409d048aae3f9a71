"""What is written of a fit, at which step, and what becomes of a tracker that fails."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tracked import ENGINE, Notebook, model, photos, plan

import transferkit as tk
from transferkit import _keras, evaluate
from transferkit.check.verdict import TransferCheck
from transferkit.errors import SpecError
from transferkit.track import tracking
from transferkit.track.results import evaluated

keras = _keras.keras()
Callback: Any = keras.callbacks.Callback


@pytest.fixture(scope="module")
def data() -> tk.data.Data:
    return photos()


@pytest.fixture(scope="module")
def tiny() -> tk.TransferModel:
    return model()


def fit(tiny: tk.TransferModel, data: tk.data.Data, *callbacks: Any, of: Any = None) -> Any:
    chosen = plan() if of is None else of
    return tiny.fit(data, chosen, engine=ENGINE, callbacks=list(callbacks), verbose=0)


@pytest.fixture(scope="module")
def followed(tiny: tk.TransferModel, data: tk.data.Data) -> tuple[Notebook, Any, Any]:
    """One whole run, every step of it written down."""
    notebook, known = Notebook(), tracking.SECONDS
    tracking.SECONDS = 0.0
    try:
        follower = tk.track.to(notebook, samples=3)
        trained = fit(tiny, data, follower)
    finally:
        tracking.SECONDS = known
    return notebook, trained, follower


# -- what is written


def test_epochs_have_the_numbers_of_the_history_over_one_running_step(followed: Any) -> None:
    notebook, trained, _ = followed
    for name, values in trained.history.metrics.items():
        assert notebook.now.numbers[name] == list(zip((3, 6, 8), values, strict=True))
    assert notebook.now.numbers["epoch"] == [(3, 0), (6, 1), (8, 2)]
    assert notebook.begun == [(0, None)]


def test_each_group_of_layers_has_its_learning_rate(followed: Any) -> None:
    numbers = followed[0].now.numbers
    rates = {n: numbers[n] for n in numbers if n.startswith("learning_rates/")}
    assert rates == {
        "learning_rates/head": [(3, approx(1e-3)), (6, approx(1e-3)), (8, approx(1e-2))],
        "learning_rates/block_0": [(8, approx(0.25e-2))],
        "learning_rates/block_1": [(8, approx(0.5e-2))],
    }


def approx(value: float) -> Any:
    return pytest.approx(value, rel=1e-6)


def test_phases_are_named_where_they_begin(followed: Any) -> None:
    read, trained = followed[0].now, followed[1]
    assert read.numbers["phase"] == [(0, 0), (3, 0), (6, 0), (6, 1), (8, 1)]
    assert [read.texts["phase_0"], read.texts["phase_1"]] == [repr(p) for p in trained.plan]


def test_within_an_epoch_the_means_so_far_are_written(followed: Any) -> None:
    notebook, trained, _ = followed
    batches = notebook.now.numbers["batch/loss"]
    last = dict(batches)
    assert [last[step] for step in (3, 6, 8)] == pytest.approx(trained.history.metrics["loss"])


def test_the_config_says_what_the_run_hangs_on(followed: Any, data: tk.data.Data) -> None:
    read, trained = followed[0].now, followed[1]
    assert read.config["model"]["backbone"] == "tiny"
    assert read.config["model"]["head"]["name"] == "classification"
    assert tk.Plan.from_config(read.config["plan"]) == trained.plan
    assert read.config["data"]["pictures"] == {"train": 12, "val": 8}
    assert (read.config["seed"], read.config["engine"]["precision"]) == (0, "float32")
    assert read.texts["data_report"] == str(data.report)
    assert read.texts["plan"] == repr(trained.plan)


def test_the_end_has_scores_confusion_predictions_and_the_model(
    followed: Any, data: tk.data.Data, tmp_path: Path
) -> None:
    read, trained = followed[0].now, followed[1]
    evaluation = trained.evaluate(data.val)
    for name, value in evaluation.metrics.items():
        assert read.numbers[f"final/val_{name}"] == [(8, pytest.approx(value))]
    names = list(data.class_names)
    counts = evaluation.confusion.tolist()
    assert read.tables["confusion"][0] == ["is / predicted", *names]
    assert read.tables["confusion"][1:] == [[n, *c] for n, c in zip(names, counts, strict=True)]
    assert len(read.pictures["confusion_matrix"]) == 1
    assert len(read.pictures["predictions"]) == 3
    told = {
        f"is {true}, predicted {predicted} ({confidence:.0%})"
        for true, predicted, confidence in map(evaluation.told, range(evaluation.count))
    }
    assert set(read.pictures["predictions"]) <= told
    assert read.texts["engine_report"] == repr(trained.engine_report)
    assert read.complete
    (tmp_path / "model.tkm").write_bytes(read.files["model.tkm"])
    again = tk.load(tmp_path / "model.tkm")
    pixels = data.train.pixels()
    np.testing.assert_array_equal(
        again.network.predict_on_batch(pixels), trained.network.predict_on_batch(pixels)
    )


def test_many_classes_have_pairs_in_the_place_of_a_matrix() -> None:
    names = [f"class {number}" for number in range(50)]
    outputs = np.eye(50)[[1, 1, 2]] * 0.9 + 0.002
    evaluation = evaluate.classification(outputs, [0, 0, 2], class_names=names, loss=1.0)
    notebook = Notebook()
    notebook.begin({}, step=0, run_id=None)
    pieces = dict(evaluated(evaluation, 0))
    pieces["the confusion matrix"](notebook, 0)
    expected = [["is", "predicted", "pictures"], ["class 0", "class 1", 2]]
    assert notebook.now.tables["confusion"] == expected


# -- behind the fit


def test_what_is_known_later_is_written_behind_the_run(followed: Any, data: tk.data.Data) -> None:
    notebook, trained, follower = followed
    check = TransferCheck("positive", -0.2, -0.3, -0.1, 0.1, (0.3, 0.3), None, 8, 0.02, "tiny")
    follower.log(trained.with_transfer(check), data.train)
    assert notebook.begun[-1] == (9, "run 1")
    numbers = notebook.now.numbers
    assert numbers["transfer/gap"] == [(9, -0.2)]
    assert [numbers["transfer/low"], numbers["transfer/high"]] == [[(9, -0.3)], [(9, -0.1)]]
    assert notebook.now.texts["transfer_verdict"] == repr(check)
    assert "final/train_accuracy" in numbers


def test_a_model_that_was_not_followed_is_a_run_of_its_own(followed: Any) -> None:
    notebook, trained = Notebook(), followed[1]
    tk.track.to(notebook, bundle=False).log(trained)
    assert notebook.begun[0][1] is None
    assert tk.Plan.from_config(notebook.now.config["plan"]) == trained.plan
    assert (notebook.now.files, notebook.now.complete) == ({}, True)


def test_an_error_of_the_tracker_behind_the_fit_is_raised(followed: Any) -> None:
    notebook = Failing("log_text")
    with pytest.raises(OSError, match="log_text: no space left"):
        tk.track.to(notebook, bundle=False).log(followed[1])
    assert notebook.now.complete is False


# -- trackers that fail


class Failing(Notebook):
    """It raises at some of its methods, or at all of them."""

    def __init__(self, *methods: str) -> None:
        super().__init__()
        self.methods = methods

    def __getattribute__(self, name: str) -> Any:
        found = super().__getattribute__(name)
        if not name.startswith(("log_", "begin", "end")) or name == "begun":
            return found
        methods = super().__getattribute__("methods")
        if methods and name not in methods:
            return found

        def raises(*_: Any, **__: Any) -> None:
            super(Failing, self).__getattribute__("calls").append(name)
            raise OSError(f"{name}: no space left")

        return raises


def test_a_tracker_that_raises_at_every_call_warns_once_and_changes_nothing(
    followed: Any, tiny: tk.TransferModel, data: tk.data.Data
) -> None:
    failing = Failing()
    with pytest.warns(UserWarning, match="the tracker notebook failed") as caught:
        trained = fit(tiny, data, tk.track.to(failing), of=tk.Plan(plan().phases[:1]))
    assert str(caught[0].message) == (
        "fit: the tracker notebook failed at its beginning (OSError: begin: no space left). "
        "The training goes on; what the tracker has of it may have gaps."
    )
    assert len(caught) == 1
    assert failing.calls == ["begin", "end"]  # it may hold something open
    losses = followed[1].history.metrics["val_loss"]
    assert trained.history.metrics["val_loss"] == losses[:2]


def test_where_one_kind_of_thing_fails_all_others_are_written(
    tiny: tk.TransferModel, data: tk.data.Data
) -> None:
    failing = Failing("log_pictures", "log_text")
    with pytest.warns(UserWarning, match="the tracker notebook failed at the text 'plan'"):
        fit(tiny, data, tk.track.to(failing), of=tk.Phase(1, batch_size=4))
    assert "val_loss" in failing.now.numbers
    assert "confusion" in failing.now.tables
    assert "model.tkm" in failing.now.files
    assert failing.now.complete


# -- runs that break off and go on


class Breaks(Callback):
    """Ends the process's work behind an epoch, as Ctrl-C does."""

    def __init__(self, epoch: int) -> None:
        super().__init__()
        self.epoch = epoch

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        if epoch == self.epoch:
            raise KeyboardInterrupt


def test_a_run_that_was_broken_off_goes_on_in_the_run_that_it_was(
    followed: Any, tiny: tk.TransferModel, data: tk.data.Data, tmp_path: Path
) -> None:
    notebook, folder = Notebook(), tmp_path / "backup"

    def callbacks() -> list[Any]:
        return [tk.track.to(notebook), keras.callbacks.BackupAndRestore(str(folder))]

    with pytest.raises(KeyboardInterrupt):
        fit(tiny, data, *callbacks(), Breaks(1))
    assert notebook.runs[0].complete is False
    fit(tiny, data, *callbacks())
    assert notebook.begun == [(0, None), (6, "run 1")]
    assert len(notebook.runs) == 1
    whole = dict(followed[0].runs[0].numbers["loss"])
    assert dict(notebook.now.numbers["loss"]) == pytest.approx(whole, rel=1e-5)
    assert notebook.now.complete
    assert not folder.exists(), "the note goes with the backup"
    fit(tiny, data, *callbacks(), of=tk.Phase(1, batch_size=4))
    assert (notebook.begun[-1], len(notebook.runs)) == ((0, None), 2)


# -- what is refused


def test_what_is_no_tracker_is_refused() -> None:
    wrong: Any = "tensorboard"
    with pytest.raises(SpecError) as caught:
        tk.track.to(wrong)
    assert str(caught.value) == (
        "track: str is no tracker. Expected an object with the methods of "
        "transferkit.spec.Tracker. Received: tracker='tensorboard'. tk.track.to(MyTracker())"
    )
    cls: Any = Notebook
    with pytest.raises(SpecError, match="the class Notebook is no tracker"):
        tk.track.to(cls)


def test_a_number_of_samples_that_is_none_is_refused() -> None:
    with pytest.raises(SpecError) as caught:
        tk.track.to(Notebook(), samples=-1)
    assert str(caught.value) == (
        "track: that is no number of sample predictions. Expected a whole number of 0 or more. "
        "Received: samples=-1. tk.track.tensorboard('log', samples=16)"
    )


def test_a_fit_of_plain_keras_is_refused() -> None:
    network = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    network.compile(loss="mse")
    with pytest.raises(SpecError) as caught:
        network.fit(np.zeros((2, 2)), np.zeros(2), verbose=0, callbacks=[tk.track.to(Notebook())])
    assert str(caught.value) == (
        "track: this training does not say what is trained on what. Expected a fit of "
        "transferkit's models. Received: callback='Tracking'. "
        "tk.TransferModel(name).fit(photos, callbacks=[tracking])"
    )


# -- the registry


def test_a_class_is_known_by_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tk.track._TRACKERS, "_things", dict(tk.track._TRACKERS._things))
    tk.track.register("notebook", Notebook)
    assert tk.track.names("n*") == ("notebook",)
    assert tk.track.get("notebook") is Notebook
    with pytest.raises(SpecError) as caught:
        tk.track.register("words", str)
    assert str(caught.value) == (
        "register: that is no tracker. Expected a class with a name and the methods begin, end, "
        "log_file, log_numbers, log_pictures, log_table, log_text. Received: "
        "tracker=<class 'str'>."
    )
