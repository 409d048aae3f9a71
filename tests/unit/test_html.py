"""What a notebook shows of our values: well-formed, without colours, and nothing in it trusted."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import transferkit as tk
from transferkit import _keras, evaluate, heads
from transferkit.cache import CacheInfo, EntryInfo
from transferkit.check import TransferCheck
from transferkit.data.similar import NearDuplicates
from transferkit.engine.report import EngineReport, PhaseReport
from transferkit.history import EpochRecord, History
from transferkit.ranking import Candidate, Ranking
from transferkit.rate_search import RateSearch
from transferkit.recommend import Recommendation
from transferkit.select import LayerTable
from transferkit.tuning import TrialResult, Tuning

EVIL = "<script>alert('x')</script>"
OTHER = '"><img src=x onerror=y>\x1b[31m\n&amp;\udc80'
NAMES = (EVIL, OTHER)


@dataclass(frozen=True)
class Hostile:
    """An augmentation of somebody else's, whose text is markup."""

    def apply(self, images: Any, labels: Any, keys: Any) -> tuple[Any, Any]:
        return images, labels

    def __repr__(self) -> str:
        return EVIL


def plan() -> tk.Plan:
    return tk.Plan((tk.Phase(1, name=EVIL, freeze=tk.freeze.nothing(), batch_size=4),))


def backbone() -> Any:
    keras = _keras.keras()
    pixels = keras.Input((8, 8, 3))
    network = keras.Model(pixels, keras.layers.Conv2D(2, 3, name="conv")(pixels), name="tiny")
    return tk.backbones.from_keras(network, name=EVIL)


def photos() -> tk.data.Data:
    pixels = np.random.default_rng(0).integers(0, 256, (8, 8, 8, 3), dtype=np.uint8)
    return tk.data.from_arrays(pixels, np.arange(8) % 2, class_names=NAMES, val=0.25)


@cache
def trained() -> tk.TrainedModel:
    return tk.TransferModel(backbone()).fit(photos(), plan(), verbose=0)


def alike() -> NearDuplicates:
    places = (("train", 0), ("val", 1))
    return NearDuplicates((places,), {place: Path(EVIL) for place in places}, 2)


def history() -> History:
    return History((EpochRecord(0, 0, EVIL, {EVIL: 1.0, "loss": float("nan")}, 1.0, 1e-3),))


def cached() -> CacheInfo:
    when = datetime(2026, 1, 2)
    entries = (EntryInfo("0" * 32, {text: text}, 3, when, False) for text in NAMES)
    return CacheInfo(Path(OTHER), 10, tuple(entries), 1)


def engine_report() -> EngineReport:
    phase = PhaseReport(EVIL, cut=(OTHER,), why=EVIL, precision={EVIL: OTHER}, notes=(EVIL,))
    return EngineReport(OTHER, (phase,))


def labelled() -> evaluate.Multilabel:
    rows = np.array([[0.9, 0.1], [0.6, 0.4]])
    return evaluate.multilabel(rows, rows.round().astype(int), class_names=NAMES, loss=1.0)


def numbered() -> evaluate.Regression:
    return evaluate.regression([[1.0, 2.0]] * 2, [[1.0, 3.0]] * 2, names=NAMES, loss=1.0)


def search() -> RateSearch:
    rates = np.array([1e-3, 1e-2])
    return RateSearch(1e-3, rates, rates, rates, diverged=False)


def ranking() -> Ranking:
    return Ranking((Candidate(EVIL, {}, problem=OTHER),), ("knn",), 2)


def tuning() -> Tuning:
    trials = (
        TrialResult(OTHER, {EVIL: OTHER, OTHER: 0.5}, score=0.5),
        TrialResult(EVIL, {EVIL: EVIL}, problem=EVIL),
    )
    return Tuning(trials, EVIL, "max", Path(EVIL))


def advice() -> Recommendation:
    return Recommendation(plan(), (OTHER,), checked(), ranking(), 9)


def checked() -> TransferCheck:
    return TransferCheck("none", 0.0, -0.01, 0.01, 0.5, (0.5, 0.5), 0.6, 2, 0.02, OTHER, EVIL)


SHOWN: dict[str, Callable[[], Any]] = {
    "TransferModel": lambda: tk.TransferModel(backbone()).augment(Hostile()),
    "TrainedModel": trained,
    "Data": photos,
    "CacheInfo": cached,
    "EngineReport": engine_report,
    "NearDuplicates": alike,
    "Report": lambda: photos().report,
    "Plan": plan,
    "History": history,
    "LayerTable": lambda: LayerTable.of((EVIL, "InputLayer", 0, 0), block_names=(OTHER,)),
    "Pipeline": lambda: tk.augment.pipeline(Hostile()),
    "Classification": lambda: trained().evaluate(photos().train),
    "TopLosses": lambda: trained().evaluate(photos().train).top_losses(2),
    "Multilabel": labelled,
    "Regression": numbered,
    "Ranking": ranking,
    "RateSearch": search,
    "Recommendation": advice,
    "TransferCheck": checked,
    "Tuning": tuning,
    "Prediction": lambda: heads.Prediction(EVIL, 0.9, {EVIL: 0.9, OTHER: 0.1}),
    "Labels": lambda: heads.Labels(NAMES, {EVIL: 0.9, OTHER: 0.8}),
    "Value": lambda: heads.Value((1.0, 2.5)),
}
BASES = {"Evaluation", "Probabilities"}
"""Those that are shown as one of their subclasses only."""


class Page(HTMLParser):
    """Reads a page, and keeps what stands in it."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: set[str] = set()
        self.styles: list[str] = []
        self.words = ""
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.styles += [value or "" for name, value in attrs if name == "style"]
        assert {name for name, _ in attrs} <= {"style", "title", "colspan"}
        if tag != "br":
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words += data


def test_whatever_is_shown_in_a_notebook_has_a_case() -> None:
    found = set()
    for module in pkgutil.walk_packages(tk.__path__, "transferkit."):
        if ".testing" in module.name:
            continue
        things = vars(importlib.import_module(module.name)).values()
        found |= {
            each.__name__
            for each in things
            if inspect.isclass(each)
            and hasattr(each, "_repr_html_")
            and each.__module__.startswith("transferkit.")
        }
    assert found == set(SHOWN) | BASES


@pytest.mark.parametrize("name", SHOWN)
def test_a_page_is_well_formed_and_trusts_nothing(name: str) -> None:
    text = SHOWN[name]()._repr_html_()
    page = Page(text)
    assert page.tags <= {"table", "caption", "thead", "tbody", "tr", "th", "td", "br", "pre"}
    assert not re.search(r"colou?r|background|bgcolor", " ".join(page.styles))
    assert "\x1b" not in text
    assert "\udc80" not in text
    assert page.words.strip()
    if name not in ("RateSearch", "TrainedModel", "Value"):  # nothing of theirs has a name
        assert EVIL in page.words, "the name is there, as words"
