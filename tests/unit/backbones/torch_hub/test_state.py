"""State dicts that PyTorch wrote; those who have no PyTorch are told what to install."""

from __future__ import annotations

import pickle
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from transferkit.backbones.torch_hub import state
from transferkit.errors import MissingExtraError, WeightsError, WeightsNotFoundError


class Planted:
    """Runs a program when it is unpickled."""

    def __init__(self, sign: Path) -> None:
        self.sign = sign

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        return Path.touch, (self.sign,)


def test_a_planted_pickle_is_refused_and_not_run(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    sign = tmp_path / "was_run"
    file = tmp_path / "planted.pth"
    for write in (torch.save, lambda thing, path: path.write_bytes(pickle.dumps(thing))):
        write({"weight": Planted(sign)}, file)
        with pytest.raises(WeightsError, match=r"planted.pth cannot be read without running what"):
            state.read(str(file))
        assert not sign.exists()
    pickle.loads(file.read_bytes())  # it does run where one lets it
    assert sign.exists()


def test_a_state_dict_is_read_in_float32(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    file = tmp_path / "weights.pth"
    torch.save({"a": torch.ones(2, 3, dtype=torch.bfloat16), "n": torch.tensor(4)}, file)
    read = state.read(str(file))
    np.testing.assert_array_equal(read["a"], np.ones((2, 3), np.float32))
    assert read["a"].dtype == np.float32
    assert int(read["n"]) == 4
    torch.save({"epoch": 3, "state_dict": {"a": torch.ones(2)}}, file)
    with pytest.raises(
        WeightsError, match=r"no state dict: it holds epoch, state_dict.*checkpoint"
    ):
        state.read(str(file))


@pytest.mark.parametrize(("content", "text"), [([], "it is a list"), ({}, "it is a dict")])
def test_what_is_no_mapping_of_tensors_is_no_state_dict(content: object, text: str) -> None:
    with pytest.raises(WeightsError, match=f"weights: w.pth is no state dict: {text}"):
        state.from_torch(content, of="w.pth")


def test_pytorch_is_asked_for_where_it_is_needed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "weights.pth"
    with pytest.raises(WeightsNotFoundError, match=r"Expected a .safetensors or .pth file"):
        state.read(str(file))
    file.write_bytes(b"")
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(MissingExtraError, match=r"pip install.* 'transferkit\[torch\]'"):
        state.read(str(file))
    monkeypatch.setitem(sys.modules, "torch", SimpleNamespace(__version__="2.5.1+cpu"))
    with pytest.raises(MissingExtraError, match=r"PyTorch 2.5.1\+cpu can be made to run code by"):
        state.read(str(file))
