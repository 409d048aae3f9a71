"""What a run prints."""

from __future__ import annotations

import re
import sys
from typing import Any

import numpy as np
import pytest

import transferkit as tk
from transferkit import _keras, _progress

keras = _keras.keras()


def fitted(verbose: int) -> Any:
    pixels = keras.Input((8, 8, 3))
    x = keras.layers.Conv2D(4, 3, name="conv")(pixels)
    made = tk.backbones.from_keras(keras.Model(pixels, x, name="tiny"))
    images = np.random.default_rng(0).integers(0, 255, (20, 8, 8, 3), dtype=np.uint8)
    photos = tk.data.from_arrays(images, np.arange(20) % 2)
    plan = tk.plans.feature_extraction(1, batch_size=8).then(
        tk.Phase(2, name="all of it", batch_size=8, learning_rate=tk.schedules.cosine(1e-3))
    )
    model = tk.TransferModel(made).freeze(tk.freeze.nothing())
    return model.fit(photos, plan, verbose=verbose)


def test_nothing_is_printed_with_verbose_0(capsys: pytest.CaptureFixture[str]) -> None:
    fitted(0)
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("verbose", [1, 2])
def test_a_log_file_gets_a_line_for_each_phase_and_epoch(
    verbose: int, capsys: pytest.CaptureFixture[str]
) -> None:
    trained = fitted(verbose)
    lines = capsys.readouterr().out.splitlines()
    moving = 4 * 2 + 2, 4 * 2 + 2 + 3 * 3 * 3 * 4 + 4
    total = moving[1]
    assert lines[0] == (
        f"Phase 1/2: feature extraction - 1 epoch, adam 0.001, {moving[0]} of {total} parameters "
        "train"
    )
    assert lines[2].startswith("Phase 2/2: all of it - 2 epochs, adam Cosine(peak=0.001")
    assert lines[2].endswith(f"{total} of {total} parameters train")
    epochs = [lines[1], *lines[3:]]
    for number, (line, record) in enumerate(zip(epochs, trained.history, strict=True), start=1):
        shown = re.fullmatch(r"Epoch (\d)/3 - \d+\.\d s - (.*)", line)
        assert shown, line
        assert int(shown[1]) == number
        assert len(shown[2].split(" - ")) == 4
        assert f"loss: {record.metrics['loss']:.4f}" in line
        assert f"val_accuracy: {record.metrics['val_accuracy']:.4f}" in line


def test_a_terminal_sees_how_far_an_epoch_is_and_then_its_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(type(sys.stdout), "isatty", lambda self: True, raising=False)
    monkeypatch.setattr(_progress, "LIVE_AFTER", 0.0)
    monkeypatch.setattr(_progress, "LIVE_EVERY", 0.0)
    fitted(1)
    printed = capsys.readouterr().out
    assert "Phase 2/2: all of it" in printed
    for epoch in (1, 2, 3):
        (line,) = (line for line in printed.split("\n") if f"Epoch {epoch}/3" in line)
        *steps, last = line.split("\r")[1:]
        assert [step.split(",")[0] for step in steps] == [
            f"Epoch {epoch}/3: 2 of 2 (100 %)",
        ]
        assert re.match(rf"Epoch {epoch}/3 - \d+\.\d s - ", last)
        assert re.search(r"val_loss: \d+\.\d{4}", last)
