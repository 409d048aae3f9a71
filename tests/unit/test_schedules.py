from __future__ import annotations

import json
import math
from collections.abc import Callable
from typing import Any

import pytest

import transferkit as tk
from transferkit import schedules
from transferkit.errors import SpecError

EVERY = (
    tk.schedules.constant(0.1),
    tk.schedules.cosine(0.1, warmup=0.1, end=0.01),
    tk.schedules.exponential(0.1, 0.01),
    tk.schedules.one_cycle(0.1, warmup=0.3, start_factor=5, end_factor=50),
    tk.schedules.step(0.1, every=0.5, factor=0.3),
)


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


def test_one_cycle_goes_up_from_one_low_rate_and_down_to_another() -> None:
    rate = tk.schedules.one_cycle(1.0, warmup=0.2, start_factor=10, end_factor=100)
    found = [rate(step, 10) for step in (0, 1, 2, 6, 10, 11)]
    assert found == pytest.approx([0.1, 0.55, 1.0, (1.0 + 0.01) / 2, 0.01, 0.01])
    assert rate(4, 10) == pytest.approx(0.01 + 0.99 * (1 + math.cos(math.pi / 4)) / 2)
    usual = tk.schedules.one_cycle(1.0)
    assert [usual(step, 100) for step in (0, 25, 100)] == pytest.approx([1 / 25, 1.0, 1e-4])


def test_one_cycle_without_a_rise_starts_at_its_peak_and_ends_low_whatever_the_steps() -> None:
    assert tk.schedules.one_cycle(2.0, warmup=0)(0, 7) == 2.0
    for steps in (1, 2, 3):
        assert tk.schedules.one_cycle(1.0, warmup=0.9)(steps, steps) == pytest.approx(1e-4)


def test_stairs_fall_after_each_share_of_the_phase() -> None:
    rate = tk.schedules.step(1.0, every=0.25, factor=0.5)
    found = [rate(step, 8) for step in range(9)]
    assert found == [1, 1, 0.5, 0.5, 0.25, 0.25, 0.125, 0.125, 0.0625]
    assert tk.schedules.step(1.0, every=1.0)(99, 100) == 1.0
    assert rate(20, 8) == rate(8, 8), "behind the last step nothing moves"
    assert rate(0, 0) == 1.0


@pytest.mark.parametrize(
    ("every", "steps", "at"), [(0.1, 100, 30), (0.07, 100, 7), (1 / 3, 30, 10)]
)
def test_shares_that_binary_fractions_miss_fall_at_the_right_step(
    every: float, steps: int, at: int
) -> None:
    rate = tk.schedules.step(1.0, every=every, factor=0.5)
    assert rate(at, steps) == rate(at - 1, steps) / 2


@pytest.mark.parametrize("rate", EVERY)
@pytest.mark.parametrize(("step", "steps"), [(-1, 10), (0, -1), (math.nan, 10)])
def test_steps_below_nought_are_refused(rate: schedules.Schedule, step: Any, steps: int) -> None:
    message = r"schedule: the phase has no such step\. Expected step and steps of 0 or more"
    with pytest.raises(SpecError, match=message):
        rate(step, steps)


@pytest.mark.parametrize("rate", EVERY)
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
        lambda: tk.schedules.one_cycle(value),
        lambda: tk.schedules.step(value, every=0.5),
        lambda: schedules.as_schedule(value, verb="Phase"),
    )
    for call in calls:
        with pytest.raises(SpecError, match=r"is no learning rate.*above 0"):
            call()


@pytest.mark.parametrize("warmup", [-0.1, 1.0, 10])
def test_a_warm_up_is_a_share(warmup: float) -> None:
    for shape in (tk.schedules.cosine, tk.schedules.one_cycle):
        mend = rf"the warm-up is no share.*tk\.schedules\.{shape.__name__}\(1e-3, warmup=0\.1\)"
        with pytest.raises(SpecError, match=mend):
            shape(1e-3, warmup=warmup)


@pytest.mark.parametrize("factor", [0.5, 0, -25, math.inf, math.nan, "25", None])
def test_a_cycle_is_lowest_at_its_ends(factor: Any) -> None:
    for name in ("start_factor", "end_factor"):
        message = rf"{name} is no factor below the peak.*1 or more.*{name}=100\)"
        with pytest.raises(SpecError, match=message):
            tk.schedules.one_cycle(1e-3, **{name: factor})


@pytest.mark.parametrize("every", [0, -0.5, 1.1, 30, math.nan, "1/3", True])
def test_stairs_are_as_long_as_a_share_of_the_phase(every: Any) -> None:
    with pytest.raises(SpecError, match=r"every is no share of the phase.*0 < every <= 1"):
        tk.schedules.step(1e-3, every=every)


@pytest.mark.parametrize("factor", [0, 1, 10, -0.1, math.nan, None])
def test_stairs_go_down(factor: Any) -> None:
    with pytest.raises(SpecError, match=r"factor does not make the rate smaller.*0 < factor < 1"):
        tk.schedules.step(1e-3, every=0.5, factor=factor)


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
