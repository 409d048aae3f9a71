"""What a trial trains, and what is taken for its score."""

from __future__ import annotations

import gc
from pathlib import Path
from typing import Any

import pytest
from searched import BODY, ENGINE, fits_take_no_time, needs_keras_tuner, photos, searched

import transferkit as tk
from transferkit.tuning.results import Budget
from transferkit.tuning.running import _collecting_only_what_is_new, ended, shared


@pytest.fixture
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    fits_take_no_time(monkeypatch)


def test_every_phase_of_a_share_has_an_epoch() -> None:
    plan = tk.plans.linear_probe().then(tk.plans.fine_tune(9, unfreeze=tk.select.top_blocks(1)))
    assert [phase.epochs for phase in shared(plan, Budget(1, 9))] == [1, 1]
    assert [phase.epochs for phase in shared(plan, Budget(3, 9))] == [1, 3]
    assert shared(plan, Budget(9, 9)) == plan


@pytest.mark.parametrize(
    ("options", "last"),
    [
        ({"learning_rate": 0.1, "restore_best": True, "mode": "max"}, False),
        ({"learning_rate": 0.1, "averaging": tk.averaging.swa()}, False),
        ({"learning_rate": 0.1}, True),
    ],
)
def test_the_score_is_that_of_the_weights_that_were_kept(
    options: dict[str, Any], last: bool
) -> None:
    data = photos()
    assert data.val is not None
    plan = tk.plans.feature_extraction(3, batch_size=4, **options)
    trained = BODY.fit(data, plan, engine=ENGINE, verbose=0)
    score = ended(trained, data)["val_loss"]
    assert score == pytest.approx(trained.evaluate(data.val).loss, abs=1e-5)
    assert (score == trained.history[-1].metrics["val_loss"]) == last


@needs_keras_tuner
@pytest.mark.usefixtures("at_once")
def test_a_loss_that_is_no_number_is_a_failed_trial() -> None:
    def wild(t: Any) -> Any:
        rate = t.choice("rate", [0.1, 100.0])
        return BODY, tk.plans.feature_extraction(2, learning_rate=rate)

    found = searched(wild, strategy="grid")
    assert [each.score is None for each in found] == [False, True]
    assert found.trials[1].problem == (
        "TrainingError: tune: 'val_loss' was no number in the end. Expected a score by which "
        "trials can be compared. Received: metrics={'loss': 0.0, 'val_loss': nan}."
    )


@needs_keras_tuner
@pytest.mark.usefixtures("at_once")
def test_a_trial_that_raises_is_recorded_and_tried_again_the_next_time(tmp_path: Path) -> None:
    broken = [True]

    def fragile(t: Any) -> Any:
        batch = t.choice("batch", [2, 4, 8])
        if batch == 4 and broken[0]:
            raise RuntimeError("out of luck")
        return BODY, tk.plans.feature_extraction(1, batch_size=batch)

    found = searched(fragile, strategy="grid", max_trials=5, directory=tmp_path)
    assert [each.score is None for each in found] == [False, True, False]
    assert found.trials[1].problem == "RuntimeError: out of luck"
    assert found.trials[1].values == {"batch": 4}
    broken[0] = False
    mended = searched(fragile, strategy="grid", max_trials=5, directory=tmp_path)
    assert sorted(each.values["batch"] for each in mended) == [2, 4, 8]
    assert all(each.score is not None for each in mended)


@needs_keras_tuner
@pytest.mark.usefixtures("at_once")
def test_what_keras_tuner_writes_down_is_not_needed_to_go_on(tmp_path: Path) -> None:
    found = searched(max_trials=2, directory=tmp_path)
    written = list(tmp_path.rglob("oracle.json"))
    assert written
    for path in written:
        path.write_text("{")
    again = searched(max_trials=2, directory=tmp_path)
    assert again.trials == found.trials


@pytest.fixture
def unfrozen() -> None:
    """Whatever a package has frozen is thawed."""
    gc.unfreeze()


@pytest.mark.usefixtures("unfrozen")
def test_what_was_there_before_a_search_is_left_out_of_its_collections() -> None:
    counts = []

    def broken_off() -> None:
        with _collecting_only_what_is_new():
            counts.append(gc.get_freeze_count())
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        broken_off()
    assert counts[0] > 0 == gc.get_freeze_count()


@pytest.mark.usefixtures("unfrozen")
def test_what_somebody_else_froze_stays_frozen() -> None:
    gc.freeze()
    try:
        with _collecting_only_what_is_new():
            pass
        assert gc.get_freeze_count() > 0
    finally:
        gc.unfreeze()
