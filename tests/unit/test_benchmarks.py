"""The harness of the benchmark: pairs, turns, intervals, the file of figures and its page."""

from __future__ import annotations

import dataclasses
import importlib
import json
import math
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import bench
import drawn_pictures
import keras
import measuring
import numpy as np
import page
import pytest
import record
import rows as table
import turns
import work
from measuring import Figure, Result
from record import Entry
from rows import Row, Setting, SkippedError, Target, at_least

MACHINE = {
    "processor": "a processor",
    "cores": 2,
    "bfloat16": [],
    "accelerators": [],
    "memory_gb": 8.0,
    "system": "Linux",
    "python": "3.12",
    "versions": {"keras": "3.15.1"},
    "gflops": {"float32": 100.0, "bfloat16": 200.0},
}


def made(name: str, measure: Callable[[Setting], Result], **more: Any) -> Row:
    return Row(name, f"{name} against nothing.", 1, measure, {"speed": at_least(2)}, **more)


def seen(value: float) -> Result:
    return Result((Figure("speed", value, seen="1 s against 2 s"),), ("a remark",))


# ------------------------------------------------------------------------------- measuring


def test_arms_run_in_turn_and_warm_rounds_are_not_counted() -> None:
    calls: list[str] = []
    arms = {"a": lambda: calls.append("a"), "b": lambda: calls.append("b")}
    seconds = measuring.in_turn(arms, 2, warm=1)
    assert "".join(calls) == "ababab"
    assert {name: len(each) for name, each in seconds.items()} == {"a": 2, "b": 2}


@pytest.mark.parametrize(
    ("count", "low", "high", "coverage"),
    [(6, 1, 6, 1 - 2 / 64), (7, 1, 7, 1 - 2 / 128), (9, 2, 8, 1 - 20 / 512), (3, 1, 3, 0.75)],
)
def test_an_interval_rests_on_the_order_of_the_values(
    count: int, low: float, high: float, coverage: float
) -> None:
    found = measuring.interval([float(each) for each in reversed(range(1, count + 1))])
    assert found == pytest.approx((low, high, coverage))


def test_an_interval_holds_the_median_as_often_as_it_says() -> None:
    draws = np.random.default_rng(0).lognormal(size=(4000, 9))  # the true median is 1
    ends = [measuring.interval(row) for row in draws.tolist()]
    held = np.mean([low <= 1 <= high for low, high, _ in ends])
    assert held == pytest.approx(ends[0][2], abs=0.015)


def test_a_ratio_is_the_median_of_the_pairs_and_not_of_the_two_sides() -> None:
    found = measuring.median_ratio("speed", [1, 2, 4], [2, 8, 4])
    assert (found.value, found.low, found.high, found.pairs) == (2, 1, 4, 3)
    assert found.seen == "2 s against 4 s"
    alone = measuring.median_ratio("speed", [0.001], [0.003], unit="ms")
    assert alone.value == pytest.approx(3)
    assert (alone.low, alone.pairs, alone.seen) == (None, 1, "1 ms against 3 ms")


def test_totals_are_compared_as_wholes() -> None:
    found = measuring.total_ratio("all", [3.0, 1.0, 1.0], [10.0, 10.0, 10.0])
    assert found.value == pytest.approx(6)
    assert found.low is not None
    assert found.high is not None
    assert 10 / 3 <= found.low < 6 < found.high <= 10


# ----------------------------------------------------------------------------------- turns


def training(epochs: int, log: list[str], name: str) -> Callable[[Any], None]:
    def train(callback: Any) -> None:
        for epoch in range(epochs):
            callback.on_epoch_begin(epoch)
            log.append(name)
            time.sleep(0.002)
            callback.on_epoch_end(epoch)
            log.append(name)

    return train


def test_the_epochs_of_trainings_alternate() -> None:
    log: list[str] = []
    arms = {name: training(3, log, name) for name in "abc"}
    seconds = turns.epochs_in_turn(arms, 3)
    assert "".join(log) == "aabbcc" * 3
    assert [len(each) for each in seconds.values()] == [2, 2, 2]
    assert all(second >= 0.002 for each in seconds.values() for second in each)


def test_a_training_that_fails_ends_the_others_in_peace() -> None:
    def broken(callback: Any) -> None:
        callback.on_epoch_begin(0)
        callback.on_epoch_end(0)
        raise ValueError("no more")

    log: list[str] = []
    with pytest.raises(RuntimeError, match="the training 'b' failed: no more"):
        turns.epochs_in_turn({"a": training(3, log, "a"), "b": broken}, 3)
    assert "".join(log) == "aa" * 3


def test_a_training_with_too_few_epochs_is_an_error() -> None:
    with pytest.raises(RuntimeError, match="'a' had 2 epochs, not 3"):
        turns.epochs_in_turn({"a": training(2, [], "a")}, 3)


# ------------------------------------------------------------------------ figures and page


def test_rows_that_were_not_run_keep_their_figures(tmp_path: Path) -> None:
    path = tmp_path / "figures.json"
    old = Entry(seen(3).figures, (), "2026-01-01", 1.0, MACHINE)
    record.write(path, {"one": (old,), "two": (old,)})
    new = record.measured(seen(4), 2, MACHINE)
    record.write(path, record.merge(record.read(path), "two", new))
    assert record.read(path) == {"one": (old,), "two": (new,)}


def test_each_machine_keeps_its_own_figures() -> None:
    old = Entry(seen(3).figures, (), "2026-01-01", 1.0, MACHINE, failure="no memory")
    other = record.measured(seen(4), 2, {**MACHINE, "bfloat16": ["amx_bf16"]})
    both = record.merge({"one": (old,)}, "one", other)
    assert both["one"] == (dataclasses.replace(old, failure=""), other)
    newer = record.measured(seen(5), 2, {**MACHINE, "versions": {"keras": "3.16"}})
    assert record.merge(both, "one", newer)["one"] == (other, newer)


def test_a_row_that_fails_keeps_its_earlier_figures_beside_the_reason(tmp_path: Path) -> None:
    old = Entry(seen(3).figures, (), "2026-01-01", 1.0, MACHINE)
    (merged,) = record.merge({"one": (old,)}, "one", record.failed("no\nmemory"))["one"]
    assert merged == dataclasses.replace(old, failure=merged.failure)
    assert merged.failure.endswith(": no memory")
    (first,) = record.merge({}, "one", record.failed("no memory"))["one"]
    assert record.merge({"one": (first,)}, "one", old)["one"] == (old,)


def test_the_page_shows_figures_targets_misses_and_failures() -> None:
    half = {**MACHINE, "bfloat16": ["amx_bf16"]}
    reasons = {"speed": "it does too much."}
    rows = {
        "fast": made("fast", lambda _: seen(3)),
        "slow": made("slow", lambda _: seen(1), reasons=reasons, in_bfloat16=("speed",)),
        "never": made("never", lambda _: seen(1)),
    }
    interval = dataclasses.replace(seen(3).figures[0], low=2.5, high=3.5, coverage=0.96, pairs=9)
    entries = {
        "fast": (Entry((interval,), (), "2026-01-01", 1.0, MACHINE),),
        "slow": (
            Entry(seen(1).figures, ("a remark",), "2026-01-02", 1.0, MACHINE, ""),
            Entry(seen(1.5).figures, (), "2026-01-04", 1.0, half),
        ),
        "never": (record.failed("no | memory"),),
        "forgotten": (Entry(seen(9).figures, (), "2026-01-03", 1.0, MACHINE),),
    }
    text = page.markdown(rows, entries)
    assert "## slow in detail, on A" in text
    common = "| 1 s against 2 s | 2026-01-0"
    spread = "2.50 to 3.50 (96% of 9)"
    assert f"| `fast` | speed | at least 2 x | 3.00 x | {spread} {common}1 | A |" in text
    assert f"| `slow` | speed | at least 2 x | 1.00 x (missed) | one pair {common}2 | A |" in text
    assert "| `never` | speed | at least 2 x | not measured |" in text
    missed = "- `slow`, speed, on {}, {} instead of at least 2 x: {}it does too much."
    lacks = "this processor has no bfloat16, in which the target was set. "
    assert missed.format("A", "1.00", lacks) in text
    assert missed.format("B", "1.50", "") in text
    assert "no | memory" in text
    assert "forgotten" not in text
    assert "matrix products at 100 GFLOP/s in float32, 200 GFLOP/s in bfloat16." in text


def test_a_target_may_be_a_most() -> None:
    most = Target(1.5, most=True, unit="GB")
    assert most.met(1.5)
    assert not most.met(1.6)
    assert page.bound(most) == "at most 1.5 GB"
    assert page.verdict(most, 1.6) == "1.60 GB (missed)"


def test_the_page_in_the_docs_is_made_of_the_file_beside_it() -> None:
    wanted = page.markdown(table.all_rows(), record.read(bench.FIGURES))
    assert bench.PAGE.read_text(encoding="utf-8") == wanted


def test_no_figure_in_the_docs_is_a_small_one() -> None:
    for name, entries in record.read(bench.FIGURES).items():
        row = table.all_rows()[name]
        for entry in entries:
            missing = set(row.targets) - {figure.label for figure in entry.figures}
            without = [] if entry.machine.get("bfloat16") else ["bfloat16"]
            assert missing <= set(without) or entry.failure


# --------------------------------------------------------------------------------- command


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Three rows that need no TensorFlow, and files of their own."""

    def broken(setting: Setting) -> Result:
        raise OSError("the disk is full")

    def absent(setting: Setting) -> Result:
        raise SkippedError("no photos")

    rows = {
        "good": made("good", lambda _: seen(3)),
        "bad": made("bad", broken),
        "absent": made("absent", absent),
    }
    monkeypatch.setattr(bench, "all_rows", lambda: rows)
    monkeypatch.setattr(bench, "measured_apart", bench.measured_here)
    machine = importlib.import_module("machine")
    monkeypatch.setattr(machine, "described", lambda side: MACHINE)
    monkeypatch.setattr(bench, "FIGURES", tmp_path / "performance.json")
    monkeypatch.setattr(bench, "PAGE", tmp_path / "performance.md")
    monkeypatch.setenv("TRANSFERKIT_CACHE", "elsewhere")
    return tmp_path


def test_a_row_that_fails_leaves_the_others_and_the_code_1(
    fake: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert bench.main([]) == 1
    found = json.loads((fake / "performance.json").read_text())["rows"]
    assert found["good"][0]["figures"][0]["value"] == 3
    assert "OSError: the disk is full" in found["bad"][0]["failure"]
    assert "left out, no photos" in found["absent"][0]["failure"]
    printed = capsys.readouterr().out
    assert "FAILED" in printed
    assert "SKIPPED" in printed
    assert "| `good` |" in (fake / "performance.md").read_text()


def test_rows_run_singly_and_merge_into_one_file(fake: Path) -> None:
    assert bench.main(["absent"]) == 0  # nothing to measure is no failure
    assert bench.main(["good"]) == 0
    found = json.loads((fake / "performance.json").read_text())["rows"]
    assert sorted(found) == ["absent", "good"]


def test_small_writes_nothing_that_stays(fake: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert bench.main(["--small", "good"]) == 0
    assert "small: nothing was written" in capsys.readouterr().out
    assert list(fake.iterdir()) == []


def test_a_row_that_is_mistyped_is_named(fake: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert bench.main(["goood"]) == 2
    assert "no row is called goood; there are good, bad, absent" in capsys.readouterr().out


def test_the_list_has_every_row_with_its_targets(capsys: pytest.CaptureFixture[str]) -> None:
    assert bench.main(["--list"]) == 0
    printed = capsys.readouterr().out
    for name, row in table.all_rows().items():
        assert f"{name} (about " in printed
        assert row.compares in printed
        assert row.targets
        assert {*row.reasons, *row.in_bfloat16} <= set(row.targets)


def test_a_process_that_dies_is_a_row_that_failed(
    fake: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.undo()
    row = made("no row of this name", lambda _: seen(1))
    entry = bench.measured_apart(row, bench.parsed([]), fake / "folder")
    assert "its process ended with code 2" in entry.failure


# --------------------------------------------------------------------------- what rows use


def test_pictures_from_a_seed_are_the_same_again(tmp_path: Path) -> None:
    one, two = (
        drawn_pictures.folder(tmp_path / name, 2, 4, seed=3, scale=0.1) for name in ("a", "b")
    )
    files = sorted(path.relative_to(one) for path in one.rglob("*.jpg"))
    assert [path.parent.name for path in files] == ["class_0"] * 2 + ["class_1"] * 2
    assert all((one / path).read_bytes() == (two / path).read_bytes() for path in files)


@pytest.mark.parametrize(
    ("layer", "shape", "wanted"),
    [
        (keras.layers.Conv2D(5, 3), (8, 8, 2), 6 * 6 * 5 * 9 * 2),
        (keras.layers.DepthwiseConv2D(3, padding="same"), (8, 8, 2), 8 * 8 * 2 * 9),
        (keras.layers.Dense(7), (4,), 28),
        (keras.layers.ReLU(), (4,), 0),
    ],
)
def test_work_is_counted_by_what_each_output_takes(
    layer: Any, shape: tuple[int, ...], wanted: float
) -> None:
    network = keras.Sequential([keras.Input(shape), layer])
    assert work.multiply_adds(network.layers[-1]) == wanted


def test_plain_keras_unfreezes_what_was_asked_for() -> None:
    plain_keras = importlib.import_module("plain_keras")
    layers = [keras.layers.Dense(2), keras.layers.BatchNormalization(), keras.layers.Dense(2)]
    base = keras.Sequential([keras.Input((2,)), *layers])
    base.trainable = False
    plain_keras.unfreeze(base, 1, batch_norm=False)
    assert [layer.trainable for layer in base.layers] == [False, False, True]
    plain_keras.unfreeze(base, 0, batch_norm=True)
    assert [layer.trainable for layer in base.layers] == [True, True, True]


@pytest.mark.filterwarnings("ignore:.*scipy.ndimage.*:DeprecationWarning")  # Keras' old generator
def test_a_small_row_runs_from_end_to_end(tmp_path: Path) -> None:
    row = table.all_rows()["input"]
    result = row.measure(Setting(tmp_path, small=True))
    values = [figure.value for figure in result.figures]
    assert {figure.label for figure in result.figures} >= set(row.targets)
    assert all(math.isfinite(value) and value > 0 for value in values)
