"""`tk.tune`: how a search ends and goes on, and what is refused."""

from __future__ import annotations

import gc
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from searched import BODY, fits_take_no_time, needs_keras_tuner, photos, refused, searched

import transferkit as tk
from transferkit import _keras
from transferkit.errors import MissingExtraError, UnknownNameError
from transferkit.tuning.results import MODEL


@pytest.fixture
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    fits_take_no_time(monkeypatch)


@needs_keras_tuner
def test_a_search_ends_in_a_table_and_the_best_model(tmp_path: Path) -> None:
    logs = tmp_path / "logs"
    found = searched(
        max_trials=2,
        directory=tmp_path / "search",
        callbacks=lambda name: tk.track.tensorboard(logs / name, samples=0, bundle=False),
    )
    scores = [each.score for each in found if each.score is not None]
    assert len(scores) == len(found) == 2
    assert found.fields == ("rate",)
    assert found.best_trial.score == min(scores)
    assert [path.parent.name for path in tmp_path.rglob(MODEL)] == [found.best_trial.name]
    val = photos().val
    assert val is not None
    assert found.best.evaluate(val).loss == pytest.approx(found.best_trial.score, abs=1e-5)
    assert found.best is found.best
    assert all(each.epochs == 2 and each.share == 1 for each in found)
    assert {path.parent.name for path in logs.glob("*/*tfevents*")} == {each.name for each in found}


@needs_keras_tuner
@pytest.mark.slow
def test_no_trial_leaves_its_network_behind() -> None:
    alive: list[int] = []

    def counted(name: str) -> Any:
        kind = _keras.keras().Model
        alive.append(sum(issubclass(type(each), kind) for each in gc.get_objects()))
        return ()

    searched(max_trials=4, callbacks=counted)
    assert len(set(alive[1:])) == 1, alive


@needs_keras_tuner
@pytest.mark.slow
def test_the_ready_space_is_searched() -> None:
    ready = tk.spaces.transfer(BODY, epochs=1, cuts=(1, 2), widths=(0, 4), augmentation=0.5)
    found = searched(ready, max_trials=8, seed=1)
    assert all(each.score is not None for each in found), found
    recipes = {each.values["recipe"] for each in found}
    assert recipes == {"linear probe", "feature extraction", "fine-tuning"}


@needs_keras_tuner
@pytest.mark.usefixtures("at_once")
def test_what_is_finished_is_not_trained_again(tmp_path: Path) -> None:
    fits: list[str] = []

    def noted(name: str) -> Any:
        fits.append(name)
        return ()

    first = searched(max_trials=2, directory=tmp_path, callbacks=noted)
    assert fits == [each.name for each in first]
    more = searched(max_trials=4, directory=tmp_path, callbacks=noted)
    assert more.trials[:2] == first.trials
    assert fits == [each.name for each in more]
    assert len(fits) == 4


@needs_keras_tuner
@pytest.mark.usefixtures("at_once")
@pytest.mark.parametrize(
    ("strategy", "trials"), [("bayesian", 4), ("grid", 4), ("hyperband", 6), ("random", 4)]
)
def test_a_search_that_was_broken_off_goes_on_as_if_it_had_not_been(
    strategy: str, trials: int, tmp_path: Path
) -> None:
    begun: list[str] = []

    def interrupted(name: str) -> Any:
        begun.append(name)
        if len(begun) == trials - 1:
            raise KeyboardInterrupt
        return ()

    options = {"strategy": strategy, "max_trials": trials}
    with pytest.raises(KeyboardInterrupt):
        searched(directory=tmp_path, callbacks=interrupted, **options)
    found, whole = searched(directory=tmp_path, **options), searched(**options)
    assert len(found) == trials
    assert [(each.name, each.score) for each in found] == [
        (each.name, each.score) for each in whole
    ]


@needs_keras_tuner
@pytest.mark.usefixtures("at_once")
def test_a_folder_of_its_own_goes_with_the_result() -> None:
    found = searched(max_trials=1)
    folder = found.folder
    assert found.best.class_names == ("dark", "light")
    del found
    assert not folder.exists()


@needs_keras_tuner
@pytest.mark.usefixtures("at_once")
def test_nothing_is_printed_when_it_is_to_be_silent(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    for trials in (1, 2):
        searched(max_trials=trials, directory=tmp_path)
    assert capsys.readouterr().out == ""


def test_without_keras_tuner_the_line_that_installs_it_is_named(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "keras_tuner", None)
    with pytest.raises(MissingExtraError) as caught:
        searched()
    assert str(caught.value) == (
        "tk.tune(): keras_tuner is not installed. pip install 'transferkit[tune]'"
    )


@needs_keras_tuner
def test_an_unknown_objective_is_refused_before_anything_is_trained() -> None:
    with pytest.raises(UnknownNameError) as caught:
        searched(objective="val_acuracy")
    assert str(caught.value) == (
        "tune: nothing is measured that is called 'val_acuracy'. Expected a known name (did you "
        "mean 'val_accuracy' or 'accuracy'?). Received: objective='val_acuracy'. "
        "tk.tune(space, photos, objective='val_loss')"
    )


@needs_keras_tuner
def test_validation_pictures_are_asked_for_if_the_objective_is_theirs() -> None:
    assert refused(data=photos(val=0)) == (
        "tune: 'val_loss' is measured on validation pictures, and the data has none. Expected data "
        "with a validation split. Received: objective='val_loss'. "
        "tk.tune(space, photos.hold_out(0.2))"
    )


@pytest.mark.parametrize("count", [0, -1, 2.5, "3", True])
def test_what_is_no_number_of_trials_is_refused(count: Any) -> None:
    assert refused(max_trials=count) == (
        "tune: that is no number of trials. Expected a whole number of 1 or more. "
        f"Received: max_trials={count!r}. tk.tune(space, photos, max_trials=20)"
    )


def test_callbacks_that_were_made_once_are_refused() -> None:
    callbacks: list[Callable[..., Any]] = []
    assert refused(callbacks=callbacks) == (
        "tune: callbacks that were made once would be those of every trial. Expected a function "
        "from a trial's name to its callbacks. Received: callbacks=[]. "
        "tk.tune(..., callbacks=lambda name: tk.track.tensorboard(f'logs/{name}'))"
    )
