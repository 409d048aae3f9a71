"""Runs the notebooks of docs/notebooks, each in a fresh kernel: ``python docs/run_notebooks.py``.

A notebook is kept without outputs. It fails if a cell raises, or if a cell that is tagged
``shows:text/html`` or ``shows:image/png`` shows no such thing. They run in a copy of the folder
that ``make_workplace.py`` fills, as the examples of the pages do.

Needs ``pip install nbclient ipykernel``.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from run_blocks import ENVIRONMENT, make_workplace

ROOT = Path(__file__).resolve().parents[1]
NOTEBOOKS = ROOT / "docs" / "notebooks"
SECONDS = 600
"""A cell that takes longer has hung."""

TAG = "shows:"
COLOURS = re.compile(r"\x1b\[[0-9;]*m")


def read(path: Path) -> dict[str, Any]:
    """A notebook as JSON has it."""
    notebook: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return notebook


def stored(notebook: dict[str, Any]) -> list[str]:
    """What a notebook that is kept should not hold: outputs and counts."""
    cells = enumerate(notebook["cells"])
    return [
        f"cell {number} holds outputs; clear them before it is committed"
        for number, cell in cells
        if cell.get("outputs") or cell.get("execution_count") is not None
    ]


def missing(notebook: dict[str, Any]) -> list[str]:
    """What cells of a notebook that was run should have shown, and have not."""
    return [
        f"cell {number} shows no {kind}: {cell_text(cell)!r}"
        for number, cell in enumerate(notebook["cells"])
        for kind in wanted(cell)
        if kind not in shown(cell)
    ]


def wanted(cell: dict[str, Any]) -> list[str]:
    """The kinds of output that a cell's tags ask for."""
    tags = cell["metadata"].get("tags", ())
    return [tag.removeprefix(TAG) for tag in tags if tag.startswith(TAG)]


def shown(cell: dict[str, Any]) -> set[str]:
    """The kinds of output that a cell has, empty ones left out."""
    outputs = cell.get("outputs", ())
    return {kind for each in outputs for kind, value in each.get("data", {}).items() if value}


def cell_text(cell: dict[str, Any]) -> str:
    """What stands in a cell, shortened."""
    text = "".join(cell["source"])
    return text if len(text) < 60 else f"{text[:57]}..."


def run(path: Path, folder: Path) -> dict[str, Any]:
    """Run a notebook in a fresh kernel.

    Args:
        path: The notebook.
        folder: Where the kernel works.

    Returns:
        The notebook with its outputs.

    Raises:
        nbclient.exceptions.CellExecutionError: If a cell raises, or takes too long.
    """
    import nbclient
    import nbformat

    os.environ.update(ENVIRONMENT, KERAS_HOME=str(folder / ".keras"))
    os.environ["TRANSFERKIT_CACHE"] = str(folder / ".transferkit")
    notebook = nbformat.read(path, as_version=4)
    resources = {"metadata": {"path": str(folder)}}
    client = nbclient.NotebookClient(
        notebook, timeout=SECONDS, kernel_name="python3", resources=resources
    )
    done: dict[str, Any] = client.execute()
    return done


def complaints(path: Path, folder: Path) -> Iterator[str]:
    """What is wrong with one notebook; it is run if nothing is wrong with it as it lies there."""
    kept = stored(read(path))
    yield from kept
    if kept:
        return
    try:
        done = run(path, folder)
    except Exception as error:  # whatever a cell raises; the kernel's own troubles too
        yield COLOURS.sub("", str(error))
    else:
        yield from missing(done)


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line; returns the exit code."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("files", nargs="*", type=Path, help="notebooks; all by default")
    given = [path.resolve() for path in parser.parse_args(arguments).files]
    files = given or sorted(NOTEBOOKS.glob("*.ipynb"))
    if not files:
        print(f"no notebook found in {NOTEBOOKS.relative_to(ROOT)}")
        return 1
    failed = 0
    with tempfile.TemporaryDirectory(prefix="notebooks-") as temporary:
        workplace = Path(temporary, "workplace")
        make_workplace(workplace)
        for path in files:
            folder = Path(shutil.copytree(workplace, Path(temporary, path.stem)))
            failed += not told(path, folder)
    print(f"{len(files) - failed} notebooks ran, {failed} failed")
    return 1 if failed else 0


def told(path: Path, folder: Path) -> bool:
    """Run one notebook and print what became of it; True if nothing is wrong."""
    began = time.perf_counter()
    found = list(complaints(path, folder))
    name = path.relative_to(ROOT) if path.is_relative_to(ROOT) else path
    seconds = time.perf_counter() - began
    print(f"{name}: {'FAILED' if found else 'ran'} ({seconds:.0f} s)")
    for complaint in found:
        print(f"  {complaint}")
    sys.stdout.flush()
    return not found


if __name__ == "__main__":
    raise SystemExit(main())
