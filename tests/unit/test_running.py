"""The engine as a value: what it takes, and what it refuses."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import transferkit as tk
from transferkit.errors import SpecError
from transferkit.running import as_engine


def test_none_is_the_default_engine_and_an_engine_stays_itself() -> None:
    assert as_engine(None) == tk.Engine()
    own = tk.Engine(precision="float32", xla=True, cache=Path("features"), shards=2)
    assert as_engine(own) is own


@pytest.mark.parametrize(
    ("given", "text"),
    [
        ({"xla": "yes"}, "xla is out of its range. Expected True, False or 'auto'"),
        ({"precision": "float16"}, "the precision is unknown. Expected .*bfloat16"),
        ({"prefix": "openvin"}, "the prefix is unknown. Expected .*openvino"),
        ({"cache": 3}, "cache is out of its range. Expected True, False or a folder"),
        ({"cache_limit": 0}, "cache_limit is out of its range. Expected a number of bytes"),
        ({"cache_limit": True}, "cache_limit is out of its range"),
        ({"shards": 0}, "shards is out of its range. Expected a whole number of 1 or more"),
        ({"strategy": "mirrored"}, "strategy is out of its range. Expected a tf.distribute"),
    ],
)
def test_an_engine_checks_itself(given: dict[str, Any], text: str) -> None:
    with pytest.raises(SpecError, match=f"^Engine: {text}"):
        tk.Engine(**given)
