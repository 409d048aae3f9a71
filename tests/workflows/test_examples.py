"""Every example of ``examples/``, in a small form: it runs, and says what it is to show.

The tutorial and one more are run by the quick tests, the others by the slow ones.
"""

from __future__ import annotations

import importlib
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"

pytest.importorskip("sklearn")
pytest.importorskip("matplotlib")

Run = Callable[..., tuple[Any, str]]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Run one in a folder of its own; what it returns and what it prints."""
    monkeypatch.chdir(tmp_path)

    def runner(name: str, *arguments: str) -> tuple[Any, str]:
        returned = importlib.import_module(name).main(arguments)
        return returned, capsys.readouterr().out

    return runner


def is_a_picture(path: Path) -> bool:
    """Whether it is one that shows something."""
    with Image.open(path) as picture:
        return bool(np.asarray(picture.convert("L")).std() > 5)


def shares(values: Sequence[float]) -> bool:
    return all(0 <= value <= 1 for value in values)


def test_every_example_is_run_here_or_by_its_own_command() -> None:
    text = Path(__file__).read_text(encoding="utf-8")
    run_here = set(re.findall(r'run\(\s*"(\w+)"', text))
    helpers = {"drawn"}
    found = {path.stem for path in EXAMPLES.glob("*.py")}
    assert found == run_here | helpers | {"quickstart"}  # `nox -s quickstart` runs that one


@pytest.mark.slow
def test_own_backbone(run: Run) -> None:
    scores, printed = run("own_backbone", "--pictures", "20", "--epochs", "1")
    assert set(scores) == {"transfer", "from scratch"}
    assert shares([*scores.values()])
    assert "13 layers in 4 blocks" in printed
    here, elsewhere = re.findall(r"^ +(?:here|elsewhere) +(.+)$", printed, re.MULTILINE)
    assert here == elsewhere
    assert here.startswith("Prediction(label=")


@pytest.mark.slow
def test_regression(run: Run) -> None:
    scores, printed = run("regression", "--pictures", "60", "--epochs", "6")
    assert scores["flatten"] > scores["avg"]
    assert "regression(pooling='flatten'): R2 " in printed
    assert is_a_picture(Path("regression-out/regression.png"))


def test_tutorial(run: Run) -> None:
    trained, printed = run("tutorial", "--pictures", "5", "--epochs", "1", "--image-size", "32")
    assert "Data: 15 train, 5 val, 5 test pictures, 5 classes" in printed
    assert "feature extraction: 19 of 19 layers are frozen; only the head is trained" in printed
    last = "block5_conv1, block5_conv2, block5_conv3, block5_pool"
    assert f"fine-tuning: 15 of 19 layers are frozen; trained: {last}" in printed
    assert "test: 5 pictures, 5 classes" in printed
    rates = [record.learning_rate for record in trained.history]
    assert rates == pytest.approx([1e-3, 1e-4])
    assert is_a_picture(Path("tutorial-out/tutorial.png"))


@pytest.mark.slow
def test_freeze_ablation(run: Run) -> None:
    scores, printed = run("freeze_ablation", "--pictures", "20", "--epochs", "1")
    assert [*scores][:2] == ["backbone()", "all_but(top_blocks(1))"]
    assert len(scores) == 5
    assert shares([*scores.values()])
    counts = re.findall(r"^\w.*\) +([\d,]+) ", printed, re.MULTILINE)
    moving = [int(count.replace(",", "")) for count in counts]
    assert moving == sorted(set(moving)), "each policy trains more than the one before"
    assert is_a_picture(Path("freeze-ablation-out/freeze-ablation.png"))


@pytest.mark.slow
def test_few_shot(run: Run) -> None:
    shots = ("--shots", "2", "--draws", "1")
    scores, printed = run("few_shot", *shots, "--pictures", "20", "--epochs", "1")
    assert {way: list(each) for way, each in scores.items()} == {
        "transfer": [2],
        "from scratch": [2],
    }
    assert shares([value for each in scores.values() for (value,) in each.values()])
    assert re.search(r"^of each class +transfer +from scratch$", printed, re.MULTILINE)
    assert is_a_picture(Path("few-shot-out/few-shot.png"))


@pytest.mark.slow
def test_multilabel_csv(run: Run) -> None:
    scores, printed = run("multilabel_csv", "--pictures", "40", "--epochs", "1", "--taught", "20")
    counted = re.search(
        r"Data: (\d+) train, (\d+) val pictures, 5 labels \(circle, cross,", printed
    )
    assert counted is not None
    assert sum(map(int, counted.groups())) == 40
    assert shares([scores["subset_accuracy"]])
    assert "Labels(labels=(" in printed
    lines = Path("multilabel-out/shapes.csv").read_text(encoding="utf-8").splitlines()
    assert lines[0] == "path,shapes"
    assert len(lines) == 41
    assert is_a_picture(Path("multilabel-out/pictures.png"))
