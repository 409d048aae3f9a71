"""Every registered tracker keeps the rules of `check_tracker`, and what it wrote is read back.

Those of packages that few install run in `nox -s extras`.
"""

from __future__ import annotations

import html
import math
import re
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from tracked import ENGINE, Read, model, photos, plan
from tracked_runs import read_mlflow, read_tensorboard, read_wandb

import transferkit as tk
from transferkit import _keras
from transferkit.errors import MissingExtraError
from transferkit.testing import check_tracker
from transferkit.testing.trackers import write_all

# Other people's packages warn of what is theirs to mend.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")


@dataclass(frozen=True)
class Case:
    """A tracker's function, called as a user would, and what reads its last run back."""

    make: Callable[[Path], Any]
    read: Callable[[Path], Read]
    call: str
    literal: Callable[[str], str] = str


CASES = {
    "mlflow": Case(lambda _: tk.track.mlflow("ants"), read_mlflow, "tk.track.mlflow()"),
    "tensorboard": Case(tk.track.tensorboard, read_tensorboard, "tk.track.tensorboard()"),
    "wandb": Case(
        lambda _: tk.track.wandb("ants", name="first", tags=["tiny"]),
        read_wandb,
        "tk.track.wandb()",
        lambda text: f"<pre>{html.escape(text)}</pre>",
    ),
}


def test_every_registered_tracker_has_a_case() -> None:
    assert set(tk.track.names()) == set(CASES)


@pytest.fixture(scope="module", params=sorted(CASES))
def name(request: pytest.FixtureRequest) -> str:
    chosen: str = request.param
    return chosen


@pytest.fixture(scope="module")
def place(name: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Where a tracker writes to, all of it on this disk."""
    pytest.importorskip(name)
    folder = tmp_path_factory.mktemp(name)
    with pytest.MonkeyPatch.context() as patch:
        for variable in ("WANDB_DIR", "WANDB_DATA_DIR", "WANDB_CACHE_DIR", "WANDB_CONFIG_DIR"):
            patch.setenv(variable, str(folder))
        patch.setenv("WANDB_MODE", "offline")
        patch.setenv("WANDB_SILENT", "true")
        patch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{folder}/mlflow.db")
        patch.setenv("MLFLOW_ARTIFACT_ROOT", str(folder))
        patch.setenv("MLFLOW_DISABLE_TELEMETRY", "true")
        patch.chdir(folder)
        yield folder


def test_it_keeps_every_rule_of_the_contract(name: str, place: Path) -> None:
    check_tracker(CASES[name].make(place / "rules").tracker)


def test_what_was_written_by_hand_is_read_back(name: str, place: Path) -> None:
    case = CASES[name]
    tracker = case.make(place / "by hand").tracker
    tracker.begin({"model": {"backbone": "tiny"}, "seed": 7}, step=0, run_id=None)
    write_all(tracker, 3)
    tracker.end(complete=True)
    read = case.read(place / "by hand" if name == "tensorboard" else place)
    assert read.config == {"model": {"backbone": "tiny"}, "seed": 7}
    loss = read.numbers["loss"]
    assert [step for step, _ in loss] == [3, 4]
    assert (loss[0][1], math.isnan(loss[1][1])) == (0.5, True)
    assert read.numbers["val_loss"] == [(4, math.inf)] or name == "mlflow"  # it keeps 1.8e308
    assert read.texts["report"].strip() == case.literal("a  table\n<b>1</b>  ``` 蜂\n").strip()
    rows = [[str(cell) for cell in row] for row in read.tables["confusion"]]
    assert rows == [["is / predicted", "ant", "蜂"], ["<b>", "1", "2.5"]]
    assert read.pictures == {"predictions": ["is ant", "is 蜂 (5%)"]}
    assert read.files == {"model.tkm": b"a model"}
    assert read.complete in (True, None)


class Breaks(_keras.keras().callbacks.Callback):  # type: ignore[misc]
    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        if epoch == 0:
            raise KeyboardInterrupt


def test_a_fit_that_was_broken_off_is_one_run_with_the_curves_of_the_history(
    name: str, place: Path
) -> None:
    case, data, tiny = CASES[name], photos(), model()
    folder = place / "fit"

    def fit(*more: Any) -> Any:
        backup = _keras.keras().callbacks.BackupAndRestore(str(place / "backup"))
        callbacks = [case.make(folder), backup, *more]
        return tiny.fit(data, plan(), engine=ENGINE, callbacks=callbacks, verbose=0)

    with pytest.raises(KeyboardInterrupt):
        fit(Breaks())
    trained = fit()
    read = case.read(folder if name == "tensorboard" else place)
    for metric, values in trained.history.metrics.items():
        curve = read.numbers[metric]
        assert [step for step, _ in curve] == [3, 6, 8], metric
        assert [value for _, value in curve[1:]] == pytest.approx(values)
    assert [step for step, _ in read.numbers["learning_rates/block_1"]] == [8]
    assert read.config["model"]["backbone"] == "tiny"
    assert read.texts["data_report"].strip() == case.literal(str(data.report)).strip()
    evaluation = trained.evaluate(data.val)
    scores = dict(read.numbers["final/val_loss"])
    assert scores == pytest.approx({8: evaluation.loss})
    assert [row[1:] for row in read.tables["confusion"][1:]] == [
        [*map(type(row[1]), counts)]
        for row, counts in zip(read.tables["confusion"][1:], evaluation.confusion, strict=True)
    ]
    assert len(read.pictures["predictions"]) == evaluation.count
    (place / "again.tkm").write_bytes(read.files["model.tkm"])
    assert tk.load(place / "again.tkm").plan == trained.plan
    assert read.complete in (True, None)


def test_what_the_page_prints_and_cannot_run_runs(name: str, place: Path) -> None:
    page = Path(__file__).parents[2].joinpath("docs/guide/tracking.md").read_text(encoding="utf-8")
    blocks = re.findall(r"```text\n(.*?)```", page, re.DOTALL)
    assert len(blocks) == len(CASES) - 1  # TensorBoard's runs with the page
    for block in (block for block in blocks if f"tk.track.{name}(" in block):
        exec(block, {"tk": tk, "photos": photos(), "model": model(), "plan": plan()})
        assert [step for step, _ in CASES[name].read(place).numbers["val_loss"]] == [3, 6, 8]


def test_a_run_of_yours_is_written_into_and_left_open(name: str, place: Path) -> None:
    if name == "tensorboard":
        pytest.skip("a folder is no run that could be open")
    module: Any = sys.modules[name]
    mine = module.start_run() if name == "mlflow" else module.init(project="mine")
    tracker = CASES[name].make(place).tracker
    tracker.begin({"seed": 7}, step=0, run_id=None)
    tracker.log_numbers({"loss": 0.25}, 2)
    tracker.end(complete=True)
    assert (module.active_run() if name == "mlflow" else module.run) is mine
    module.end_run() if name == "mlflow" else module.finish()
    read = CASES[name].read(place)
    assert (read.config, read.numbers) == ({"seed": 7}, {"loss": [(2, 0.25)]})


def test_a_package_that_is_not_installed_is_answered_with_the_line_that_installs_it(
    name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(MissingExtraError) as caught:
        CASES[name].make(tmp_path)
    assert str(caught.value) == (
        f"{CASES[name].call}: {name} is not installed. pip install 'transferkit[{name}]'"
    )
