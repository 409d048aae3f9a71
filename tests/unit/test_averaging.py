from __future__ import annotations

import json
from typing import Any

import pytest

import transferkit as tk
from transferkit import averaging
from transferkit.errors import SpecError

KINDS = (
    tk.averaging.ema(0.9),
    tk.averaging.swa(0.25),
    tk.averaging.wise_ft(),
    tk.averaging.wise_ft(0.5),
    tk.averaging.soup(),
)


@pytest.mark.parametrize("kind", KINDS, ids=repr)
def test_averages_survive_a_file(kind: Any) -> None:
    phase = tk.Phase(2, averaging=kind)
    assert tk.Phase.from_config(json.loads(json.dumps(phase.to_config()))) == phase
    assert repr(phase).endswith(repr(kind))


@pytest.mark.parametrize("value", [0, 1, -0.5, float("nan"), "half"])
def test_a_share_lies_between_nought_and_one(value: Any) -> None:
    with pytest.raises(SpecError, match=r"momentum is out of range.*ema\(0.99\)"):
        tk.averaging.ema(value)
    with pytest.raises(SpecError, match=r"last is out of range.*swa\(0.5\)"):
        tk.averaging.swa(value)


@pytest.mark.parametrize("alpha", [-0.1, 1.1, float("nan"), "half"])
def test_alpha_is_a_place_on_the_line(alpha: Any) -> None:
    with pytest.raises(SpecError, match=r"no place on the line.*wise_ft\(0.5\)"):
        tk.averaging.wise_ft(alpha)


def test_a_phase_ends_with_one_set_of_weights() -> None:
    with pytest.raises(SpecError, match="both say which weights the phase ends with"):
        tk.Phase(3, averaging=tk.averaging.soup(), restore_best=True)
    with pytest.raises(SpecError, match=r"no value for averaging.*wise_ft\(\)"):
        tk.Phase(3, averaging="soup")  # type: ignore[arg-type]
    with pytest.raises(SpecError, match="no average called 'Newer'"):
        averaging.from_config({"averaging": "Newer"})
