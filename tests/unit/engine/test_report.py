"""The engine's report as a value: what it prints, and that a file keeps it."""

from __future__ import annotations

import json

from transferkit.engine.report import EngineReport, PhaseReport

CACHED = PhaseReport(
    "fine-tuning",
    cut=("block4_pool",),
    cached=True,
    why="no augmentation: every epoch has the same pixels",
    bytes_per_image=200704,
    images=120,
    views=1,
    saved=0.91,
    extracted=120,
    precision={"prefix": "bfloat16", "tail": "float32"},
    xla=("tail",),
    notes=("OpenVINO is not installed",),
)
PLAIN = PhaseReport("training", why="no layer at the beginning is frozen")


def test_it_says_what_was_cut_and_why() -> None:
    text = repr(EngineReport("AMD EPYC, 2 cores", (CACHED, PLAIN)))
    assert text.splitlines() == [
        "Engine: 2 phases on AMD EPYC, 2 cores",
        "  1. fine-tuning: no augmentation: every epoch has the same pixels",
        "     cut behind block4_pool (91% of the work), 201 kB a picture",
        "     prefix bfloat16, tail float32; XLA: tail; by tensorflow",
        "     OpenVINO is not installed",
        "  2. training: no layer at the beginning is frozen",
        "     float32; XLA: none; by tensorflow",
    ]


def test_a_notebook_gets_a_table() -> None:
    html = EngineReport("a laptop", (CACHED, PLAIN))._repr_html_()
    assert "block4_pool" in html
    assert "201 kB" in html
    assert html.count("<tr>") == 3


def test_it_survives_a_file() -> None:
    report = EngineReport("AMD EPYC, 2 cores", (CACHED, PLAIN))
    again = EngineReport.from_config(json.loads(json.dumps(report.to_config())))
    assert again == report
    assert EngineReport.from_config({}) == EngineReport()


def test_two_trainings_in_a_row_have_one_report() -> None:
    both = EngineReport("one", (CACHED,)).extended(EngineReport("two", (PLAIN,)))
    assert both.device == "two"
    assert list(both) == [CACHED, PLAIN]
    assert len(both) == 2
