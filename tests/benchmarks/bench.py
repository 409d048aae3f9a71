"""Measures the engine, row by row: ``nox -s bench -- [row ...]``; ``--list`` says what there is.

``nox -s bench -- accuracy`` measures what recipes, ranks and checks are worth; see `accuracy`.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
import traceback
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

# Before anything imports TensorFlow, which reads them once.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "-1")
os.environ["KERAS_BACKEND"] = "tensorflow"

import page
import record
from record import Entries, Entry
from rows import Row, Setting, SkippedError, all_rows

from transferkit._text import duration, text_table

ROOT = Path(__file__).resolve().parents[2]
FIGURES = ROOT / "docs" / "performance.json"
PAGE = ROOT / "docs" / "performance.md"
ACCURACIES = ROOT / "docs" / "accuracy.json"


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line; the exit code is 1 if a row failed."""
    # Keras complains of the default value of its own argument.
    warnings.filterwarnings("ignore", "`shuffle=True` was passed, but will be ignored")
    given = list(sys.argv[1:] if arguments is None else arguments)
    if given[:1] == ["accuracy"]:
        return measure_accuracies(given[1:])
    options = parsed(given)
    rows = all_rows()
    unknown = [name for name in options.rows if name not in rows]
    if unknown:
        print(f"no row is called {', '.join(unknown)}; there are {', '.join(rows)}")
        return 2
    if options.list:
        print(listed(rows))
        return 0
    if options.apart:
        return run_here(rows[options.rows[0]], options)
    return run(rows, options)


def measure_accuracies(arguments: Sequence[str]) -> int:
    """The section of accuracies, which has a command line of its own."""
    from accuracy import command

    with tempfile.TemporaryDirectory(prefix="accuracy-") as cache:
        os.environ["TRANSFERKIT_CACHE"] = cache
        page = ACCURACIES.with_suffix(".md")
        return command.main(arguments, assets=assets(), figures=ACCURACIES, page=page)


def parsed(arguments: Sequence[str] | None) -> argparse.Namespace:
    """The command line's options."""
    parser = argparse.ArgumentParser(prog="nox -s bench --", description=__doc__)
    parser.add_argument("rows", nargs="*", metavar="row", help="the rows to run; all by default")
    parser.add_argument("--list", action="store_true", help="say what there is, and run nothing")
    parser.add_argument(
        "--rounds", type=int, help="pairs to time, instead of each row's own number"
    )
    parser.add_argument(
        "--small",
        action="store_true",
        help="tiny pictures and few pairs: tests the rows in a minute or two; the figures mean "
        "nothing and are written into a temporary folder",
    )
    parser.add_argument(
        "--page", action="store_true", help="write the page of the figures that there are"
    )
    parser.add_argument("--apart", type=Path, metavar="RESULT", help=argparse.SUPPRESS)
    return parser.parse_args(arguments)


def listed(rows: Mapping[str, Row]) -> str:
    """Every row, what it compares, its targets and how long it takes."""
    lines = []
    for name, row in rows.items():
        lines.append(f"{name} (about {row.minutes:g} min)\n    {row.compares}")
        lines += [f"    {label}: {page.bound(target)}" for label, target in row.targets.items()]
    return "\n".join(lines)


def run(rows: Mapping[str, Row], options: argparse.Namespace) -> int:
    """Run the rows that were asked for, and write figures and page behind each of them."""
    chosen = options.rows or ([] if options.page else list(rows))
    failures = 0
    with tempfile.TemporaryDirectory(prefix="bench-") as temporary:
        figures, written = FIGURES, PAGE
        if options.small:
            figures, written = Path(temporary, FIGURES.name), Path(temporary, PAGE.name)
        for name in chosen:
            print(f"{name}: {rows[name].compares}", flush=True)
            began = time.perf_counter()
            entry = outcome(rows[name], options, Path(temporary, name))
            failures += bool(entry.failure) and not skipped(entry)
            print(told(rows[name], entry, time.perf_counter() - began), flush=True)
            record.write(figures, record.merge(record.read(figures), name, entry))
        written.write_text(page.markdown(rows, record.read(figures)), encoding="utf-8")
        print(summary(rows, record.read(figures)))
        print("small: nothing was written" if options.small else f"written to {written}")
    return 1 if failures else 0


def outcome(row: Row, options: argparse.Namespace, folder: Path) -> Entry:
    """Run one row: in a process of its own, or in this one if it is small."""
    if options.small:
        return measured_here(row, options, folder)
    return measured_apart(row, options, folder)


def measured_apart(row: Row, options: argparse.Namespace, folder: Path) -> Entry:
    """Run one row in a process of its own, so that a crash ends this row alone."""
    result = folder.with_suffix(".json")
    command = [sys.executable, __file__, row.name, "--apart", str(result)]
    if options.rounds:
        command += ["--rounds", str(options.rounds)]
    done = subprocess.run(command, check=False)
    if not result.exists():
        return record.failed(f"its process ended with code {done.returncode}")
    return Entry.from_config(json.loads(result.read_text(encoding="utf-8")))


def run_here(row: Row, options: argparse.Namespace) -> int:
    """What the process of one row does: measure, and leave the entry in a file."""
    entry = measured_here(row, options, options.apart.with_suffix(""))
    options.apart.write_text(json.dumps(asdict(entry)), encoding="utf-8")
    return 0


def measured_here(row: Row, options: argparse.Namespace, folder: Path) -> Entry:
    """Run one row in this process, with a cache of its own that begins empty."""
    from machine import described

    folder.mkdir(parents=True, exist_ok=True)
    os.environ["TRANSFERKIT_CACHE"] = str(folder / "cache")
    setting = Setting(folder, assets(), options.small, options.rounds)
    began = time.perf_counter()
    try:
        machine = described(256 if options.small else 2048)
        result = row.measure(setting)
    except SkippedError as skip:
        return record.failed(f"{SKIPPED}{skip}")
    except Exception as error:  # the other rows go on
        traceback.print_exc()
        return record.failed(f"{type(error).__name__}: {error}")
    return record.measured(result, time.perf_counter() - began, machine)


SKIPPED = "left out, "


def skipped(entry: Entry) -> bool:
    """Whether the row had nothing to measure here, which is no failure."""
    return SKIPPED in entry.failure


def assets() -> Path | None:
    """The folder of real pictures and weights, if there is one."""
    folder = Path(os.environ.get("TRANSFERKIT_ASSETS") or ROOT.parent / "shared" / "assets")
    return folder if folder.is_dir() else None


def told(row: Row, entry: Entry, seconds: float) -> str:
    """What became of a row, as text."""
    if entry.failure:
        verdict = "SKIPPED" if skipped(entry) else "FAILED"
        return f"    {verdict} {entry.failure} ({duration(seconds)})"
    lines = []
    for figure in entry.figures:
        target = row.targets.get(figure.label)
        aim = f", target {page.bound(target)}" if target else ""
        shown = page.verdict(target, figure.value)
        lines.append(f"    {figure.label}: {shown}{aim}; {figure.seen}")
    return "\n".join([*lines, f"    ({duration(seconds)})"])


def summary(rows: Mapping[str, Row], entries: Entries) -> str:
    """The table of all rows, those of earlier runs included."""
    lines = page.table_lines(rows, entries)
    short = [[name.strip("`"), what, *rest] for name, what, *rest in lines]
    return text_table(page.HEADER, short, left=2)


if __name__ == "__main__":
    sys.exit(main())
