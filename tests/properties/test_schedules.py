"""Laws of learning-rate shapes."""

from __future__ import annotations

import json
from itertools import pairwise

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

import transferkit as tk
from transferkit.schedules import Schedule, from_config

RATES = st.floats(1e-6, 10.0)
SHARES = st.floats(0.0, 0.9)
FACTORS = st.floats(1.0, 1e6)
CYCLES = st.builds(
    tk.schedules.one_cycle, RATES, warmup=SHARES, start_factor=FACTORS, end_factor=FACTORS
)
STAIRS = st.builds(
    tk.schedules.step, RATES, every=st.floats(0.02, 1.0), factor=st.floats(0.01, 0.99)
)
COSINES = st.builds(tk.schedules.cosine, RATES, warmup=SHARES)
EVERY = st.one_of(CYCLES, STAIRS, COSINES)
STEPS = st.integers(1, 500)


def highest(schedule: Schedule) -> float:
    config = schedule.to_config()
    return float(config["peak" if "peak" in config else "value"])


@given(st.one_of(CYCLES, STAIRS), STEPS, st.data())
def test_a_rate_is_above_nought_and_never_above_its_peak(
    schedule: Schedule, steps: int, data: st.DataObject
) -> None:
    rate = schedule(data.draw(st.integers(0, 2 * steps)), steps)
    assert 0 < rate <= highest(schedule) * (1 + 1e-9)


@given(st.one_of(CYCLES, COSINES), st.integers(1, 50))
def test_where_the_warm_up_ends_the_rate_is_the_peak_and_does_not_jump(
    schedule: Schedule, scale: int
) -> None:
    peak, warmup = highest(schedule), schedule.to_config()["warmup"]
    steps = 10**7 * scale
    assume(warmup > 0.01)
    end = round(warmup * steps)
    before, there, after = (schedule(end + more, steps) for more in (-1, 0, 1))
    assert (before, there, after) == pytest.approx((peak,) * 3, rel=1e-4)


@given(CYCLES, STEPS)
def test_a_cycle_rises_and_then_falls(schedule: Schedule, steps: int) -> None:
    turn = schedule.to_config()["warmup"] * steps
    rates = [schedule(step, steps) for step in range(steps + 1)]
    slack = 1e-9 * highest(schedule)
    for step, (rate, following) in enumerate(pairwise(rates)):
        if step + 1 < turn:
            assert following >= rate - slack
        elif step >= turn:
            assert following <= rate + slack


@given(STAIRS, STEPS)
def test_stairs_only_go_down_and_by_one_factor(schedule: Schedule, steps: int) -> None:
    factor = schedule.to_config()["factor"]
    rates = [schedule(step, steps) for step in range(steps + 1)]
    assert rates[0] == highest(schedule)
    falls = round(1 / schedule.to_config()["every"]) + 1
    allowed = [highest(schedule) * factor**number for number in range(falls + 1)]
    assert all(any(rate == pytest.approx(each) for each in allowed) for rate in rates)
    assert rates == sorted(rates, reverse=True)


@given(EVERY)
def test_json_gives_the_schedule_again(schedule: Schedule) -> None:
    assert from_config(json.loads(json.dumps(schedule.to_config()))) == schedule
