from __future__ import annotations

import json
import math
from collections.abc import Callable
from typing import Any

import pytest

import transferkit as tk
from transferkit import schedules
from transferkit.errors import SpecError


def test_a_constant_is_constant() -> None:
    rate = tk.schedules.constant(1e-3)
    assert [rate(step, 10) for step in (0, 5, 10)] == [1e-3] * 3


def test_a_cosine_rises_in_its_warm_up_and_falls_to_its_end() -> None:
    rate = tk.schedules.cosine(1.0, warmup=0.2, end=0.1)
    assert [rate(step, 10) for step in (0, 1, 2)] == pytest.approx([0.0, 0.5, 1.0])
    assert rate(6, 10) == pytest.approx((1.0 + 0.1) / 2)
    assert rate(4, 10) == pytest.approx(0.1 + 0.9 * (1 + math.cos(math.pi / 4)) / 2)
    assert rate(10, 10) == pytest.approx(0.1)
    assert rate(11, 10) == pytest.approx(0.1)


def test_a_cosine_without_warm_up_starts_at_its_peak() -> None:
    assert tk.schedules.cosine(2.0)(0, 7) == 2.0


def test_an_exponential_is_a_geometric_row() -> None:
    rate = tk.schedules.exponential(1.0, 1e-4)
    assert [rate(step, 4) for step in range(6)] == pytest.approx([1, 0.1, 1e-2, 1e-3, 1e-4, 1e-4])
    assert rate(0, 0) == 1.0


@pytest.mark.parametrize(
    "rate",
    [
        tk.schedules.constant(0.1),
        tk.schedules.cosine(0.1, warmup=0.1, end=0.01),
        tk.schedules.exponential(0.1, 0.01),
    ],
)
def test_schedules_survive_json_and_are_hashable(rate: schedules.Schedule) -> None:
    assert schedules.from_config(json.loads(json.dumps(rate.to_config()))) == rate
    assert isinstance(hash(rate), int)


def test_a_schedule_of_the_user_says_its_values() -> None:
    class Nothing(schedules.Schedule):
        pass

    with pytest.raises(NotImplementedError):
        Nothing()(0, 1)


@pytest.mark.parametrize("value", [0, -1e-3, math.inf, math.nan, "1e-3", None])
def test_what_is_no_learning_rate_is_refused(value: Any) -> None:
    calls: tuple[Callable[[], schedules.Schedule], ...] = (
        lambda: tk.schedules.constant(value),
        lambda: tk.schedules.cosine(value),
        lambda: tk.schedules.exponential(1.0, value),
        lambda: schedules.as_schedule(value, verb="Phase"),
    )
    for call in calls:
        with pytest.raises(SpecError, match=r"is no learning rate.*above 0"):
            call()


@pytest.mark.parametrize("warmup", [-0.1, 1.0, 10])
def test_a_warm_up_is_a_share(warmup: float) -> None:
    with pytest.raises(SpecError, match="the warm-up is no share"):
        tk.schedules.cosine(1e-3, warmup=warmup)


def test_a_schedule_of_somebodys_own_comes_back_from_a_file_and_is_not_followed() -> None:
    config = {"schedule": "Zigzag", "high": 0.1}
    found = schedules.from_config(config)
    assert found.to_config() == config
    assert hash(found) == hash(schedules.from_config(config))
    with pytest.raises(SpecError, match=r"the schedule 'Zigzag' came from a file.*learning_rate="):
        found(0, 10)


@pytest.mark.parametrize("end", [-1e-3, float("nan"), float("inf"), "0"])
def test_a_last_rate_below_nought_is_refused(end: Any) -> None:
    with pytest.raises(SpecError, match="the last rate is no learning rate"):
        schedules.cosine(1e-3, end=end)
