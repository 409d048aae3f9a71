"""Weight files: the one that was read last is not read again, and is never mistaken."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from transferkit import _keras
from transferkit.backbones import weights
from transferkit.errors import WeightsError

keras = _keras.keras()


def network(width: int = 3) -> Any:
    with _keras.fresh_names():
        pixels = keras.Input((4,))
        return keras.Model(pixels, keras.layers.Dense(width, name="dense")(pixels))


def written(path: Path, value: float) -> str:
    made = network()
    made.set_weights([np.full_like(each, value) for each in made.get_weights()])
    made.save_weights(path)
    return str(path)


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The files that Keras was asked to read."""
    seen: list[str] = []
    usual = keras.Model.load_weights

    def watched(self: Any, path: str, **more: Any) -> None:
        seen.append(path)
        usual(self, path, **more)

    monkeypatch.setattr(keras.Model, "load_weights", watched)
    monkeypatch.setattr(weights, "_last", {})
    return seen


def loaded(path: str, width: int = 3) -> Any:
    made = network(width)
    weights.load_file(made, path)
    return made


def values(made: Any) -> set[float]:
    return {float(each) for weight in made.get_weights() for each in weight.ravel()}


def test_a_file_is_read_once_and_every_network_has_its_own_numbers(
    tmp_path: Path, reads: list[str]
) -> None:
    path = written(tmp_path / "a.weights.h5", 0.25)
    first = loaded(path)
    first.weights[0].assign_add(np.ones((4, 3), np.float32))
    assert values(loaded(path)) == {0.25}
    assert values(first) == {0.25, 1.25}
    assert reads == [path]


def test_a_file_that_changed_is_read_again(tmp_path: Path, reads: list[str]) -> None:
    path = written(tmp_path / "a.weights.h5", 0.25)
    loaded(path)
    Path(path).unlink()
    written(tmp_path / "a.weights.h5", 0.5)
    assert values(loaded(path)) == {0.5}
    assert len(reads) == 2


def test_another_network_is_told_that_the_file_does_not_fit(
    tmp_path: Path, reads: list[str]
) -> None:
    path = written(tmp_path / "a.weights.h5", 0.25)
    loaded(path)
    with pytest.raises(WeightsError, match=r"a\.weights\.h5 does not fit"):
        loaded(path, width=5)
    assert values(loaded(path)) == {0.25}


def test_of_two_files_the_last_one_is_kept(tmp_path: Path, reads: list[str]) -> None:
    one, other = (written(tmp_path / f"{name}.weights.h5", v) for name, v in (("a", 1), ("b", 2)))
    assert [values(loaded(path)) for path in (one, other, other, one)] == [{1}, {2}, {2}, {1}]
    assert reads == [one, other, one]


def test_large_files_are_not_kept(
    tmp_path: Path, reads: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(weights, "_KEPT", 59)  # bytes; the file has 60
    path = written(tmp_path / "a.weights.h5", 0.25)
    loaded(path)
    loaded(path)
    assert reads == [path, path]
    assert weights._last == {}
