"""Which settings each strategy tries; fits take no time here."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from searched import BODY, fits_take_no_time, needs_keras_tuner, refused, searched

import transferkit as tk
from transferkit.errors import UnknownNameError


@pytest.fixture(autouse=True)
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    fits_take_no_time(monkeypatch)


@needs_keras_tuner
def test_the_same_seed_tries_the_same_settings() -> None:
    first, again, other = (searched(seed=seed) for seed in (0, 0, 7))
    assert [each.values for each in first] == [each.values for each in again]
    assert [each.values for each in first] != [each.values for each in other]


@needs_keras_tuner
def test_chance_draws_rates_over_all_orders_of_magnitude() -> None:
    rates = [float(each.values["rate"]) for each in searched(max_trials=20)]
    orders = np.floor(np.log10(rates))
    assert set(orders) == {-5, -4, -3, -2, -1}


@needs_keras_tuner
def test_a_grid_goes_through_everything_once() -> None:
    def grid(t: Any) -> Any:
        epochs = t.choice("epochs", [1, 2])
        dropout = 0.5 if t.boolean("dropout") else 0.0
        head = tk.heads.classification(dropout=dropout)
        return BODY.head(head), tk.plans.feature_extraction(epochs)

    found = searched(grid, strategy="grid", max_trials=20)
    tried = {(each.values["epochs"], each.values["dropout"]) for each in found}
    assert tried == {(1, False), (1, True), (2, False), (2, True)}
    assert len(found) == 4


@needs_keras_tuner
def test_a_grid_has_the_low_end_of_a_range_and_the_middles_of_ten_parts() -> None:
    orders = [
        np.log10(float(each.values["rate"])) for each in searched(strategy="grid", max_trials=20)
    ]
    np.testing.assert_allclose(sorted(orders), [-5, *np.arange(-4.75, 0, 0.5)], atol=1e-6)


@needs_keras_tuner
@pytest.mark.slow
def test_bayesian_search_closes_in_on_the_best_rate() -> None:
    found = searched(strategy="bayesian", max_trials=10)
    away = [abs(np.log10(float(each.values["rate"])) + 2) for each in found]
    assert away[2] > 0.5  # after those that are drawn nothing is found yet
    assert min(away) < 0.1


@needs_keras_tuner
def test_hyperband_gives_most_settings_a_share_of_the_epochs() -> None:
    def long(t: Any) -> Any:
        return BODY, tk.plans.feature_extraction(9, learning_rate=t.uniform("rate", 1e-3, 1.0))

    found = searched(long, strategy="hyperband", max_trials=13)
    assert [each.epochs for each in found] == [1] * 9 + [3] * 3 + [9]
    best = sorted(found.trials[:9], key=lambda each: each.score or 0.0)
    rates = [{each.values["rate"] for each in some} for some in (best[:3], found.trials[9:12])]
    assert rates[0] == rates[1]
    assert found.trials[12].values["rate"] == best[0].values["rate"]
    assert found.best_trial.epochs == 9


@needs_keras_tuner
def test_hyperband_refuses_a_plan_of_one_epoch() -> None:
    def short(t: Any) -> Any:
        return BODY, tk.plans.feature_extraction(1, learning_rate=t.uniform("rate", 1e-3, 1.0))

    assert refused(given=short, strategy="hyperband") == (
        "tune: Hyperband tries many settings for a few epochs, and the plan has only one. Expected "
        "a plan with a phase of 2 epochs or more. Received: epochs=1. "
        'tk.tune(space, photos, strategy="bayesian")'
    )


def test_an_unknown_strategy_is_refused() -> None:
    with pytest.raises(UnknownNameError) as caught:
        searched(strategy="bayes")
    assert str(caught.value) == (
        "tune: there is no strategy called 'bayes'. Expected a known name (did you mean "
        "'bayesian'?). Received: strategy='bayes'. tk.tune(space, photos, strategy=\"bayesian\")"
    )
