from __future__ import annotations

import dataclasses
import io
import json
import math
import sys
from typing import Any

import pytest

from transferkit import plots
from transferkit.errors import MissingExtraError, SpecError, UnknownNameError
from transferkit.history import EpochRecord, History


def record(epoch: int, phase: int = 0, **metrics: float) -> EpochRecord:
    return EpochRecord(epoch, phase, f"phase {phase}", metrics, 1.5, 1e-3)


def run() -> History:
    return History(
        (
            record(0, loss=2.0, val_loss=2.5, accuracy=0.5),
            record(1, loss=1.0, val_loss=1.5, accuracy=0.8),
            record(2, 1, loss=0.5, accuracy=0.8),
            record(3, 1, loss=0.4, val_loss=1.75, accuracy=0.7, lr_scale=1.0),
        )
    )


def test_metrics_are_lists_with_nan_where_an_epoch_lacks_one() -> None:
    metrics = run().metrics
    assert list(metrics) == ["loss", "val_loss", "accuracy", "lr_scale"]
    assert metrics["loss"] == [2.0, 1.0, 0.5, 0.4]
    assert metrics["val_loss"][:2] == [2.5, 1.5]
    assert math.isnan(metrics["val_loss"][2])


def test_appending_leaves_the_first_history_as_it_was() -> None:
    before = run()
    after = before.append(record(4, 1, loss=0.1))
    assert (len(before), len(after)) == (4, 5)
    assert after[-1] == record(4, 1, loss=0.1)
    assert list(after)[:4] == list(before)


@pytest.mark.parametrize(
    ("metric", "epoch"), [("loss", 3), ("val_loss", 1), ("accuracy", 1)], ids=str
)
def test_the_best_epoch_is_read_from_the_kind_of_the_metric(metric: str, epoch: int) -> None:
    assert run().best(metric).epoch == epoch


@pytest.mark.parametrize(
    ("name", "less"),
    [
        ("val_mae", True),
        ("mean_squared_error", True),
        ("binary_crossentropy", True),
        ("f1_score", False),
        ("val_top_5_accuracy", False),
        ("auc", False),
        ("r2_score", False),
        ("val_precision", False),
    ],
)
def test_the_usual_metrics_are_known(name: str, less: bool) -> None:
    pair = (EpochRecord(i, 0, "p", {name: 1.0 + i}, 1.0, 1.0) for i in range(2))
    history = History(tuple(pair))
    assert history.best(name).epoch == (0 if less else 1)


def test_a_mode_overrides_the_name() -> None:
    assert run().best("loss", mode="max").epoch == 0
    assert run().best("lr_scale", mode="min").epoch == 3


def test_an_unknown_metric_names_the_nearest() -> None:
    with pytest.raises(
        UnknownNameError, match=r"no epoch has a metric called 'val_los'.*'val_loss'"
    ):
        run().best("val_los")


def test_a_metric_of_unknown_direction_needs_a_mode() -> None:
    with pytest.raises(SpecError, match=r"more or less of 'lr_scale' is better.*mode='max'\)"):
        run().best("lr_scale")


def test_a_mode_that_is_none_is_refused() -> None:
    with pytest.raises(SpecError, match=r"Expected mode='min' or mode='max'.*mode='least'"):
        run().best("loss", mode="least")  # type: ignore[arg-type]


def test_a_metric_that_was_never_a_number_has_no_best() -> None:
    history = History((record(0, loss=math.nan), record(1, loss=math.nan)))
    with pytest.raises(SpecError, match=r"'loss' was never a number.*smaller learning rate"):
        history.best("loss")


def test_phases_stand_in_order_even_where_they_share_a_name() -> None:
    twice = [dataclasses.replace(record(i, i), phase_name="fine tuning") for i in range(2)]
    assert History(tuple(twice)).phases == ("fine tuning", "fine tuning")
    assert run().phases == ("phase 0", "phase 1")


def test_a_further_run_follows_on() -> None:
    both = run().extended(run())
    assert [r.epoch for r in both] == list(range(8))
    assert [r.phase for r in both] == [0, 0, 1, 1, 2, 2, 3, 3]
    assert both.seconds == 12.0
    assert run().extended(History()) == run() == History().extended(run())


def test_it_survives_its_config_and_json_even_where_training_diverged() -> None:
    assert History.from_config(json.loads(json.dumps(run().to_config()))) == run()
    diverged = History((record(0, loss=math.inf), record(1, loss=math.nan)))
    written = json.dumps(diverged.to_config(), allow_nan=False)
    first, second = History.from_config(json.loads(written)).metrics["loss"]
    assert first == math.inf
    assert math.isnan(second)


def test_records_do_not_change_with_the_mapping_they_were_made_of() -> None:
    numbers = {"loss": 1}
    made = EpochRecord(0, 0, "p", numbers, 1.0, 1e-3)
    numbers["loss"] = 7
    assert made.metrics == {"loss": 1.0}


def test_pandas_has_one_row_per_epoch() -> None:
    frame = run().to_pandas()
    assert list(frame.columns)[:2] == ["phase", "phase_name"]
    assert frame.index.name == "epoch"
    assert frame.loc[1, "val_loss"] == 1.5
    assert frame["val_loss"].isna().tolist() == [False, False, True, False]


def test_without_pandas_the_line_that_installs_it_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(MissingExtraError, match=r"to_pandas\(\).*'transferkit\[pandas\]'"):
        run().to_pandas()


def test_the_plot_has_train_and_val_in_one_panel_and_the_loss_first() -> None:
    history = History(
        (record(0, accuracy=0.5, loss=1.0, val_loss=2.0), record(1, 1, val_accuracy=0.7))
    )
    figure = history.plot()
    figure.savefig(io.BytesIO())
    assert [axes.get_title() for axes in figure.axes] == ["loss", "accuracy"]
    for axes in figure.axes:
        assert [line.get_label() for line in axes.lines[:2]] == ["train", "val"]
        assert [t.get_text() for t in axes.texts] == ["phase 0", "phase 1"]


def test_a_metric_of_the_validation_alone_looks_like_validation() -> None:
    figure = History((record(0, val_loss=1.0), record(1, val_loss=0.5))).plot()
    assert figure.axes[0].lines[0].get_color() == plots.VAL_COLOUR


def test_an_empty_history_is_shown_but_not_drawn() -> None:
    assert repr(History()) == "History of 0 epochs in 0 phases, 0.0 s"
    with pytest.raises(SpecError, match=r"history\.plot\(\): there is nothing to draw"):
        History().plot()


def test_it_reads_as_a_table() -> None:
    lines = repr(run()).splitlines()
    assert lines[0] == "History of 4 epochs in 2 phases, 6.0 s"
    assert lines[1].split() == [
        "epoch", "phase", "loss", "val_loss", "accuracy", "lr_scale", "learning_rate", "seconds",
    ]  # fmt: skip
    assert lines[4].split() == ["2", "phase", "1", "0.5000", "-", "0.8000", "-", "0.001", "1.5"]
    assert len({line.index("phase") for line in lines[1:]}) == 1


def test_of_a_long_history_the_ends_are_shown() -> None:
    lines = repr(History(tuple(record(i, loss=1.0) for i in range(500)))).splitlines()
    assert len(lines) == 33
    assert lines[17].startswith("…")
    assert lines[-1].startswith("499")


def test_names_on_a_page_are_escaped() -> None:
    evil = EpochRecord(0, 0, "<img src=x>", {"<script>": 1.0}, 1.0, 1.0)
    page: Any = History((evil,))._repr_html_()
    assert "<img" not in page
    assert "<script>" not in page
    assert "&lt;img src=x&gt;" in page


@pytest.mark.parametrize(("epoch", "phase"), [(0, 0), (0, 1), (1, 0)])
def test_epochs_out_of_order_are_refused(epoch: int, phase: int) -> None:
    with pytest.raises(
        SpecError, match=r"History: epochs are out of order.*history\.extended\(other"
    ):
        History((record(0, 1), record(epoch, phase)))


@pytest.mark.parametrize(("epoch", "phase"), [(-1, 0), (0, -1)])
def test_numbers_below_nought_are_refused(epoch: int, phase: int) -> None:
    with pytest.raises(SpecError, match=r"EpochRecord: epochs and phases are counted from 0"):
        record(epoch, phase)
