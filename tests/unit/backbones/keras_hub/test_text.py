"""What is said where texts cannot be loaded: nothing here needs KerasHub."""

from __future__ import annotations

import sys
from typing import Any

import pytest

import transferkit as tk
from transferkit.backbones.keras_hub import places
from transferkit.errors import MissingExtraError, SpecError


@pytest.mark.parametrize("name", ["bert_base_en", "keras:VGG16", "hub:", 3])
def test_a_name_that_is_none_of_keras_hub_is_refused(name: Any) -> None:
    with pytest.raises(SpecError, match="load_text: ") as caught:
        tk.backbones.load_text(name)
    assert "no address of KerasHub's" in str(caught.value) or name == 3


def test_without_keras_hub_the_line_that_installs_it_is_named(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(places, "is_installed", lambda: False)
    monkeypatch.setitem(sys.modules, "keras_hub", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'transferkit\[hub\]'"):
        tk.backbones.load_text("hub:bert_base_en")
