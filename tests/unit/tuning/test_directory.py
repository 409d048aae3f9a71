"""What lies in a search's directory, and whose it is."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from searched import fits_take_no_time, needs_keras_tuner, refused, searched

pytestmark = needs_keras_tuner


@pytest.fixture(autouse=True)
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    fits_take_no_time(monkeypatch)


def test_another_search_in_the_same_directory_is_refused(tmp_path: Path) -> None:
    searched(max_trials=1, directory=tmp_path)
    assert refused(directory=tmp_path, seed=1, strategy="grid") == (
        "tune: the directory holds another search: strategy and seed differ. Expected "
        "strategy='random', seed=0. Received: strategy='grid', seed=1. "
        "tk.tune(space, photos, directory='another')"
    )
    facts = json.loads((tmp_path / "search.json").read_text())
    assert facts["images"] == [12, 8]


def test_several_processes_need_a_directory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KERASTUNER_ORACLE_IP", "127.0.0.1")
    assert refused() == (
        "tune: several processes search together, and each would have a folder of its own. "
        "Expected a directory that all of them reach. Received: directory=None. "
        "tk.tune(space, photos, directory='search')"
    )
