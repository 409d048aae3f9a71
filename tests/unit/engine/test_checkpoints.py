"""Checkpoints are there whole or not at all, whatever happens while Keras writes them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from transferkit import _keras
from transferkit.engine import checkpoints, resume

keras = _keras.keras()


@pytest.fixture
def network() -> Any:
    return keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize(("verb", "name"), [("save", "a.keras"), ("save_weights", "a.weights.h5")])
def test_a_save_that_breaks_off_leaves_the_old_file(
    network: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, verb: str, name: str
) -> None:
    path = tmp_path / name
    with checkpoints.whole(network):
        getattr(network, verb)(str(path))
    before = path.read_bytes()

    def breaks(model: Any, filepath: Any, *args: Any, **kwargs: Any) -> None:
        Path(filepath).write_bytes(b"half")
        raise OSError("the disk is full")

    monkeypatch.setattr(type(network), verb, breaks)
    with checkpoints.whole(network), pytest.raises(OSError, match="disk is full"):
        getattr(network, verb)(path)
    assert path.read_bytes() == before
    assert names(tmp_path) == [name]


def test_a_network_has_its_own_methods_again_and_what_is_saved_loads(
    network: Any, tmp_path: Path
) -> None:
    with checkpoints.whole(network):
        network.save(tmp_path / "a.keras")
        network.save(tmp_path / "folder", zipped=False)
    assert "save" not in vars(network)
    assert "save_weights" not in vars(network)
    twin = keras.models.load_model(tmp_path / "a.keras")
    for mine, its in zip(twin.get_weights(), network.get_weights(), strict=True):
        np.testing.assert_array_equal(mine, its)
    assert (tmp_path / "folder").is_dir()


def test_what_keras_refuses_it_refuses_itself(network: Any, tmp_path: Path) -> None:
    with checkpoints.whole(network):
        with pytest.raises(ValueError, match="filename must end in"):
            network.save_weights(tmp_path / "weights.txt")
        with pytest.raises(FileNotFoundError):
            network.save(tmp_path / "nowhere" / "a.keras")


@pytest.mark.parametrize("double", [False, True])
def test_a_backups_note_is_whole_whenever_the_process_ends(
    network: Any, tmp_path: Path, double: bool
) -> None:
    backup = keras.callbacks.BackupAndRestore(str(tmp_path), double_checkpoint=double)
    (spared,) = resume.callbacks_for([backup], begin=True, end=True)
    spared.set_model(network)
    spared.on_epoch_end(0)
    spared.on_train_batch_end(0)  # writes nothing

    def breaks() -> None:
        Path(backup._training_metadata_path).write_text("{")
        raise KeyboardInterrupt

    save, backup._save_model = backup._save_model, breaks
    with pytest.raises(KeyboardInterrupt):
        spared.on_epoch_end(1)
    notes = tmp_path / "training_metadata.json"
    assert json.loads(notes.read_text())["epoch"] == 1
    backup._save_model = save
    spared.on_epoch_end(1)
    assert json.loads(notes.read_text())["epoch"] == 2
    kept = ["latest.weights.h5", "training_metadata.json"]
    assert names(tmp_path) == sorted(kept + [f"{name}.bkp" for name in kept if double])
    if double:
        old = tmp_path / "training_metadata.json.bkp"
        assert json.loads(old.read_text())["epoch"] == 1
