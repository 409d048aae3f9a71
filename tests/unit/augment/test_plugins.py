from __future__ import annotations

import json
from typing import Any

import pytest

import transferkit as tk
from transferkit._registry import Registry
from transferkit.augment.operation import registry
from transferkit.errors import PluginError, UnknownNameError

GROUP = "transferkit.augmentations"
HALVES = """
    from dataclasses import dataclass
    from transferkit.augment.operation import Operation
    @dataclass(frozen=True, repr=False)
    class Halve(Operation):
        share: float = 0.5
        name = "halve"
        def apply(self, images, labels, keys):
            return images * self.share, labels
"""


@pytest.fixture(autouse=True)
def _own_registry(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a test registers is gone afterwards."""
    monkeypatch.setattr(registry, "_things", dict(registry._things))


def read_entry_points(monkeypatch: pytest.MonkeyPatch) -> None:
    points = Registry[Any]("augmentation operation", group=GROUP)._points
    monkeypatch.setitem(vars(registry), "_points", points)


def test_an_operation_of_a_plug_in_is_saved_with_its_package(
    install: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    install("halve-it", HALVES, f"{GROUP}: halve = halve_it:Halve")
    read_entry_points(monkeypatch)
    operation: Any = tk.augment.from_config({"op": "halve", "share": 0.3})
    config = json.loads(json.dumps(tk.augment.pipeline(operation).to_config()))
    assert operation.to_config() == {"op": "halve", "from": "halve-it", "share": 0.3}
    assert tk.augment.from_config(config) == tk.augment.pipeline(operation)
    registry._things.pop("halve")
    monkeypatch.setitem(vars(registry), "_points", {})
    with pytest.raises(UnknownNameError) as caught:
        tk.augment.from_config(config)
    assert str(caught.value).startswith(
        "augment.from_config: there is no augmentation operation called 'halve'; the file says "
        "that the package 'halve-it' brings it. "
    )
    assert str(caught.value).endswith(" pip install halve-it")


def test_what_makes_no_operations_is_refused_with_its_package(
    install: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    install("halve-it", "Halve = 3", f"{GROUP}: halve = halve_it:Halve")
    read_entry_points(monkeypatch)
    with pytest.raises(PluginError, match=r"the package halve-it 1\.2 gives an instance of int"):
        tk.augment.from_config({"op": "halve"})
    assert tk.augment.from_config({"op": "flip"}) == tk.augment.flip()
