from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import run_notebooks


def cell(source: str, *tags: str, outputs: Any = (), kind: str = "code") -> dict[str, Any]:
    made: dict[str, Any] = {"cell_type": kind, "source": [source], "metadata": {}}
    if tags:
        made["metadata"]["tags"] = list(tags)
    return {**made, "outputs": list(outputs)} if kind == "code" else made


def notebook(*cells: dict[str, Any]) -> dict[str, Any]:
    return {"cells": list(cells), "metadata": {}, "nbformat": 4, "nbformat_minor": 5}


def output(**data: str) -> dict[str, Any]:
    kinds = {"html": "text/html", "png": "image/png", "plain": "text/plain"}
    return {
        "output_type": "execute_result",
        "data": {kinds[kind]: value for kind, value in data.items()},
    }


def test_a_cell_shows_what_its_tags_ask_for() -> None:
    made = notebook(
        cell("# text", kind="markdown"),
        cell("photos", "shows:text/html", outputs=[output(html="<table>", plain="Data")]),
        cell("plot()", "shows:image/png", outputs=[output(png="iVBO")]),
        cell("x = 1", "another-tag"),
    )
    assert run_notebooks.missing(made) == []


def test_what_is_not_shown_is_named_with_its_cell() -> None:
    made = notebook(
        cell("photos", "shows:text/html", outputs=[output(plain="Data")]),
        cell("plot()", "shows:image/png", "shows:text/html", outputs=[output(png="")]),
        cell("plot()", "shows:image/png"),
    )
    assert run_notebooks.missing(made) == [
        "cell 0 shows no text/html: 'photos'",
        "cell 1 shows no image/png: 'plot()'",
        "cell 1 shows no text/html: 'plot()'",
        "cell 2 shows no image/png: 'plot()'",
    ]


def test_outputs_that_are_kept_are_refused_and_nothing_is_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run_notebooks, "run", lambda *_: pytest.fail("it was run"))
    counted = {**cell("x"), "execution_count": 3}
    path = tmp_path / "kept.ipynb"
    path.write_text(json.dumps(notebook(cell("x", outputs=[output(plain="1")]), counted)))
    assert list(run_notebooks.complaints(path, tmp_path)) == [
        "cell 0 holds outputs; clear them before it is committed",
        "cell 1 holds outputs; clear them before it is committed",
    ]


@pytest.mark.parametrize("trouble", [None, "cell 3: \x1b[31mZeroDivisionError\x1b[0m"])
def test_a_cell_that_raises_fails_and_is_told_without_colours(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    trouble: str | None,
) -> None:
    def run(path: Path, folder: Path) -> dict[str, Any]:
        if trouble is not None:
            raise RuntimeError(trouble)
        return run_notebooks.read(path)

    monkeypatch.setattr(run_notebooks, "run", run)
    monkeypatch.setattr(run_notebooks, "make_workplace", Path.mkdir)
    path = tmp_path / "first.ipynb"
    path.write_text(json.dumps(notebook(cell("1 / 0"))))
    assert run_notebooks.main([str(path)]) == (trouble is not None)
    said = capsys.readouterr().out
    assert ("  cell 3: ZeroDivisionError\n" in said) == (trouble is not None)
    assert said.endswith(
        "1 notebooks ran, 0 failed\n" if trouble is None else "0 notebooks ran, 1 failed\n"
    )


def test_without_a_notebook_there_is_nothing_to_pass(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run_notebooks, "ROOT", tmp_path)
    monkeypatch.setattr(run_notebooks, "NOTEBOOKS", tmp_path / "docs" / "notebooks")
    assert run_notebooks.main([]) == 1


def test_the_notebooks_here_are_kept_clean_and_ask_for_pages_and_pictures() -> None:
    found = sorted(run_notebooks.NOTEBOOKS.glob("*.ipynb"))
    assert found
    for path in found:
        made = run_notebooks.read(path)
        assert run_notebooks.stored(made) == []
        asked = {kind for each in made["cells"] for kind in run_notebooks.wanted(each)}
        assert asked == {"text/html", "image/png"}
