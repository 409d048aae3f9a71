"""The command line: run what is missing, keep each trial at once, write the page."""

from __future__ import annotations

import argparse
import gc
import time
import traceback
from collections.abc import Iterator, Sequence
from pathlib import Path

import keras
from rows import SkippedError

from accuracy import report
from accuracy.tables import Run, Table, all_tables
from accuracy.trials import Store

__all__ = ["main"]


def main(arguments: Sequence[str], *, assets: Path | None, figures: Path, page: Path) -> int:
    """Run it; the exit code is 1 if a trial failed.

    Args:
        arguments: Of the command line.
        assets: Where real pictures and weights lie.
        figures: The file of trials.
        page: What is written from it.
    """
    options = parsed(arguments)
    tables = all_tables(assets or Path("no-assets"))
    store = Store(figures)
    if options.list:
        print("\n".join(map(listed, tables)))
        return 0
    failures = 0
    for table, row, seed, run in [] if options.page else missing(tables, store, options):
        failures += not kept(store, table, row, seed, run)
    page.write_text(report.markdown(tables, store), encoding="utf-8")
    print(f"written to {page}")
    return 1 if failures else 0


def parsed(arguments: Sequence[str]) -> argparse.Namespace:
    """The command line's options."""
    parser = argparse.ArgumentParser(prog="nox -s bench -- accuracy", description=__doc__)
    parser.add_argument(
        "only", nargs="*", help="what a table's or row's name begins with, as 'recipes, insects'"
    )
    parser.add_argument("--list", action="store_true", help="name the tables, and run nothing")
    parser.add_argument("--page", action="store_true", help="write the page of what there is")
    parser.add_argument("--again", action="store_true", help="run anew what has been run")
    parser.add_argument("--seeds", type=int, help="the first so many seeds of each row")
    return parser.parse_args(arguments)


def listed(table: Table) -> str:
    """A table and its rows."""
    rows = "".join(f"\n    {row}" for row in table.rows)
    return f"{table.name} (about {table.minutes:g} min, {len(table.seeds)} seeds){rows}"


def missing(
    tables: Sequence[Table], store: Store, options: argparse.Namespace
) -> Iterator[tuple[Table, str, int, Run]]:
    """What is to be run: of each table seed by seed, so that rows grow alike."""
    for table in tables:
        for seed in table.seeds[: options.seeds]:
            for row, run in table.rows.items():
                wanted = not options.only or any(
                    name.startswith(given) for given in options.only for name in (table.name, row)
                )
                if wanted and (options.again or not store.has(table.name, row, seed)):
                    yield table, row, seed, run


def kept(store: Store, table: Table, row: str, seed: int, run: Run) -> bool:
    """Run one trial and keep it; what fails is told, and the others go on."""
    began = time.perf_counter()
    try:
        trial = run(seed)
    except SkippedError as skip:
        print(f"{table.name} | {row} | {seed}: left out, {skip}", flush=True)
        return True
    except Exception:  # the other trials go on
        traceback.print_exc()
        print(f"{table.name} | {row} | {seed}: FAILED", flush=True)
        return False
    finally:
        keras.backend.clear_session()
        gc.collect()
    store.add(table.name, row, seed, trial)
    seen = dict(trial.numbers) or f"{trial.bits().mean():.4f}"
    took = time.perf_counter() - began
    print(f"{table.name} | {row} | {seed}: {seen} {trial.told} ({took:.0f} s)", flush=True)
    return True
